/*
 * A text of our own that is put together in a buffer: pages, metrics. After the first failure nothing is added any
 * more, so that its writers need not look at each step; whoever began it looks at `error` at the end.
 */
#pragma once

#include "base/buf.h"
#include "base/macros.h"

struct text {
    struct buf *to; /* borrowed */
    int error;      /* 0, or -errno of buf_append */
};

void text_put(struct text *text, struct slice bytes);

/* As printf; a piece is cut at TEXT_PIECE bytes. */
#define TEXT_PIECE 512
void text_add(struct text *text, const char *format, ...) _printf_(2, 3);

/*
 * For HTML, between tags and in attributes with double quotes. Every byte that could mean something there is escaped;
 * what is not printable ASCII becomes a `?`.
 */
void text_put_html(struct text *text, struct slice bytes);
