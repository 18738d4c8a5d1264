/*
 * One credential of the configuration: its keys, and what each may say. Part of egress/settings.c, apart for its size;
 * nobody else calls it.
 */
#pragma once

#include "config/document.h"
#include "egress/settings.h"

/* Fills `*credential`, which is all zero. 0, or -errno after a complaint; either way credential_done frees it. */
int credential_read(const struct node *node, struct credential *credential);
void credential_done(struct credential *credential);

/* A handler of config/schema.h for every wait that can be set: milliseconds, in the uint64_t at `field`. */
int settings_read_timeout(const struct node *node, void *field);
