/*
 * The way of one person to an instance, step by step, as `credfd dispatch check` goes it: a connection, a session by the
 * recipe, the page with that session, a WebSocket. On the loop, in the process of the command. Shows no credential and
 * no cookie's value.
 */
#pragma once

#include "cmd/dispatch_report.h"
#include "ingress/pairing/target.h"
#include "ingress/settings.h"

struct dispatch_walk_plan {
    const struct dispatch_settings *settings;
    struct target *target;
    const char *path;      /* of the page */
    const char *websocket; /* the path of one; NULL: the recipe's, or none is tried */
    struct dispatch_report *report;
};

/* Until the last step, or the first that fails; those that are not come to are told as well. 0 or -errno of the loop. */
int dispatch_walk(const struct dispatch_walk_plan *plan);
