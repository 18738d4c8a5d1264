/*
 * Where an output goes that is too large for a result: a file below .work/outputs/ in the workspace, whole, and a
 * preview of it in the result. Of a command's output and of grep's. Nobody removes them: they are the workspace's.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"

#define OUTPUTS_PATH 64 /* room for a path of one, with its NUL */

/*
 * A new file there, for writing, whose name begins with `kind` ("bash"). The directories are made where they are not;
 * a link out of the workspace is refused. The descriptor, the caller's, with its path, relative to the workspace (the
 * result's `file_path`), in `path`; or -errno.
 */
int outputs_create(int workspace, const char *kind, char path[static OUTPUTS_PATH]);

struct output_facts {
    struct slice beginning;     /* of it: more than LIMIT_PREVIEW bytes, or all there is */
    uint64_t total_size, lines; /* of the whole; a last line needs no newline to count */
    const char *path;           /* where the whole is; NULL: it could not be written */
    uint64_t lost;              /* bytes at its end that are not in the file either */
};

/*
 * Appends what stands for it in the result: the first LIMIT_PREVIEW_LINES lines, LIMIT_PREVIEW bytes at most and whole
 * characters, and where the rest is. 0 or -errno of buf_append.
 */
int output_describe(struct buf *to, const struct output_facts *facts);

/* Whether it goes into the result as it is: LIMIT_SHOWN_OUTPUT bytes at most. */
bool output_is_shown(uint64_t total_size);
