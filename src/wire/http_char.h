/*
 * Which bytes may stand where in a message: one table lookup a byte. The alphabets are those of RFC 9110 and RFC 3986
 * as http-strict narrows them. Used by the parsers and the writer of this room alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/weaken.h"

enum http_char {
    HTTP_CHAR_TOKEN = 1 << 0,      /* tchar (S 5.6.2) */
    HTTP_CHAR_FIELD = 1 << 1,      /* in a field value or a reason phrase: TAB, SP, visible, 0x80-0xFF (S 5.5) */
    HTTP_CHAR_TARGET = 1 << 2,     /* in a request target: 0x21-0x7E without `#` and the backslash */
    HTTP_CHAR_HOST = 1 << 3,       /* in a host name: letters, digits, `-`, `.`, `_` */
    HTTP_CHAR_UNRESERVED = 1 << 4, /* RFC 3986 §2.3 */
};

/* The set of alphabets that each byte belongs to. */
extern const uint8_t http_chars[256];

static inline bool http_char_is(char c, enum http_char alphabet) {
    return (http_chars[(unsigned char)c] & (unsigned)alphabet) != 0;
}

/* How many bytes at the front of `s` belong to the alphabet. */
static inline size_t http_char_span(struct slice s, enum http_char alphabet) {
    size_t n = 0;

    while (n < s.n && http_char_is(s.p[n], alphabet))
        n++;
    return n;
}

/* Whether any of eight bytes is below 0x20 or is 0x7F: of a field's alphabet, only TAB answers so too. */
static inline bool http_char_word_has_control(uint64_t word) {
    const uint64_t ones = UINT64_C(0x0101010101010101), high_bits = ones * 0x80;
    uint64_t delete = word ^ ones * 0x7F;

    return (((word - ones * 0x20) & ~word) | ((delete - ones) & ~delete)) & high_bits;
}

/* As http_char_span of HTTP_CHAR_FIELD, a word at a time: values are most of what a head holds. */
static inline size_t http_char_field_span(struct slice s) {
    size_t n = 0;
    uint64_t word;

    for (; s.n - n >= sizeof(word); n += sizeof(word)) {
        memcpy(&word, s.p + n, sizeof(word));
        if (http_char_word_has_control(word))
            break;
    }
    return WEAKENED(SPLIT) ? s.n : n + http_char_span(slice_from(s, n), HTTP_CHAR_FIELD);
}

static inline bool http_char_is_blank(char c) {
    return c == ' ' || c == '\t';
}
