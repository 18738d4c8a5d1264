/*
 * The supervisor's side of a secret's way, once: opens where it lies, or starts the command that prints it; starts a
 * source (source.c) that reads there; and gets the secret back as a descriptor of secret memory that it passes on
 * without ever mapping it. Reads no byte of a secret itself, but the value of a variable that it was started with.
 */
#pragma once

#include "proc/child.h"
#include "proc/command.h"
#include "secrets/settings_secret.h"
#include "secrets/source_fault.h"

struct resolution;

/*
 * `sealed` is the callee's, and `expires_in_ms` is how long it is good for, 0 for ever; or `sealed` is negative, and
 * then `error` is one line for a person. Called once, from the loop, when every process of the resolution is reaped.
 */
typedef void resolution_done(struct resolution *resolution, int sealed, uint64_t expires_in_ms, const char *error);

struct resolution {
    struct child source;
    struct command command;
    const struct secret_source *from;
    resolution_done *done;
    void *owner;
    struct timer timer; /* how long it may take; or, when it was ended from outside the loop, the telling */
    int sealed;
    uint64_t expires_in_ms;
    enum source_fault fault; /* what the source said; SOURCE_SOUND before it has */
    int start_error;         /* -errno: not all of it could be started */
    bool is_late;
    bool is_over;    /* nothing of it runs */
    bool is_in_kill; /* `done` must wait for the loop */
};

/*
 * Starts it; afterwards `done` is called. `from` is borrowed until then. 0, or -errno with `*ret_error` for a person,
 * the caller's (NULL without memory): then nothing was started.
 */
int resolution_start(struct resolution *resolution, const struct secret_source *from, resolution_done *done,
                     void *owner, char **ret_error);

/* Ends it now; `done` is called, from the loop, with an error. Harmless when it is over, or never began (zeroed). */
void resolution_kill(struct resolution *resolution);

/* Whether any process of it is left. */
static inline bool resolution_is_running(const struct resolution *resolution) {
    return child_is_running(&resolution->source) || command_is_running(&resolution->command);
}

/* Wipes the variable's value in this process and takes it out of the environment. Harmless for other kinds. */
void secret_source_forget(const struct secret_source *from);
