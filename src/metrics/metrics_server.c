#include "metrics/metrics_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "net/listen.h"
#include "proc/standing.h"
#include "wire/authority.h"

struct metrics_server {
    struct standing exporter;
    int listener;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of a unix socket, to be removed; else empty */
    struct metrics_owner owner;
    bool is_stopping;
};

static struct metrics_server *server_of(struct child *child) {
    struct standing *standing = child->owner;

    return standing->owner;
}

static int send_text(struct channel *channel, struct slice text) {
    int r = 0;

    do {
        struct slice part = slice_first(text, LIMIT_READ);
        struct ipc_writer w = ipc_begin(IPC_METRICS);

        text = slice_from(text, part.n);
        ipc_put_u8(&w, text.n == 0);
        ipc_put_bytes(&w, part);
        r = channel_send(channel, &w, -EBADF);
    } while (r == 0 && text.n > 0);
    return r;
}

/* While a part of the last answer waits to be taken there is nothing new to ask for: the queue is bounded by that. */
static int on_scrape(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    const struct metrics_owner *counts = &server_of(child)->owner;
    struct buf text;
    int r;

    if (ipc_end(m) < 0 || child->channel.queued > 0)
        return -EPROTO;
    buf_init(&text, LIMIT_METRICS);
    r = send_text(&child->channel, counts->write(counts->owner, &text) == 0 ? buf_slice(&text) : SLICE_EMPTY);
    buf_release(&text);
    return r;
}

static const struct ipc_permit permits[] = {
    {IPC_HELLO, 1, standing_on_hello}, {IPC_LOG, 1, child_on_log}, {IPC_SCRAPE, 1, on_scrape}};

static void exporter_ready(struct standing *standing) {
    struct metrics_server *server = standing->owner;
    struct ipc_writer w = ipc_begin(IPC_LISTENER);
    int r = channel_send(&standing->child.channel, &w, server->listener);

    if (r < 0)
        standing_fail(standing, r);
}

/* Nobody waits in vain where nobody will answer. */
static void close_place(struct metrics_server *server) {
    fd_close(&server->listener);
    if (server->path[0] != '\0')
        (void)unlink(server->path);
    server->path[0] = '\0';
}

static void exporter_exited(struct standing *standing, int wait_status) {
    struct metrics_server *server = standing->owner;
    char what[CHILD_END_TEXT];

    if (server->is_stopping) {
        server->owner.quiet(server->owner.owner);
    } else if (standing->was_ready) {
        log_error("%s: it is started again", child_describe_end(&standing->child, wait_status, what));
        server->owner.restarted(server->owner.owner);
        standing_again(standing);
    } else {
        log_warning("%s: there are no metrics", child_describe_end(&standing->child, wait_status, what));
        close_place(server);
    }
}

static const struct standing_plan plan = {
    .name = "credfd-exporter",
    .permits = permits,
    .n_permits = ARRAY_LEN(permits),
    .on_ready = exporter_ready,
    .on_exited = exporter_exited,
};

/* The configuration has been read strictly: a path, or an address of this machine. */
static int listen_where(struct metrics_server *server, struct slice where) {
    struct slice path = slice_from(where, strlen("unix:"));
    struct authority authority;
    struct address address;
    int r;

    if (slice_starts_with(where, SLICE("unix:"))) {
        if (path.n >= sizeof(server->path))
            return -ENAMETOOLONG;
        memcpy(server->path, path.p, path.n);
        r = listen_unix(server->path, SOCK_STREAM, LIMIT_SCRAPERS, &server->listener);
        if (r < 0)
            server->path[0] = '\0'; /* it is not ours to remove */
        return r;
    }
    if (!authority_parse(where, &authority))
        return -EINVAL;
    if (slice_equals(authority.host, SLICE("localhost")))
        authority.host = SLICE("127.0.0.1");
    r = address_parse(authority.host, authority.port, &address);
    return r < 0 ? r : listen_tcp(&address, LIMIT_SCRAPERS, &server->listener);
}

struct metrics_server *metrics_server_start(const struct metrics_settings *settings,
                                            const struct metrics_owner *owner) {
    struct metrics_server *server = settings->listen ? calloc(1, sizeof(*server)) : NULL;
    int r;

    if (!settings->listen)
        return NULL;
    if (server) {
        server->listener = -EBADF;
        server->owner = *owner;
    }
    r = server ? listen_where(server, slice_of_string(settings->listen)) : -ENOMEM;
    if (r == 0)
        r = standing_start(&server->exporter, &plan, NULL, server);
    if (r == 0)
        return server;
    log_warning("%s: %s: %s; there are no metrics of this run: free that place, or name another", settings->where,
                settings->listen, strerror(-r));
    metrics_server_free(server);
    return NULL;
}

void metrics_server_stop(struct metrics_server *server) {
    if (!server)
        return;
    server->is_stopping = true;
    close_place(server);
    standing_stop(&server->exporter);
}

bool metrics_server_is_quiet(const struct metrics_server *server) {
    return !server || !child_is_running(&server->exporter.child);
}

void metrics_server_free(struct metrics_server *server) {
    if (!server)
        return;
    close_place(server);
    free(server);
}
