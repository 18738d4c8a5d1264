/*
 * Keys of the one file that mean the same to every command that reads it, and sections that are another command's
 * business. Pure.
 */
#pragma once

#include "config/document.h"

/* Handlers of config/schema.h. `field` is an enum log_level. */
int settings_read_log(const struct node *node, void *field);

/* `field` is a uint64_t, in milliseconds, of at most TIMEOUT_MAX. */
int settings_read_timeout(const struct node *node, void *field);

/* Takes whatever stands there: its own command judges it. */
int settings_pass_over(const struct node *node, void *field);
