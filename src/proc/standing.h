/*
 * A role that is there for as long as its supervisor: when its process dies it is started again, at once the first
 * time, later and later when it keeps dying. What it must be told anew, its owner knows. Knows no role's work.
 */
#pragma once

#include "proc/child.h"

struct standing;

struct standing_plan {
    const char *name;                 /* of its program */
    const struct ipc_permit *permits; /* standing_on_hello in the place of child_on_hello; owner: struct child */
    size_t n_permits;
    /* It has hardened itself and listens: tell it what it must know, or standing_fail. */
    void (*on_ready)(struct standing *standing);
    /* Its process has ended. Call standing_again unless it is not wanted any more. */
    void (*on_exited)(struct standing *standing, int wait_status);
};

struct standing {
    struct child child;
    const struct standing_plan *plan;
    const char *argument;
    void *owner;
    struct timer again;
    uint64_t delay_ms, began_ms;
    bool was_ready; /* once at least */
};

/* `argument` as child_start. 0 or -errno. */
int standing_start(struct standing *standing, const struct standing_plan *plan, const char *argument, void *owner);

/* Starts it again, now or a little later. */
void standing_again(struct standing *standing);

/* It cannot be told what it needs (-errno): it is ended, unless it has died already, and the next one is told. */
void standing_fail(struct standing *standing, int error);

/*
 * A channel between this role and the one at the other end of `asker`: each gets its end, with the same message. Where
 * one of them has died it is to be done again when that one has been started again. 0, or -errno that keeps the asker
 * from its end.
 */
int standing_introduce(struct standing *standing, struct channel *asker, const struct ipc_writer *w);

/* Ends it for good. Harmless on one that was never started (all zero). */
void standing_stop(struct standing *standing);

/* In the permits: its channel's hello. */
int standing_on_hello(void *owner, struct ipc_message *m);

static inline bool standing_is_ready(const struct standing *standing) {
    return child_is_running(&standing->child) && standing->child.is_ready;
}
