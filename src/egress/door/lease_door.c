#include "egress/door/lease_door.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 0x04 /* linux/socket.h, since 6.5 */
#endif

#define DOOR_TURN 64
#define DIAL_BYTE 0x01
#define DIAL_REFUSED 0xFF

/* The kernel lets at most this many descriptors through in one message (SCM_MAX_FD, unix(7)). */
#define MAX_DESCRIPTORS 253

struct dial_request {
    size_t n;
    char byte;
    bool has_sender; /* a message, even an empty one, comes with its sender: the end of the channel does not */
    bool has_descriptors, is_truncated;
    pid_t pid;
    int pidfd;
};

static void close_descriptors(const struct cmsghdr *c) {
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    for (size_t i = 0; i < n; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        fd_close(&fd);
    }
}

static void take_control(struct msghdr *message, struct dial_request *ret) {
    struct ucred sender;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_RIGHTS) {
            ret->has_descriptors = true;
            close_descriptors(c);
        } else if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len == CMSG_LEN(sizeof(sender))) {
            memcpy(&sender, CMSG_DATA(c), sizeof(sender));
            ret->pid = sender.pid;
            ret->has_sender = true;
        } else if (c->cmsg_type == SCM_PIDFD && c->cmsg_len == CMSG_LEN(sizeof(int))) {
            memcpy(&ret->pidfd, CMSG_DATA(c), sizeof(int));
        }
    }
}

/* 1 with a request, 0 at the end of the channel, or -errno. */
static int receive(struct lease_door *door, struct dial_request *ret) {
    union {
        char bytes[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred)) +
                   CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    char bytes[2] = {0};
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    ssize_t n;

    do
        n = recvmsg(door->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    *ret = (struct dial_request){.n = (size_t)n, .byte = bytes[0], .pidfd = -EBADF};
    take_control(&message, ret);
    ret->is_truncated = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    return n > 0 || ret->has_sender;
}

static bool is_dial(const struct dial_request *request) {
    if (WEAKENED(DOOR))
        return true;
    return request->n == 1 && request->byte == DIAL_BYTE && !request->has_descriptors && !request->is_truncated;
}

/* 0, -EAGAIN, or -errno. */
static int send_answer(struct lease_door *door, int fd) {
    unsigned char byte = fd >= 0 ? DIAL_BYTE : DIAL_REFUSED;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t n;

    if (fd >= 0) {
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
    }
    do
        n = sendmsg(door->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static struct door_answer *answer_to(struct lease_door *door, uint32_t dial) {
    return &door->answers[dial % LIMIT_DIALS];
}

/* False when the kernel has no room now, or the next answer is not known yet. */
static bool send_first_answer(struct lease_door *door) {
    struct door_answer *answer = answer_to(door, door->first_dial);
    int r;

    if (door->first_dial == door->next_dial || !answer->is_known)
        return false;
    r = send_answer(door, answer->fd);
    if (r == -ETOOMANYREFS) /* more descriptors in flight than the user may have: this one is refused */
        r = send_answer(door, -EBADF);
    if (r == -EAGAIN) {
        watch_not_ready(&door->watch, EPOLLOUT);
        return false;
    }
    fd_close(&answer->fd);
    door->first_dial++;
    return true;
}

static void send_answers(struct lease_door *door) {
    while (send_first_answer(door)) {
    }
}

bool lease_door_is_waiting(const struct lease_door *door, uint32_t dial) {
    return dial - door->first_dial < door->next_dial - door->first_dial && !door->answers[dial % LIMIT_DIALS].is_known;
}

void lease_door_answer(struct lease_door *door, uint32_t dial, int fd) {
    if (!lease_door_is_waiting(door, dial)) { /* nobody can hear it any more */
        fd_close(&fd);
        return;
    }
    *answer_to(door, dial) = (struct door_answer){.is_known = true, .fd = fd};
    send_answers(door);
    /* what was asked while the ring was full has been waiting for this */
    if (door->watch.ready & EPOLLIN)
        watch_again(&door->watch);
}

static void take_request(struct lease_door *door, struct dial_request *request) {
    uint32_t dial = door->next_dial++;

    *answer_to(door, dial) = (struct door_answer){.fd = -EBADF};
    if (is_dial(request) && (WEAKENED(STREAMS) || door->n_streams < LIMIT_STREAMS)) {
        door->on_dial(door, dial, request->pid, fd_steal(&request->pidfd));
        return;
    }
    fd_close(&request->pidfd);
    lease_door_answer(door, dial, -EBADF);
}

static bool has_room(const struct lease_door *door) {
    return WEAKENED(DIALS) || door->next_dial - door->first_dial < LIMIT_DIALS;
}

static void door_ready(struct watch *watch) {
    struct lease_door *door = container_of(watch, struct lease_door, watch);

    if (watch->ready & EPOLLOUT)
        send_answers(door);
    for (unsigned i = 0; i < DOOR_TURN; i++) {
        struct dial_request request = {.pidfd = -EBADF};
        int r;

        if (!has_room(door) || !(watch->ready & (EPOLLIN | EPOLLRDHUP)))
            return;
        r = receive(door, &request);
        if (r == -EAGAIN) {
            watch_not_ready(watch, EPOLLIN | EPOLLRDHUP);
            return;
        }
        if (r <= 0) {
            log_debug("lease %s: no one can dial any more", door->lease);
            lease_door_done(door);
            return;
        }
        take_request(door, &request);
    }
    watch_again(watch);
}

int lease_door_init(struct lease_door *door, int fd,
                    void (*on_dial)(struct lease_door *door, uint32_t dial, pid_t pid, int pidfd)) {
    int r;

    door->fd = fd;
    door->on_dial = on_dial;
    r = watch_add(&door->watch, fd, door_ready);
    if (r < 0)
        lease_door_done(door);
    return r;
}

void lease_door_done(struct lease_door *door) {
    watch_remove(&door->watch);
    for (; door->first_dial != door->next_dial; door->first_dial++)
        fd_close(&answer_to(door, door->first_dial)->fd);
    fd_close(&door->fd);
}
