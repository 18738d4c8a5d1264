#include "cmd/log_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"

#define MEMORY (2 * (size_t)LIMIT_AUDIT_LINE) /* so that a line that fits is moved to the front once at most */

int log_lines_init(struct log_lines *lines, int fd) {
    *lines = (struct log_lines){.fd = fd, .memory = malloc(MEMORY)};
    return lines->memory ? 0 : -ENOMEM;
}

void log_lines_done(struct log_lines *lines) {
    free(lines->memory);
    lines->memory = NULL;
}

void log_lines_restart(struct log_lines *lines, int fd) {
    lines->fd = fd;
    lines->start = lines->end = 0;
    lines->n_read = 0;
    lines->is_skipping = false;
}

struct slice log_lines_rest(const struct log_lines *lines) {
    return slice_of(lines->memory + lines->start, lines->end - lines->start);
}

static bool take_line(struct log_lines *lines, struct slice *ret) {
    struct slice rest = log_lines_rest(lines);
    size_t n = slice_index(rest, '\n');

    if (n == rest.n)
        return false;
    *ret = slice_first(rest, n);
    lines->start += n + 1;
    return true;
}

/* Bytes read, or -errno. */
static ssize_t fill(struct log_lines *lines) {
    size_t kept = lines->end - lines->start;
    ssize_t n;

    if (kept > LIMIT_AUDIT_LINE) {
        lines->is_skipping = true;
        kept = 0;
    }
    memmove(lines->memory, lines->memory + lines->start, kept);
    lines->start = 0;
    lines->end = kept;
    do
        n = read(lines->fd, lines->memory + kept, MEMORY - kept);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    lines->end += (size_t)n;
    lines->n_read += (uint64_t)n;
    return n;
}

int log_lines_next(struct log_lines *lines, struct slice *ret) {
    while (!take_line(lines, ret)) {
        ssize_t n = fill(lines);

        if (n <= 0)
            return (int)n;
    }
    if (!lines->is_skipping && ret->n <= LIMIT_AUDIT_LINE)
        return LOG_LINE;
    lines->is_skipping = false;
    return LOG_LONG;
}
