/*
 * Who may name a person, as `dispatch.trust` says it. Part of ingress/settings.c, apart for its size.
 */
#pragma once

#include "config/document.h"
#include "ingress/settings.h"

/* A handler of config/schema.h; `field` is a struct trust_settings, all zero. */
int settings_read_trust(const struct node *node, void *field);

/* What was not written: loopback's addresses, every user of a unix socket. 0 or -ENOMEM. */
int settings_default_trust(struct trust_settings *trust);

void trust_settings_done(struct trust_settings *trust);
