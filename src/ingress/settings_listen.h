/*
 * Where people are waited for, as `dispatch.listen` says it. Part of ingress/settings.c, apart for its size; opens
 * nothing.
 */
#pragma once

#include "config/document.h"
#include "ingress/settings.h"

#define DISPATCH_PORT 3780 /* where nothing is said */

/* A handler of config/schema.h; `field` is a struct dispatch_settings. */
int settings_read_listen(const struct node *node, void *field);

/* What stands in the place of a `listen` that was not written, at `node`. 0 or -ENOMEM. */
int settings_default_listen(struct dispatch_settings *settings, const struct node *node);

/* Whether one of the places is of that kind; the first that is. NULL: none. */
const struct listen_place *settings_find_listen(const struct dispatch_settings *settings, int kind);

void listen_place_done(struct listen_place *place);
