#include "ingress/desk/listeners.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "net/listen.h"

#define SOCKET_MODE 0666 /* of a unix socket whose users are named: who connects is asked of the kernel */

/* What the functions that open share. */
struct opening {
    struct listeners *listeners;
    const struct dispatch_settings *settings;
    uint32_t n_workers;
    struct inherited *inherited;
    char **ret_error;
};

bool listener_is_for(const struct listener *listener, uint32_t worker) {
    return !listener->is_tls && (listener->is_shared || listener->worker == worker);
}

static in_port_t port_of(const struct address *address) {
    return address->any.sa_family == AF_INET ? address->in.sin_port : address->in6.sin6_port;
}

/* Whether the port is that of a socket that was handed over, and that no place has taken. */
static bool is_handed_over(const struct opening *o, const struct listen_place *place) {
    for (size_t i = 0; place->kind != LISTEN_UNIX && i < o->inherited->n; i++) {
        const struct inherited_socket *socket = &o->inherited->sockets[i];

        if (socket->fd >= 0 && !socket->is_unix && port_of(&socket->address) == port_of(&place->address))
            return true;
    }
    return false;
}

static bool is_no_socket(const char *path) {
    struct stat there;

    return path && lstat(path, &there) == 0 && !S_ISSOCK(there.st_mode);
}

static const char *mend_for(const struct opening *o, const struct listen_place *place, int error) {
    switch (-error) {
    case EADDRINUSE:
        if (is_handed_over(o, place))
            return "systemd has handed over a socket of that port; write listen: [ systemd ], or stop the socket unit";
        if (is_no_socket(place->path))
            return "what lies there is no socket; remove it, or name another place";
        return "another process listens there; end it, or name another place";
    case EACCES:
        return "let systemd open it (listen: [ systemd ]), or name another place";
    case EADDRNOTAVAIL:
        return "no interface of this machine has that address; correct it";
    case ENOENT:
        return "create its folder; RuntimeDirectory= of systemd does";
    default:
        return "name another place";
    }
}

static int fail(const struct opening *o, const struct listen_place *place, int error) {
    if (asprintf(o->ret_error, "%s: %s: cannot be listened at: %s; %s", place->where, place->text, strerror(-error),
                 mend_for(o, place, error)) < 0)
        *o->ret_error = NULL;
    return error;
}

/* Takes `fd` over. There is room: listeners_open has seen to it. */
static struct listener *add(const struct opening *o, size_t place, int fd) {
    struct listener *listener = &o->listeners->items[o->listeners->n++];

    *listener = (struct listener){.place = (uint32_t)place, .is_shared = true, .name = INHERITED_OWN, .fd = fd};
    return listener;
}

static struct listener *add_inherited(const struct opening *o, size_t place, struct inherited_socket *socket) {
    struct listener *listener = add(o, place, fd_steal(&socket->fd));

    memcpy(listener->name, socket->name, sizeof(listener->name));
    listener->kind = socket->is_unix ? LISTENER_UNIX : LISTENER_TCP;
    return listener;
}

/* Those of a predecessor may be more than there are dispatchers now, or fewer: none may be without one. */
static uint32_t take_spread(const struct opening *o, size_t place, bool *ret_is_spread) {
    const struct address *address = &o->settings->listen[place].address;
    struct inherited_socket *socket;
    uint32_t n = 0;

    for (; (socket = inherited_at_address(o->inherited, address)); n++) {
        bool is_spread = socket->is_spread;
        struct listener *listener = add_inherited(o, place, socket);

        listener->is_shared = !is_spread;
        listener->worker = n % o->n_workers;
        *ret_is_spread = is_spread;
    }
    return n;
}

/* One that is not ours, at the same address, would be given some of the connections. */
static int refuse_company(const struct address *address) {
    int fd = -EBADF, r = listen_tcp(address, 1, &fd);

    fd_close(&fd);
    return r;
}

static int open_tcp(const struct opening *o, size_t place) {
    const struct address *address = &o->settings->listen[place].address;
    bool is_spread = true;
    uint32_t n = take_spread(o, place, &is_spread);
    int r = n == 0 ? refuse_company(address) : 0;

    for (; r == 0 && is_spread && n < o->n_workers; n++) {
        int fd = -EBADF;

        r = listen_tcp_beside(address, LIMIT_BACKLOG, &fd);
        if (r == 0) {
            struct listener *listener = add(o, place, fd);

            listener->is_shared = false;
            listener->worker = n;
        }
    }
    return r;
}

static int open_tls(const struct opening *o, size_t place) {
    const struct address *address = &o->settings->listen[place].address;
    struct inherited_socket *socket = inherited_at_address(o->inherited, address);
    int fd = -EBADF, r = socket ? 0 : listen_tcp(address, LIMIT_BACKLOG, &fd);

    if (r < 0)
        return r;
    (socket ? add_inherited(o, place, socket) : add(o, place, fd))->is_tls = true;
    return 0;
}

static int open_unix(const struct opening *o, size_t place) {
    const char *path = o->settings->listen[place].path;
    struct inherited_socket *socket = inherited_at_path(o->inherited, path);
    bool is_own = !socket || strcmp(socket->name, INHERITED_OWN) == 0;
    struct listener *listener;
    int fd = -EBADF, r = socket ? 0 : listen_unix(path, SOCK_STREAM, LIMIT_BACKLOG, &fd);

    if (r == 0 && !socket && o->settings->trust.names_users && chmod(path, SOCKET_MODE) < 0)
        r = -errno;
    if (r < 0) {
        fd_close(&fd);
        return r;
    }
    listener = socket ? add_inherited(o, place, socket) : add(o, place, fd);
    listener->kind = LISTENER_UNIX;
    if (is_own)
        (void)snprintf(listener->path, sizeof(listener->path), "%s", path);
    return 0;
}

static int open_place(const struct opening *o, size_t place) {
    switch (o->settings->listen[place].kind) {
    case LISTEN_TCP:
        return open_tcp(o, place);
    case LISTEN_TLS:
        return open_tls(o, place);
    case LISTEN_UNIX:
        return open_unix(o, place);
    case LISTEN_SYSTEMD:
        return 0; /* what the other places leave */
    }
    return -EINVAL;
}

static bool is_absent_family(const struct listen_place *place, int error) {
    return place->is_half && (error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL);
}

static int open_places(const struct opening *o) {
    for (size_t i = 0; i < o->settings->n_listen; i++) {
        const struct listen_place *place = &o->settings->listen[i];
        int r = open_place(o, i);

        if (r < 0 && !is_absent_family(place, r))
            return fail(o, place, r);
    }
    return 0;
}

static void describe(const struct inherited_socket *socket, char to[static LISTENER_AT_MAX]) {
    char address[ADDRESS_TEXT_MAX];

    address_format(&socket->address, address);
    if (socket->is_unix)
        (void)snprintf(to, LISTENER_AT_MAX, "unix:%s", socket->path.sun_path);
    else
        (void)snprintf(to, LISTENER_AT_MAX, "%s", address);
}

static int take_rest(const struct opening *o, size_t place) {
    struct inherited_socket *socket;
    size_t n = 0;

    for (; (socket = inherited_next(o->inherited)); n++)
        describe(socket, add_inherited(o, place, socket)->at);
    if (n > 0)
        return 0;
    if (asprintf(o->ret_error,
                 "%s: systemd: hands no socket over; start the socket unit, or name an address to listen at",
                 o->settings->listen[place].where) < 0)
        *o->ret_error = NULL;
    return -ENOTCONN;
}

static void drop_rest(const struct opening *o) {
    struct inherited_socket *socket;

    while ((socket = inherited_next(o->inherited))) {
        log_warning("%s: a socket that was handed over stands nowhere in `dispatch.listen` and is closed",
                    socket->name[0] ? socket->name : "$LISTEN_FDS");
        fd_close(&socket->fd);
    }
}

/* Sockets of a predecessor's own making stand for the places that it had; those of systemd are places themselves. */
static bool has_handed_any(const struct inherited *inherited) {
    for (size_t i = 0; i < inherited->n; i++)
        if (strcmp(inherited->sockets[i].name, INHERITED_OWN) != 0)
            return true;
    return false;
}

static size_t find_systemd(const struct dispatch_settings *settings) {
    size_t at = settings->n_listen;

    for (size_t i = 0; i < settings->n_listen; i++)
        if (settings->listen[i].kind == LISTEN_SYSTEMD)
            at = i;
    return at;
}

static int open_written(const struct opening *o) {
    size_t rest = find_systemd(o->settings);
    int r = open_places(o);

    if (r == 0 && rest < o->settings->n_listen)
        return take_rest(o, rest);
    if (r == 0)
        drop_rest(o);
    return r;
}

int listeners_open(struct listeners *listeners, const struct dispatch_settings *settings, uint32_t n_workers,
                   struct inherited *inherited, char **ret_error) {
    const struct opening o = {listeners, settings, n_workers, inherited, ret_error};
    int r;

    *ret_error = NULL;
    *listeners =
        (struct listeners){.items = calloc(settings->n_listen * n_workers + inherited->n, sizeof(listeners->items[0]))};
    if (!listeners->items)
        return -ENOMEM;
    r = settings->listens_by_default && has_handed_any(inherited) ? take_rest(&o, 0) : open_written(&o);
    if (r == 0 && listeners->n == 0)
        r = fail(&o, &settings->listen[0], -EADDRNOTAVAIL);
    if (r < 0)
        listeners_close(listeners, false);
    return r;
}

/* What was handed over at the place, in the place of its words. Returns whether there is any. */
static bool print_handed(FILE *out, const struct listeners *listeners, size_t place) {
    size_t n = 0;

    for (size_t i = 0; i < listeners->n; i++)
        if (listeners->items[i].place == place && listeners->items[i].at[0])
            fprintf(out, "%s%s", n++ > 0 ? ", " : "", listeners->items[i].at);
    if (n > 0)
        fprintf(out, " (from systemd)");
    return n > 0;
}

char *listeners_describe(const struct listeners *listeners, const struct dispatch_settings *settings) {
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return NULL;
    for (size_t i = 0; i < settings->n_listen; i++) {
        if (i > 0 && listen_is_second_half(&settings->listen[i]))
            continue;
        fprintf(out, "%s", i > 0 ? ", " : "");
        if (!print_handed(out, listeners, i))
            fprintf(out, "%s", settings->listen[i].text);
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

void listeners_close(struct listeners *listeners, bool is_handed_on) {
    for (size_t i = 0; i < listeners->n; i++) {
        struct listener *listener = &listeners->items[i];

        fd_close(&listener->fd);
        if (listener->path[0] && !is_handed_on)
            (void)unlink(listener->path);
    }
    free(listeners->items);
    *listeners = (struct listeners){0};
}
