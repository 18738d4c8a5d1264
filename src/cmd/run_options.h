/*
 * The command line of `credfd run`, taken apart. Knows nothing of what is done with it; cmd/run.c reads it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"
#include "cmd/workload.h"
#include "egress/settings/profile.h"

struct run_options {
    const char *config, *identity, *audit;
    const char *learn;               /* the file that rules are written to; NULL: nothing is learnt */
    const char *names[LIMIT_LEASES]; /* of --lease, in their order */
    size_t n_names;
    struct profile_choice profiles[LIMIT_LEASES]; /* in place of a configuration, where there are any */
    size_t n_profiles;
    bool has_proxy;
    bool has_isolation; /* somebody said which; else it is what the doors need */
    enum isolation isolation;
    bool is_best;
    const char *readable[LIMIT_VIEW_PATHS], *writable[LIMIT_VIEW_PATHS];
    size_t n_readable, n_writable;
    char **argv; /* the command's */
};

/* -1 to go on, with `*ret` looking into `argv`; else the exit status. */
int run_options_parse(int argc, char **argv, struct run_options *ret);
