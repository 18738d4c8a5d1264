/*
 * The typed frames between our own processes, and the codec that puts them together and takes them apart.
 *
 * One datagram on a SEQPACKET socket is one message: a type byte, then its parts, integers little-endian, byte strings
 * with a 32-bit length before them, and at most one descriptor. A reader must take every part and then call
 * ipc_end; a part that is missing, too long or left over makes the message malformed, and a malformed message from one
 * of our own children is the end of that child.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* The direction stands before each: supervisor S, keeper K, relay R, source C, resolver N. New ones come last. */
enum ipc_type {
    IPC_INVALID = 0,

    /* every role -> S */
    IPC_HELLO, /* u32 pid, fd: its pidfd: hardened and listening */
    IPC_LOG,   /* u8 level, bytes text */

    /* S <-> C */
    IPC_SOURCE,       /* S>C u8 enum source_form, u8 its digest is enough, fd: read the secret there */
    IPC_SOURCE_WHOLE, /* S>C nothing more will be written there: what there is, is all */
    IPC_SECRET, /* C>S u64 expires in ms (0: never), fd: sealed, it or its digest. S>K u32 credential, u64 expires in ms (0: never), fd */
    IPC_SOURCE_FAILED, /* C>S u8 enum source_fault */

    /* S -> K */
    IPC_TRUST,      /* fd: a PEM bundle that is trusted beside the system's directory. S>V S>L too */
    IPC_CREDENTIAL, /* egress/credential_codec.h */
    IPC_CA_FILE,    /* u32 credential, fd: a PEM file that it trusts instead. S>V u32 0, fd: for IPC_VERIFIER's URL */
    IPC_RESOLVER,   /* fd: a channel to N */
    IPC_TIMEOUTS,   /* u64 each: head idle body write stream connect. S>R too */
    IPC_GRANT,      /* u32 credential, u32 identity, u64 requests and u64 bytes spent, u64 ttl left ms (0: none);
                       again when that was changed */
    IPC_REVOKE,     /* u32 credential, u32 identity, u8 enum refusal: that lease has ended */
    IPC_DROP,       /* u32 identity: nobody has leases in its name any more */
    IPC_BLOCK,      /* u8: while it is 1 the audit cannot be written, and no request may pass */
    IPC_STREAM,     /* S>K u64 stream, u32 credential, u32 identity, u8 may use it, fd.
                       S>R u32 door, u32 dial, u64 stream, fd */

    /* K -> S */
    IPC_EXCHANGE,     /* egress/audit/audit_codec.h */
    IPC_SPENT,        /* u32 credential, u32 identity, u8 enum refusal: that lease has ended by itself */
    IPC_CLAIMED,      /* u32 credential, u32 identity, u64 bytes in all that are about to be spent */
    IPC_STREAM_ENDED, /* u64 stream: no more will be said of it. R>S too */

    /* S -> R */
    IPC_DOOR,      /* egress/credential_codec.h; fd: the broker's end of a lease channel */
    IPC_NO_STREAM, /* u32 door, u32 dial: it is refused */
    IPC_NO_KEEPER, /* u32 door, u32 dial, u64 stream: it is granted, and its requests are answered 503 */

    /* R -> S */
    IPC_DIAL,    /* u32 door, u32 dial: a number of the relay's, u32 pid, fd?: the asker's pidfd */
    IPC_REFUSAL, /* u64 stream, u16 status, u32 number of the exchange or 0, u8 a keeper had it, bytes method, path,
                    reason: a request that no keeper accounts for */

    /* K <-> N */
    IPC_LOOKUP,    /* K>N u32 query, bytes host */
    IPC_ADDRESSES, /* N>K u32 query, u8 ok, u32 ttl s, u8 n, n * bytes address; or, not ok, bytes reason */

    /* on the pair of one stream: R -> K */
    IPC_ACCEPTED, /* K>R first of all: it will be served */
    IPC_REQUEST,  /* egress/exchange_codec.h */
    IPC_INTERIM,  /* K>R, likewise */
    IPC_RESPONSE, /* K>R, likewise */
    IPC_DATA,     /* both: u8 end, bytes data */
    IPC_ABORT,    /* both: u16 status, bytes reason: the exchange ends here, incomplete */

    /* on the control socket, `credfd lease` (L) and S: egress/control_codec.h */
    IPC_LEASE_LIST,    /* L>S */
    IPC_LEASE,         /* S>L one lease */
    IPC_LEASE_END,     /* S>L there is no other */
    IPC_LEASE_REVOKE,  /* L>S u32 number */
    IPC_LEASE_REVOKED, /* S>L u8 enum revocation */

    /* S <-> exporter E */
    IPC_LISTENER, /* S>E fd: accept there */
    IPC_SCRAPE,   /* E>S the metrics, please; not again before they have come */
    IPC_METRICS,  /* S>E u8 end, bytes text: the next part of them. None at all: they cannot be had now */

    /* ingress: dispatcher D (the relay of people), pairer P, steward W, verifier V, doorman M */
    IPC_FRONT,      /* S>D ingress/front/front_codec.h: who may name a person, and how */
    IPC_DIGEST,     /* S>D fd: the digest of the secret that a front shows */
    IPC_RECIPE,     /* S>D S>P S>W ingress/pairing/recipe_codec.h: one kind of instance */
    IPC_TABLE,      /* S>D S>P S>W fd: ingress/table/table.h, sealed */
    IPC_PEER,       /* S>all u8 enum peer_role, u32 its number, fd: a channel to that role; the one before is closed */
    IPC_LISTEN,     /* S>D S>M u32 listener, u8 enum listener_kind, fd: accept there */
    IPC_ACCESS_LOG, /* S>D fd: append there; S>D none: nowhere any more */
    IPC_DRAIN,      /* S>D S>M u64 ms: accept no more; what is still open by then is ended */
    IPC_DRAINED,    /* D>S M>S nothing is open any more */
    IPC_TALLY,      /* D>S ingress/desk/tally.h: what was counted since the last */
    IPC_SEEN,       /* D>S ingress/desk/tally.h: what one person did since the last */
    IPC_STATUS_ASK, /* D>S u32 question: the page for administrators, please */
    IPC_STATUS,     /* S>D u32 question, u8 end, bytes html */

    /* D <-> P */
    IPC_SESSION,        /* ingress/pairing/session_codec.h: is there a session, and can there be one */
    IPC_SESSION_ANSWER, /* likewise */

    /* P <-> S */
    IPC_MINT,        /* P>S u32 mint, u64 table, u32 instance: run the mint command for it */
    IPC_MINT_OUTPUT, /* S>P u32 mint, fd: what it prints; no fd: it could not be started */
    IPC_MINT_ENDED,  /* S>P u32 mint, u8 enum command_end, u32 wait status */
    IPC_MINT_STOP,   /* P>S u32 mint: its output is no use; end it */
    IPC_PAIRED,      /* P>S u64 table, u32 instance, u8 enum pairing_fault, u8 exchange that was the last (0: the
                        first of its recipe; more: a fallback), bytes reason */

    /* D <-> W, W <-> S */
    IPC_WAKE,         /* D>W u32 question, u64 table, u32 instance: it does not answer */
    IPC_AWAKE,        /* W>D u32 question, u8 enum wake_state, bytes reason */
    IPC_ACTIVITY,     /* D>W u64 table, u32 instance, u32 requests since the last, u32 exchanges and tunnels open */
    IPC_COMMAND,      /* W>S u32 number, u8 enum steward_command, u64 table, u32 instance: run that command for it */
    IPC_COMMAND_DONE, /* S>W u32 number, u8 enum command_end, u32 wait status */
    IPC_HEALTH_ASK,   /* S>W somebody looks: ask the instances */
    IPC_HEALTH,       /* W>S u64 table, u32 instance, u8 enum health, u32 ms that its answer took */
    IPC_STEWARD,      /* S>W ingress/steward/steward_codec.h */

    /* D <-> V, S -> V */
    IPC_ASSERTION, /* D>V u32 question, bytes token */
    IPC_ASSERTED,  /* V>D u32 question, u8 is good, u64 ms that it stays good, bytes name or reason */
    IPC_KEYS,      /* S>V fd: a file of keys (JWKS) */
    IPC_VERIFIER,  /* S>V ingress/front/assertion_codec.h: what an assertion must say, where its keys are */

    /* M -> D, S -> M */
    IPC_GUEST,   /* M>D u32 listener, bytes address (4 or 16), bytes name in its certificate, fd: what it says, in the
                    clear */
    IPC_DOORMAN, /* S>M u8 enum tls_part, fd: certificate, key, CA of those who may enter; the last one makes it so */
    IPC_NAMES,   /* S>M u8 n, n * bytes: names of which a certificate must have one */

    /* S -> P: u32 mints of one person (0: any number), u64 in so many ms, u64 ms that a mint may take, u64 ms to connect
       to an instance, u64 ms for its answer. Before anything else, and again after a reload */
    IPC_PAIRER,

    /* fleet: the runner's supervisor S, its link L, a task's process T, its executor X, the probe Q of a CLI */
    IPC_LINK,         /* S>L fleet/link/link_codec.h: where the hub is, and who we are */
    IPC_LINK_WANTS,   /* L>S it is about to connect: may it say that the broker works here? */
    IPC_LINK_CONNECT, /* S>L u8: connect now, and say so (1) or not */
    IPC_LINK_UP,      /* L>S u8 the hub acknowledges results by word, bytes worknode_id, bytes name: it was welcomed, or
                         has waited for that long enough; again when the word comes later */
    IPC_LINK_DOWN,    /* L>S u64 ms to the next attempt, bytes reason */
    IPC_TASK_KEY,     /* L>S bytes task_id, bytes base_url, fd: the key, sealed; right before its IPC_TASK */
    IPC_TASK, /* L>S u8 enum operation, bytes task_id, bytes trace_id, bytes source_id, bytes fault, fd?: the order,
                         sealed (fleet/order.h). With a fault (a whole sentence) there is no order: it is refused so */
    IPC_TASK_CANCEL,    /* L>S bytes task_id. S>T S>X u8 enum cancel_reason */
    IPC_TASK_OUTPUT,    /* T>S u8 enum task_stream, bytes text: whole characters. S>L bytes task_id, u8, bytes text */
    IPC_RESULT,         /* S>L u64 number, bytes task_id, fd: its record (fleet/spool/record.h), to be sent */
    IPC_RESULT_SETTLED, /* L>S u64 number, u8 acknowledged by word: the hub has it */
    IPC_TASK_PLAN,      /* S>T S>X fleet/task_plan.h */
    IPC_TASK_RULES,     /* S>T likewise: what bash may run */
    IPC_TASK_SPOOL,     /* S>T fd: the spool's directory */
    IPC_TASK_ORDER,     /* S>T fd: the order; the last of what it must know: it begins */
    IPC_TASK_SECRET,    /* S>T fd: a key for the command's environment, where there is no lease of it */
    IPC_TASK_LEASE, /* S>X fd: the workload's end of a lease channel. S>T bytes env: what goes with it, `NAME=VALUE` each
                         ended by a NUL */
    IPC_TASK_CGROUP, /* S>X fd: the directory of a cgroup made for it */
    IPC_TASK_DONE, /* T>S u8 enum task_outcome, u32 exit status, u64 ms it ran, u64 bytes it printed: ID.result is on the disk.
                         fd?: it could not be written, and is here */
    IPC_EXEC,        /* T>X fleet/task/exec_codec.h: run that */
    IPC_EXEC_PIPE,   /* X>T u8 enum task_stream, fd: read there what it prints */
    IPC_EXEC_BEGUN,  /* X>T X>S u32 pid */
    IPC_EXEC_FAILED, /* X>T u32 errno, bytes what: it could not be run */
    IPC_EXEC_ENDED,  /* X>T u32 wait status, u8 enum exec_end, u8 it was told to end before it was over: it is now, and
                         nothing of it is left */
    IPC_EXEC_STOP,   /* T>X its time is over: as IPC_TASK_CANCEL */
    IPC_PROBE,       /* S>Q fd: read there what a CLI prints; again without: nothing more will be written there */
    IPC_PROBED,      /* Q>S u8 it knows the lease channel, bytes why not */
    IPC_RUNNER_ASK,  /* on the control socket, L>S: how is the runner? */
    IPC_RUNNER_STATUS, /* likewise, S>L u8 end, bytes text: an object of JSON, in parts */
    IPC_TASK_ENVIRONMENT, /* S>T bytes env: `NAME=VALUE` each ended by a NUL, what every command gets; bytes names, each ended
                             by a NUL: variables of an order that hold a key */
    IPC_FORGET, /* S>K u32 credential: nobody has a lease of it any more: its secret is wiped, and it is unknown from now on */

    /* doors where a relay listens, and the gate G, which opens ways to hosts that no credential is bound to */
    IPC_DOOR_LISTEN, /* S>R u8 enum door_kind, u32 door (of the lease; 0 for the proxy), bytes path prefix (empty: none is
                         asked for), fd: accept there */
    IPC_DOOR_PLACE, /* S>R egress/door/place_codec.h: where a lease's upstream is, for the doors that must know */
    IPC_PROXY, /* S>R u64 ms that the authority is good for, fd?: PEM that a trust store for Java is to hold too; without,
                         none is wanted: make the authority. After every IPC_DOOR_PLACE */
    IPC_AUTHORITY,    /* R>S u8 enum authority_part, fd: made memory. Each part that was wanted, once; only then may the
                         command run */
    IPC_CALL,         /* R>S u32 call, u32 door, u16 port from, u16 port to (both 0: a unix socket), u32 pid, fd?: the
                         caller's pidfd: somebody has connected, a stream for him, please */
    IPC_CALL_STREAM,  /* S>R u32 call, u64 stream, fd?: as IPC_STREAM; without: as IPC_NO_KEEPER */
    IPC_CALL_REFUSED, /* S>R u32 call, u16 status, bytes rule, bytes reason, bytes hint: no stream, no way */
    IPC_WAY,      /* R>S u32 call, u16 port from, u16 port to, bytes host, u16 port, u8 plain: a way to that host, which
                         no lease is for. S>G u64 way, bytes host, u16 port */
    IPC_WAY_OPEN, /* G>S u64 way, bytes rule that let it through, fd: connected. S>R u32 call, u64 way, fd */
    IPC_WAY_REFUSED, /* G>S u64 way, u8 enum refusal, bytes rule, bytes reason, bytes hint */
    IPC_WAY_USED, /* R>S u64 way, u8 enum refusal, u16 status, u64 bytes in, u64 bytes out, bytes method, path, reason:
                         an exchange, or all of a tunnel, is over */
    IPC_WAY_CLOSED, /* R>S u64 way: no more will be said of it. S>G u64 way: nobody waits for it any more */
    IPC_GATE,       /* S>G egress/gate/gate_codec.h: the hosts that are let through */
    IPC_PLACEHOLDER, /* S>K u32 credential, u32 identity, bytes text: what stands for that lease's key where it is asked for.
                         S>R u32 door, bytes text */
    IPC_EXFILTRATION, /* K>S u64 stream, u32 credential whose placeholder it was, bytes where: it stood where it does not
                         belong; before the IPC_EXCHANGE that it ends */
    IPC_TURNED_AWAY, /* R>S u64 stream that he was granted (0: none), u32 door of the lease that he asked for (UINT32_MAX:
                         none), u16 port from, u16 port to, u32 pid, u8 enum refusal, u16 status, bytes method, authority,
                         path, reason, fd?: as for IPC_CALL: somebody was refused at a door, and nobody else tells of it */
    IPC_VAULT, /* K>S u32 region, fd: a region of secrets that was made, for the keeper after it; without: it is gone.
                         S>K u32 region, fd: of the keeper before; without: what of those nobody has claimed is wiped */
    IPC_KEPT,  /* K>S u32 credential, u32 region, u16 slot, u16 bytes (0: in no region), u32 errno: its IPC_SECRET is
                         held; or (errno not 0) it is not */
    IPC_SECRET_PLACE, /* S>K u32 credential, u64 expires in ms (0: never), u32 region, u16 slot, u16 bytes: IPC_SECRET, of
                         the keeper before */
    IPC_TYPES
};

const char *ipc_type_name(unsigned type);

/*
 * A message being put together, in this process's one sending buffer: a second ipc_begin before ipc_send is a mistake.
 * A part that does not fit marks the writer as failed, and ipc_send then returns -EMSGSIZE.
 */
struct ipc_writer {
    size_t n;
    bool is_failed;
};

struct ipc_writer ipc_begin(enum ipc_type type);
void ipc_put_u8(struct ipc_writer *w, uint8_t value);
void ipc_put_u16(struct ipc_writer *w, uint16_t value);
void ipc_put_u32(struct ipc_writer *w, uint32_t value);
void ipc_put_u64(struct ipc_writer *w, uint64_t value);
void ipc_put_bytes(struct ipc_writer *w, struct slice bytes);

/*
 * As ipc_put_bytes, for the last part: `bytes` is not copied, it goes out from where it is. `bytes` must live till
 * ipc_send.
 */
void ipc_put_tail(struct ipc_writer *w, struct slice bytes);

/* Bytes as they are, without a length: parts that were put together before. */
void ipc_put_raw(struct ipc_writer *w, struct slice bytes);

/* What has been put together; valid until the next ipc_begin. The tail is not part of it. */
struct slice ipc_writer_bytes(const struct ipc_writer *w);

/*
 * Sends it, with the descriptor `fd` when that is >= 0 (it stays the caller's). Never blocks: 0, -EAGAIN, -EMSGSIZE, or
 * -errno of sendmsg(2); -EPIPE and -ECONNRESET when the other end is gone.
 */
int ipc_send(int socket, const struct ipc_writer *w, int fd);

/* Whether that, or what sends by it, says that the other end is gone. */
static inline bool ipc_is_gone(int r) {
    return r == -EPIPE || r == -ECONNRESET;
}

/*
 * A message being taken apart. Slices look into this process's one receiving buffer: valid until the next ipc_receive.
 */
struct ipc_message {
    uint8_t type;
    struct slice rest;
    int fd;          /* -EBADF without one; the message's until ipc_get_fd */
    bool is_fd_lost; /* one was sent, and this process had no number left for it: the kernel has closed it */
    bool is_failed;
};

/* 1 with a message, 0 at the end of the channel, -EAGAIN, -EPROTO (truncated, or more than one fd) or -errno. */
int ipc_receive(int socket, struct ipc_message *ret);

/* No message is at hand: the buffers' memory is given back until the next one. */
void ipc_rest(void);

/* A message over bytes from elsewhere: for tests and fuzzers. */
struct ipc_message ipc_message_of(struct slice bytes);

/* Zero, or empty, once the message has failed; every caller ends with ipc_end, so none needs to look before. */
uint8_t ipc_get_u8(struct ipc_message *m);
uint16_t ipc_get_u16(struct ipc_message *m);
uint32_t ipc_get_u32(struct ipc_message *m);
uint64_t ipc_get_u64(struct ipc_message *m);

/* `max` bounds the length that is accepted. */
struct slice ipc_get_bytes(struct ipc_message *m, size_t max);

/* The descriptor that came with it, now the caller's. Without one the message has failed and -EBADF comes back. */
int ipc_get_fd(struct ipc_message *m);
static inline bool ipc_has_fd(const struct ipc_message *m) {
    return m->fd >= 0;
}

/* Marks the message as malformed: for a reader that finds a value out of its range. */
static inline void ipc_fail(struct ipc_message *m) {
    m->is_failed = true;
}

/* 0 when every part was there, was taken, and nothing is left; -EPROTO otherwise, and a descriptor left is closed. */
int ipc_end(struct ipc_message *m);
