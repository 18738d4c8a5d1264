/*
 * The doors of `credfd run`'s command: which it gets, and how they come to be where it lives, which may be a network of
 * its own. Between the options and settings on one side, egress/desk/doors.h and cmd/workload.h on the other.
 */
#pragma once

#include "cmd/run_options.h"
#include "egress/desk/broker.h"

/*
 * Fills in what is wanted, for the leases of `names`. 0, -EINVAL after a word in the log: two of them have one authority,
 * and a proxy could not tell them apart.
 */
int run_doors_plan(struct doors *doors, const struct settings *settings, const char *const *names, size_t n);

/* Whether the command is started in a place of its own, or with listeners: then it must be prepared. */
bool run_doors_need_place(const struct doors *doors, const struct run_options *options);

/*
 * Makes that place, and the sockets in it; `workload` is on its way afterwards, and the holder can open its doors. In a
 * place of its own the command sees no file that a secret comes from, and changes none of what cmd/run_kept.h lists;
 * the settings were read from the files `rules`. 0 or -errno after a word in the log.
 */
int run_doors_make(struct doors *doors, const struct run_options *options, const struct settings *settings,
                   const char *const *rules, size_t n_rules, struct workload *workload);
