#include "ingress/table/table_build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/limits.h"
#include "ingress/table/table_draft.h"
#include "ingress/table/table_read.h"

static int fail(const char *path, int error, const char *what, const char *mend, char **ret_error) {
    if (asprintf(ret_error, "%s: %s; %s", path, what, mend) < 0)
        *ret_error = NULL;
    return -error;
}

static int fail_read(const char *path, int error, char **ret_error) {
    const char *mend = error == ENOENT   ? "create it, or name another under `table`"
                       : error == EACCES ? "let this user read it, or name another under `table`"
                                         : "name another file under `table`";

    return fail(path, error, strerror(error), mend, ret_error);
}

/* A file, and not what a reader could wait for. */
static int open_file(const char *path, size_t *ret_size, int *ret_fd, char **ret_error) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return fail_read(path, errno, ret_error);
    if (!S_ISREG(status.st_mode))
        return fail(path, EINVAL, "is no file", "name one under `table`", ret_error);
    if (status.st_size > LIMIT_TABLE)
        return fail(path, EINVAL, "larger than 64 MiB", "is it the right file?", ret_error);
    *ret_size = (size_t)status.st_size;
    *ret_fd = fd_steal(&fd);
    return 0;
}

/* JSON starts with a brace; what else does, in YAML, is as well written as JSON. */
static enum events_format format_of(struct slice bytes) {
    if (slice_starts_with(bytes, SLICE("\xef\xbb\xbf")))
        bytes = slice_from(bytes, 3);
    while (bytes.n > 0 && slice_has(SLICE(" \t\r\n"), bytes.p[0]))
        bytes = slice_from(bytes, 1);
    return slice_starts_with(bytes, SLICE("{")) ? EVENTS_JSON : EVENTS_YAML;
}

int table_build_bytes(const char *path, struct slice bytes, uint64_t number, const struct table_recipes *recipes,
                      int *ret_fd, char **ret_error) {
    _cleanup_events_ struct events *events = NULL;
    _cleanup_draft_ struct draft *draft = NULL;
    int r;

    *ret_error = NULL;
    r = events_open(format_of(bytes), bytes, &events);
    if (r == 0)
        r = draft_new(&draft);
    if (r == 0)
        r = table_read(path, events, recipes, draft, ret_error);
    if (r == 0)
        r = draft_seal(draft, number, ret_fd);
    if (r < 0 && !*ret_error)
        return fail(path, -r, strerror(-r), "the table stays as it was", ret_error);
    return r;
}

int table_build(const char *path, uint64_t number, const struct table_recipes *recipes, int *ret_fd, char **ret_error) {
    _cleanup_close_ int fd = -EBADF;
    _cleanup_free_ char *bytes = NULL;
    size_t size = 0;
    ssize_t n;
    int r;

    *ret_error = NULL;
    r = open_file(path, &size, &fd, ret_error);
    if (r < 0)
        return r;
    bytes = malloc(size + 1);
    if (!bytes)
        return fail_read(path, ENOMEM, ret_error);
    n = fd_read_all(fd, bytes, size + 1);
    if (n < 0)
        return fail_read(path, (int)-n, ret_error);
    if ((size_t)n > size) /* whoever writes it will be seen to have finished */
        return fail(path, EAGAIN, "grows while it is read", "it will be read again", ret_error);
    return table_build_bytes(path, slice_of(bytes, (size_t)n), number, recipes, ret_fd, ret_error);
}
