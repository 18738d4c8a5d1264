#include "egress/desk/caller.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "base/num.h"

/* So often a look at who descends from whom is begun anew, because somebody in between has ended meanwhile. */
#define DESCENT_ATTEMPTS 16

int caller_open_diag(int *ret_fd) {
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

/* For the client's socket, with its ends as it sees them itself. */
static bool ask_kernel(int diag, uint16_t from, uint16_t to) {
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 question;
    } message = {
        .head = {.nlmsg_len = sizeof(message),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST,
                 .nlmsg_seq = (uint32_t)from << 16 | to},
        .question = {.sdiag_family = AF_INET,
                     .sdiag_protocol = IPPROTO_TCP,
                     .idiag_states = ~0U,
                     .id = {.idiag_sport = htons(from),
                            .idiag_dport = htons(to),
                            .idiag_src = {htonl(INADDR_LOOPBACK)},
                            .idiag_dst = {htonl(INADDR_LOOPBACK)},
                            .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };

    return send(diag, &message, sizeof(message), MSG_DONTWAIT) == (ssize_t)sizeof(message);
}

/* A socket of IPv6 may have that end, too: mapped (RFC 4291 §2.5.5.2). */
static bool is_loopback(const struct inet_diag_msg *socket, const __be32 address[static 4]) {
    return socket->idiag_family == AF_INET ? address[0] == htonl(INADDR_LOOPBACK)
                                           : address[0] == 0 && address[1] == 0 && address[2] == htonl(0xffff) &&
                                                 address[3] == htonl(INADDR_LOOPBACK);
}

/* Where there is no such connection the kernel shows whoever listens at the port: that is not it. */
static bool is_answer(const struct inet_diag_msg *socket, uint16_t from, uint16_t to) {
    const struct inet_diag_sockid *id = &socket->id;

    return socket->idiag_state != TCP_LISTEN && id->idiag_sport == htons(from) && id->idiag_dport == htons(to) &&
           is_loopback(socket, id->idiag_src) && is_loopback(socket, id->idiag_dst);
}

/* Its number in the file system of sockets; 0 where there is none, or nobody has it any more. */
static uint32_t find_socket(int diag, uint16_t from, uint16_t to) {
    union {
        char bytes[4096];
        struct {
            struct nlmsghdr head;
            struct inet_diag_msg socket;
        };
    } answer;

    if (!ask_kernel(diag, from, to))
        return 0;
    for (;;) { /* the kernel has answered before the question's send returned */
        ssize_t n = recv(diag, answer.bytes, sizeof(answer.bytes), MSG_DONTWAIT);

        if (n < (ssize_t)sizeof(answer.head))
            return 0;
        if (answer.head.nlmsg_seq != ((uint32_t)from << 16 | to))
            continue; /* to an earlier question */
        if (answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY || n < (ssize_t)NLMSG_LENGTH(sizeof(answer.socket)))
            return 0;
        return is_answer(&answer.socket, from, to) ? answer.socket.idiag_inode : 0;
    }
}

/* What is to be found, and how much may still be looked at for it. */
struct search {
    char link[32]; /* what a descriptor of it reads as */
    pid_t descends;
    size_t files_left;
    struct asker *found; /* ours; until one is found, some stranger */
};

static bool has_socket(struct search *search, pid_t pid) {
    char path[64], link[32];
    struct dirent *entry;
    bool is_found = false;
    DIR *files;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    files = opendir(path);
    if (!files)
        return false; /* gone, or not ours to see */
    while (!is_found && search->files_left > 0 && (entry = readdir(files)) != NULL) {
        ssize_t n = readlinkat(dirfd(files), entry->d_name, link, sizeof(link) - 1);

        search->files_left--;
        link[n > 0 ? n : 0] = '\0';
        is_found = n > 0 && strcmp(link, search->link) == 0;
    }
    (void)closedir(files);
    return is_found;
}

/* What is seen of a process is its own where it lives afterwards: until then nobody else can have its number. */
static bool is_it(struct search *search, pid_t pid) {
    _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct asker asker;

    if (pidfd < 0 || !has_socket(search, pid))
        return false;
    asker_identify(&asker, pid, pidfd);
    if (asker_is_over(pidfd))
        return false;
    *search->found = asker;
    return search->descends == 0 || caller_descends(pid, pidfd, search->descends);
}

/* The processes that are still to be looked at, and those that were. */
struct family {
    pid_t *pids;
    size_t n, size;
};

static void family_add(struct family *family, pid_t pid) {
    if (family->n == LIMIT_CALLER_PROCESSES)
        return;
    if (family->n == family->size) {
        size_t size = MAX_OF(2 * family->size, (size_t)64);
        pid_t *pids = realloc(family->pids, size * sizeof(*pids));

        if (!pids)
            return;
        family->pids = pids;
        family->size = size;
    }
    family->pids[family->n++] = pid;
}

/* "12 345 ": the children that one thread has made, or adopted. */
static void add_children_of_thread(struct family *family, int thread) {
    _cleanup_close_ int fd = openat(thread, "children", O_RDONLY | O_CLOEXEC);
    char bytes[4096];
    pid_t pid = 0;
    ssize_t n;

    while (fd >= 0 && (n = read(fd, bytes, sizeof(bytes))) > 0)
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] >= '0' && bytes[i] <= '9') {
                pid = pid * 10 + (bytes[i] - '0');
            } else {
                if (pid > 0)
                    family_add(family, pid);
                pid = 0;
            }
        }
}

static void add_children(struct family *family, pid_t pid) {
    struct dirent *entry;
    char path[64];
    DIR *threads;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    threads = opendir(path);
    if (!threads)
        return;
    while ((entry = readdir(threads)) != NULL) {
        _cleanup_close_ int thread = -EBADF;

        if (entry->d_name[0] == '.')
            continue;
        thread = openat(dirfd(threads), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (thread >= 0)
            add_children_of_thread(family, thread);
    }
    (void)closedir(threads);
}

/* From the top down: quick, but somebody who changes his parent meanwhile may be missed. */
static bool search_family(struct search *search) {
    struct family family = {0};
    bool is_found = false;

    family_add(&family, search->descends);
    add_children(&family, getpid());
    for (size_t i = 0; !is_found && i < family.n; i++) {
        is_found = is_it(search, family.pids[i]);
        add_children(&family, family.pids[i]);
    }
    free(family.pids);
    return is_found;
}

/* Everybody there is. */
static bool search_all(struct search *search) {
    struct dirent *entry;
    bool is_found = false;
    DIR *processes = opendir("/proc");
    uint64_t pid;

    if (!processes)
        return false;
    while (!is_found && (entry = readdir(processes)) != NULL)
        if (num_parse(slice_of_string(entry->d_name), INT32_MAX, &pid) == 0)
            is_found = is_it(search, (pid_t)pid);
    (void)closedir(processes);
    return is_found;
}

enum caller_kind caller_identify(struct asker *ret, int diag, uint16_t from, uint16_t to, pid_t descends) {
    struct search search = {.descends = descends, .files_left = LIMIT_CALLER_FILES, .found = ret};
    uint32_t inode = find_socket(diag, from, to);

    ret->pid = 0;
    ret->executable[0] = '\0';
    if (inode == 0)
        return CALLER_GONE;
    (void)snprintf(search.link, sizeof(search.link), "socket:[%u]", inode);
    if ((descends > 0 && search_family(&search)) || search_all(&search))
        return CALLER_OURS;
    return ret->pid > 0 || find_socket(diag, from, to) == inode ? CALLER_STRANGER : CALLER_GONE;
}

/* 0 for one without; -1 when it is gone. */
static pid_t parent_of(pid_t pid) {
    char path[64], text[512];
    _cleanup_close_ int fd = -EBADF;
    const char *at;
    uint64_t parent;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : fd_read_all(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    at = strrchr(text, ')'); /* "PID (NAME) STATE PARENT": the name may hold anything */
    if (!at || strlen(at) < 5)
        return -1;
    at += 4;
    return num_parse(slice_of(at, strcspn(at, " ")), INT32_MAX, &parent) == 0 ? (pid_t)parent : -1;
}

/* 1, 0, or -EAGAIN: somebody on the way up has ended, and his children have another parent now. */
static int climb(pid_t pid, pid_t ancestor) {
    pid_t us = getpid(), parent = pid == ancestor ? 0 : parent_of(pid);

    if (pid == ancestor)
        return 1;
    for (unsigned depth = 0; depth < LIMIT_CALLER_DEPTH; depth++) {
        pid_t next;

        if (parent < 0)
            return -EAGAIN;
        if (parent == ancestor || parent == us)
            return 1;
        if (parent <= 1)
            return 0;
        next = parent_of(parent);
        if (parent_of(pid) != parent) /* while it is still the parent, what was read was the parent's */
            return -EAGAIN;
        pid = parent;
        parent = next;
    }
    return 0;
}

bool caller_descends(pid_t pid, int pidfd, pid_t ancestor) {
    for (unsigned i = 0; i < DESCENT_ATTEMPTS; i++) {
        int r = climb(pid, ancestor);

        if (r >= 0)
            return r == 1 && !asker_is_over(pidfd);
    }
    return false;
}
