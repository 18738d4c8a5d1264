/*
 * Patterns of rules against what is seen of a command (shell.h), unknown parts and all. Both questions are answered in
 * time of the text's length times the pattern's, in steps of 64 bytes of pattern.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct pattern {
    size_t n_words;    /* of a set of places: one bit for each place */
    uint64_t *memory;  /* of all below */
    uint64_t *takes;   /* for each byte: the places that go on with it. Those of SEEN_... are for an allowing rule */
    uint64_t *stars;   /* the places that stay, whatever comes */
    uint64_t *ends;    /* the places where all may be over */
    uint64_t *tail;    /* before an ending ` *` */
    uint64_t *borders; /* before a redirection: no unknown part becomes one */
    bool is_everything;
};

/* 0 or -ENOMEM. A pattern is never longer than LIMIT_COMMAND_PATTERN. */
int pattern_compile(struct slice text, struct pattern *ret);
void pattern_done(struct pattern *pattern);

/* It matches whatever the text becomes. True only if it is so. */
bool pattern_covers(const struct pattern *pattern, struct slice seen);

/* It matches something that the text may become. False only if it is so. */
bool pattern_meets(const struct pattern *pattern, struct slice seen);
