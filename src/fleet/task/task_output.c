#include "fleet/task/task_output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"

/* A character has four bytes at most, and a byte that is none counts for one. */
#define KEPT_MAX (CUTTER_CHARACTER * (LIMIT_SHOWN_OUTPUT + 1))

void output_means_init(struct output_means *means, int workspace, const struct mask *mask, uint64_t max_file,
                       uint64_t rate, uint64_t now_ms) {
    *means = (struct output_means){.workspace = workspace,
                                   .mask = mask,
                                   .max_file = max_file,
                                   .rate = rate,
                                   .allowance = rate,
                                   .counted_ms = now_ms};
}

void output_init(struct output *output, struct output_means *means) {
    *output = (struct output){.means = means, .file = -EBADF};
    if (means->mask)
        mask_stream_init(&output->masked, means->mask);
    buf_init(&output->kept, KEPT_MAX);
    buf_init(&output->telling, LIMIT_TASK_OUTPUT);
}

void output_done(struct output *output) {
    if (output->means && output->means->mask)
        mask_stream_done(&output->masked);
    buf_release(&output->kept);
    buf_release(&output->telling);
    fd_close(&output->file);
    output->means = NULL;
}

/* The rest is counted, and lost. A disk that is full is no reason to end a command. */
static void write_file(struct output *output, struct slice bytes) {
    uint64_t max = output->means->max_file;
    struct slice fits = max > 0 ? slice_first(bytes, (size_t)MIN_OF(max - output->written, (uint64_t)bytes.n)) : bytes;

    while (output->file >= 0 && fits.n > 0) {
        ssize_t n = write(output->file, fits.p, fits.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            fd_close(&output->file);
            return;
        }
        output->written += (uint64_t)n;
        fits = slice_from(fits, (size_t)n);
    }
}

/* It is too large to be shown: from here on only its beginning is held. */
static int begin_file(struct output *output) {
    char beginning[LIMIT_PREVIEW];
    struct slice kept = buf_slice(&output->kept), first = slice_first(kept, sizeof(beginning));
    size_t n = first.n;

    output->is_large = true;
    output->file = outputs_create(output->means->workspace, "bash", output->path);
    if (output->file < 0)
        output->path[0] = '\0';
    write_file(output, kept);
    memcpy(beginning, first.p, n);
    buf_release(&output->kept);
    return buf_append(&output->kept, slice_of(beginning, n));
}

/* The newest is what is told: where there is no room the oldest is dropped, by whole characters. */
static int keep_for_telling(struct output *output, struct slice text) {
    struct slice all = buf_slice(&output->telling);
    size_t too_much = text.n > buf_room(&output->telling) ? text.n - buf_room(&output->telling) : 0;
    size_t of_old = MIN_OF(too_much, all.n), of_new = too_much - of_old;

    while (of_old < all.n && ((unsigned char)all.p[of_old] & 0xC0) == 0x80)
        of_old++;
    buf_consume(&output->telling, of_old);
    while (of_new < text.n && ((unsigned char)text.p[of_new] & 0xC0) == 0x80)
        of_new++;
    return buf_append(&output->telling, slice_from(text, of_new));
}

static int cut(struct output *output, struct slice bytes, bool is_end) {
    for (;;) {
        struct slice piece = cutter_next(&output->cutter, &bytes, is_end);
        int r;

        if (piece.n == 0)
            return 0;
        if (!output->is_large)
            output->characters += cutter_count(piece);
        r = keep_for_telling(output, piece);
        if (r < 0)
            return r;
    }
}

static void count(struct output *output, struct slice bytes) {
    output->total += bytes.n;
    if (bytes.n > 0)
        output->ends_within_line = bytes.p[bytes.n - 1] != '\n';
    while (slice_has(bytes, '\n')) {
        output->newlines++;
        bytes = slice_from(bytes, slice_index(bytes, '\n') + 1);
    }
}

/* One piece that nothing has to be masked in any more. */
static int take_masked(struct output *output, struct slice bytes, bool is_end) {
    int r;

    count(output, bytes);
    r = cut(output, bytes, is_end);
    if (r < 0)
        return r;
    if (!output->is_large && output->characters > LIMIT_SHOWN_OUTPUT) {
        r = begin_file(output);
        if (r < 0)
            return r;
    }
    if (!output->is_large)
        return buf_append(&output->kept, bytes);
    write_file(output, bytes);
    /* it may have come in one piece */
    return buf_append(&output->kept,
                      slice_first(bytes, LIMIT_PREVIEW - MIN_OF(buf_length(&output->kept), (size_t)LIMIT_PREVIEW)));
}

/* What is lost is said where the reader of the file comes to its end. */
static void end_file(struct output *output) {
    char note[128];

    if (output->file >= 0 && output->written < output->total) {
        (void)snprintf(note, sizeof(note), "\n[%" PRIu64 " more bytes were printed and are not kept]\n",
                       output->total - output->written);
        (void)fd_write_all(output->file, note, strlen(note));
    }
    fd_close(&output->file);
}

static int take_through_mask(struct output *output, char *bytes, size_t n, bool is_end) {
    int r = mask_stream_push(&output->masked, bytes, n, is_end);

    while (r == 0 && !mask_stream_is_drained(&output->masked))
        r = take_masked(output, mask_stream_pull(&output->masked, LIMIT_READ), false);
    return r;
}

int output_take(struct output *output, char *bytes, size_t n, bool is_end) {
    int r = output->means->mask ? take_through_mask(output, bytes, n, is_end)
                                : take_masked(output, slice_of(bytes, n), false);

    if (r == 0 && is_end) {
        r = take_masked(output, SLICE_EMPTY, true);
        end_file(output);
    }
    return r;
}

/* A bucket that holds what may be told in a second, and at least one message. */
static uint64_t allowance(struct output_means *means, uint64_t now_ms) {
    uint64_t most = MAX_OF(means->rate, (uint64_t)LIMIT_TASK_OUTPUT), elapsed = now_ms - means->counted_ms;
    uint64_t more = elapsed >= 1000 ? most : means->rate * elapsed / 1000;

    if (more > 0) {
        means->allowance = MIN_OF(means->allowance + more, most);
        means->counted_ms = now_ms;
    }
    return means->allowance;
}

struct slice output_tell(struct output *output, uint64_t now_ms, bool is_last) {
    uint64_t most = LIMIT_TASK_OUTPUT;

    if (!is_last && output->was_told && now_ms < output->told_ms + OUTPUT_EVERY)
        return SLICE_EMPTY;
    if (output->means->rate > 0)
        most = MIN_OF(most, allowance(output->means, now_ms));
    return cutter_first(buf_slice(&output->telling), (size_t)most);
}

void output_told(struct output *output, size_t n, uint64_t now_ms) {
    buf_consume(&output->telling, n);
    if (output->means->rate > 0)
        output->means->allowance -= MIN_OF(output->means->allowance, (uint64_t)n);
    output->was_told = true;
    output->told_ms = now_ms;
}

int output_show(const struct output *output, struct buf *to) {
    struct output_facts facts = {
        .beginning = slice_first(buf_slice(&output->kept), LIMIT_PREVIEW),
        .total_size = output->total,
        .lines = output->newlines + output->ends_within_line,
        .path = output->path[0] != '\0' ? output->path : NULL,
        .lost = output->total - output->written,
    };

    return output->is_large ? output_describe(to, &facts) : buf_append(to, buf_slice(&output->kept));
}
