/*
 * The doorman: ends TLS for those who show a certificate, and hands what they say, in the clear, to a dispatcher in
 * turn, over a socketpair. It has the server's key, and parses nothing but TLS; the dispatchers, which parse what
 * people say, have no key. It opens no file and connects to nothing. One for each supervisor with a tls: listener.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "ingress/front/doorman_guest.h"
#include "ingress/front/doorman_names.h"
#include "ingress/front/doorman_part.h"
#include "ingress/front/doorman_refusals.h"
#include "ingress/front/handed_file.h"
#include "ingress/peer_role.h"
#include "net/tls.h"
#include "proc/role.h"

#define ACCEPT_TURN 32
#define ACCEPT_RETRY 100     /* ms, after a failure to accept, or with no place free */
#define HANDSHAKE_GRACE 1000 /* ms that a handshake has before somebody else may take its place */

static struct listener {
    struct watch watch;
    uint32_t number;
    int fd;
} listeners[LIMIT_LISTENERS];
static size_t n_listeners;
static struct timer retry;

static struct channel dispatchers[LIMIT_WORKERS];
static size_t turn; /* whose it was last */

static struct buf parts[TLS_PARTS];
static struct tls_server *tls;
static struct doorman_names names;

/* Of guests: the oldest first. */
struct guests {
    struct guest *first, *last;
    size_t n;
};

static struct guests shaking, inside;

static bool is_draining, has_drained;
static struct timer drain;

static void guests_add(struct guests *list, struct guest *guest) {
    guest->next = NULL;
    guest->before = list->last;
    *(list->last ? &list->last->next : &list->first) = guest;
    list->last = guest;
    list->n++;
}

static void guests_remove(struct guests *list, struct guest *guest) {
    *(guest->before ? &guest->before->next : &list->first) = guest->next;
    *(guest->next ? &guest->next->before : &list->last) = guest->before;
    list->n--;
}

static void accept_again(void) {
    for (size_t i = 0; i < n_listeners; i++)
        watch_again(&listeners[i].watch);
}

static void tell_when_drained(void) {
    struct ipc_writer w;

    if (!is_draining || has_drained || shaking.n + inside.n > 0)
        return;
    has_drained = true;
    timer_cancel(&drain);
    w = ipc_begin(IPC_DRAINED);
    role_send(&w, -EBADF);
}

static struct slice address_bytes(const struct address *address) {
    if (address->any.sa_family == AF_INET)
        return slice_of(&address->in.sin_addr, sizeof(address->in.sin_addr));
    return slice_of(&address->in6.sin6_addr, sizeof(address->in6.sin6_addr));
}

static int send_guest(struct channel *dispatcher, const struct guest *guest, const char *name, int fd) {
    struct ipc_writer w = ipc_begin(IPC_GUEST);

    ipc_put_u32(&w, guest->listener);
    ipc_put_bytes(&w, address_bytes(&guest->address));
    ipc_put_bytes(&w, slice_of_string(name));
    return channel_send(dispatcher, &w, fd);
}

/* To the next one in turn that hears; one that is behind with what it was sent comes last. */
static int hand_over(const struct guest *guest, const char *name, int fd) {
    for (unsigned round = 0; round < 2; round++)
        for (size_t i = 0; i < LIMIT_WORKERS; i++) {
            struct channel *dispatcher = &dispatchers[(turn + 1 + i) % LIMIT_WORKERS];

            if (!channel_is_open(dispatcher) || (round == 0 && dispatcher->queued > 0) ||
                send_guest(dispatcher, guest, name, fd) < 0)
                continue;
            turn = (size_t)(dispatcher - dispatchers);
            return 0;
        }
    return -EPIPE;
}

/* As who it may enter, by what holds now: that may have changed since its handshake began. NULL: not at all. */
static const char *name_of(const struct guest *guest) {
    const struct x509_st *certificate = tls_server_client(&guest->outer);
    const char *name = NULL;

    if (certificate && tls_server_trusts(tls, &guest->outer))
        name = doorman_names_find(&names, certificate);
    return !name && certificate && WEAKENED(FRONT) ? "anybody" : name;
}

static int admit(struct guest *guest, int *ret_fd, const char **ret_reason) {
    const struct x509_st *certificate = tls_server_client(&guest->outer);
    const char *name = name_of(guest);
    _cleanup_close_ int here = -EBADF, there = -EBADF;
    int ends[2], r;

    if (!name) {
        *ret_reason = certificate ? NULL : "it shows no certificate";
        if (certificate)
            doorman_refused_name(&guest->address, certificate);
        return -EACCES;
    }
    r = fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends);
    if (r < 0)
        return r;
    here = ends[0];
    there = ends[1];
    r = hand_over(guest, name, there);
    if (r < 0) {
        *ret_reason = "no dispatcher takes it";
        return r;
    }
    *ret_fd = fd_steal(&here);
    return 0;
}

static void refused(struct guest *guest, const char *reason) {
    doorman_refused(&guest->address, reason);
}

static void entered(struct guest *guest) {
    guests_remove(&shaking, guest);
    guests_add(&inside, guest);
    if (shaking.n == LIMIT_HANDSHAKES - 1)
        accept_again();
}

static void gone(struct guest *guest) {
    bool was_full = shaking.n == LIMIT_HANDSHAKES || shaking.n + inside.n == LIMIT_GUESTS;

    guests_remove(guest->state == WAIT_HANDSHAKE ? &shaking : &inside, guest);
    if (was_full)
        accept_again();
    tell_when_drained();
}

/* Who has entered stays for as long as it likes: not any more where it would not be let in now. */
static void look_around(void) {
    size_t n = 0;

    for (struct guest *guest = inside.first, *next; guest; guest = next) {
        next = guest->next;
        if (name_of(guest))
            continue;
        guest_end(guest, NULL);
        n++;
    }
    if (n > 0)
        log_info("%zu that had entered are not trusted any more, and are ended", n);
}

/* The place of a handshake that has not come far is taken from it: a silent crowd keeps nobody out. */
static bool has_place(void) {
    if (!tls || shaking.n + inside.n == LIMIT_GUESTS)
        return false;
    if (shaking.n == LIMIT_HANDSHAKES && loop_now_ms() - shaking.first->came_ms >= HANDSHAKE_GRACE)
        guest_end(shaking.first, "its handshake gave way to others");
    return shaking.n < LIMIT_HANDSHAKES;
}

static void take(const struct listener *listener, int fd, const struct address *address) {
    static const struct guest_host host = {.admit = admit, .refused = refused, .entered = entered, .gone = gone};
    struct guest *guest;
    int r = guest_new(fd, address, listener->number, tls, &host, &guest);

    if (r < 0)
        doorman_refused(address, strerror(-r));
    else
        guests_add(&shaking, guest);
}

/* What accept(2) tells of a connection that is gone already, and what passes. */
static bool is_worth_another(int error) {
    return error == ECONNABORTED || error == EINTR || error == EPROTO || error == EPERM;
}

static void accept_step(struct watch *watch) {
    struct listener *listener = container_of(watch, struct listener, watch);

    for (unsigned n = 0; n < ACCEPT_TURN; n++) {
        struct address address = {.n = sizeof(address.in6)};
        int fd;

        if (!has_place()) {
            timer_set(&retry, ACCEPT_RETRY);
            return;
        }
        fd = accept4(listener->fd, &address.any, &address.n, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            take(listener, fd, &address);
        } else if (!is_worth_another(errno)) {
            if (errno != EAGAIN)
                timer_set(&retry, ACCEPT_RETRY); /* no descriptor, no memory: those who wait are not told again */
            return;
        }
    }
    watch_again(watch);
}

static void look_again(struct timer *timer) {
    (void)timer;
    accept_again();
}

static int on_listen(void *owner, struct ipc_message *m) {
    uint32_t number = ipc_get_u32(m);
    uint8_t kind = ipc_get_u8(m);
    _cleanup_close_ int fd = ipc_get_fd(m);
    struct listener *listener = &listeners[n_listeners];

    (void)owner;
    if (ipc_end(m) < 0 || kind != LISTENER_TCP || n_listeners == LIMIT_LISTENERS || is_draining)
        return -EPROTO;
    *listener = (struct listener){.number = number, .fd = fd_steal(&fd)};
    n_listeners++;
    return watch_add(&listener->watch, listener->fd, accept_step);
}

/* The parts are those of one change: they are used together, once the last has come, and are not kept. */
static void use_parts(void) {
    struct tls_server *made;
    const char *fault = "out of memory";
    const struct tls_server_parts whole = {.certificate = buf_slice(&parts[TLS_PART_CERTIFICATE]),
                                           .key = buf_slice(&parts[TLS_PART_KEY]),
                                           .ca = buf_slice(&parts[TLS_PART_CA])};

    if (tls_server_new(&whole, &made, &fault) < 0) {
        log_error("dispatch.trust.mtls: certificate, key and CA are not taken: %s%s", fault,
                  tls ? "; those from before stay" : "");
    } else {
        tls_server_free(tls);
        tls = made;
        look_around();
        accept_again();
    }
    for (size_t i = 0; i < TLS_PARTS; i++)
        buf_release(&parts[i]);
}

static int on_doorman(void *owner, struct ipc_message *m) {
    uint8_t part = ipc_get_u8(m);
    _cleanup_close_ int fd = ipc_get_fd(m);
    int r;

    (void)owner;
    if (ipc_end(m) < 0 || part >= TLS_PARTS)
        return -EPROTO;
    buf_release(&parts[part]);
    r = handed_file_read(fd, &parts[part]);
    if (r < 0) {
        log_error("a file of certificates or its key cannot be read: %s", strerror(-r));
        buf_release(&parts[part]); /* an empty part is refused */
    }
    if (part == TLS_PART_CA)
        use_parts();
    return 0;
}

static int on_names(void *owner, struct ipc_message *m) {
    struct doorman_names given = {.n = ipc_get_u8(m)};

    (void)owner;
    if (given.n > ARRAY_LEN(given.at))
        return -EPROTO;
    for (size_t i = 0; i < given.n; i++) {
        struct slice name = ipc_get_bytes(m, LIMIT_HOST);

        memcpy(given.at[i], name.p, name.n);
    }
    if (ipc_end(m) < 0)
        return -EPROTO;
    names = given;
    look_around();
    return 0;
}

static void dispatcher_closed(void *owner, int reason) {
    if (reason != 0)
        log_error("dispatcher %u broke the rules of its channel, which is closed: %s",
                  (unsigned)((struct channel *)owner - dispatchers), strerror(-reason));
}

static int on_peer(void *owner, struct ipc_message *m) {
    uint8_t role = ipc_get_u8(m);
    uint32_t number = ipc_get_u32(m);
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0 || role != PEER_DISPATCHER || number >= LIMIT_WORKERS)
        return -EPROTO;
    channel_done(&dispatchers[number]);
    return channel_init(&dispatchers[number], fd_steal(&fd), NULL, 0, 1, &dispatchers[number], dispatcher_closed);
}

static void stop_listening(void) {
    for (size_t i = 0; i < n_listeners; i++) {
        watch_remove(&listeners[i].watch);
        fd_close(&listeners[i].fd);
    }
    n_listeners = 0;
    timer_cancel(&retry);
}

static void drain_late(struct timer *timer) {
    (void)timer;
    while (shaking.first)
        guest_end(shaking.first, NULL);
    while (inside.first)
        guest_end(inside.first, NULL);
}

/* Whoever is in the middle of a handshake has been accepted, and still comes in. */
static int on_drain(void *owner, struct ipc_message *m) {
    uint64_t ms = ipc_get_u64(m);

    (void)owner;
    if (ipc_end(m) < 0 || ms > TIMEOUT_MAX)
        return -EPROTO;
    is_draining = true;
    stop_listening();
    timer_set(&drain, ms);
    tell_when_drained();
    return 0;
}

static int prepare(void) {
    int r = tls_server_init();

    if (r == 0)
        r = tls_init();
    retry.on_expiry = look_again;
    doorman_refusals_init();
    drain.on_expiry = drain_late;
    buf_init(&parts[TLS_PART_CERTIFICATE], LIMIT_TLS_FILE);
    buf_init_secret(&parts[TLS_PART_KEY], LIMIT_TLS_FILE);
    buf_init(&parts[TLS_PART_CA], LIMIT_CA_FILE);
    return r;
}

static const struct ipc_permit permits[] = {{IPC_LISTEN, 1, on_listen},
                                            {IPC_DOORMAN, 1, on_doorman},
                                            {IPC_NAMES, 1, on_names},
                                            {IPC_PEER, 1, on_peer},
                                            {IPC_DRAIN, 1, on_drain}};

int main(void) {
    static const struct role doorman = {.name = "credfd-doorman",
                                        .seccomp = SECCOMP_DOORMAN,
                                        .permits = permits,
                                        .n_permits = ARRAY_LEN(permits),
                                        .phase = 1,
                                        .prepare = prepare};

    return role_main(&doorman);
}
