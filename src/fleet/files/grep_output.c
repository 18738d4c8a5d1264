#include "fleet/files/grep_output.h"

#include <errno.h>
#include <limits.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/num.h"

#define AT_ONCE (64 * 1024) /* that are written */

void grep_output_init(struct grep_output *output, int workspace) {
    *output = (struct grep_output){.workspace = workspace, .file = -EBADF};
    buf_init(&output->kept, LIMIT_SHOWN_OUTPUT);
    buf_init(&output->waiting, AT_ONCE + PATH_MAX + NUM_DIGITS + LIMIT_GREP_LINE + 4);
}

void grep_output_done(struct grep_output *output) {
    fd_close(&output->file);
    buf_release(&output->kept);
    buf_release(&output->waiting);
}

/* Into the file, which is made for the first of it. */
static void flush(struct grep_output *output) {
    struct slice waiting = buf_slice(&output->waiting);

    if (output->file < 0 && !output->has_failed)
        output->file = outputs_create(output->workspace, "grep", output->path);
    if (output->file < 0 || output->has_failed || fd_write_all(output->file, waiting.p, waiting.n) < 0) {
        output->has_failed = true;
        output->lost += waiting.n;
    }
    buf_consume(&output->waiting, waiting.n);
}

int grep_output_put(struct grep_output *output, struct slice path, uint64_t number, struct slice line) {
    char digits[NUM_DIGITS];
    const struct slice parts[] = {path, SLICE(":"), num_format(number, digits), SLICE(":"), line, SLICE("\n")};
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(parts) / sizeof(parts[0]); i++) {
        r = buf_append(&output->waiting, parts[i]);
        if (r == 0)
            r = buf_append(&output->kept, slice_first(parts[i], buf_room(&output->kept)));
        output->size += parts[i].n;
    }
    output->lines++;
    if (r == 0 && buf_length(&output->waiting) >= AT_ONCE)
        flush(output);
    return r < 0 ? r : output->size >= LIMIT_GREP_OUTPUT ? -EFBIG : 0;
}

static int put_large(struct grep_output *output, struct json_write *w) {
    struct output_facts facts = {
        .beginning = buf_slice(&output->kept), .total_size = output->size, .lines = output->lines};
    struct buf preview;
    int r;

    flush(output);
    facts.path = output->file >= 0 ? output->path : NULL;
    facts.lost = output->lost;
    buf_init(&preview, LIMIT_SHOWN_OUTPUT);
    r = output_describe(&preview, &facts);
    json_write_text_member(w, SLICE("content"), buf_slice(&preview));
    buf_release(&preview);
    json_write_bool_member(w, SLICE("truncated"), true);
    if (facts.path)
        json_write_text_member(w, SLICE("file_path"), slice_of_string(facts.path));
    json_write_number_member(w, SLICE("total_size"), output->size);
    return r;
}

int grep_output_finish(struct grep_output *output, bool is_cut, struct json_write *w) {
    if (!output_is_shown(output->size))
        return put_large(output, w);
    json_write_text_member(w, SLICE("content"), buf_slice(&output->kept));
    if (is_cut)
        json_write_bool_member(w, SLICE("truncated"), true);
    return 0;
}
