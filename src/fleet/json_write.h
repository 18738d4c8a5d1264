/*
 * JSON as it is put together for the hub, in a buffer with a cap: results of tasks, payloads, messages. Text passes
 * through as UTF-8; what is none becomes U+FFFD, since a file's name or a line of output may hold any byte. Commas are
 * put where they belong; that the braces match is the writer's business. After the first failure nothing is added any
 * more: whoever began it looks at `error` at the end. Used by the spool, the operations on files, a task and the link.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct json_write {
    struct buf *to;   /* borrowed */
    int error;        /* 0, or -errno of buf_append: -ENOBUFS beyond the cap */
    bool has_sibling; /* a value stands before the next one in its object or list */
};

static inline struct json_write json_write_begin(struct buf *to) {
    return (struct json_write){.to = to};
}

/* `{` or `[`, and its end. */
void json_write_open(struct json_write *w, char bracket);
void json_write_close(struct json_write *w, char bracket);

/* The name of the member whose value comes next; a literal that needs no escape. */
void json_write_name(struct json_write *w, struct slice name);

void json_write_text(struct json_write *w, struct slice text);
void json_write_number(struct json_write *w, uint64_t value);
void json_write_signed(struct json_write *w, int64_t value);
void json_write_bool(struct json_write *w, bool value);
void json_write_base64(struct json_write *w, struct slice bytes);

/* One whole value that is JSON already. */
void json_write_value(struct json_write *w, struct slice json);

/* Members: a name and its value. */
void json_write_text_member(struct json_write *w, struct slice name, struct slice text);
void json_write_number_member(struct json_write *w, struct slice name, uint64_t value);
void json_write_bool_member(struct json_write *w, struct slice name, bool value);

/* A text in pieces: between open and close of quotes. A character that is cut between two pieces is replaced twice. */
void json_write_open_text(struct json_write *w);
void json_write_text_piece(struct json_write *w, struct slice text);
void json_write_close_text(struct json_write *w);

/* How many bytes the text becomes, quotes included. */
size_t json_write_text_length(struct slice text);
