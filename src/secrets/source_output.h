/*
 * What a source has read, made into a secret: the one line of a file or a variable, or what a command printed. Pure:
 * bytes in, a secret or a fault out. Only the source role uses it, so that a fault in the parsing of JSON is worth the
 * one secret that stands in it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"
#include "secrets/source_fault.h"

/* The most that is ever read: one byte more than any form permits, so that what is longer is seen to be longer. */
#define SOURCE_OUTPUT_MAX (LIMIT_COMMAND_OUTPUT + 1)

enum source_form {
    SOURCE_LINE,   /* the secret, and a newline or none */
    SOURCE_OUTPUT, /* likewise; or, when it begins with {, JSON: {"secret": TEXT, "expires_at": WHEN} */
    SOURCE_FORMS
};

/* The caller wipes it. */
struct source_output {
    char secret[LIMIT_SECRET];
    size_t n;
    uint64_t expires_in_ms; /* 0: never */
};

/*
 * `now_unix_ms` is the wall clock's: an expiry is a point on it, and is turned into a span here, once, so that a step
 * of the clock does not matter afterwards. On a fault `*ret` holds nothing to be used.
 */
enum source_fault source_output_parse(enum source_form form, struct slice bytes, uint64_t now_unix_ms,
                                      struct source_output *ret);
