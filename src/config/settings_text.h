/*
 * What several keys of the configuration ask of their text, and how they complain. Part of egress/settings/settings.c; pure.
 */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "base/slice.h"

/* Whether it holds letters, digits and the bytes of `also` alone. */
bool settings_is_made_of(struct slice text, struct slice also);

/* Whether it can name an environment variable: [A-Za-z_][A-Za-z0-9_]* */
bool settings_is_variable(struct slice name);

/* A string of the caller's own: 0, or -ENOMEM. */
int settings_copy(struct slice text, char **ret);

/* Puts a complaint together, the caller's in `*ret_fault`: -EINVAL, or -ENOMEM with NULL there. */
int settings_refuse(char **ret_fault, const char *format, ...) _printf_(2, 3);
