/*
 * A view of bytes that someone else owns. Text from outside is always one of these: never NUL-terminated by hope.
 * A slice never allocates, never frees and is valid for as long as the buffer it looks into.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

/* For string literals only. */
#define SLICE(literal) ((struct slice){.p = "" literal, .n = sizeof(literal) - 1})
#define SLICE_EMPTY ((struct slice){.p = "", .n = 0})

/* For printf: "%.*s", SLICE_ARG(s). Only for text that has been checked to be printable. */
#define SLICE_ARG(s) (int)(s).n, (s).p

static inline struct slice slice_of(const void *p, size_t n) {
    return (struct slice){.p = p, .n = n};
}

static inline struct slice slice_of_string(const char *text) {
    return (struct slice){.p = text, .n = strlen(text)};
}

/* The part of `s` that starts at `at`; empty when `at` lies beyond the end. */
static inline struct slice slice_from(struct slice s, size_t at) {
    return at < s.n ? slice_of(s.p + at, s.n - at) : slice_of(s.p + s.n, 0);
}

/* As slice_from, for an `at` that is known not to lie beyond the end. */
static inline struct slice slice_behind(struct slice s, size_t at) {
    return slice_of(s.p + at, s.n - at);
}

/* The first `n` bytes of `s`, or all of it when it is shorter. */
static inline struct slice slice_first(struct slice s, size_t n) {
    return slice_of(s.p, n < s.n ? n : s.n);
}

static inline bool slice_equals(struct slice a, struct slice b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* As memcmp for equality, ASCII case aside. For slice_equals_nocase. */
bool bytes_equal_nocase(const char *a, const char *b, size_t n);

/* ASCII case does not count (RFC 9110 §5.1 for field names); no locale is consulted. */
static inline bool slice_equals_nocase(struct slice a, struct slice b) {
    return a.n == b.n && bytes_equal_nocase(a.p, b.p, a.n);
}

static inline bool slice_starts_with(struct slice s, struct slice prefix) {
    return s.n >= prefix.n && slice_equals(slice_first(s, prefix.n), prefix);
}

static inline bool slice_ends_with(struct slice s, struct slice suffix) {
    return s.n >= suffix.n && slice_equals(slice_from(s, s.n - suffix.n), suffix);
}

/* Index of the first `byte` in `s`, or `s.n` when there is none. */
static inline size_t slice_index(struct slice s, char byte) {
    const char *hit = s.n > 0 ? memchr(s.p, byte, s.n) : NULL;
    return hit ? (size_t)(hit - s.p) : s.n;
}

static inline bool slice_has(struct slice s, char byte) {
    return slice_index(s, byte) < s.n;
}

/* SP or TAB. Asked first is what tells most bytes apart. */
static inline bool ascii_is_blank(char c) {
    return (unsigned char)c <= ' ' && (c == ' ' || c == '\t');
}

/* `s` without SP and TAB at both ends: OWS of RFC 9110 §5.6.3. */
static inline struct slice slice_trim(struct slice s) {
    for (; s.n > 0 && ascii_is_blank(s.p[0]); s.n--)
        s.p++;
    while (s.n > 0 && ascii_is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/*
 * Cuts `*rest` at the first `separator`: returns what stands before it and leaves in `*rest` what stands behind it.
 * Without a separator all of it is returned, and `*rest` becomes a slice whose `p` is NULL: that ends a loop
 * `while (rest.p)`, so that "a," yields "a" and "".
 */
static inline struct slice slice_cut(struct slice *rest, char separator) {
    size_t at = slice_index(*rest, separator);
    struct slice head = slice_of(rest->p, at);

    *rest = at < rest->n ? slice_behind(*rest, at + 1) : slice_of(NULL, 0);
    return head;
}

static inline char ascii_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}
