/*
 * The body of the request that `credfd call` sends: text from the command line, or a file or standard input as it is
 * read. A regular file goes with its length, anything else chunked. Nothing is held but the piece that is being sent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct upload {
    int fd;             /* to read from; -EBADF when there is nothing to read */
    bool is_chunked;    /* otherwise `remaining` is what is still to come */
    bool is_complete;   /* everything has been given to upload_fill's caller */
    uint64_t remaining; /* at first the Content-Length */
    struct slice text;  /* of an argument that is the body itself; then `fd` is -EBADF */
    const char *name;   /* of the file, for complaints; NULL for text */
};

/* A request without a body. */
#define UPLOAD_NONE ((struct upload){.fd = -EBADF, .is_complete = true})

/*
 * `argument` as written after -d: `@FILE`, `@-` for standard input, or the text itself; it must outlive `*ret`. 0, or
 * -errno of opening the file (-EISDIR for a folder). `*ret` is released by upload_done.
 */
int upload_open(const char *argument, struct upload *ret);
void upload_done(struct upload *upload);
#define _cleanup_upload_ _cleanup_(upload_done)

/*
 * Appends the next piece of the body, in its framing, to the empty `to`, and sets `is_complete` behind the last one.
 * Reads once from `fd`. 0, -ENODATA when the file ended before the length it had, or another -errno.
 */
int upload_fill(struct upload *upload, struct buf *to);
