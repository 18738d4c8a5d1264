#include "fleet/json_write.h"

#include <errno.h>

#include "base/macros.h"
#include "base/num.h"
#include "base/utf8.h"
#include "wire/base64.h"

#define REPLACEMENT SLICE("\xEF\xBF\xBD") /* U+FFFD */
#define ESCAPED 6                         /* bytes of \u001f */

static void put(struct json_write *w, struct slice bytes) {
    if (w->error == 0)
        w->error = buf_append(w->to, bytes);
}

/* What stands before every value. */
static void begin_value(struct json_write *w) {
    if (w->has_sibling)
        put(w, SLICE(","));
    w->has_sibling = true;
}

void json_write_open(struct json_write *w, char bracket) {
    begin_value(w);
    put(w, slice_of(&bracket, 1));
    w->has_sibling = false;
}

void json_write_close(struct json_write *w, char bracket) {
    put(w, slice_of(&bracket, 1));
    w->has_sibling = true;
}

void json_write_name(struct json_write *w, struct slice name) {
    begin_value(w);
    put(w, SLICE("\""));
    put(w, name);
    put(w, SLICE("\":"));
    w->has_sibling = false;
}

/* How many bytes at the front of `text` stand for themselves: whole characters. */
static size_t plain_span(struct slice text) {
    size_t n = 0;

    while (n < text.n) {
        unsigned char c = (unsigned char)text.p[n];
        uint32_t code;
        size_t length = c < 0x80 ? (size_t)(c >= ' ' && c != '"' && c != '\\') : utf8_next(slice_from(text, n), &code);

        if (length == 0)
            break;
        n += length;
    }
    return n;
}

/* What stands for a byte that does not stand for itself. */
static struct slice escape(unsigned char c, char to[static ESCAPED]) {
    static const char from[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf", digits[] = "0123456789abcdef";
    const char *known = c ? strchr(from, c) : NULL;

    if (c >= 0x80)
        return REPLACEMENT;
    if (known) {
        to[0] = '\\';
        to[1] = letters[known - from];
        return slice_of(to, 2);
    }
    memcpy(to, "\\u00", 4);
    to[4] = digits[c >> 4];
    to[5] = digits[c & 15];
    return slice_of(to, ESCAPED);
}

void json_write_text_piece(struct json_write *w, struct slice text) {
    char escaped[ESCAPED];

    while (text.n > 0 && w->error == 0) {
        size_t n = plain_span(text);

        put(w, slice_first(text, n));
        text = slice_from(text, n);
        if (text.n > 0) {
            put(w, escape((unsigned char)text.p[0], escaped));
            text = slice_from(text, 1);
        }
    }
}

void json_write_open_text(struct json_write *w) {
    begin_value(w);
    put(w, SLICE("\""));
}

void json_write_close_text(struct json_write *w) {
    put(w, SLICE("\""));
}

void json_write_text(struct json_write *w, struct slice text) {
    json_write_open_text(w);
    json_write_text_piece(w, text);
    json_write_close_text(w);
}

size_t json_write_text_length(struct slice text) {
    char escaped[ESCAPED];
    size_t length = 2;

    while (text.n > 0) {
        size_t n = plain_span(text);

        length += n;
        text = slice_from(text, n);
        if (text.n > 0) {
            length += escape((unsigned char)text.p[0], escaped).n;
            text = slice_from(text, 1);
        }
    }
    return length;
}

void json_write_number(struct json_write *w, uint64_t value) {
    char digits[NUM_DIGITS];

    begin_value(w);
    put(w, num_format(value, digits));
}

void json_write_signed(struct json_write *w, int64_t value) {
    char digits[NUM_DIGITS];

    begin_value(w);
    if (value < 0)
        put(w, SLICE("-"));
    put(w, num_format(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, digits));
}

void json_write_bool(struct json_write *w, bool value) {
    json_write_value(w, value ? SLICE("true") : SLICE("false"));
}

void json_write_base64(struct json_write *w, struct slice bytes) {
    size_t length = BASE64_LENGTH(bytes.n), room = 0;
    char *to;

    json_write_open_text(w);
    if (w->error == 0 && length > buf_room(w->to))
        w->error = -ENOBUFS;
    if (w->error == 0 && length > 0) {
        to = buf_reserve(w->to, length, &room);
        if (to)
            buf_commit(w->to, base64_encode(bytes, to));
        else
            w->error = -errno;
    }
    json_write_close_text(w);
}

void json_write_value(struct json_write *w, struct slice json) {
    begin_value(w);
    put(w, json);
}

void json_write_text_member(struct json_write *w, struct slice name, struct slice text) {
    json_write_name(w, name);
    json_write_text(w, text);
}

void json_write_number_member(struct json_write *w, struct slice name, uint64_t value) {
    json_write_name(w, name);
    json_write_number(w, value);
}

void json_write_bool_member(struct json_write *w, struct slice name, bool value) {
    json_write_name(w, name);
    json_write_bool(w, value);
}
