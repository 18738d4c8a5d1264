/*
 * The dials of a workload, and the making of streams: relay and keeper are introduced to each other. From then on the
 * supervisor is out of the way, and only keeps who dialled. (Whoever comes through another door calls: calls.c.)
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/weaken.h"
#include "egress/desk/broker_state.h"
#include "wire/glob.h"

static int refuse_dial(struct holder *holder, uint32_t door, uint32_t dial) {
    struct ipc_writer w = ipc_begin(IPC_NO_STREAM);

    ipc_put_u32(&w, door);
    ipc_put_u32(&w, dial);
    return channel_send(&holder->relay.channel, &w, -EBADF);
}

static int tell_keeper(struct holder *holder, const struct stream_entry *entry, bool may_use, int fd) {
    struct ipc_writer w = ipc_begin(IPC_STREAM);

    ipc_put_u64(&w, entry->id);
    ipc_put_u32(&w, entry->possession->number);
    ipc_put_u32(&w, holder->identity_number);
    ipc_put_u8(&w, may_use);
    return channel_send(&holder->broker->keeper.child.channel, &w, fd);
}

/* There may be no keeper at the moment: then the relay answers in its place. */
static int tell_dialler(struct holder *holder, const struct stream_entry *entry, uint32_t dial, int fd) {
    struct ipc_writer w = ipc_begin(fd >= 0 ? IPC_STREAM : IPC_NO_KEEPER);

    ipc_put_u32(&w, entry->door);
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
static int introduce(struct holder *holder, const struct stream_entry *entry, uint32_t number, stream_teller *tell) {
    _cleanup_close_ int keeper_end = -EBADF, relay_end = -EBADF;
    int ends[2], r;

    r = fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends);
    if (r < 0)
        return r;
    keeper_end = ends[0];
    relay_end = ends[1];
    r = tell_keeper(holder, entry, may_use(entry->possession->credential, &entry->asker), keeper_end);
    if (r < 0)
        return r;
    return tell(holder, entry, number, relay_end);
}

static int do_without_keeper(struct holder *holder, struct stream_entry *entry, uint32_t number, stream_teller *tell) {
    entry->is_keeper_done = true;
    return tell(holder, entry, number, -EBADF);
}

static uint32_t *count_of(struct stream_entry *entry) {
    struct grant *grant = &entry->holder->grants[entry->door];

    return entry->is_called ? &grant->n_called : &grant->n_open;
}

static void relay_done(struct holder *holder, struct stream_entry *entry) {
    --*count_of(entry);
    stream_table_relay_done(&holder->broker->streams, entry);
}

struct stream_entry *stream_new(struct holder *holder, uint32_t door, bool is_called) {
    struct grant *grant = &holder->grants[door];
    struct stream_entry *entry = stream_table_add(&holder->broker->streams, holder, holder->identity, door);

    if (!entry)
        return NULL;
    entry->possession = possession_ref(grant->possession);
    entry->lease_number = grant->number;
    entry->is_called = is_called;
    ++*count_of(entry);
    return entry;
}

/* Should the keeper have heard of it, its report comes too late to count. */
void stream_forgo(struct holder *holder, struct stream_entry *entry) {
    entry->is_keeper_done = true;
    relay_done(holder, entry);
}

int stream_connect(struct holder *holder, struct stream_entry *entry, uint32_t number, stream_teller *tell) {
    int r = holder->broker->is_keeper_serving ? introduce(holder, entry, number, tell) : -EPIPE;

    if (ipc_is_gone(r))
        r = do_without_keeper(holder, entry, number, tell);
    if (r == 0)
        return 0;
    log_warning("lease %s: a stream is refused: %s", entry->possession->credential->name, strerror(-r));
    stream_forgo(holder, entry);
    return r;
}

int dial_take(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct holder *holder = child->owner;
    uint32_t door = ipc_get_u32(m);
    uint32_t dial = ipc_get_u32(m);
    pid_t pid = (pid_t)ipc_get_u32(m);
    _cleanup_close_ int pidfd = ipc_has_fd(m) ? ipc_get_fd(m) : -EBADF;
    struct stream_entry *entry;

    if (ipc_end(m) < 0 || door >= holder->n_grants)
        return -EPROTO;
    if (!WEAKENED(STREAMS) && holder->grants[door].n_open == LIMIT_STREAMS)
        return -EPROTO; /* a relay of ours keeps the limit itself, and says what has ended before it dials again */
    entry = stream_new(holder, door, false);
    if (!entry)
        return refuse_dial(holder, door, dial);
    asker_identify(&entry->asker, pid, pidfd);
    return stream_connect(holder, entry, dial, tell_dialler) < 0 ? refuse_dial(holder, door, dial) : 0;
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

int dial_take_refusal(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct holder *holder = child->owner;
    struct stream_entry *entry = get_stream(holder, m);

    return report_take(holder->broker, entry, m);
}

int dial_take_end(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct holder *holder = child->owner;
    struct stream_entry *entry = get_stream(holder, m);

    if (ipc_end(m) < 0 || !entry)
        return -EPROTO;
    relay_done(holder, entry);
    return 0;
}
