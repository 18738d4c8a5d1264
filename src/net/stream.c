#include "net/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "base/macros.h"

ssize_t stream_read_socket(struct stream *s, void *to, size_t size) {
    ssize_t n;

    do
        n = recv(s->fd, to, size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    /*
     * A short read has emptied the socket: what comes after it is a new edge, and EAGAIN need not be asked for. An end
     * of the stream that was told already would not be told again, so with one in sight the next read is made.
     */
    if (n > 0 && (size_t)n < size && !(s->watch.ready & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
        watch_not_ready(&s->watch, EPOLLIN);
    if (n >= 0)
        return n;
    if (errno == EAGAIN)
        watch_not_ready(&s->watch, EPOLLIN);
    return -errno;
}

static ssize_t send_parts(int fd, const struct slice *parts, size_t n_parts) {
    struct iovec vector[STREAM_PARTS];
    struct msghdr message = {.msg_iov = vector, .msg_iovlen = MIN_OF(n_parts, ARRAY_LEN(vector))};

    for (size_t i = 0; i < message.msg_iovlen; i++) {
        union {
            const char *given;
            char *taken; /* sendmsg leaves the bytes alone */
        } base = {.given = parts[i].p};

        vector[i] = (struct iovec){.iov_base = base.taken, .iov_len = parts[i].n};
    }
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t plain_write(struct stream *s, const struct slice *parts, size_t n_parts) {
    ssize_t n;

    do
        n = n_parts == 1 ? send(s->fd, parts->p, parts->n, MSG_DONTWAIT | MSG_NOSIGNAL)
                         : send_parts(s->fd, parts, n_parts);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    if (errno == EAGAIN)
        watch_not_ready(&s->watch, EPOLLOUT);
    return -errno;
}

static void plain_shut_write(struct stream *s) {
    (void)shutdown(s->fd, SHUT_WR);
}

/* What waits, waits in the kernel. */
static void plain_rest(struct stream *s) {
    (void)s;
}

static void plain_done(struct stream *s) {
    watch_remove(&s->watch);
    fd_close(&s->fd);
}

static const struct stream_ops plain_ops = {.read = stream_read_socket,
                                            .write = plain_write,
                                            .shut_write = plain_shut_write,
                                            .rest = plain_rest,
                                            .done = plain_done};

int stream_init(struct stream *s, int fd, void (*on_ready)(struct watch *watch)) {
    int r;

    *s = (struct stream){.fd = fd, .ops = &plain_ops};
    r = watch_add(&s->watch, fd, on_ready);
    if (r < 0)
        stream_done(s);
    return r;
}

int stream_move(struct stream *from, struct stream *to, void (*on_ready)(struct watch *watch)) {
    uint32_t ready = from->watch.ready & ~(uint32_t)EPOLLOUT;
    int r;

    watch_remove(&from->watch);
    *to = *from;
    *from = (struct stream){.fd = -EBADF};
    r = watch_add(&to->watch, to->fd, on_ready);
    if (r < 0)
        stream_done(to);
    else
        to->watch.ready |= ready; /* at worst the kernel says EAGAIN */
    return r;
}

void stream_done(struct stream *s) {
    if (!s->ops)
        return;
    s->ops->done(s);
    s->ops = NULL;
}

void stream_break_off(struct stream *s) {
    const struct linger hard = {.l_onoff = 1};

    if (s->ops)
        (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    stream_done(s);
}
