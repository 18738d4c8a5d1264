#include "base/json_line.h"

#include "base/macros.h"
#include "base/utf8.h"
#include "base/weaken.h"

#define DAY_S 86400

void json_put_number(struct json_line *line, uint64_t value) {
    char digits[NUM_DIGITS];

    json_put(line, num_format(value, digits));
}

/* The last `n` digits, zeros in front. */
static void put_digits(char *to, size_t n, uint64_t value) {
    for (; n > 0; value /= 10)
        to[--n] = (char)('0' + value % 10);
}

void json_put_milliseconds(struct json_line *line, uint64_t us) {
    json_put_number(line, us / 1000);
    *line->p++ = '.';
    put_digits(line->p, 3, us % 1000);
    line->p += 3;
}

static void put_unit(struct json_line *line, uint32_t unit) {
    static const char digits[] = "0123456789abcdef";
    const char text[JSON_ESCAPED] = {
        '\\', 'u', digits[unit >> 12 & 15], digits[unit >> 8 & 15], digits[unit >> 4 & 15], digits[unit & 15]};

    json_put(line, slice_of(text, sizeof(text)));
}

/* RFC 8259 §7: beyond the basic plane in a pair of surrogates. */
static void put_code_point(struct json_line *line, uint32_t code) {
    if (code >= 0x10000) {
        put_unit(line, 0xD800 + ((code - 0x10000) >> 10));
        code = 0xDC00 + ((code - 0x10000) & 0x3FF);
    }
    put_unit(line, code);
}

static size_t put_special(struct json_line *line, struct slice text) {
    uint32_t code;
    size_t n = utf8_next(text, &code);

    if (n == 0)
        *line->p++ = '?';
    else if (code == '"' || code == '\\')
        json_put(line, slice_of((const char[]){'\\', (char)code}, 2));
    else
        put_code_point(line, code);
    return MAX_OF(n, (size_t)1);
}

static bool is_plain(char c) {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

#define ONES UINT64_C(0x0101010101010101)
#define HIGH_BITS (ONES * 0x80)

/* Whether any of the eight bytes is zero; of bytes below 0x80 exactly. */
static uint64_t zero_bytes(uint64_t word) {
    return (word - ONES) & ~word & HIGH_BITS;
}

/* Whether all of eight bytes are plain. */
static bool is_plain_word(uint64_t word) {
    uint64_t control = (word - ONES * 0x20) & ~word;

    return (((control | word) & HIGH_BITS) | zero_bytes(word ^ ONES * '"') | zero_bytes(word ^ ONES * '\\') |
            zero_bytes(word ^ ONES * 0x7F)) == 0;
}

/* Most of what is told is plain from its beginning to its end: it is taken a word at a time. */
static size_t plain_span(struct slice text) {
    size_t n = 0;
    uint64_t word;

    for (; text.n - n >= sizeof(word); n += sizeof(word)) {
        memcpy(&word, text.p + n, sizeof(word));
        if (!is_plain_word(word))
            break;
    }
    while (n < text.n && is_plain(text.p[n]))
        n++;
    return n;
}

void json_put_text(struct json_line *line, struct slice text, size_t max) {
    text = slice_first(text, max);
    *line->p++ = '"';
    while (text.n > 0) {
        size_t n = WEAKENED(ESCAPE) ? text.n : plain_span(text);

        json_put(line, slice_first(text, n));
        text = slice_from(text, n);
        if (text.n > 0)
            text = slice_from(text, put_special(line, text));
    }
    *line->p++ = '"';
}

/* The civil date of a day since 1970, by eras of 400 years that begin in March (no time zone is consulted). */
static void put_date(char *to, uint64_t day) {
    uint64_t shifted = day + 719468, era = shifted / 146097, of_era = shifted % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * of_year + 2) / 153; /* 0 is March */

    put_digits(to, 4, year + era * 400 + (month >= 10));
    put_digits(to + 5, 2, month < 10 ? month + 3 : month - 9);
    put_digits(to + 8, 2, of_year - (153 * month + 2) / 5 + 1);
}

void json_format_time(char to[static JSON_TIME], uint64_t unix_ms) {
    uint64_t s = unix_ms / 1000;

    memcpy(to, JSON_TIME_FORM, JSON_TIME);
    put_date(to, s / DAY_S);
    put_digits(to + 11, 2, s % DAY_S / 3600);
    put_digits(to + 14, 2, s % 3600 / 60);
    put_digits(to + 17, 2, s % 60);
    put_digits(to + 20, 3, unix_ms % 1000);
}
