#include "egress/desk/calls.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/weaken.h"

int calls_refuse(struct holder *holder, uint32_t call, unsigned status, struct slice rule, struct slice reason,
                 struct slice hint) {
    struct ipc_writer w = ipc_begin(IPC_CALL_REFUSED);

    ipc_put_u32(&w, call);
    ipc_put_u16(&w, (uint16_t)status);
    ipc_put_bytes(&w, rule);
    ipc_put_bytes(&w, reason);
    ipc_put_bytes(&w, hint);
    return channel_send(&holder->relay.channel, &w, -EBADF);
}

/* Where the command has a network of its own whoever connects in it is of the command: he is asked for by the audit. */
static enum caller_kind judge_tcp(const struct holder *holder, uint16_t from, uint16_t to, struct asker *ret) {
    const struct doors *doors = holder->doors;
    enum caller_kind kind = caller_identify(ret, doors->diag, from, to, doors->command);

    if (doors->is_isolated || WEAKENED(CALLER))
        return CALLER_OURS;
    return kind == CALLER_OURS && doors->command == 0 ? CALLER_STRANGER : kind;
}

bool calls_admit(const struct holder *holder, uint16_t from, uint16_t to, struct asker *ret) {
    return judge_tcp(holder, from, to, ret) == CALLER_OURS;
}

/* The file system has no namespace that keeps others out: whoever connected there may be anybody, always. */
static enum caller_kind judge_unix(const struct holder *holder, pid_t pid, int pidfd_given, struct asker *ret) {
    _cleanup_close_ int opened = pidfd_given < 0 && pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -EBADF;
    int pidfd = pidfd_given >= 0 ? pidfd_given : opened;
    pid_t command = holder->doors->command;

    asker_identify(ret, pid, pidfd);
    if (WEAKENED(CALLER) || (command > 0 && pidfd >= 0 && caller_descends(ret->pid, pidfd, command)))
        return CALLER_OURS;
    return pidfd < 0 || asker_is_over(pidfd) ? CALLER_GONE : CALLER_STRANGER;
}

enum caller_kind calls_identify(const struct holder *holder, uint16_t from, uint16_t to, pid_t pid, int pidfd,
                                struct asker *ret) {
    return from == 0 ? judge_unix(holder, pid, pidfd, ret) : judge_tcp(holder, from, to, ret);
}

/* Nothing was read of him: there is no request to tell of. */
static void account_unread(struct holder *holder, const struct stream_entry *entry, enum refusal refusal,
                           struct slice reason) {
    const struct refusal_text *text = refusal_text(refusal);

    broker_account(holder->broker, entry,
                   &(struct exchange_record){.method = SLICE_EMPTY,
                                             .path = SLICE_EMPTY,
                                             .rule = text->rule,
                                             .reason = reason,
                                             .status = text->status,
                                             .refusal = refusal});
}

static void account_stranger(struct holder *holder, const struct stream_entry *entry) {
    log_info("lease %s: somebody was refused who does not belong to its command: process %d",
             entry->possession->credential->name, (int)entry->asker.pid);
    account_unread(holder, entry, REFUSAL_CALLER, slice_of_string(refusal_text(REFUSAL_CALLER)->reason));
}

static int refuse_stranger(struct holder *holder, uint32_t call) {
    const struct refusal_text *text = refusal_text(REFUSAL_CALLER);

    return calls_refuse(holder, call, text->status, text->rule, slice_of_string(text->reason), text->hint);
}

static int tell_caller(struct holder *holder, const struct stream_entry *entry, uint32_t call, int fd) {
    struct ipc_writer w = ipc_begin(IPC_CALL_STREAM);

    ipc_put_u32(&w, call);
    ipc_put_u64(&w, entry->id);
    return channel_send(&holder->relay.channel, &w, fd);
}

/* What the relay knows of who has called. */
struct call {
    uint32_t number, door;
    uint16_t from, to;
    pid_t pid;
    int pidfd;
};

static enum caller_kind judge(const struct holder *holder, const struct call *call, struct asker *ret) {
    return calls_identify(holder, call->from, call->to, call->pid, call->pidfd, ret);
}

/* Too many are served already, or there is no room for one more. */
static int refuse_busy(struct holder *holder, const struct call *call, struct slice reason, struct slice hint) {
    struct stream_entry entry = {.holder = holder,
                                 .door = call->door,
                                 .possession = holder->grants[call->door].possession,
                                 .lease_number = holder->grants[call->door].number};

    memcpy(entry.identity, holder->identity, sizeof(entry.identity));
    (void)judge(holder, call, &entry.asker);
    account_unread(holder, &entry, REFUSAL_NO_MEMORY, reason);
    return calls_refuse(holder, call->number, 503, SLICE_EMPTY, reason, hint);
}

/* One who is gone again has done nothing that the audit should know. */
static int refuse_caller(struct holder *holder, const struct call *call, struct stream_entry *entry,
                         enum caller_kind kind) {
    if (kind == CALLER_STRANGER)
        account_stranger(holder, entry);
    else
        log_debug("lease %s: whoever has connected is gone", entry->possession->credential->name);
    stream_forgo(holder, entry);
    return refuse_stranger(holder, call->number);
}

static int take_call(struct holder *holder, const struct call *call) {
    struct stream_entry *entry;
    enum caller_kind kind;

    if (!WEAKENED(STREAMS) && holder->grants[call->door].n_called == LIMIT_STREAMS)
        return refuse_busy(holder, call, SLICE("too many connections to this lease are open at once"),
                           SLICE("close those that are not used"));
    entry = stream_new(holder, call->door, true);
    if (!entry)
        return refuse_busy(holder, call, SLICE("out of memory"), SLICE_EMPTY);
    kind = judge(holder, call, &entry->asker);
    if (kind != CALLER_OURS)
        return refuse_caller(holder, call, entry, kind);
    if (stream_connect(holder, entry, call->number, tell_caller) == 0)
        return 0;
    return refuse_busy(holder, call, SLICE("no stream can be made now"), SLICE_EMPTY);
}

int calls_take(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct holder *holder = child->owner;
    struct call call = {.number = ipc_get_u32(m), .pidfd = -EBADF};
    int r;

    call.door = ipc_get_u32(m);
    call.from = ipc_get_u16(m);
    call.to = ipc_get_u16(m);
    call.pid = (pid_t)ipc_get_u32(m);
    if (ipc_has_fd(m))
        call.pidfd = ipc_get_fd(m);
    r = ipc_end(m) < 0 || !holder->doors || call.door >= holder->n_grants ? -EPROTO : take_call(holder, &call);
    fd_close(&call.pidfd);
    return r;
}
