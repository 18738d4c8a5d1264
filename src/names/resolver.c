/*
 * The resolver: names in, addresses out, by c-ares. It reads what name servers and /etc/hosts say, and knows no secret:
 * a fault in a DNS parser is worth nothing here. What the addresses are good for, whoever asks judges.
 */
#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "net/address.h"
#include "proc/role.h"

#define SOCKETS_MAX 64
#define TRY_MS 2000
#define TRIES 3
#define TTL_OF_HOSTS_FILE 5 /* seconds: it has none of its own, and people edit it */

static ares_channel ares;

/*
 * A role that asks: it numbers its queries from 0; c-ares hands back a pointer, and the pointer's place is the number.
 * A place is free when nobody is there and nothing that was asked from there is under way.
 */
struct asker {
    struct channel channel;
    char queries[LIMIT_LEASES];
    unsigned n_open;
};

static struct asker askers[LIMIT_ASKERS];

/* c-ares tells which sockets it waits on; it is told back when one is ready, and asked when it wants to be called. */
static struct ares_watch {
    struct watch watch;
    ares_socket_t fd;
} watches[SOCKETS_MAX];
static struct timer retry;

static void schedule_retry(void) {
    struct timeval most = {.tv_sec = 60}, until, *next = ares_timeout(ares, &most, &until);

    timer_set(&retry, (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1);
}

static void retry_due(struct timer *timer) {
    (void)timer;
    ares_process_fd(ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    schedule_retry();
}

static bool has_more(ares_socket_t fd) {
    struct pollfd state = {.fd = fd, .events = POLLIN};

    return poll(&state, 1, 0) == 1;
}

/* c-ares reads a TCP answer in pieces and expects to be called while there is more: edges are made levels here. */
static void socket_ready(struct watch *watch) {
    struct ares_watch *w = container_of(watch, struct ares_watch, watch);
    ares_socket_t fd = w->fd, writable = watch->ready & EPOLLOUT ? fd : ARES_SOCKET_BAD;

    do {
        ares_process_fd(ares, fd, writable);
        writable = ARES_SOCKET_BAD;
    } while (watch->on_ready && w->fd == fd && has_more(fd));
    schedule_retry();
}

static struct ares_watch *watch_of(ares_socket_t fd) {
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        if (watches[i].watch.on_ready ? watches[i].fd == fd : fd == ARES_SOCKET_BAD)
            return &watches[i];
    return NULL;
}

static void socket_wanted(void *data, ares_socket_t fd, int readable, int writable) {
    struct ares_watch *w = watch_of(fd);

    (void)data;
    if (!readable && !writable) {
        if (w)
            watch_remove(&w->watch);
        return;
    }
    if (!w) {
        w = watch_of(ARES_SOCKET_BAD);
        if (!w || watch_add(&w->watch, fd, socket_ready) < 0) {
            log_error("too many sockets to name servers");
            return;
        }
        w->fd = fd;
    }
    if (writable)
        watch_not_ready(&w->watch, EPOLLOUT);
}

static struct asker *asker_of(const char *query) {
    return &askers[(size_t)(query - (const char *)askers) / sizeof(askers[0])];
}

/* One that cannot be told is gone: its channel says so next. */
static void answer(struct asker *asker, const struct ipc_writer *w) {
    (void)channel_send(&asker->channel, w, -EBADF);
}

static void answer_failure(struct asker *asker, uint32_t query, int status) {
    struct ipc_writer w = ipc_begin(IPC_ADDRESSES);

    ipc_put_u32(&w, query);
    ipc_put_u8(&w, 0);
    ipc_put_u32(&w, 0);
    ipc_put_u8(&w, 0);
    ipc_put_bytes(&w, slice_of_string(ares_strerror(status)));
    answer(asker, &w);
}

static struct slice bytes_of(const struct ares_addrinfo_node *node) {
    if (node->ai_family == AF_INET)
        return slice_of(&((const struct sockaddr_in *)(const void *)node->ai_addr)->sin_addr, 4);
    if (node->ai_family == AF_INET6)
        return slice_of(&((const struct sockaddr_in6 *)(const void *)node->ai_addr)->sin6_addr, 16);
    return SLICE_EMPTY;
}

static void resolved(void *argument, int status, int timeouts, struct ares_addrinfo *result) {
    struct asker *asker = asker_of(argument);
    uint32_t query = (uint32_t)((char *)argument - asker->queries);
    uint32_t ttl = TTL_OF_HOSTS_FILE;
    struct ipc_writer w;
    uint8_t n = 0;

    (void)timeouts;
    if (status == ARES_EDESTRUCTION)
        return;
    asker->n_open--;
    for (struct ares_addrinfo_node *node = result ? result->nodes : NULL; node && n < LIMIT_ADDRESSES;
         node = node->ai_next) {
        if (bytes_of(node).n > 0)
            n++;
        if (node->ai_ttl > 0)
            ttl = (uint32_t)node->ai_ttl;
    }
    if (status != ARES_SUCCESS || n == 0) {
        answer_failure(asker, query, status == ARES_SUCCESS ? ARES_ENODATA : status);
        ares_freeaddrinfo(result);
        return;
    }
    w = ipc_begin(IPC_ADDRESSES);
    ipc_put_u32(&w, query);
    ipc_put_u8(&w, 1);
    ipc_put_u32(&w, ttl);
    ipc_put_u8(&w, n);
    for (struct ares_addrinfo_node *node = result->nodes; node && n > 0; node = node->ai_next)
        if (bytes_of(node).n > 0) {
            ipc_put_bytes(&w, bytes_of(node));
            n--;
        }
    ares_freeaddrinfo(result);
    answer(asker, &w);
}

static int on_lookup(void *owner, struct ipc_message *m) {
    static const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct asker *asker = owner;
    uint32_t query = ipc_get_u32(m);
    struct slice host = ipc_get_bytes(m, LIMIT_HOST);
    char name[LIMIT_HOST + 1];

    if (ipc_end(m) < 0 || query >= sizeof(asker->queries) || asker->n_open >= sizeof(asker->queries) || host.n == 0 ||
        slice_has(host, '\0'))
        return -EPROTO;
    memcpy(name, host.p, host.n);
    name[host.n] = '\0';
    asker->n_open++;
    ares_getaddrinfo(ares, name, NULL, &hints, resolved, &asker->queries[query]);
    schedule_retry();
    return 0;
}

/* The others go on asking; when there is no other, the supervisor ends the resolver. */
static void asker_closed(void *owner, int reason) {
    (void)owner;
    (void)reason;
}

static struct asker *free_asker(void) {
    for (size_t i = 0; i < ARRAY_LEN(askers); i++)
        if (!channel_is_open(&askers[i].channel) && askers[i].n_open == 0)
            return &askers[i];
    return NULL;
}

static int take_asker(int fd) {
    static const struct ipc_permit permits[] = {{IPC_LOOKUP, 1, on_lookup}};
    struct asker *asker = free_asker();

    if (!asker) { /* it sees its channel end, as when the resolver had died */
        log_error("too many roles ask for names");
        fd_close(&fd);
        return 0;
    }
    return channel_init(&asker->channel, fd, permits, ARRAY_LEN(permits), 1, asker, asker_closed);
}

static int on_asker(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    return ipc_end(m) < 0 ? -EPROTO : take_asker(fd_steal(&fd));
}

static int start_ares(void) {
    struct ares_options options = {.sock_state_cb = socket_wanted, .timeout = TRY_MS, .tries = TRIES};
    int status = ares_library_init(ARES_LIB_INIT_ALL);

    retry.on_expiry = retry_due;
    if (status == ARES_SUCCESS)
        status = ares_init_options(&ares, &options, ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    if (status != ARES_SUCCESS)
        log_error("c-ares: %s", ares_strerror(status));
    return status == ARES_SUCCESS ? 0 : -EIO;
}

static const struct ipc_permit permits[] = {{IPC_RESOLVER, 1, on_asker}};

int main(void) {
    static const char *const readable[] = {"/etc/hosts",     "/etc/resolv.conf",     "/etc/nsswitch.conf",
                                           "/etc/host.conf", "/run/systemd/resolve", "/run/resolvconf"};
    static const struct role resolver = {
        .name = "credfd-resolver",
        .seccomp = SECCOMP_RESOLVER,
        .landlock = {.readable = readable, .n_readable = ARRAY_LEN(readable), .may_connect = 1},
        .permits = permits,
        .n_permits = ARRAY_LEN(permits),
        .phase = 1,
        .prepare = start_ares,
    };

    return role_main(&resolver);
}
