#include "fleet/shell/expansion.h"

/* Escapes of one letter, and what they stand for. */
static const struct {
    char letter, byte;
} escapes[] = {
    {'a', '\a'}, {'b', '\b'}, {'e', '\033'}, {'E', '\033'}, {'f', '\f'}, {'n', '\n'}, {'r', '\r'},
    {'t', '\t'}, {'v', '\v'}, {'\\', '\\'},  {'\'', '\''},  {'"', '"'},  {'?', '?'},
};

static int digit_of(char c, int base) {
    int digit = 16;

    if (c >= '0' && c <= '9')
        digit = c - '0';
    else if (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f')
        digit = ascii_lower(c) - 'a' + 10;
    return digit < base ? digit : -1;
}

/* A byte by its number, of up to `most` digits: one that is no plain character is not looked into. */
static bool read_number(struct builder *b, size_t from, int base, size_t most) {
    struct reader *r = b->r;
    int value = 0;
    size_t n = 0;
    char byte;

    for (; n < most && digit_of(reader_peek(r, 0), base) >= 0; n++, r->at++)
        value = value * base + digit_of(reader_peek(r, 0), base);
    if (n == 0 || value == 0)
        return reader_fault(r, from, "an escape in $'' that bash may end the text at");
    if (value > '~')
        return builder_put_unknown(b, from, PIECE_SINGLE, SLICE_EMPTY);
    byte = (char)value;
    return builder_put(b, slice_of(&byte, 1));
}

static bool read_escape(struct builder *b) {
    struct reader *r = b->r;
    size_t from = r->at;
    char c = reader_peek(r, 1);

    for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
        if (escapes[i].letter == c) {
            r->at += 2;
            return builder_put(b, slice_of(&escapes[i].byte, 1));
        }
    }
    if (digit_of(c, 8) >= 0) {
        r->at++;
        return read_number(b, from, 8, 3);
    }
    r->at += 2;
    if (c == 'x')
        return read_number(b, from, 16, 2);
    if (c == 'u' || c == 'U')
        return read_number(b, from, 16, c == 'u' ? 4 : 7);
    return reader_fault(r, from, "an escape in $'' that is not known here");
}

bool ansi_quoted_read(struct builder *b) {
    struct reader *r = b->r;
    size_t from = r->at;

    if (r->is_posix)
        return reader_fault(r, from, "$'' is not known to every sh");
    b->is_plain = false;
    b->is_quoted = true;
    r->at += 2;
    while (!reader_is_at_end(r)) {
        struct slice byte = slice_of(r->text.p + r->at, 1);

        if (byte.p[0] == '\\') {
            if (!read_escape(b))
                return false;
            continue;
        }
        r->at++;
        if (byte.p[0] == '\'')
            return true;
        if (!builder_put(b, byte))
            return false;
    }
    return reader_fault(r, from, "an unclosed single quote");
}
