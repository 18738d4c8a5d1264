/*
 * What of the files that `credfd run` reads or starts again while its command runs the command must not change: its
 * rules, its audit, the programs that print its keys, its own roles. Found once, before the command is there; opens
 * none of them and makes no view (sandbox/view.h does). For cmd/run.c and cmd/run_doors.c alone.
 */
#pragma once

#include <stddef.h>

#include "base/limits.h"
#include "base/macros.h"
#include "egress/settings/settings.h"

/*
 * Which program prints each key, with those of an `earlier` reading, NULL for none, taken again
 * (settings_find_program). 0 or -ENOMEM.
 */
int run_kept_find_programs(struct settings *settings, const struct settings *earlier);

/* Absolute, owned. */
struct run_kept {
    char *paths[LIMIT_KEPT];
    size_t n;
};

/*
 * Adds all of it; of a file that is not there, nothing. `rules` are the files that the settings were read from. 0, or
 * -errno: -E2BIG beyond LIMIT_KEPT. Either way run_kept_done frees it.
 */
int run_kept_list(const struct settings *settings, const char *const *rules, size_t n_rules, struct run_kept *ret);
void run_kept_done(struct run_kept *kept);
#define _cleanup_run_kept_ _cleanup_(run_kept_done)
