/*
 * The supervisor's side of a secret's way: opens where it lies, starts a source (source.c) that reads it, and gets it
 * back as a descriptor of secret memory that it passes on without ever mapping it.
 */
#pragma once

#include "egress/settings.h"
#include "proc/child.h"

struct resolution;

/* `sealed` is the callee's; or negative, and then `error` is one line for a person. Called once. */
typedef void resolution_done(struct resolution *resolution, int sealed, const char *error);

struct resolution {
    struct child source;
    const struct secret_source *from;
    resolution_done *done;
    void *owner;
    struct timer deadline;
    int sealed;
    const char *fault; /* why not */
};

/* 0, or -errno with `*ret_error` for a person, the caller's. Afterwards `done` is called from the loop. */
int resolution_start(struct resolution *resolution, const struct secret_source *from, resolution_done *done,
                     void *owner, char **ret_error);

/*
 * Wipes the variable's value in this process and takes it out of the environment. Call when every source has started.
 */
void secret_source_forget(const struct secret_source *from);
