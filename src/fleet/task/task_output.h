/*
 * One stream of what a command prints: masked before anything else is done with it, told to the hub while it comes, kept
 * for the result, and put into a file once it is too large for that. However much comes, it takes no more memory than a
 * result may show. Knows no channel and no loop. Used by credfd-task.
 */
#pragma once

#include <stdint.h>

#include "egress/mask/mask.h"
#include "fleet/files/outputs.h"
#include "fleet/task/cutter.h"

/* What both streams of a task share. */
struct output_means {
    int workspace;           /* borrowed */
    const struct mask *mask; /* NULL: there is no key that it could print */
    uint64_t max_file;       /* bytes that are kept in a file; 0: all */
    uint64_t rate;           /* bytes a second that are told; 0: any */
    uint64_t allowance;      /* of those, what may be told now */
    uint64_t counted_ms;     /* when that was reckoned */
};

struct output {
    struct output_means *means;
    struct mask_stream masked;
    struct cutter cutter;
    struct buf kept;    /* as it was printed, masked: all of it, or the beginning of what is in the file */
    struct buf telling; /* characters that have not been told yet, the newest */
    uint64_t total, characters, newlines;
    bool ends_within_line;
    bool is_large; /* it goes into a file */
    int file;      /* -EBADF: none could be made */
    char path[OUTPUTS_PATH];
    uint64_t written; /* to the file */
    bool was_told;
    uint64_t told_ms; /* when last */
};

/* `now_ms` as of loop_now_ms, here and below. */
void output_means_init(struct output_means *means, int workspace, const struct mask *mask, uint64_t max_file,
                       uint64_t rate, uint64_t now_ms);

void output_init(struct output *output, struct output_means *means);
/* The file stays: it is the workspace's. */
void output_done(struct output *output);

/* What was printed next; `bytes` is overwritten. With `is_end` nothing more comes. 0 or -ENOMEM. */
int output_take(struct output *output, char *bytes, size_t n, bool is_end);

/*
 * What may be told now: LIMIT_TASK_OUTPUT at most, and empty when there is nothing, it is too soon, or the rate is used
 * up. With `is_last`, after which nothing is told any more, it is never too soon. Once it was told, output_told takes it
 * away.
 */
struct slice output_tell(struct output *output, uint64_t now_ms, bool is_last);
void output_told(struct output *output, size_t n, uint64_t now_ms);

/* Whether something waits to be told. */
static inline bool output_waits(const struct output *output) {
    return !buf_is_empty(&output->telling);
}

/* Appends what stands for it in the result: all of it, or its beginning and where the rest is. 0 or -errno. */
int output_show(const struct output *output, struct buf *to);
