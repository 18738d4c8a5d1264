/*
 * Variables that are more than data: those by which one command decides what another runs. One table, with reasons.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

enum variable_kind {
    VARIABLE_PLAIN,
    VARIABLE_STEERS,  /* what is run, where it is found, or with which settings: needs a rule of its own */
    VARIABLE_READS,   /* how bash reads what follows: not understood */
    VARIABLE_LOCALE,  /* as that, but for UTF-8 and plain bytes */
    VARIABLE_INTEGER, /* a number that bash keeps: to be set to nothing else */
    VARIABLE_FILLED,  /* bash sets it, to text, or to a list */
};

enum variable_kind variable_kind(struct slice name);

/* A locale in which bash reads a text as we do. */
bool locale_is_plain(struct slice value);
