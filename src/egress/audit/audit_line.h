/*
 * One line of the audit as text: a JSON object in ASCII, whose strings have every control byte escaped, so that nothing
 * which is told can begin a line of its own. Pure: bytes in, bytes out.
 *
 * A line begins with `{"time":"...","prev":"..."`, each of one length, so that `prev` can be put in when the line is
 * written, which may be later than it was made.
 */
#pragma once

#include <stdbool.h>

#include "base/limits.h"
#include "egress/audit/audit.h"

#define AUDIT_HASH 64 /* digits of a SHA-256, as egress/audit/audit_chain.h makes them */

/* Write a whole line into `line`, its newline included; its `prev` is still to be set. Returns its length. */
size_t audit_line_exchange(char line[static LIMIT_AUDIT_LINE], const struct audit_subject *subject,
                           const struct exchange_record *record);
size_t audit_line_event(char line[static LIMIT_AUDIT_LINE], const struct audit_event *event);

/* Of the first of `lines`, each of which one of the two made. */
static inline size_t audit_line_length(const char *lines, size_t n) {
    return slice_index(slice_of(lines, n), '\n') + 1;
}

/* In a line that one of the two made. */
void audit_line_set_prev(char *line, const char prev[static AUDIT_HASH]);

/*
 * What stands behind "KEY": in a line, up to the next comma, brace or quote, and without quotes: for values that hold
 * none of them, and no escape. `key` is a literal such as `"lease":`; within a string no quote stands without a
 * backslash before it, so it is found nowhere else. Empty when there is none.
 */
struct slice audit_line_value(struct slice line, struct slice key);

/* The `prev` of a line that anybody may have written; empty when there is none. */
struct slice audit_line_prev(struct slice line);
