/*
 * Standard error, a FIFO or a device as the audit's target. Nobody else's lines can be read back there, so the chain
 * runs over our own. What was written in part cannot be taken back: the next line then begins on a new one.
 */
#include "egress/audit/audit_target.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "egress/audit/audit_chain.h"

struct audit_stream {
    struct audit_target target;
    int fd;
    bool is_cut;           /* half a line stands there */
    char last[AUDIT_HASH]; /* of what we wrote last */
    char name[];
};

static uint64_t now_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Standard error is others' too, so its O_NONBLOCK is left alone: what poll announces is room for PIPE_BUF (pipe(7)). */
int audit_stream_write(int fd, struct slice bytes, bool may_wait, size_t *ret_written) {
    uint64_t now = now_ms(), deadline = may_wait ? now + TIMEOUT_AUDIT : now;
    size_t written = 0;
    int r = 0;

    for (; r == 0 && written < bytes.n; now = now_ms()) {
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        int n = poll(&room, 1, now < deadline ? (int)(deadline - now) : 0);
        ssize_t taken = n > 0 ? write(fd, bytes.p + written, MIN_OF(bytes.n - written, (size_t)PIPE_BUF)) : -1;

        if (n == 0)
            r = -EAGAIN;
        else if (taken >= 0)
            written += (size_t)taken;
        else if (errno != EINTR)
            r = -errno;
    }
    audit_forget_signal(-r);
    *ret_written = written;
    return r;
}

static ssize_t stream_write(struct audit_target *target, char *line, size_t n, bool may_wait) {
    struct audit_stream *stream = container_of(target, struct audit_stream, target);
    size_t written = 0;
    int r = 0;

    n = audit_line_length(line, n);
    if (stream->is_cut)
        r = audit_stream_write(stream->fd, SLICE("\n"), may_wait, &written);
    if (r < 0)
        return r;
    stream->is_cut = false;
    audit_line_set_prev(line, stream->last);
    r = audit_stream_write(stream->fd, slice_of(line, n), may_wait, &written);
    stream->is_cut = written > 0 && written < n;
    if (written > 0)
        audit_hash(slice_of(line, MIN_OF(written, n - 1)), stream->last);
    return r < 0 ? r : (ssize_t)n;
}

static void stream_free(struct audit_target *target) {
    struct audit_stream *stream = container_of(target, struct audit_stream, target);

    fd_close(&stream->fd);
    free(stream);
}

int audit_stream_new(const char *name, int fd, struct audit_target **ret) {
    static const struct audit_target_kind kind = {.write = stream_write, .free = stream_free};
    _cleanup_close_ int owned = fd;
    struct audit_stream *stream = malloc(sizeof(*stream) + strlen(name) + 1);

    if (!stream)
        return -ENOMEM;
    *stream = (struct audit_stream){.target = {&kind, stream->name}, .fd = fd_steal(&owned)};
    memcpy(stream->name, name, strlen(name) + 1);
    memcpy(stream->last, audit_chain_start, AUDIT_HASH);
    *ret = &stream->target;
    return 0;
}
