/*
 * Which bytes may stand where in a message: one table lookup a byte. The alphabets are those of RFC 9110 and RFC 3986
 * as http-strict narrows them. Used by the parsers and the writer of this room alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum http_char {
    HTTP_CHAR_TOKEN = 1 << 0,      /* tchar (S 5.6.2) */
    HTTP_CHAR_FIELD = 1 << 1,      /* in a field value or a reason phrase: TAB, SP, visible, 0x80-0xFF (S 5.5) */
    HTTP_CHAR_TARGET = 1 << 2,     /* in a request target: 0x21-0x7E without `#` and the backslash */
    HTTP_CHAR_HOST = 1 << 3,       /* in a host name: letters, digits, `-`, `.`, `_` */
    HTTP_CHAR_UNRESERVED = 1 << 4, /* RFC 3986 §2.3 */
    HTTP_CHAR_NAME = 1 << 5,       /* in most fields' names: letters, digits, `-` */
};

/* The set of alphabets that each byte belongs to. */
extern const uint8_t http_chars[256];

static inline bool http_char_is(char c, enum http_char alphabet) {
    return (http_chars[(unsigned char)c] & (unsigned)alphabet) != 0;
}

/* How many bytes at the front of `s` belong to the alphabet; the first `n` are known to. */
static inline size_t http_char_span_from(struct slice s, size_t n, enum http_char alphabet) {
    while (n < s.n && http_char_is(s.p[n], alphabet))
        n++;
    return n;
}

static inline size_t http_char_span(struct slice s, enum http_char alphabet) {
    return http_char_span_from(s, 0, alphabet);
}
