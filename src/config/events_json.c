#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/utf8.h"
#include "config/events_source.h"

#define ESCAPE_DIGITS 4

/* What may come next, named for what is waited for. */
enum state {
    WAIT_VALUE,          /* after a colon or a comma of a list, and at the start */
    WAIT_VALUE_OR_CLOSE, /* after [ */
    WAIT_KEY,            /* after a comma of a mapping */
    WAIT_KEY_OR_CLOSE,   /* after { */
    WAIT_COLON,
    WAIT_COMMA_OR_CLOSE,
    WAIT_END
};

static const char *const wanted[] = {
    [WAIT_VALUE] = "a value",
    [WAIT_VALUE_OR_CLOSE] = "a value or ]",
    [WAIT_KEY] = "a key in double quotes",
    [WAIT_KEY_OR_CLOSE] = "a key in double quotes, or }",
    [WAIT_COLON] = "a colon",
    [WAIT_COMMA_OR_CLOSE] = "a comma, or the end of what is open",
    [WAIT_END] = "the end of the file",
};

struct json_events {
    struct events base;
    struct slice rest;
    size_t line;
    enum state state;
    bool is_mapping[LIMIT_CONFIG_DEPTH]; /* of what is open, from the outside */
    size_t depth;
    char text[LIMIT_EVENT_TEXT]; /* of a string with escapes */
};

static void set_state(struct json_events *j, enum state state) {
    j->state = state;
}

static int fail(struct json_events *j, const char *what) {
    return events_fail(&j->base, j->line, "not JSON: %s", what);
}

static int fail_unexpected(struct json_events *j) {
    return events_fail(&j->base, j->line, "not JSON: %s is missing here; look for a comma or a quote %s",
                       wanted[j->state], j->rest.n > 0 ? "too many or too few before it" : "that is missing");
}

static void skip_blanks(struct json_events *j) {
    size_t i = 0;

    for (; i < j->rest.n; i++) {
        char c = j->rest.p[i];

        if (c == '\n')
            j->line++;
        else if (c != ' ' && c != '\t' && c != '\r')
            break;
    }
    j->rest = slice_from(j->rest, i);
}

/* The value is complete: what follows it. */
static void end_value(struct json_events *j) {
    set_state(j, j->depth > 0 ? WAIT_COMMA_OR_CLOSE : WAIT_END);
}

static int open_container(struct json_events *j, bool is_mapping, struct event *ret) {
    if (j->depth == LIMIT_CONFIG_DEPTH)
        return events_fail(&j->base, j->line, "nested more than %d deep; flatten it", LIMIT_CONFIG_DEPTH);
    j->is_mapping[j->depth++] = is_mapping;
    j->rest = slice_from(j->rest, 1);
    set_state(j, is_mapping ? WAIT_KEY_OR_CLOSE : WAIT_VALUE_OR_CLOSE);
    ret->type = is_mapping ? EVENT_MAPPING : EVENT_LIST;
    return 0;
}

static int close_container(struct json_events *j, struct event *ret) {
    j->depth--;
    j->rest = slice_from(j->rest, 1);
    end_value(j);
    ret->type = EVENT_CLOSE;
    return 0;
}

static bool parse_unit(struct slice *rest, uint32_t *ret) {
    uint64_t unit;

    if (rest->n < ESCAPE_DIGITS || num_parse_hex(slice_first(*rest, ESCAPE_DIGITS), UINT16_MAX, &unit) < 0)
        return false;
    *rest = slice_from(*rest, ESCAPE_DIGITS);
    *ret = (uint32_t)unit;
    return true;
}

/* What stands behind \u: one unit of UTF-16, or two that are a pair (RFC 8259 §7). */
static bool parse_code(struct slice *rest, uint32_t *ret) {
    uint32_t high, low;

    if (!parse_unit(rest, &high))
        return false;
    if (high >= 0xD800 && high <= 0xDBFF) {
        if (!slice_starts_with(*rest, SLICE("\\u")))
            return false;
        *rest = slice_from(*rest, 2);
        if (!parse_unit(rest, &low) || low < 0xDC00 || low > 0xDFFF)
            return false;
        high = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    }
    *ret = high;
    return high < 0xDC00 || high > 0xDFFF;
}

static size_t write_utf8(uint32_t code, char to[static 4]) {
    static const uint8_t marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (size_t i = n; i-- > 1; code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3F));
    to[0] = (char)(n == 1 ? code : marks[n] | code);
    return n;
}

/* What stands behind a backslash. How many bytes it is, in `to`; 0 when it is no escape. */
static size_t parse_escape(struct slice *rest, char to[static 4]) {
    static const struct slice letters = SLICE("\"\\/bfnrt"), meant = SLICE("\"\\/\b\f\n\r\t");
    char letter = rest->n > 0 ? rest->p[0] : '\0';
    size_t at = slice_index(letters, letter);
    uint32_t code;

    if (rest->n == 0)
        return 0;
    *rest = slice_from(*rest, 1);
    if (letter == 'u')
        return parse_code(rest, &code) ? write_utf8(code, to) : 0;
    if (at == letters.n)
        return 0;
    to[0] = meant.p[at];
    return 1;
}

/* Of a string that has been measured and holds escapes. */
static int unescape(struct json_events *j, struct slice raw, struct slice *ret) {
    size_t n = 0;

    while (raw.n > 0) {
        size_t plain = slice_index(raw, '\\');

        memcpy(j->text + n, raw.p, plain);
        n += plain;
        raw = slice_from(raw, plain);
        if (raw.n > 0) {
            char bytes[4] = {0};
            size_t k;

            raw = slice_from(raw, 1);
            k = parse_escape(&raw, bytes);
            if (k == 0)
                return fail(j, "a backslash that starts no escape; write \\\\ for a backslash");
            memcpy(j->text + n, bytes, k); /* no escape is shorter than what it stands for */
            n += k;
        }
    }
    *ret = slice_of(j->text, n);
    return 0;
}

/* A byte that stands for itself in a string. */
static bool is_plain(char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* How long the string is that starts behind a quote: up to the next one that no backslash escapes. */
static int measure_string(struct json_events *j, struct slice in, size_t *ret_n, bool *ret_has_escape) {
    size_t i = 0;

    *ret_has_escape = false;
    for (;;) {
        unsigned char c;
        uint32_t code;
        size_t n;

        while (i < in.n && is_plain(in.p[i]))
            i++;
        if (i >= in.n || in.p[i] == '"')
            break;
        c = (unsigned char)in.p[i];
        n = c < 0x80 ? 1 : utf8_next(slice_from(in, i), &code);

        if (c < 0x20 || c == 0x7f)
            return fail(j, "a control character in a text; remove it");
        if (n == 0)
            return fail(j, "a text that is not UTF-8; save the file as UTF-8");
        if (c == '\\') {
            *ret_has_escape = true;
            n = 2;
        }
        i += n;
    }
    if (i >= in.n)
        return fail(j, "a text without its closing quote; add it");
    if (i > LIMIT_EVENT_TEXT)
        return events_fail(&j->base, j->line, "a text longer than %d bytes; shorten it", LIMIT_EVENT_TEXT);
    *ret_n = i;
    return 0;
}

static int take_string(struct json_events *j, struct event *ret) {
    struct slice in = slice_from(j->rest, 1);
    bool has_escape;
    size_t n = 0;
    int r = measure_string(j, in, &n, &has_escape);

    if (r < 0)
        return r;
    ret->type = EVENT_SCALAR;
    ret->text = slice_first(in, n);
    ret->is_text = true;
    j->rest = slice_from(in, n + 1);
    return has_escape ? unescape(j, slice_first(in, n), &ret->text) : 0;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static size_t span_digits(struct slice text, size_t at) {
    size_t n = 0;

    while (at + n < text.n && is_digit(text.p[at + n]))
        n++;
    return n;
}

/* RFC 8259 §6: [-] int [frac] [exp]. */
static bool is_number(struct slice text) {
    size_t at = slice_starts_with(text, SLICE("-")) ? 1 : 0, n = span_digits(text, at);

    if (n == 0 || (n > 1 && text.p[at] == '0'))
        return false;
    at += n;
    if (at < text.n && text.p[at] == '.') {
        n = span_digits(text, at + 1);
        if (n == 0)
            return false;
        at += n + 1;
    }
    if (at < text.n && ascii_lower(text.p[at]) == 'e') {
        at++;
        at += at < text.n && (text.p[at] == '+' || text.p[at] == '-');
        n = span_digits(text, at);
        if (n == 0)
            return false;
        at += n;
    }
    return at == text.n;
}

static int take_word(struct json_events *j, struct event *ret) {
    static const struct slice words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    size_t n = 0;

    while (n < j->rest.n && !slice_has(SLICE(" \t\r\n,:[]{}\""), j->rest.p[n]))
        n++;
    ret->type = EVENT_SCALAR;
    ret->text = slice_first(j->rest, n);
    ret->is_number = is_number(ret->text);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_equals(ret->text, words[i]))
            n = 0; /* found */
    if (n > 0 && !ret->is_number)
        return fail_unexpected(j);
    j->rest = slice_from(j->rest, ret->text.n);
    return 0;
}

static int take_value(struct json_events *j, struct event *ret) {
    int r;

    if (j->rest.n == 0)
        return fail_unexpected(j);
    if (j->rest.p[0] == '{' || j->rest.p[0] == '[')
        return open_container(j, j->rest.p[0] == '{', ret);
    if (j->rest.p[0] == ']' && j->state == WAIT_VALUE_OR_CLOSE)
        return close_container(j, ret);
    if (slice_has(SLICE(",:]}"), j->rest.p[0]))
        return fail_unexpected(j);
    r = j->rest.p[0] == '"' ? take_string(j, ret) : take_word(j, ret);
    if (r == 0)
        end_value(j);
    return r;
}

static int take_key(struct json_events *j, struct event *ret) {
    int r;

    if (j->state == WAIT_KEY_OR_CLOSE && slice_starts_with(j->rest, SLICE("}")))
        return close_container(j, ret);
    if (!slice_starts_with(j->rest, SLICE("\"")))
        return fail_unexpected(j);
    r = take_string(j, ret);
    if (r == 0)
        set_state(j, WAIT_COLON);
    return r;
}

/* Whether a colon or a comma stood here, and the state is another one now. */
static bool skip_separator(struct json_events *j) {
    char c = j->rest.n > 0 ? j->rest.p[0] : '\0';

    if (j->state == WAIT_COLON && c == ':')
        set_state(j, WAIT_VALUE);
    else if (j->state == WAIT_COMMA_OR_CLOSE && c == ',')
        set_state(j, j->is_mapping[j->depth - 1] ? WAIT_KEY : WAIT_VALUE);
    else
        return false;
    j->rest = slice_from(j->rest, 1);
    return true;
}

static int take_end(struct json_events *j, struct event *ret) {
    if (j->rest.n > 0)
        return fail_unexpected(j);
    ret->type = EVENT_END;
    return 0;
}

static int json_next(struct events *events, struct event *ret) {
    struct json_events *j = container_of(events, struct json_events, base);

    do
        skip_blanks(j);
    while (skip_separator(j));
    *ret = (struct event){.line = j->line, .text = SLICE_EMPTY};
    switch (j->state) {
    case WAIT_VALUE:
    case WAIT_VALUE_OR_CLOSE:
        return take_value(j, ret);
    case WAIT_KEY:
    case WAIT_KEY_OR_CLOSE:
        return take_key(j, ret);
    case WAIT_COMMA_OR_CLOSE:
        if (slice_starts_with(j->rest, j->is_mapping[j->depth - 1] ? SLICE("}") : SLICE("]")))
            return close_container(j, ret);
        return fail_unexpected(j);
    case WAIT_END:
        return take_end(j, ret);
    case WAIT_COLON:
        break; /* the colon was looked for above */
    }
    return fail_unexpected(j);
}

static void json_close(struct events *events) {
    free(container_of(events, struct json_events, base));
}

int events_open_json(struct slice bytes, struct events **ret) {
    struct json_events *j = calloc(1, sizeof(*j));

    if (!j)
        return -ENOMEM;
    j->base = (struct events){.next = json_next, .close = json_close, .bytes = bytes};
    j->rest = slice_starts_with(bytes, SLICE("\xef\xbb\xbf")) ? slice_from(bytes, 3) : bytes;
    j->line = 1;
    *ret = &j->base;
    return 0;
}
