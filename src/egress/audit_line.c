#include "egress/audit_line.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"
#include "base/num.h"
#include "base/utf8.h"
#include "base/weaken.h"
#include "egress/asker.h"

#define HEAD "{\"time\":\""
#define TIME_FORM "2000-01-01T00:00:00.000Z" /* RFC 3339, UTC */
#define PREV "\",\"prev\":\""
#define PREV_AT (sizeof(HEAD TIME_FORM PREV) - 1)

#define ESCAPED 6      /* bytes that one may become */
#define REASON_MAX 512 /* of a refusal or an end */
#define FIXED_MAX 2048 /* names, numbers and punctuation of a line */

static_assert(FIXED_MAX + ESCAPED * (LIMIT_METHOD + LIMIT_TARGET + RULE_TEXT_MAX + REASON_MAX + ASKER_PATH_MAX +
                                     2 * LIMIT_NAME + LIMIT_AUTHORITY) <=
                  LIMIT_AUDIT_LINE,
              "a line holds every text at its longest, with each byte escaped");

struct line_writer {
    char *p; /* where the next byte goes; the assertion above is why nothing here looks for the end */
};

static void put(struct line_writer *w, struct slice bytes) {
    memcpy(w->p, bytes.p, bytes.n);
    w->p += bytes.n;
}

static void put_number(struct line_writer *w, uint64_t value) {
    char digits[NUM_DIGITS];

    put(w, num_format(value, digits));
}

static void put_unit(struct line_writer *w, uint32_t unit) {
    static const char digits[] = "0123456789abcdef";
    const char text[ESCAPED] = {
        '\\', 'u', digits[unit >> 12 & 15], digits[unit >> 8 & 15], digits[unit >> 4 & 15], digits[unit & 15]};

    put(w, slice_of(text, sizeof(text)));
}

/* RFC 8259 §7: beyond the basic plane in a pair of surrogates. */
static void put_code_point(struct line_writer *w, uint32_t code) {
    if (code >= 0x10000) {
        put_unit(w, 0xD800 + ((code - 0x10000) >> 10));
        code = 0xDC00 + ((code - 0x10000) & 0x3FF);
    }
    put_unit(w, code);
}

static bool is_plain(char c) {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static size_t put_special(struct line_writer *w, struct slice text) {
    uint32_t code;
    size_t n = utf8_next(text, &code);

    if (n == 0)
        *w->p++ = '?'; /* a file's name may hold any byte: the line stays readable */
    else if (code == '"' || code == '\\')
        put(w, slice_of((const char[]){'\\', (char)code}, 2));
    else
        put_code_point(w, code);
    return MAX_OF(n, (size_t)1);
}

static void put_text(struct line_writer *w, struct slice text, size_t max) {
    text = slice_first(text, max);
    *w->p++ = '"';
    for (size_t i = 0; i < text.n;) {
        if (is_plain(text.p[i]) || WEAKENED(ESCAPE))
            *w->p++ = text.p[i++];
        else
            i += put_special(w, slice_from(text, i));
    }
    *w->p++ = '"';
}

static void put_member(struct line_writer *w, struct slice key, struct slice text, size_t max) {
    put(w, key);
    put_text(w, text, max);
}

static void put_number_member(struct line_writer *w, struct slice key, uint64_t value) {
    put(w, key);
    put_number(w, value);
}

static void put_digits(char *to, size_t n, uint64_t value) {
    for (; n > 0; value /= 10)
        to[--n] = (char)('0' + value % 10);
}

static void put_time(struct line_writer *w) {
    struct timespec now;
    struct tm utc;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    (void)gmtime_r(&now.tv_sec, &utc);
    memcpy(w->p, TIME_FORM, sizeof(TIME_FORM) - 1);
    put_digits(w->p, 4, (uint64_t)utc.tm_year + 1900);
    put_digits(w->p + 5, 2, (uint64_t)utc.tm_mon + 1);
    put_digits(w->p + 8, 2, (uint64_t)utc.tm_mday);
    put_digits(w->p + 11, 2, (uint64_t)utc.tm_hour);
    put_digits(w->p + 14, 2, (uint64_t)utc.tm_min);
    put_digits(w->p + 17, 2, (uint64_t)utc.tm_sec);
    put_digits(w->p + 20, 3, (uint64_t)now.tv_nsec / 1000000);
    w->p += sizeof(TIME_FORM) - 1;
}

static struct line_writer begin(char *line) {
    struct line_writer w;

    w.p = line;
    put(&w, SLICE(HEAD));
    put_time(&w);
    put(&w, SLICE(PREV));
    memset(w.p, '0', AUDIT_HASH);
    w.p += AUDIT_HASH;
    *w.p++ = '"';
    return w;
}

static size_t end(struct line_writer *w, const char *line) {
    put(w, SLICE("}\n"));
    return (size_t)(w->p - line);
}

static void put_executable(struct line_writer *w, const char *executable) {
    if (executable)
        put_member(w, SLICE(",\"executable\":"), slice_of_string(executable), ASKER_PATH_MAX);
    else
        put(w, SLICE(",\"executable\":null"));
}

size_t audit_line_exchange(char line[static LIMIT_AUDIT_LINE], const struct audit_subject *subject,
                           const struct exchange_record *record) {
    struct line_writer w = begin(line);

    put_member(&w, SLICE(",\"lease\":"), slice_of_string(subject->lease), LIMIT_NAME);
    put_member(&w, SLICE(",\"identity\":"), slice_of_string(subject->identity), LIMIT_NAME);
    put_member(&w, SLICE(",\"id\":"), slice_of_string(subject->id), LIMIT_NAME);
    put_number_member(&w, SLICE(",\"pid\":"), (uint64_t)MAX_OF(subject->pid, 0));
    put_executable(&w, subject->executable);
    put_member(&w, SLICE(",\"method\":"), record->method, LIMIT_METHOD);
    put_member(&w, SLICE(",\"authority\":"), slice_of_string(subject->authority), LIMIT_AUTHORITY);
    put_member(&w, SLICE(",\"path\":"), record->path, LIMIT_TARGET);
    put_number_member(&w, SLICE(",\"status\":"), record->status);
    put_number_member(&w, SLICE(",\"bytes_in\":"), record->bytes_in);
    put_number_member(&w, SLICE(",\"bytes_out\":"), record->bytes_out);
    put_number_member(&w, SLICE(",\"duration_ms\":"), record->duration_ms);
    put_member(&w, SLICE(",\"rule\":"), record->rule, RULE_TEXT_MAX);
    put_number_member(&w, SLICE(",\"masked\":"), record->masked);
    if (record->refusal != REFUSAL_NONE)
        put_member(&w, SLICE(",\"refusal\":"), slice_of_string(refusal_text(record->refusal)->name), LIMIT_NAME);
    if (record->reason.n > 0)
        put_member(&w, SLICE(",\"reason\":"), record->reason, REASON_MAX);
    return end(&w, line);
}

size_t audit_line_event(char line[static LIMIT_AUDIT_LINE], const struct audit_event *event) {
    static const struct slice names[] = {
        [AUDIT_LEASE_GRANTED] = {"lease_granted", 13}, [AUDIT_LEASE_ENDED] = {"lease_ended", 11}};
    struct line_writer w = begin(line);

    put_member(&w, SLICE(",\"event\":"), names[event->kind], LIMIT_NAME);
    put_member(&w, SLICE(",\"lease\":"), slice_of_string(event->lease), LIMIT_NAME);
    put_member(&w, SLICE(",\"identity\":"), slice_of_string(event->identity), LIMIT_NAME);
    put_member(&w, SLICE(",\"id\":"), slice_of_string(event->id), LIMIT_NAME);
    if (event->reason)
        put_member(&w, SLICE(",\"reason\":"), slice_of_string(event->reason), REASON_MAX);
    return end(&w, line);
}

void audit_line_set_prev(char *line, const char prev[static AUDIT_HASH]) {
    memcpy(line + PREV_AT, prev, AUDIT_HASH);
}

struct slice audit_line_value(struct slice line, struct slice key) {
    const char *at = memmem(line.p, line.n, key.p, key.n);
    struct slice rest;
    size_t n = 0;

    if (!at)
        return SLICE_EMPTY;
    rest = slice_from(line, (size_t)(at - line.p) + key.n);
    if (rest.n > 0 && rest.p[0] == '"')
        rest = slice_from(rest, 1);
    while (n < rest.n && rest.p[n] != '"' && rest.p[n] != ',' && rest.p[n] != '}')
        n++;
    return slice_first(rest, n);
}

struct slice audit_line_prev(struct slice line) {
    struct slice prev = audit_line_value(line, SLICE("\"prev\":"));

    if (prev.n != AUDIT_HASH)
        return SLICE_EMPTY;
    for (size_t i = 0; i < prev.n; i++)
        if (num_hex_digit(prev.p[i]) < 0)
            return SLICE_EMPTY;
    return prev;
}
