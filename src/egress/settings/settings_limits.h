/*
 * What a lease may spend and how long is waited for whom; small switches of a credential. Part of egress/settings/settings.c,
 * apart for its size.
 */
#pragma once

#include "config/document.h"

/* Handlers of config/schema.h; `field`: the limits, is_mask_off and passes_cookies of a credential; the timeouts. */
int settings_read_limits(const struct node *node, void *field);
int settings_read_mask(const struct node *node, void *field);
int settings_read_pass(const struct node *node, void *field);
int settings_read_timeouts(const struct node *node, void *field);
