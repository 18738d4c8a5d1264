/*
 * How far an alphabet of HTTP reaches: sixteen bytes at a time where the machine has SSE2, as every x86-64 has, else one.
 * What is vectors here only skips what is good for certain; at the first byte that it cannot vouch for, the table of
 * http_char.h decides, which is the plain twin of each. Reads no byte beyond the slice. Used by the parsers and the
 * writer of this room alone.
 */
#pragma once

#include "base/macros.h"
#include "wire/http_char.h"

/* What http_span_line_ends looks at in one go. */
#define HTTP_SPAN_BLOCK ((size_t)64)

#ifdef __SSE2__
#include <emmintrin.h>

#define HTTP_SPAN_VECTOR sizeof(__m128i)

/* Each byte of the result is not zero where `bytes` has one that is not in the alphabet, or may not be. */
typedef __m128i http_span_strange(__m128i bytes);

/* So that what is strange is compiled in, and not called. */
#define HTTP_SPAN_INLINE static inline __attribute__((always_inline))

static inline __m128i http_span_is_byte(__m128i bytes, char c) {
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c));
}

/* Where a byte is one of the `n` from `first` on. */
static inline __m128i http_span_is_among(__m128i bytes, char first, char n) {
    __m128i above = _mm_sub_epi8(bytes, _mm_set1_epi8(first));

    return _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8((char)(n - 1))), above);
}

/* What HTTP_CHAR_FIELD leaves out, and TAB. */
static inline __m128i http_span_strange_field(__m128i bytes) {
    return _mm_or_si128(http_span_is_among(bytes, '\0', ' '), http_span_is_byte(bytes, 0x7F));
}

/* What HTTP_CHAR_TARGET leaves out: `#`, the backslash, and whatever is not one of the 94 that can be seen. */
static inline __m128i http_span_strange_target(__m128i bytes) {
    __m128i above = _mm_sub_epi8(bytes, _mm_set1_epi8('!'));
    __m128i unseen = _mm_cmpeq_epi8(_mm_max_epu8(above, _mm_set1_epi8(94)), above);

    return _mm_or_si128(unseen, _mm_or_si128(http_span_is_byte(bytes, '#'), http_span_is_byte(bytes, '\\')));
}

/* All but letters, digits and hyphens: the rest of HTTP_CHAR_TOKEN hardly ever stands in a name. */
static inline __m128i http_span_strange_name(__m128i bytes) {
    __m128i letters = http_span_is_among(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 26);
    __m128i digits = http_span_is_among(bytes, '0', 10);
    __m128i plain = _mm_or_si128(_mm_or_si128(letters, digits), http_span_is_byte(bytes, '-'));

    return _mm_xor_si128(plain, _mm_set1_epi8(-1));
}

/* The same and dots: of HTTP_CHAR_HOST all but `_`. */
static inline __m128i http_span_strange_host(__m128i bytes) {
    return _mm_andnot_si128(http_span_is_byte(bytes, '.'), http_span_strange_name(bytes));
}

static inline __m128i http_span_strange_line(__m128i bytes) {
    return http_span_is_byte(bytes, '\n');
}

static inline __m128i http_span_strange_colon(__m128i bytes) {
    return http_span_is_byte(bytes, ':');
}

/* Bit i: of the vector at `p`, byte i is strange. */
HTTP_SPAN_INLINE uint64_t http_span_hits(const char *p, http_span_strange *strange) {
    return (unsigned)_mm_movemask_epi8(strange(_mm_loadu_si128((const __m128i_u *)p)));
}

/* How many bytes at the front are not strange, as far as whole vectors can tell. */
HTTP_SPAN_INLINE size_t http_span_skip(struct slice s, http_span_strange *strange) {
    size_t n = 0;

    for (; s.n - n >= HTTP_SPAN_VECTOR; n += HTTP_SPAN_VECTOR) {
        uint64_t hits = http_span_hits(s.p + n, strange);

        if (hits != 0)
            return n + (unsigned)__builtin_ctzll(hits);
    }
    return n;
}

/* Whether nothing in `s` is strange. The last vector, or half of one, may cover bytes that were asked before. */
HTTP_SPAN_INLINE bool http_span_is_plain(struct slice s, http_span_strange *strange) {
    size_t half = HTTP_SPAN_VECTOR / 2;

    if (s.n < half)
        return false;
    if (s.n < HTTP_SPAN_VECTOR)
        return _mm_movemask_epi8(strange(_mm_unpacklo_epi64(_mm_loadu_si64(s.p), _mm_loadu_si64(s.p + s.n - half)))) ==
               0;
    return http_span_skip(s, strange) > s.n - HTTP_SPAN_VECTOR &&
           http_span_hits(s.p + s.n - HTTP_SPAN_VECTOR, strange) == 0;
}
#else
#define http_span_skip(s, strange) ((void)(s), (size_t)0)
#define http_span_is_plain(s, strange) ((void)(s), false)
#endif

/* How many bytes at the front of `s` can stand in a field's value. */
static inline size_t http_span_field(struct slice s) {
    return http_char_span_from(s, http_span_skip(s, http_span_strange_field), HTTP_CHAR_FIELD);
}

/* The same of a request's target. */
static inline size_t http_span_target(struct slice s) {
    return http_char_span_from(s, http_span_skip(s, http_span_strange_target), HTTP_CHAR_TARGET);
}

/* How many bytes there are before the first colon. */
static inline size_t http_span_colon(struct slice s) {
    size_t n = http_span_skip(s, http_span_strange_colon);

    while (n < s.n && s.p[n] != ':')
        n++;
    return n;
}

/*
 * Which of the HTTP_SPAN_BLOCK bytes from `at` on are LF: bit i stands for `s.p[at + i]`. What lies beyond the end is
 * none; the last block of a long slice is read where it ends with the slice.
 */
static inline uint64_t http_span_line_ends(struct slice s, size_t at) {
    uint64_t ends = 0;

#ifdef __SSE2__
    if (s.n >= HTTP_SPAN_BLOCK) {
        size_t from = MIN_OF(at, s.n - HTTP_SPAN_BLOCK);
        const char *p = s.p + from;

        ends = http_span_hits(p, http_span_strange_line) | http_span_hits(p + 16, http_span_strange_line) << 16 |
               http_span_hits(p + 32, http_span_strange_line) << 32 |
               http_span_hits(p + 48, http_span_strange_line) << 48;
        return ends >> (at - from);
    }
#endif
    for (size_t i = at; i < s.n && i - at < HTTP_SPAN_BLOCK; i++)
        ends |= (s.p[i] == '\n' ? UINT64_C(1) : 0) << (i - at);
    return ends;
}

/* Whether all of `s` can stand in a field's value. */
static inline bool http_span_is_field(struct slice s) {
    return http_span_is_plain(s, http_span_strange_field) || http_char_span(s, HTTP_CHAR_FIELD) == s.n;
}

/* The same of a token; an empty one is none. */
static inline bool http_span_is_token(struct slice s) {
    return http_span_is_plain(s, http_span_strange_name) || (s.n > 0 && http_char_span(s, HTTP_CHAR_TOKEN) == s.n);
}

/* Whether all of `s` is letters, digits and hyphens. */
static inline bool http_span_is_name(struct slice s) {
    return http_span_is_plain(s, http_span_strange_name) || http_char_span(s, HTTP_CHAR_NAME) == s.n;
}

/* Whether all of `s` can stand in a host's name. */
static inline bool http_span_is_host(struct slice s) {
    return http_span_is_plain(s, http_span_strange_host) || http_char_span(s, HTTP_CHAR_HOST) == s.n;
}
