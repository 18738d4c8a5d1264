#include "fleet/files/outputs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/utf8.h"
#include "fleet/beneath.h"
#include "fleet/files/place.h"

#define DIRECTORY ".work/outputs"

int outputs_create(int workspace, const char *kind, char path[static OUTPUTS_PATH]) {
    _cleanup_close_ int directory = -EBADF;
    char name[NAME_MAX + 1];
    uint32_t number;
    int n;

    if (getrandom(&number, sizeof(number), 0) != sizeof(number))
        return -EIO;
    n = snprintf(path, OUTPUTS_PATH, DIRECTORY "/%s_%08x_%lld.txt", kind, number, (long long)time(NULL));
    if (n < 0 || n >= OUTPUTS_PATH)
        return -ENAMETOOLONG;
    directory = place_open_parent(workspace, path, true, name);
    if (directory < 0)
        return directory;
    return beneath_open(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
}

bool output_is_shown(uint64_t total_size) {
    return total_size <= LIMIT_SHOWN_OUTPUT;
}

/* So many of its lines, whole characters of them; with the newline behind the last. */
static struct slice preview_of(struct slice beginning, size_t *ret_lines) {
    struct slice preview = slice_first(beginning, LIMIT_PREVIEW);
    size_t n = 0, back = 0;
    uint32_t code;

    for (*ret_lines = 0; *ret_lines < LIMIT_PREVIEW_LINES && n < preview.n; ++*ret_lines)
        n += slice_index(slice_from(preview, n), '\n') + 1;
    if (n <= preview.n)
        return slice_first(preview, n);
    /* the last line is cut: not within a character, whose first byte is one of the last three */
    while (back < 3 && back < preview.n && ((unsigned char)preview.p[preview.n - back - 1] & 0xC0) == 0x80)
        back++;
    if (preview.n < beginning.n && back < preview.n &&
        utf8_next(slice_from(preview, preview.n - back - 1), &code) == 0 &&
        utf8_next(slice_from(beginning, preview.n - back - 1), &code) > 0)
        preview.n -= back + 1;
    return preview;
}

int output_describe(struct buf *to, const struct output_facts *facts) {
    struct text text = {.to = to};
    size_t lines;
    struct slice preview = preview_of(facts->beginning, &lines);

    text_add(&text, "<output_truncated>\nThe output has %llu bytes in %llu lines, too much to be shown.",
             (unsigned long long)facts->total_size, (unsigned long long)facts->lines);
    if (facts->path)
        text_add(&text, " It was saved to %s\n", facts->path);
    else
        text_put(&text, SLICE(" It could not be saved.\n"));
    if (facts->path && facts->lost > 0)
        text_add(&text, "but for its last %llu bytes, which are lost.\n", (unsigned long long)facts->lost);
    text_add(&text, "\nIts beginning, %zu lines:\n```\n", lines);
    text_put(&text, preview);
    text_put(&text, slice_ends_with(preview, SLICE("\n")) ? SLICE("```\n") : SLICE("\n...\n```\n"));
    if (facts->path)
        text_add(&text, "\nTo read on: read(\"%s\", offset=%zu)\n", facts->path, preview.n);
    text_put(&text, SLICE("</output_truncated>"));
    return text.error;
}
