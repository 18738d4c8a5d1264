/*
 * What grep has found as text, a line each: `path:number:line`. Kept while it is small enough to be shown; from then on
 * all of it goes into a file below .work/outputs/, and its beginning is kept for the preview. The inside of
 * fleet/files.
 */
#pragma once

#include "base/buf.h"
#include "fleet/files/outputs.h"
#include "fleet/json_write.h"

struct grep_output {
    int workspace;      /* borrowed */
    struct buf kept;    /* all of it, or as much of its beginning as may be shown */
    struct buf waiting; /* what is in no file yet */
    uint64_t size, lines, lost;
    int file; /* -EBADF before there is one, and when there can be none */
    bool has_failed;
    char path[OUTPUTS_PATH];
};

void grep_output_init(struct grep_output *output, int workspace);
void grep_output_done(struct grep_output *output);

/* 0, -EFBIG (LIMIT_GREP_OUTPUT: enough), or -ENOMEM. What cannot be written is lost, and counted. */
int grep_output_put(struct grep_output *output, struct slice path, uint64_t number, struct slice line);

/* The members `content`, and `truncated`, `file_path` and `total_size` where they belong. 0 or -errno. */
int grep_output_finish(struct grep_output *output, bool is_cut, struct json_write *w);
