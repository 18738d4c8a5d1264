#include "fleet/task/cutter.h"

#include <stdint.h>

#include "base/macros.h"
#include "base/utf8.h"

#define REPLACEMENT SLICE("\xEF\xBF\xBD") /* U+FFFD */
#define HIGH_BITS UINT64_C(0x8080808080808080)

static size_t ascii_span(struct slice text) {
    size_t n = 0;
    uint64_t word;

    for (; text.n - n >= sizeof(word); n += sizeof(word)) {
        memcpy(&word, text.p + n, sizeof(word));
        if (word & HIGH_BITS)
            break;
    }
    while (n < text.n && (unsigned char)text.p[n] < 0x80)
        n++;
    return n;
}

/* Bytes at the front that are characters. */
static size_t whole_span(struct slice text) {
    size_t n = 0;

    while (n < text.n) {
        size_t length = ascii_span(slice_from(text, n));
        uint32_t code;

        if (length == 0)
            length = utf8_next(slice_from(text, n), &code);
        if (length == 0)
            break;
        n += length;
    }
    return n;
}

/*
 * Whether more bytes could make a character of these few: with the lowest or the highest that may follow they do. (What
 * follows a first byte is bounded from one side at most, RFC 3629 §4.)
 */
static bool is_beginning(struct slice bytes) {
    static const char fill[] = {(char)0x80, (char)0xBF};
    uint32_t code;

    if (bytes.n == 0 || bytes.n >= CUTTER_CHARACTER || utf8_next(bytes, &code) > 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(fill); i++) {
        char trial[CUTTER_CHARACTER];

        memset(trial, fill[i], sizeof(trial));
        memcpy(trial, bytes.p, bytes.n);
        if (utf8_next(slice_of(trial, sizeof(trial)), &code) > bytes.n)
            return true;
    }
    return false;
}

/* With the first bytes of `*rest` behind it: a character, or not the beginning of one after all. */
static struct slice next_held(struct cutter *cutter, struct slice *rest, bool is_end) {
    uint32_t code;
    size_t n;

    for (;;) {
        struct slice held = slice_of(cutter->held, cutter->n_held);

        n = utf8_next(held, &code);
        if (n > 0 || !is_beginning(held) || (rest->n == 0 && is_end))
            break;
        if (rest->n == 0)
            return SLICE_EMPTY;
        cutter->held[cutter->n_held++] = rest->p[0];
        *rest = slice_from(*rest, 1);
    }
    memcpy(cutter->whole, cutter->held, sizeof(cutter->whole));
    cutter->n_held -= MAX_OF(n, (size_t)1);
    memmove(cutter->held, cutter->held + MAX_OF(n, (size_t)1), cutter->n_held);
    return n > 0 ? slice_of(cutter->whole, n) : REPLACEMENT;
}

struct slice cutter_next(struct cutter *cutter, struct slice *rest, bool is_end) {
    struct slice piece;

    if (cutter->n_held > 0)
        return next_held(cutter, rest, is_end);
    piece = slice_first(*rest, whole_span(*rest));
    *rest = slice_from(*rest, piece.n);
    if (piece.n > 0 || rest->n == 0)
        return piece;
    cutter->held[cutter->n_held++] = rest->p[0];
    *rest = slice_from(*rest, 1);
    return next_held(cutter, rest, is_end);
}

static bool is_inside(char c) {
    return ((unsigned char)c & 0xC0) == 0x80;
}

size_t cutter_count(struct slice text) {
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += !is_inside(text.p[i]);
    return n;
}

struct slice cutter_first(struct slice text, size_t max) {
    size_t n = MIN_OF(max, text.n);

    while (n > 0 && n < text.n && is_inside(text.p[n]))
        n--;
    return slice_first(text, n);
}
