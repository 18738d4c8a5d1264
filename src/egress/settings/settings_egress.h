/*
 * The `egress` section: that there is a proxy, and which hosts without a credential it lets through. Part of
 * egress/settings/settings.c, and of profiles, which have one too; pure.
 */
#pragma once

#include "config/document.h"
#include "egress/settings/settings.h"

/* A handler of config/schema.h; `field` is a struct egress_settings, all zero. */
int settings_read_egress(const struct node *node, void *field);

void egress_settings_done(struct egress_settings *egress);
