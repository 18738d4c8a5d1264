#include "cmd/workload_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"

#define BYTES_MAX (16 * 1024 * 1024) /* twice what execve(2) takes of words and environment */

union control {
    char bytes[CMSG_SPACE(sizeof(int) * LINE_FDS)];
    struct cmsghdr aligned;
};

int line_send(int line, const struct line_message *message) {
    struct line_message copy = *message; /* sendmsg(2) takes no const */
    struct iovec part = {.iov_base = &copy, .iov_len = sizeof(copy)};
    union control control = {.bytes = {0}};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t n;

    if (message->n_fds > 0) {
        struct cmsghdr *rights;

        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * message->n_fds);
        rights = CMSG_FIRSTHDR(&header);
        if (!rights)
            return -EMSGSIZE;
        *rights = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * message->n_fds)};
        memcpy(CMSG_DATA(rights), message->fds, sizeof(int) * message->n_fds);
    }
    n = sendmsg(line, &header, MSG_NOSIGNAL);
    return n < 0 ? -errno : (size_t)n == sizeof(*message) ? 0 : -EIO;
}

int line_send_bytes(int line, struct slice bytes) {
    while (bytes.n > 0) {
        ssize_t n = send(line, bytes.p, bytes.n, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return -errno;
        bytes = slice_from(bytes, n < 0 ? 0 : (size_t)n);
    }
    return 0;
}

/* What came with it, which may be more or less than was announced. */
static size_t take_descriptors(struct msghdr *header, int fds[static LINE_FDS]) {
    size_t n = 0;

    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at))
        if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS) {
            n = MIN_OF((at->cmsg_len - CMSG_LEN(0)) / sizeof(int), (size_t)LINE_FDS);
            memcpy(fds, CMSG_DATA(at), sizeof(int) * n);
        }
    return n;
}

int line_receive(int line, struct line_message *ret) {
    struct line_message message = {.n_fds = 0};
    struct iovec part = {.iov_base = &message, .iov_len = sizeof(message)};
    union control control;
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control)};
    int fds[LINE_FDS];
    size_t n_fds;
    ssize_t n;

    do
        n = recvmsg(line, &header, MSG_CMSG_CLOEXEC | MSG_WAITALL);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : -EPIPE;
    n_fds = take_descriptors(&header, fds);
    if ((size_t)n != sizeof(message) || n_fds != message.n_fds) {
        for (size_t i = 0; i < n_fds; i++)
            fd_close(&fds[i]);
        return -EPROTO;
    }
    memcpy(message.fds, fds, sizeof(int) * n_fds);
    message.text[sizeof(message.text) - 1] = '\0';
    *ret = message;
    return 0;
}

int line_receive_bytes(int line, size_t size, char **ret) {
    _cleanup_free_ char *bytes = size <= BYTES_MAX ? malloc(size + 1) : NULL;
    ssize_t n;

    if (!bytes)
        return size <= BYTES_MAX ? -ENOMEM : -E2BIG;
    n = fd_read_all(line, bytes, size);
    if (n < 0 || (size_t)n != size)
        return n < 0 ? (int)n : -EPIPE;
    bytes[size] = '\0';
    *ret = steal_pointer(&bytes);
    return 0;
}
