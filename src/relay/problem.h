/*
 * The body of an answer that is ours and not the upstream's: one JSON object that a program can act on and a person
 * can read: {"error":CODE,"lease":NAME,"rule":RULE,"reason":WORDS,"hint":WORDS}. Of a peer's bytes it holds at most
 * what was found to be plain.
 */
#pragma once

#include <stddef.h>

#include "base/slice.h"

#define PROBLEM_MAX 4096

struct problem {
    unsigned status;
    const char *lease;   /* NULL where there is none: then it is left out, and so are hints to what a lease is about */
    struct slice rule;   /* the rule or the setting that decided; empty for none: then it is left out */
    struct slice reason; /* what happened */
    struct slice hint;   /* what to do about it; empty for the one that fits the status */
};

/* Returns the length; a text that does not fit is cut. */
size_t problem_body(char to[static PROBLEM_MAX], const struct problem *problem);
