#include "egress/audit/audit_verify.h"

#include <string.h>

void audit_walk_init(struct audit_walk *walk, audit_found *found, void *owner) {
    *walk = (struct audit_walk){.found = found, .owner = owner};
    memcpy(walk->hash, audit_chain_start, AUDIT_HASH);
    memcpy(walk->hash_before, audit_chain_start, AUDIT_HASH);
}

static bool is_hash(struct slice prev, const char hash[static AUDIT_HASH]) {
    return prev.n == AUDIT_HASH && memcmp(prev.p, hash, AUDIT_HASH) == 0;
}

static void tell_last(struct audit_walk *walk) {
    if (walk->judgement == AUDIT_SOUND)
        return;
    walk->n_faults += audit_finding_is_fault(walk->judgement);
    walk->found(walk->owner, walk->judgement, walk->place);
}

static void step(struct audit_walk *walk, enum audit_finding judgement, struct audit_place place) {
    tell_last(walk);
    walk->judgement = judgement;
    walk->place = place;
    walk->n_lines++;
}

/* Without a `prev`: cut short, from an older credfd, or none of ours. */
static enum audit_finding judge_unchained(const struct audit_walk *walk, enum audit_shape shape) {
    if (shape == AUDIT_REST)
        return AUDIT_CUT;
    return walk->is_chained ? AUDIT_NONE : AUDIT_OLD;
}

static enum audit_finding judge(const struct audit_walk *walk, struct slice prev) {
    if (is_hash(prev, walk->hash))
        return AUDIT_SOUND;
    if (walk->n_lines == 0)
        return walk->is_unrotated ? AUDIT_BEHEADED : AUDIT_HEADLESS;
    return is_hash(prev, audit_chain_start) ? AUDIT_ANEW : AUDIT_BROKEN;
}

void audit_walk_line(struct audit_walk *walk, struct slice line, enum audit_shape shape, struct audit_place place) {
    struct slice prev = shape == AUDIT_TEXT ? SLICE_EMPTY : audit_line_prev(line);
    enum audit_finding judgement = prev.n > 0 ? judge(walk, prev) : judge_unchained(walk, shape);

    if (walk->judgement == AUDIT_OLD && judgement == AUDIT_OLD)
        walk->judgement = AUDIT_SOUND; /* the last of them is told */
    if (judgement != AUDIT_SOUND && walk->n_lines >= 2 && is_hash(prev, walk->hash_before)) {
        walk->judgement = AUDIT_ADDED;
        judgement = AUDIT_SOUND;
    }
    if (judgement == AUDIT_SOUND && shape == AUDIT_REST)
        judgement = AUDIT_CUT;
    walk->is_chained = walk->is_chained || prev.n > 0;
    step(walk, judgement, place);
    memcpy(walk->hash_before, walk->hash, AUDIT_HASH);
    audit_hash(line, walk->hash);
}

/* Whoever wrote the next line began anew after it: see egress/audit/audit_chain.h. */
void audit_walk_long_line(struct audit_walk *walk, struct audit_place place) {
    step(walk, AUDIT_LONG, place);
    memcpy(walk->hash_before, walk->hash, AUDIT_HASH);
    memcpy(walk->hash, audit_chain_start, AUDIT_HASH);
}

void audit_walk_end(struct audit_walk *walk) {
    tell_last(walk);
    walk->judgement = AUDIT_SOUND;
}
