/*
 * The body of an answer that is ours and not the upstream's: one JSON object that a program can act on and a person
 * can read: {"error":CODE,"lease":NAME,"reason":WORDS,"hint":WORDS}. Never holds anything that came from a peer.
 */
#pragma once

#include <stddef.h>

#include "base/slice.h"

#define PROBLEM_MAX 1024

/*
 * `reason` and `hint` are our own words: letters and punctuation that need no escape (anything else becomes a `?`); an
 * empty hint is replaced by the one that fits the status. Returns the length.
 */
size_t problem_body(char to[static PROBLEM_MAX], unsigned status, const char *lease, struct slice reason,
                    struct slice hint);
