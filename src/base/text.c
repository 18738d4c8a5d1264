#include "base/text.h"
#include "base/weaken.h"

#include <stdarg.h>
#include <stdio.h>

void text_put(struct text *text, struct slice bytes) {
    if (text->error == 0)
        text->error = buf_append(text->to, bytes);
}

void text_add(struct text *text, const char *format, ...) {
    char piece[TEXT_PIECE];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(piece, sizeof(piece), format, args);
    va_end(args);
    text_put(text, slice_of(piece, MIN_OF((size_t)MAX_OF(n, 0), sizeof(piece) - 1)));
}

/* Empty for a byte that stands for itself. */
static struct slice html_of(char c) {
    switch (c) {
    case '&':
        return SLICE("&amp;");
    case '<':
        return SLICE("&lt;");
    case '>':
        return SLICE("&gt;");
    case '"':
        return SLICE("&quot;");
    case '\'':
        return SLICE("&#39;");
    default:
        return c >= ' ' && c <= '~' ? SLICE_EMPTY : SLICE("?");
    }
}

void text_put_html(struct text *text, struct slice bytes) {
    if (WEAKENED(HTML)) {
        text_put(text, bytes);
        return;
    }
    for (size_t plain = 0; bytes.n > 0; plain = 0) {
        while (plain < bytes.n && html_of(bytes.p[plain]).n == 0)
            plain++;
        text_put(text, slice_first(bytes, plain));
        bytes = slice_from(bytes, plain);
        if (bytes.n > 0)
            text_put(text, html_of(bytes.p[0]));
        bytes = slice_from(bytes, 1);
    }
}
