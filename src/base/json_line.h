/*
 * A line of JSON as it is put together, for what writes one for every request: the audit and the access log. ASCII
 * only: every control byte, quote and character beyond is escaped, so that nothing that is told can begin a line of its
 * own. Never looks for the end of its memory: the writer has seen to it that there is room for each text at its longest
 * with every byte escaped. Knows no clock.
 */
#pragma once

#include <stdint.h>

#include "base/num.h"

#define JSON_ESCAPED 6                            /* bytes that one may become */
#define JSON_TIME_FORM "2000-01-01T00:00:00.000Z" /* RFC 3339, UTC */
#define JSON_TIME (sizeof(JSON_TIME_FORM) - 1)

struct json_line {
    char *p; /* where the next byte goes */
};

static inline void json_put(struct json_line *line, struct slice bytes) {
    memcpy(line->p, bytes.p, bytes.n);
    line->p += bytes.n;
}

void json_put_number(struct json_line *line, uint64_t value);

/* Microseconds as milliseconds with three decimals: 12.345. */
void json_put_milliseconds(struct json_line *line, uint64_t us);

/*
 * In quotes, at most the first `max` bytes of it. What is no UTF-8 becomes a `?`: a file's name may hold any byte, and
 * the line stays readable.
 */
void json_put_text(struct json_line *line, struct slice text, size_t max);

/* `key` is as it stands in the line: `,"name":`. */
static inline void json_put_member(struct json_line *line, struct slice key, struct slice text, size_t max) {
    json_put(line, key);
    json_put_text(line, text, max);
}

static inline void json_put_number_member(struct json_line *line, struct slice key, uint64_t value) {
    json_put(line, key);
    json_put_number(line, value);
}

/* A time of JSON_TIME bytes, without quotes. `unix_ms` lies before the year 10000. */
void json_format_time(char to[static JSON_TIME], uint64_t unix_ms);
