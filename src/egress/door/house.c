#include "egress/door/house.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/credential_codec.h"
#include "egress/door/base_url.h"
#include "egress/door/door.h"
#include "egress/door/lease_door.h"
#include "egress/door/lease_stream.h"
#include "proc/role.h"

static struct lease_door *doors[LIMIT_LEASES];
static struct connection_timeouts timeouts;
static int (*proxy_opener)(int fd);
static int (*url_listener)(uint32_t door, int fd, struct slice prefix);

const struct exchange_rules *house_rules(uint32_t door) {
    return door < LIMIT_LEASES && doors[door] ? &doors[door]->rules : NULL;
}

const struct connection_timeouts *house_timeouts(void) {
    return &timeouts;
}

void house_set_proxy(int (*open_proxy)(int fd), int (*url_opens)(uint32_t door, int fd, struct slice prefix)) {
    proxy_opener = open_proxy;
    url_listener = url_opens;
}

static void stream_closed(void *owner) {
    struct lease_door *door = owner;

    if (!WEAKENED(LEAK))
        door->n_streams--;
}

static void refuse_dial(struct lease_door *door, uint32_t dial) {
    door->n_streams--;
    lease_door_answer(door, dial, -EBADF);
}

/* Our own end is made and watched before the other is handed over: nobody holds a stream that no one serves. */
static int open_client(struct lease_stream *s, int *ret_client) {
    int ends[2], r = fd_pair(SOCK_STREAM, ends);

    if (r < 0)
        return r;
    r = lease_stream_attach(s, ends[0]);
    if (r < 0)
        fd_close(&ends[1]);
    else
        *ret_client = ends[1];
    return r;
}

static void stream_answered(struct lease_stream *s, void *owner, uint32_t dial, bool is_accepted) {
    struct lease_door *door = owner;
    int client = -EBADF;

    if (is_accepted && open_client(s, &client) == 0) {
        lease_door_answer(door, dial, client);
        return;
    }
    lease_stream_end(s);
    refuse_dial(door, dial);
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

/* A stream that the supervisor has granted. */
static void open_stream(struct lease_door *door, uint32_t dial, uint64_t id, int pair) {
    const struct lease_stream_plan plan = {
        .id = id, .pair = pair, .rules = &door->rules, .timeouts = &timeouts, .closed = stream_closed, .owner = door};

    if (lease_stream_open(&plan, dial, stream_answered) < 0)
        refuse_dial(door, dial);
}

int house_take_stream(void *owner, struct ipc_message *m) {
    uint32_t dial;
    struct lease_door *door = get_dial(m, &dial);
    uint64_t id = ipc_get_u64(m);
    bool is_lost = m->is_fd_lost && !WEAKENED(LOST_FD);
    _cleanup_close_ int fd = is_lost ? -EBADF : ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0 || !door)
        return -EPROTO;
    if (is_lost) { /* no descriptor is left: this one is refused, the rest goes on */
        lease_stream_forgo(id);
        refuse_dial(door, dial);
    } else {
        open_stream(door, dial, id, fd_steal(&fd));
    }
    return 0;
}

/* While the keeper is started again: whoever asks is told so on an ordinary stream, and asks again. */
int house_take_no_keeper(void *owner, struct ipc_message *m) {
    uint32_t dial;
    struct lease_door *door = get_dial(m, &dial);
    uint64_t id = ipc_get_u64(m);

    (void)owner;
    if (ipc_end(m) < 0 || !door)
        return -EPROTO;
    open_stream(door, dial, id, -EBADF);
    return 0;
}

int house_take_no_stream(void *owner, struct ipc_message *m) {
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

int house_take_door(void *owner, struct ipc_message *m) {
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
    door->rules.may_upgrade = true; /* the keeper knows whether this lease may, and says so */
    for (size_t i = 0; i < order.n_fields; i++) {
        if (!copy_name(door->injected[i], order.fields[i]))
            return -EPROTO;
        door->rules.protected_fields[door->rules.n_protected++] = slice_of_string(door->injected[i]);
    }
    return lease_door_init(door, fd_steal(&fd), dialled);
}

int house_take_listen(void *owner, struct ipc_message *m) {
    uint8_t kind = ipc_get_u8(m);
    uint32_t number = ipc_get_u32(m);
    struct slice prefix = ipc_get_bytes(m, LIMIT_PREFIX);
    _cleanup_close_ int fd = ipc_get_fd(m);
    int r = 0;

    (void)owner;
    if (ipc_end(m) < 0 || kind >= DOOR_KINDS)
        return -EPROTO;
    if (kind == DOOR_KIND_PROXY)
        return proxy_opener && number == 0 && prefix.n == 0 ? proxy_opener(fd_steal(&fd)) : -EPROTO;
    if (!house_rules(number))
        return -EPROTO;
    if (kind == DOOR_KIND_BASE_URL && url_listener)
        r = url_listener(number, fd, prefix);
    if (r < 0)
        return r;
    return base_url_open(number, (enum door_kind)kind, fd_steal(&fd), prefix, house_rules(number), &timeouts);
}

int house_take_timeouts(void *owner, struct ipc_message *m) {
    struct timeouts all;

    (void)owner;
    if (timeouts_decode(m, &all) < 0)
        return -EPROTO;
    timeouts = (struct connection_timeouts){
        .head_ms = all.head, .idle_ms = all.idle, .body_ms = all.body, .write_ms = all.write};
    return 0;
}
