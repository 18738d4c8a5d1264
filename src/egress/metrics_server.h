/*
 * Where the metrics can be had. The socket is made here, before the workload runs; whoever connects to it is accepted,
 * heard and answered in a role of its own (exporter.c), which asks here for the text. So the supervisor reads no byte
 * of theirs. Started, stopped and awaited by the broker.
 */
#pragma once

#include <stdbool.h>

#include "egress/metrics.h"
#include "egress/settings.h"

struct metrics_server;

/*
 * NULL when `settings` name no place, or it cannot be listened at: leases work without, so nothing more is to be done,
 * and why was said in one line. `metrics` is borrowed, `settings` is not. `on_quiet` is called when the role is gone
 * after metrics_server_stop.
 */
struct metrics_server *metrics_server_start(const struct metrics_settings *settings, struct metrics *metrics,
                                            void (*on_quiet)(void *owner), void *owner);

/* All of these are fine with NULL. A server is freed once it is quiet. */
void metrics_server_stop(struct metrics_server *server);
bool metrics_server_is_quiet(const struct metrics_server *server);
void metrics_server_free(struct metrics_server *server);
