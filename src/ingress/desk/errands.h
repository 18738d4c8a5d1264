/*
 * Commands that the supervisor runs for roles, because a role has no way to become somebody else: the mint command for
 * the pairer, start and stop commands for the steward. A role names an instance by its numbers; which words are run
 * stands in the settings, and for whom in the supervisor's own table. What a command prints, nobody reads here; what it
 * says on standard error is told in the log, bounded, at its end: it may be the person whose instance it is for.
 */
#pragma once

#include "ingress/peer_role.h"
#include "ingress/settings.h"
#include "ingress/table/table.h"
#include "proc/command.h"

struct errand;

/* Why it is run; numbers are the asking role's own, of each kind. */
enum errand_kind { ERRAND_MINT, ERRAND_STEWARD };

struct errands {
    struct errand *first;
    unsigned n;
    /* What it was run for has an end: told once, from the loop. `wait_status` is waitpid(2)'s. */
    void (*ended)(void *owner, enum errand_kind kind, uint32_t number, enum command_end end, int wait_status);
    /* No process of them is left. */
    void (*quiet)(void *owner);
    void *owner;
};

/*
 * 0; then `ended` comes. For ERRAND_MINT `*ret_output` is the pipe with what it prints, the caller's; else that goes
 * nowhere. -ENOENT: there is no such command. -E2BIG, -EEXIST (that number runs already) or -errno.
 */
int errand_start(struct errands *errands, enum errand_kind kind, uint32_t number,
                 const struct command_settings *settings, const struct instance *instance, const char *recipe,
                 int *ret_output);

/* Its output is no use: it is ended, and its end is told as any other. Harmless when there is none. */
void errand_kill(struct errands *errands, enum errand_kind kind, uint32_t number);

/* The role that asked for them has gone. */
void errands_drop_kind(struct errands *errands, enum errand_kind kind);

/* Ends them all; `quiet` is called when the last is reaped, not when there was none. */
void errands_stop(struct errands *errands);

static inline bool errands_are_quiet(const struct errands *errands) {
    return !errands->first;
}

/* `argv` with {os_user}, {name} and {recipe} filled in; freed by argv_free. NULL without memory. */
char **errand_argv(char *const *argv, const struct instance *instance, const char *recipe);
void errand_argv_free(char **argv);
