/* One workload: its relay, its lease channels, and the dials that come in on them. What became of its leases: grant.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/broker_state.h"
#include "egress/credential_codec.h"
#include "wire/glob.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* asm-generic/socket.h, since 6.5 */
#endif

void holder_free(struct holder *holder) {
    struct ipc_writer w = ipc_begin(IPC_DROP);

    ipc_put_u32(&w, holder->identity_number);
    custody_send(holder->broker, &w, -EBADF);
    for (uint32_t i = 0; i < holder->broker->n_credentials; i++)
        if (holder->grants[i].number > 0)
            holder_lease_ended(holder, i, REFUSAL_REVOKED, "its command has ended");
    stream_table_side_gone(&holder->broker->streams, holder);
    free(holder);
}

static int refuse_dial(struct holder *holder, uint32_t lease, uint32_t dial) {
    struct ipc_writer w = ipc_begin(IPC_NO_STREAM);

    ipc_put_u32(&w, lease);
    ipc_put_u32(&w, dial);
    return channel_send(&holder->relay.channel, &w, -EBADF);
}

static int tell_keeper(struct holder *holder, const struct stream_entry *entry, bool may_use, int fd) {
    struct ipc_writer w = ipc_begin(IPC_STREAM);

    ipc_put_u64(&w, entry->id);
    ipc_put_u32(&w, entry->lease);
    ipc_put_u32(&w, holder->identity_number);
    ipc_put_u8(&w, may_use);
    return channel_send(&holder->broker->keeper.child.channel, &w, fd);
}

static int tell_relay(struct holder *holder, const struct stream_entry *entry, uint32_t dial, int fd) {
    struct ipc_writer w = ipc_begin(IPC_STREAM);

    ipc_put_u32(&w, entry->lease);
    ipc_put_u32(&w, dial);
    ipc_put_u64(&w, entry->id);
    return channel_send(&holder->relay.channel, &w, fd);
}

/* By the kernel's word for which program dialled: attribution, and no boundary against code inside of it. */
static bool may_use(const struct credential *credential, const struct asker *asker) {
    for (size_t i = 0; i < credential->n_executables; i++)
        if (glob_matches(slice_of_string(credential->executables[i]), slice_of_string(asker->executable)))
            return true;
    return credential->n_executables == 0;
}

/* Makes the pair on which relay and keeper will talk, and gives each its end. From then on it is theirs. */
static int introduce(struct holder *holder, const struct stream_entry *entry, uint32_t dial) {
    const struct credential *credential = holder->broker->credentials[entry->lease];
    _cleanup_close_ int keeper_end = -EBADF, relay_end = -EBADF;
    int ends[2], r;

    r = fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends);
    if (r < 0)
        return r;
    keeper_end = ends[0];
    relay_end = ends[1];
    r = tell_keeper(holder, entry, may_use(credential, &entry->asker), keeper_end);
    if (r < 0)
        return r;
    return tell_relay(holder, entry, dial, relay_end);
}

/* There is none at the moment: the relay answers in its place. */
static int do_without_keeper(struct holder *holder, struct stream_entry *entry, uint32_t dial) {
    struct ipc_writer w = ipc_begin(IPC_NO_KEEPER);

    entry->is_keeper_done = true;
    ipc_put_u32(&w, entry->lease);
    ipc_put_u32(&w, dial);
    ipc_put_u64(&w, entry->id);
    return channel_send(&holder->relay.channel, &w, -EBADF);
}

static void relay_done(struct holder *holder, struct stream_entry *entry) {
    holder->grants[entry->lease].n_open--;
    stream_table_relay_done(&holder->broker->streams, entry);
}

static int on_dial(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct holder *holder = child->owner;
    struct broker *broker = holder->broker;
    uint32_t lease = ipc_get_u32(m);
    uint32_t dial = ipc_get_u32(m);
    pid_t pid = (pid_t)ipc_get_u32(m);
    _cleanup_close_ int pidfd = ipc_has_fd(m) ? ipc_get_fd(m) : -EBADF;
    struct stream_entry *entry;
    int r;

    if (ipc_end(m) < 0 || lease >= broker->n_credentials)
        return -EPROTO;
    if (!WEAKENED(STREAMS) && holder->grants[lease].n_open == LIMIT_STREAMS)
        return -EPROTO; /* a relay of ours keeps the limit itself, and says what has ended before it dials again */
    entry = stream_table_add(&broker->streams, holder, holder->identity, lease);
    if (!entry)
        return refuse_dial(holder, lease, dial);
    entry->lease_number = holder->grants[lease].number;
    holder->grants[lease].n_open++;
    asker_identify(&entry->asker, pid, pidfd);
    r = broker->is_keeper_serving ? introduce(holder, entry, dial) : -EPIPE;
    if (r == -EPIPE || r == -ECONNRESET)
        r = do_without_keeper(holder, entry, dial);
    if (r == 0)
        return 0;
    log_warning("lease %s: a dial is refused: %s", broker->credentials[lease]->name, strerror(-r));
    entry->is_keeper_done = true; /* should the keeper have heard of it, its report comes too late to count */
    relay_done(holder, entry);
    return refuse_dial(holder, lease, dial);
}

/* A stream of this very relay, or the relay lies. */
static struct stream_entry *get_stream(struct holder *holder, struct ipc_message *m) {
    struct stream_entry *entry = stream_table_find(&holder->broker->streams, ipc_get_u64(m));

    if (!entry || entry->holder != holder || entry->is_relay_done) {
        ipc_fail(m);
        return NULL;
    }
    return entry;
}

static int on_refusal(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct holder *holder = child->owner;
    struct stream_entry *entry = get_stream(holder, m);

    return report_take(holder->broker, entry, m);
}

static int on_stream_ended(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct holder *holder = child->owner;
    struct stream_entry *entry = get_stream(holder, m);

    if (ipc_end(m) < 0 || !entry)
        return -EPROTO;
    relay_done(holder, entry);
    return 0;
}

static int on_relay_hello(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct holder *holder = child->owner;
    int r = child_on_hello(owner, m);

    if (r == 0)
        holder->on_ready(holder->owner);
    return r;
}

static const struct ipc_permit permits[] = {
    {IPC_HELLO, 1, on_relay_hello},
    {IPC_LOG, 1, child_on_log},
    {IPC_DIAL, 1, on_dial},
    {IPC_REFUSAL, 1, on_refusal},
    {IPC_STREAM_ENDED, 1, on_stream_ended},
};

/* Its end of the lease channels went with it: nobody can be told to ask again, so these leases are over. */
static void relay_lost(struct holder *holder, int wait_status) {
    log_error("credfd-relay ended unexpectedly (wait status %#x): its leases are gone", (unsigned)wait_status);
    for (uint32_t i = 0; i < holder->broker->n_credentials; i++)
        holder_lease_ended(holder, i, REFUSAL_REVOKED, "the relay ended unexpectedly");
}

static void relay_exited(struct child *child, int wait_status) {
    struct holder *holder = child->owner;

    if (!holder->is_ending && child->is_ready)
        relay_lost(holder, wait_status);
    else if (!holder->is_ending)
        broker_fail(holder->broker, "credfd-relay could not be started");
    broker_holder_gone(holder->broker, holder);
}

static int send_timeouts(struct holder *holder) {
    struct ipc_writer w = timeouts_encode(&holder->broker->settings->timeouts);

    return channel_send(&holder->relay.channel, &w, -EBADF);
}

/* The kernel is told to name every sender, before the other end is in anybody's hands. */
static int make_lease_channel(int ret_ends[2]) {
    const int on = 1;
    int r = fd_pair(SOCK_SEQPACKET, ret_ends);

    if (r < 0)
        return r;
    if (setsockopt(ret_ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0) {
        r = -errno;
        fd_close(&ret_ends[0]);
        fd_close(&ret_ends[1]);
        return r;
    }
    (void)setsockopt(ret_ends[0], SOL_SOCKET, SO_PASSPIDFD, &on, sizeof(on)); /* where the kernel has it */
    return 0;
}

static int open_door(struct holder *holder, uint32_t lease, int *ret_end) {
    const struct credential *credential = holder->broker->credentials[lease];
    struct ipc_writer w;
    int ends[2], r = make_lease_channel(ends);

    if (r < 0)
        return r;
    w = door_encode(lease, credential);
    r = channel_send(&holder->relay.channel, &w, ends[0]);
    fd_close(&ends[0]);
    if (r < 0)
        fd_close(&ends[1]);
    else
        *ret_end = ends[1];
    return r;
}

static int open_doors(struct holder *holder, int *ret_ends) {
    int r = send_timeouts(holder);

    for (uint32_t i = 0; r == 0 && i < holder->broker->n_credentials; i++) {
        r = open_door(holder, i, &ret_ends[i]);
        for (uint32_t made = 0; r < 0 && made < i; made++)
            fd_close(&ret_ends[made]);
    }
    return r;
}

int broker_grant(struct broker *broker, const char *identity, void (*on_ready)(void *owner), void *owner, int *ret_ends,
                 struct holder **ret) {
    struct holder *holder;
    int r;

    if (strlen(identity) > LIMIT_NAME || broker->n_identities == LIMIT_IDENTITIES)
        return -EINVAL;
    holder = calloc(1, sizeof(*holder));
    if (!holder)
        return -ENOMEM;
    holder->broker = broker;
    holder->on_ready = on_ready;
    holder->owner = owner;
    holder->identity_number = broker->n_identities++;
    memcpy(holder->identity, identity, strlen(identity) + 1);
    r = child_start(&holder->relay, "credfd-relay", NULL, permits, ARRAY_LEN(permits), 1, relay_exited, holder);
    if (r < 0) {
        free(holder);
        return r;
    }
    holder->next = broker->holders;
    broker->holders = holder;
    r = open_doors(holder, ret_ends);
    if (r < 0) {
        holder_end(holder);
        return r;
    }
    holder_number_leases(holder);
    *ret = holder;
    return 0;
}

void holder_end(struct holder *holder) {
    holder->is_ending = true;
    child_stop(&holder->relay);
}
