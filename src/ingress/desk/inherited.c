#include "ingress/desk/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/num.h"

#define FIRST 3 /* SD_LISTEN_FDS_START */

static int option_of(int fd, int name) {
    int value = -1;
    socklen_t n = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &n) < 0 ? -1 : value;
}

static int read_address(int fd, struct inherited_socket *ret) {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un path;
    } name = {0};
    socklen_t n = sizeof(name.path) - 1; /* a path that fills it has no NUL of its own */

    if (getsockname(fd, &name.any, &n) < 0)
        return -errno;
    switch (name.any.sa_family) {
    case AF_INET:
        ret->address = (struct address){.in = name.in, .n = sizeof(name.in)};
        return 0;
    case AF_INET6:
        ret->address = (struct address){.in6 = name.in6, .n = sizeof(name.in6)};
        return 0;
    case AF_UNIX:
        ret->is_unix = true;
        ret->path = name.path;
        return 0;
    default:
        return -EAFNOSUPPORT;
    }
}

static int look_at(int fd, struct inherited_socket *ret) {
    if (option_of(fd, SO_TYPE) != SOCK_STREAM || option_of(fd, SO_ACCEPTCONN) != 1)
        return -ENOTSOCK;
    ret->is_spread = option_of(fd, SO_REUSEPORT) == 1;
    return read_address(fd, ret);
}

/* Whoever made it may have left it blocking, and open for every program that is started. */
static int tame(int fd) {
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return fd_set_cloexec(fd, true);
}

static int take_one(struct inherited *inherited, int fd, struct slice name, char **ret_error) {
    struct inherited_socket *socket = &inherited->sockets[inherited->n++];
    int r;

    *socket = (struct inherited_socket){.fd = fd};
    (void)snprintf(socket->name, sizeof(socket->name), "%.*s", (int)MIN_OF(name.n, sizeof(socket->name) - 1), name.p);
    r = look_at(fd, socket);
    if (r == 0)
        r = tame(fd);
    if (r < 0 && asprintf(ret_error,
                          "descriptor %d of $LISTEN_FDS is no socket that listens for streams: %s; the socket unit "
                          "needs ListenStream=, and Accept=no",
                          fd, strerror(-r)) < 0)
        *ret_error = NULL;
    return r;
}

/* How many there are for this very process: what was meant for the one that started it is not touched. */
static int count_sockets(void) {
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    uint64_t number = 0, n = 0;

    if (!pid || !count || num_parse(slice_of_string(pid), INT32_MAX, &number) < 0 || number != (uint64_t)getpid())
        return 0;
    return num_parse(slice_of_string(count), LIMIT_INHERITED, &n) < 0 ? -E2BIG : (int)n;
}

int inherited_take(struct inherited *ret, char **ret_error) {
    const char *variable = getenv("LISTEN_FDNAMES");
    struct slice names = variable ? slice_of_string(variable) : (struct slice){0};
    int n = count_sockets(), r = 0;

    *ret = (struct inherited){0};
    *ret_error = NULL;
    if (n < 0 && asprintf(ret_error, "$LISTEN_FDS is no number of at most %d", LIMIT_INHERITED) < 0)
        *ret_error = NULL;
    if (n > 0) {
        ret->sockets = calloc((size_t)n, sizeof(ret->sockets[0]));
        r = ret->sockets ? 0 : -ENOMEM;
    }
    for (int i = 0; r == 0 && i < n; i++)
        r = take_one(ret, FIRST + i, names.p ? slice_cut(&names, ':') : SLICE_EMPTY, ret_error);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return n < 0 ? n : r;
}

void inherited_done(struct inherited *inherited) {
    for (size_t i = 0; i < inherited->n; i++)
        fd_close(&inherited->sockets[i].fd);
    free(inherited->sockets);
    *inherited = (struct inherited){0};
}

static bool is_same_address(const struct address *a, const struct address *b) {
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    return a->in6.sin6_port == b->in6.sin6_port &&
           memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
}

struct inherited_socket *inherited_at_address(struct inherited *inherited, const struct address *address) {
    for (size_t i = 0; i < inherited->n; i++) {
        struct inherited_socket *socket = &inherited->sockets[i];

        if (socket->fd >= 0 && !socket->is_unix && is_same_address(&socket->address, address))
            return socket;
    }
    return NULL;
}

struct inherited_socket *inherited_at_path(struct inherited *inherited, const char *path) {
    for (size_t i = 0; i < inherited->n; i++) {
        struct inherited_socket *socket = &inherited->sockets[i];

        if (socket->fd >= 0 && socket->is_unix && strcmp(socket->path.sun_path, path) == 0)
            return socket;
    }
    return NULL;
}

struct inherited_socket *inherited_next(struct inherited *inherited) {
    for (size_t i = 0; i < inherited->n; i++)
        if (inherited->sockets[i].fd >= 0)
            return &inherited->sockets[i];
    return NULL;
}
