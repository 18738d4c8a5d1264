/*
 * Whether a CLI knows the lease channel (contract 2): runs `CLI version --json` for a moment, with nothing to read and
 * an environment of its own, in a group that ends with it, and has what it prints parsed by a role (credfd-probe). The
 * supervisor reads no byte of it. Whatever fails means no. Used by fleet/desk.
 */
#pragma once

#include "base/limits.h"
#include "proc/child.h"
#include "proc/command.h"
#include "proc/command_words.h"

struct probe;

/*
 * Called once, from the loop, when every process of the probe is reaped. `why_not` is NULL for a yes, else a few words
 * for a person ("took longer than 5 s"), valid during the call.
 */
typedef void probe_done(struct probe *probe, const char *why_not);

struct probe {
    struct child role;
    struct command command;
    struct command_words words;
    struct timer timer;
    probe_done *done;
    void *owner;
    char answer[LIMIT_REASON + 1]; /* what the role said: empty for a yes */
    bool has_answered;
    bool is_late;
    bool is_over; /* nothing of it runs */
    bool is_in_kill;
};

/* `cli` is its path, absolute. `done` is called afterwards in every case. 0, or -errno: then nothing was started. */
int probe_start(struct probe *probe, const char *cli, probe_done *done, void *owner);

/* Ends it now; `done` is called, from the loop. Harmless when it is over, or never began (zeroed). */
void probe_kill(struct probe *probe);

static inline bool probe_is_running(const struct probe *probe) {
    return child_is_running(&probe->role) || command_is_running(&probe->command);
}
