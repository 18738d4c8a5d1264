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

static const char *mend_for(int error) {
    switch (-error) {
    case EADDRINUSE:
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
                 mend_for(error)) < 0)
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

static int take_rest(const struct opening *o, size_t place) {
    struct inherited_socket *socket;
    size_t n = 0;

    for (; (socket = inherited_next(o->inherited)); n++)
        (void)add_inherited(o, place, socket);
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

int listeners_open(struct listeners *listeners, const struct dispatch_settings *settings, uint32_t n_workers,
                   struct inherited *inherited, char **ret_error) {
    const struct opening o = {listeners, settings, n_workers, inherited, ret_error};
    size_t rest = settings->n_listen;
    int r;

    *ret_error = NULL;
    *listeners =
        (struct listeners){.items = calloc(settings->n_listen * n_workers + inherited->n, sizeof(listeners->items[0]))};
    if (!listeners->items)
        return -ENOMEM;
    r = open_places(&o);
    for (size_t i = 0; i < settings->n_listen; i++)
        if (settings->listen[i].kind == LISTEN_SYSTEMD)
            rest = i;
    if (r == 0 && rest < settings->n_listen)
        r = take_rest(&o, rest);
    else if (r == 0)
        drop_rest(&o);
    if (r == 0 && listeners->n == 0)
        r = fail(&o, &settings->listen[0], -EADDRNOTAVAIL);
    if (r < 0)
        listeners_close(listeners, false);
    return r;
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
