/*
 * A walk along the chain of the audit, line by line and in constant memory: where does a line not follow the one before
 * it, and what may have happened there? Pure. Used by `credfd log --verify`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "egress/audit/audit_chain.h"

/* Where a line stands, as whoever reads counts. */
struct audit_place {
    uint64_t file, line;
};

enum audit_finding {
    AUDIT_SOUND,
    /* Faults. */
    AUDIT_BROKEN,   /* does not follow the line before it: one was changed or removed there, or more than one added */
    AUDIT_ADDED,    /* does not belong here: the lines on both sides fit without it */
    AUDIT_ANEW,     /* begins a chain in the middle: what stood before it was removed */
    AUDIT_LONG,     /* longer than any line of credfd */
    AUDIT_NONE,     /* no object in JSON, or without a `prev` */
    AUDIT_OLD,      /* the last of those at the beginning that are so: perhaps from before there was a chain */
    AUDIT_BEHEADED, /* the first of all, follows one that is not here, and none was rotated away */
    /* Notes. */
    AUDIT_CUT,      /* without its newline: a write that did not come to its end */
    AUDIT_HEADLESS, /* the first of all, and follows one that is not here: that may have been rotated away */
};

static inline bool audit_finding_is_fault(enum audit_finding finding) {
    return finding > AUDIT_SOUND && finding < AUDIT_CUT;
}

enum audit_shape {
    AUDIT_OBJECT, /* a whole line, and an object in JSON */
    AUDIT_TEXT,   /* a whole line that is none */
    AUDIT_REST,   /* what stands behind a file's last newline */
};

typedef void audit_found(void *owner, enum audit_finding finding, struct audit_place place);

struct audit_walk {
    audit_found *found;
    void *owner;
    uint64_t n_lines, n_faults;
    bool is_chained;   /* a line with a `prev` has come */
    bool is_unrotated; /* for whoever walks to set: the lines come from a file before which there is none */
    /* The last line, which is judged when the next has come: that may show that it does not belong there. */
    struct audit_place place;
    enum audit_finding judgement;
    char hash[AUDIT_HASH], hash_before[AUDIT_HASH]; /* its own, and that of the line before it */
};

/* `found` is called for each finding, in the order of the lines. */
void audit_walk_init(struct audit_walk *walk, audit_found *found, void *owner);

/* The next line, without its newline. */
void audit_walk_line(struct audit_walk *walk, struct slice line, enum audit_shape shape, struct audit_place place);

/* One of more than LIMIT_AUDIT_LINE bytes, which are not given. */
void audit_walk_long_line(struct audit_walk *walk, struct audit_place place);

/* No line follows. */
void audit_walk_end(struct audit_walk *walk);
