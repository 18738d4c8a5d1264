/*
 * Names of header fields that a front is believed by. Part of ingress/settings.c; pure.
 */
#pragma once

#include "config/document.h"

/*
 * A handler of config/schema.h; `field` is a char *. A name that a proxy could spell in a second way, or that means
 * something else to every server, is refused.
 */
int settings_read_header(const struct node *node, void *field);
