/*
 * Reads a text once, from front to end, and overwrites what turns out to be a form. All beginnings that may still
 * become one are followed at the same time (threads), so nothing is read twice and no text, however made, costs more
 * than a bounded work a byte. Only mask.c calls it.
 *
 * How many threads there are depends on how often a form overlaps with itself, by itself or in another spelling: for a
 * random secret that is hardly ever, for "aaaa" always. Beyond LIMIT_MASK_THREADS nothing is followed any more; from
 * the oldest beginning on every byte is masked, up to the next one that stands in no form. That hides too much, never
 * too little.
 *
 * What a text costs must not tell how much of a secret it guessed. So each beginning is followed for as many characters
 * as its form has, whether it still matches or not: a ghost does the work of a thread that has died. Ghosts read the
 * text alone, mask nothing, hold nothing back, and no limit counts them. What remains open: which texts the first look
 * lets through (mask_scan.h), so a form's first SCAN_DEPTH bytes, or its first character if that is escaped. And what
 * the processor itself tells of the work, which is the same only as far as C can say so.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "egress/mask/mask_forms.h"
#include "egress/mask/mask_scan.h"

struct thread {
    ptrdiff_t start; /* of what was read; below 0 before the piece at hand */
    uint32_t form;
    uint32_t at;              /* characters of the form that were read */
    struct spelling spelling; /* of the next one, if that has begun */
};

#define GHOSTS 16

/* A beginning, right or wrong: where a thread would be that had matched ever since. */
struct ghost {
    uint32_t form;
    uint32_t at;
    struct spelling spelling;
};

/* What is compiled once, for any number of texts. Room for threads is all matchers': lent to the text that is read. */
struct matcher {
    struct form *forms;
    size_t n_forms;
    uint32_t *numbers; /* of each form's first character, when all characters of all forms are counted through */
    size_t n_characters;
    uint64_t *claimed; /* a bit for each of them, all clear between two bytes */
    struct mask_scan scan;
    bool may_hold[256]; /* whether a byte may stand in any form */
};

/* 0, or -ENOMEM and nothing to give back. The secrets must outlive it; empty and repeated ones count for nothing. */
int matcher_init(struct matcher *m, const struct slice *secrets, size_t n, enum scan_way way);
void matcher_done(struct matcher *m);

/* One text, from piece to piece. All zero at its beginning. */
struct progress {
    struct thread *threads; /* in the order of their starts; the matcher's room once a piece was read */
    size_t n_threads;
    struct ghost ghosts[GHOSTS]; /* in the order of their starts; what they are depends on the text alone */
    size_t n_ghosts;
    ptrdiff_t masked_from, masked_to; /* the last run of bytes that were overwritten */
    bool is_blind;                    /* too many threads: everything is masked */
    size_t found;                     /* occurrences; what overlaps an earlier one is not counted */
    uint32_t form;                    /* of the last one that was met, counted or not */
    uint64_t steps;                   /* that threads and ghosts made: how much work it was, for tests */
};

/*
 * Reads the next piece. What it masks stands there or, as it began earlier, in the bytes that end at `before_end`: they
 * are the end of the text before this piece, as much as matcher_read asked to be kept. Returns how many bytes at the
 * end of the text may be the beginning of a form, and must be kept until more is read.
 */
size_t matcher_read(const struct matcher *m, struct progress *progress, char *before_end, char *piece, size_t n);
