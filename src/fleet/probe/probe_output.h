/*
 * What a CLI has printed for `version --json`, judged (contract 2). Pure. Only the role uses it, so that a fault in the
 * parsing of JSON is worth nothing.
 */
#pragma once

#include "base/slice.h"

/* The one answer that comes before the CLI has ended, and may be why it ends badly. */
#define PROBE_TOO_MUCH "prints more than 64 KiB"

/* NULL: it knows the lease channel; or why not, in a few words. */
const char *probe_output_judge(struct slice output);
