#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BYTE_DIAL 0x01
#define BYTE_STREAM 0x01
#define BYTE_REFUSED 0xFF

/* The kernel's SCM_MAX_FD: with room for all of them, a truncated answer can only mean that this process is full. */
#define DESCRIPTORS_MAX 253

/*
 * One dial at a time in a process. Not for correctness between askers, whose answers are interchangeable, but so that
 * a process never has two answers on their way and its descriptor limit is met by one dial, not by all.
 */
static pthread_mutex_t dial_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * A fork copies the lock as it stands, perhaps held by a thread that the child does not have. The child starts with a
 * free one: parent and child are then two processes that share a channel, which needs no lock.
 */
static void dial_lock_reset(void) {
    dial_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

__attribute__((constructor)) static void dial_lock_watch_fork(void) {
    (void)pthread_atfork(NULL, NULL, dial_lock_reset); /* without memory at load time: then a forked child may wait */
}

int credfd_channel_check(int channel) {
    int type = 0, domain = 0;
    socklen_t size = sizeof(type);

    if (getsockopt(channel, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return errno == EBADF ? -EBADF : -ENOTSOCK;
    size = sizeof(domain);
    if (getsockopt(channel, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
        return -ENOTSOCK;
    return type == SOCK_SEQPACKET && domain == AF_UNIX ? 0 : -ENOTSOCK;
}

/*
 * After a failed call on the channel: 0 to try again, or the error for the caller. Another process that shares the
 * channel may have made it non-blocking, or taken the answer that poll saw; so poll only tells when to try.
 */
static int channel_settle(int channel, short events, int error) {
    struct pollfd wait = {.fd = channel, .events = events};

    switch (error) {
    case EINTR:
        return 0;
    case EAGAIN:
        return poll(&wait, 1, -1) < 0 && errno != EINTR ? -errno : 0;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
        return -EPIPE;
    default:
        return -error;
    }
}

static int question_send(int channel) {
    static const unsigned char question = BYTE_DIAL;

    while (send(channel, &question, sizeof(question), MSG_NOSIGNAL) < 0) {
        int r = channel_settle(channel, POLLOUT, errno);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Takes over every descriptor in `message`: `*ret_first` is the caller's, the rest is closed. How many there were. */
static size_t descriptors_take(struct msghdr *message, int *ret_first) {
    size_t count = 0;

    *ret_first = -EBADF;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
            int fd;
            memcpy(&fd, (unsigned char *)c + at, sizeof(fd));
            if (count++ == 0)
                *ret_first = fd;
            else
                (void)close(fd);
        }
    }
    return count;
}

static int stream_check(int fd) {
    int type = 0;
    socklen_t size = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
        return -EPROTO;
    return 0;
}

/* What an answer of `n` bytes, the first of them `byte`, means; `stream` is the first of its `count` descriptors. */
static int answer_judge(ssize_t n, unsigned char byte, int flags, size_t count, int stream) {
    if (n == 0 && count == 0)
        return -EPIPE; /* the end; an empty datagram looks the same and is no better */
    if (n != 1 || flags & MSG_TRUNC)
        return -EPROTO;
    if (byte == BYTE_REFUSED)
        return count == 0 ? -ECONNREFUSED : -EPROTO;
    if (byte != BYTE_STREAM)
        return -EPROTO;
    if (count == 0 && flags & MSG_CTRUNC)
        return -EMFILE; /* it was sent and could not be installed here */
    if (count != 1 || flags & MSG_CTRUNC)
        return -EPROTO;
    return stream_check(stream);
}

static int answer_receive(int channel) {
    unsigned char byte = 0;
    union {
        struct cmsghdr alignment;
        /* SCM_CREDENTIALS comes first where somebody has set SO_PASSCRED on our end */
        unsigned char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = &byte, .iov_len = sizeof(byte)};
    struct msghdr message;
    size_t count;
    ssize_t n;
    int stream, r;

    for (;;) {
        message = (struct msghdr){
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
        n = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
        if (n >= 0)
            break;
        r = channel_settle(channel, POLLIN, errno);
        if (r < 0)
            return r;
    }
    count = descriptors_take(&message, &stream);
    r = answer_judge(n, byte, message.msg_flags, count, stream);
    if (r == 0)
        return stream;
    if (stream >= 0)
        (void)close(stream);
    return r;
}

int credfd_channel_dial(int channel) {
    int cancel_state, r;

    /* a thread cancelled between question and answer would leave the lock held and a stream that nobody owns */
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    (void)pthread_mutex_lock(&dial_lock);
    r = question_send(channel);
    if (r == 0)
        r = answer_receive(channel);
    (void)pthread_mutex_unlock(&dial_lock);
    (void)pthread_setcancelstate(cancel_state, NULL);
    return r;
}
