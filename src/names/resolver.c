/*
 * The resolver: names in, addresses out, by c-ares. It reads what name servers and /etc/hosts say, and knows no secret:
 * a fault in a DNS parser is worth nothing here. What the addresses are good for, the keeper judges.
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

/* The keeper numbers its queries from 0; c-ares hands back a pointer, and the pointer's place is the number. */
static char queries[LIMIT_LEASES];
static struct channel keeper;

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

static void answer_failure(uint32_t query, int status) {
    struct ipc_writer w = ipc_begin(IPC_ADDRESSES);

    ipc_put_u32(&w, query);
    ipc_put_u8(&w, 0);
    ipc_put_u32(&w, 0);
    ipc_put_u8(&w, 0);
    ipc_put_bytes(&w, slice_of_string(ares_strerror(status)));
    if (channel_send(&keeper, &w, -EBADF) < 0)
        loop_stop();
}

static struct slice bytes_of(const struct ares_addrinfo_node *node) {
    if (node->ai_family == AF_INET)
        return slice_of(&((const struct sockaddr_in *)(const void *)node->ai_addr)->sin_addr, 4);
    if (node->ai_family == AF_INET6)
        return slice_of(&((const struct sockaddr_in6 *)(const void *)node->ai_addr)->sin6_addr, 16);
    return SLICE_EMPTY;
}

static void resolved(void *argument, int status, int timeouts, struct ares_addrinfo *result) {
    uint32_t query = (uint32_t)((char *)argument - queries);
    uint32_t ttl = TTL_OF_HOSTS_FILE;
    struct ipc_writer w;
    uint8_t n = 0;

    (void)timeouts;
    if (status == ARES_EDESTRUCTION)
        return;
    for (struct ares_addrinfo_node *node = result ? result->nodes : NULL; node && n < LIMIT_ADDRESSES;
         node = node->ai_next) {
        if (bytes_of(node).n > 0)
            n++;
        if (node->ai_ttl > 0)
            ttl = (uint32_t)node->ai_ttl;
    }
    if (status != ARES_SUCCESS || n == 0) {
        answer_failure(query, status == ARES_SUCCESS ? ARES_ENODATA : status);
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
    if (channel_send(&keeper, &w, -EBADF) < 0)
        loop_stop();
}

static int on_lookup(void *owner, struct ipc_message *m) {
    static const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    uint32_t query = ipc_get_u32(m);
    struct slice host = ipc_get_bytes(m, LIMIT_HOST);
    char name[LIMIT_HOST + 1];

    (void)owner;
    if (ipc_end(m) < 0 || query >= sizeof(queries) || host.n == 0 || slice_has(host, '\0'))
        return -EPROTO;
    memcpy(name, host.p, host.n);
    name[host.n] = '\0';
    ares_getaddrinfo(ares, name, NULL, &hints, resolved, &queries[query]);
    schedule_retry();
    return 0;
}

static void keeper_closed(void *owner, int reason) {
    (void)owner;
    (void)reason;
    loop_stop();
}

static int on_keeper(void *owner, struct ipc_message *m) {
    static const struct ipc_permit permits[] = {{IPC_LOOKUP, 1, on_lookup}};
    _cleanup_close_ int fd = ipc_get_fd(m);
    int r;

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    r = channel_init(&keeper, fd_steal(&fd), permits, ARRAY_LEN(permits), 1, NULL, keeper_closed);
    keeper.may_wait = true;
    return r;
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

static const struct ipc_permit permits[] = {{IPC_RESOLVER, 1, on_keeper}};

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
