/*
 * The places of a request that a credential's secret is put into. Part of egress/settings/settings.c, apart for its size.
 */
#pragma once

#include "config/document.h"

/* A handler of config/schema.h. `field` is a struct credential, whose list of injections is freed with it. */
int settings_read_inject(const struct node *node, void *field);
