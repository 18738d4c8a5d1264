#include "fleet/files/grep_lines.h"

#include <errno.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/macros.h"
#include "fleet/files/place.h"

#define PIECE ((size_t)128 * 1024)
#define BINARY_LOOK 8192 /* of a file's beginning: text has no NUL there */

void grep_lines_begin(struct grep_lines *lines, int fd) {
    *lines = (struct grep_lines){.memory = lines->memory, .fd = fd};
}

static struct slice held(const struct grep_lines *lines) {
    return slice_of(lines->memory + lines->start, lines->end - lines->start);
}

/* One more piece behind what is held. */
static int read_piece(struct grep_lines *lines, const struct files *files) {
    int r = place_pulse(files);
    ssize_t n;

    if (r < 0)
        return r;
    if (lines->start > 0)
        memmove(lines->memory, lines->memory + lines->start, lines->end - lines->start);
    lines->end -= lines->start;
    lines->start = 0;
    do
        n = read(lines->fd, lines->memory + lines->end, MIN_OF(PIECE, GREP_MEMORY - lines->end));
    while (n < 0 && errno == EINTR);
    if (n > 0)
        lines->end += (size_t)n;
    lines->is_at_end = n <= 0;
    if (!lines->is_begun && slice_has(slice_first(held(lines), BINARY_LOOK), '\0')) {
        lines->is_at_end = true;
        lines->end = lines->start;
    }
    lines->is_begun = true;
    return 0;
}

/* Drops what is held up to the end of the line whose beginning was taken. */
static void pass_over(struct grep_lines *lines) {
    size_t n = slice_index(held(lines), '\n');

    lines->is_in_rest = lines->start + n == lines->end;
    lines->start += n + !lines->is_in_rest;
}

static bool is_ready(const struct grep_lines *lines) {
    struct slice left = held(lines);

    return !lines->is_in_rest && left.n > 0 && (lines->is_at_end || left.n >= LIMIT_GREP_LINE || slice_has(left, '\n'));
}

static struct slice take_line(struct grep_lines *lines) {
    struct slice left = held(lines), line = slice_first(left, slice_index(left, '\n'));

    if (line.n > LIMIT_GREP_LINE || (line.n == left.n && !lines->is_at_end)) {
        line = slice_first(line, LIMIT_GREP_LINE);
        lines->is_in_rest = true;
        lines->is_cut = true;
        lines->start += line.n;
    } else {
        lines->start += MIN_OF(line.n + 1, left.n);
    }
    lines->number++;
    return slice_ends_with(line, SLICE("\r")) ? slice_first(line, line.n - 1) : line;
}

int grep_lines_next(struct grep_lines *lines, const struct files *files, struct slice *ret) {
    int r;

    while (!is_ready(lines)) {
        if (lines->is_in_rest)
            pass_over(lines);
        if (is_ready(lines))
            break;
        if (lines->is_at_end)
            return 0;
        r = read_piece(lines, files);
        if (r < 0)
            return r;
    }
    *ret = take_line(lines);
    return 1;
}
