/*
 * The relay: the one process that reads a workload's bytes. It holds no secret, opens nothing, connects to nothing; it
 * has the doors that the supervisor gave it, and for each stream a client's socket and a pair to the keeper. Started by
 * the supervisor, one for each workload; when its channel ends, so does it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/credential_codec.h"
#include "egress/keeper_link.h"
#include "egress/lease_door.h"
#include "proc/role.h"

static struct lease_door *doors[LIMIT_LEASES];
static struct connection_timeouts timeouts;

/* One client's stream and its pair to the keeper. */
struct lease_stream {
    uint64_t id;   /* the supervisor's */
    uint32_t dial; /* that it is the answer to */
    struct lease_door *door;
    struct keeper_link link;
    struct connection connection;
    struct connection_owner owner;
};

static void tell_ended(uint64_t stream) {
    struct ipc_writer w = ipc_begin(IPC_STREAM_ENDED);

    ipc_put_u64(&w, stream);
    role_send(&w, -EBADF);
}

static void stream_free(struct lease_stream *s) {
    tell_ended(s->id);
    keeper_link_done(&s->link);
    if (!WEAKENED(LEAK))
        s->door->n_streams--;
    free(s);
}

static void stream_closed(struct connection *c) {
    stream_free(container_of(c, struct lease_stream, connection));
}

/* Once for each exchange. */
static void report(struct lease_stream *s, unsigned status, struct slice reason) {
    struct ipc_writer w = ipc_begin(IPC_REFUSAL);

    ipc_put_u64(&w, s->id);
    ipc_put_u16(&w, (uint16_t)status);
    ipc_put_u32(&w, s->link.method_n > 0 ? s->link.number : 0);
    ipc_put_u8(&w, s->link.is_active);
    ipc_put_bytes(&w, slice_of(s->link.method, s->link.method_n));
    ipc_put_bytes(&w, buf_slice(&s->link.path));
    ipc_put_bytes(&w, reason);
    role_send(&w, -EBADF);
    keeper_link_forget(&s->link);
}

static void stream_refused(struct connection *c, unsigned status, struct slice reason) {
    struct lease_stream *s = container_of(c, struct lease_stream, connection);

    /* what the keeper knows of, the keeper accounts for: unless it is gone */
    if (s->connection.state != WAIT_EXCHANGE || s->link.is_gone)
        report(s, status, reason);
}

/* The keeper will account for it; or, should it die before it does, this will. */
static void stream_abandoned(struct keeper_link *link, unsigned status, struct slice reason) {
    report(container_of(link, struct lease_stream, link), status, reason);
}

/* Our own end is made and watched before the other is handed over: nobody holds a stream that no one serves. */
static int open_stream(struct lease_stream *s, int *ret_client) {
    _cleanup_close_ int client = -EBADF;
    int ends[2], r;

    r = fd_pair(SOCK_STREAM, ends);
    if (r < 0)
        return r;
    client = ends[1];
    s->owner = (struct connection_owner){
        .rules = &s->door->rules, .timeouts = &timeouts, .refused = stream_refused, .closed = stream_closed};
    r = connection_init(&s->connection, ends[0], &s->link.upstream, &s->owner);
    if (r < 0)
        return r;
    *ret_client = fd_steal(&client);
    return 0;
}

static void stream_answered(struct keeper_link *link, bool is_accepted) {
    struct lease_stream *s = container_of(link, struct lease_stream, link);
    struct lease_door *door = s->door;
    uint32_t dial = s->dial;
    int client = -EBADF;

    if (!is_accepted || open_stream(s, &client) < 0)
        stream_free(s);
    lease_door_answer(door, dial, client);
}

static void dialled(struct lease_door *door, uint32_t dial, pid_t pid, int pidfd_given) {
    _cleanup_close_ int pidfd = pidfd_given;
    struct ipc_writer w = ipc_begin(IPC_DIAL);

    ipc_put_u32(&w, door->number);
    ipc_put_u32(&w, dial);
    ipc_put_u32(&w, (uint32_t)pid);
    role_send(&w, pidfd);
    door->n_streams++;
}

/* The door of a dial that the supervisor answers. */
static struct lease_door *get_dial(struct ipc_message *m, uint32_t *ret_dial) {
    uint32_t number = ipc_get_u32(m);
    struct lease_door *door = number < LIMIT_LEASES ? doors[number] : NULL;

    *ret_dial = ipc_get_u32(m);
    if (!door)
        ipc_fail(m);
    return door;
}

static void refuse_dial(struct lease_door *door, uint32_t dial) {
    door->n_streams--;
    lease_door_answer(door, dial, -EBADF);
}

/* A stream that the supervisor has granted. NULL without memory: then it is refused. */
static struct lease_stream *stream_new(struct lease_door *door, uint32_t dial, uint64_t id) {
    struct lease_stream *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->id = id;
    s->dial = dial;
    s->door = door;
    return s;
}

/* No descriptor or no memory is left: this one is refused, the rest goes on. */
static void stream_impossible(struct lease_door *door, uint32_t dial, uint64_t id) {
    tell_ended(id);
    refuse_dial(door, dial);
}

static int on_stream(void *owner, struct ipc_message *m) {
    uint32_t dial;
    struct lease_door *door = get_dial(m, &dial);
    uint64_t id = ipc_get_u64(m);
    _cleanup_close_ int fd = m->is_fd_lost && !WEAKENED(LOST_FD) ? -EBADF : ipc_get_fd(m);
    struct lease_stream *s;

    (void)owner;
    if (ipc_end(m) < 0 || !door)
        return -EPROTO;
    s = fd >= 0 ? stream_new(door, dial, id) : NULL;
    if (!s || keeper_link_init(&s->link, fd_steal(&fd), stream_answered, stream_abandoned) < 0) {
        free(s);
        stream_impossible(door, dial, id);
    }
    return 0;
}

/* While the keeper is started again: whoever asks is told so on an ordinary stream, and asks again. */
static int on_no_keeper(void *owner, struct ipc_message *m) {
    uint32_t dial;
    struct lease_door *door = get_dial(m, &dial);
    uint64_t id = ipc_get_u64(m);
    struct lease_stream *s;

    (void)owner;
    if (ipc_end(m) < 0 || !door)
        return -EPROTO;
    s = stream_new(door, dial, id);
    if (!s) {
        stream_impossible(door, dial, id);
        return 0;
    }
    keeper_link_init_gone(&s->link);
    stream_answered(&s->link, true);
    return 0;
}

static int on_no_stream(void *owner, struct ipc_message *m) {
    uint32_t dial;
    struct lease_door *door = get_dial(m, &dial);

    (void)owner;
    if (ipc_end(m) < 0 || !door)
        return -EPROTO;
    refuse_dial(door, dial);
    return 0;
}

static bool copy_name(char to[static LIMIT_NAME + 1], struct slice name) {
    if (name.n > LIMIT_NAME || slice_has(name, '\0'))
        return false;
    memcpy(to, name.p, name.n);
    to[name.n] = '\0';
    return true;
}

static int on_door(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = -EBADF;
    struct door_order order;
    struct lease_door *door;

    (void)owner;
    if (door_decode(m, &order) < 0)
        return -EPROTO;
    fd = order.fd;
    if (order.number >= LIMIT_LEASES || doors[order.number])
        return -EPROTO;
    door = calloc(1, sizeof(*door));
    if (!door)
        return -ENOMEM;
    doors[order.number] = door;
    door->number = order.number;
    if (!copy_name(door->lease, order.lease))
        return -EPROTO;
    door->rules.lease = door->lease;
    for (size_t i = 0; i < order.n_fields; i++) {
        if (!copy_name(door->injected[i], order.fields[i]))
            return -EPROTO;
        door->rules.protected_fields[door->rules.n_protected++] = slice_of_string(door->injected[i]);
    }
    return lease_door_init(door, fd_steal(&fd), dialled);
}

static int on_timeouts(void *owner, struct ipc_message *m) {
    struct timeouts all;

    (void)owner;
    if (timeouts_decode(m, &all) < 0)
        return -EPROTO;
    timeouts = (struct connection_timeouts){
        .head_ms = all.head, .idle_ms = all.idle, .body_ms = all.body, .write_ms = all.write};
    return 0;
}

static const struct ipc_permit permits[] = {
    {IPC_TIMEOUTS, 1, on_timeouts},   {IPC_DOOR, 1, on_door},           {IPC_STREAM, 1, on_stream},
    {IPC_NO_STREAM, 1, on_no_stream}, {IPC_NO_KEEPER, 1, on_no_keeper},
};

int main(void) {
    static const struct role relay = {.name = "credfd-relay",
                                      .seccomp = SECCOMP_RELAY,
                                      .permits = permits,
                                      .n_permits = ARRAY_LEN(permits),
                                      .phase = 1};

    return role_main(&relay);
}
