/*
 * Where the metrics can be had. The socket is made here, before any
 * stranger is heard; whoever connects to it is accepted,
 * heard and answered in a role of its own (exporter.c), which asks here for the text. So the supervisor reads no byte
 * of theirs. Started, stopped and awaited by the broker and by
 * the dispatcher's supervisor, each with numbers of its own.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "metrics/metrics_settings.h"

struct metrics_server;

struct metrics_owner {
    /* Appends the whole text, of at most LIMIT_METRICS bytes, to an empty buffer. 0, -ENOBUFS or -ENOMEM. */
    int (*write)(void *owner, struct buf *to);
    /* The exporter died and is started again. */
    void (*restarted)(void *owner);
    /* The role is gone after metrics_server_stop. */
    void (*quiet)(void *owner);
    void *owner;
};

/*
 * NULL when `settings` name no place, or it cannot be listened at: what is counted works without, so nothing more is to
 * be done, and why was said in one line. `settings` are not borrowed.
 */
struct metrics_server *metrics_server_start(const struct metrics_settings *settings, const struct metrics_owner *owner);

/* All of these are fine with NULL. A server is freed once it is quiet. */
void metrics_server_stop(struct metrics_server *server);
bool metrics_server_is_quiet(const struct metrics_server *server);
void metrics_server_free(struct metrics_server *server);
