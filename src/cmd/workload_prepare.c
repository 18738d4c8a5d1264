#include "cmd/workload.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "cmd/workload_become.h"
#include "cmd/workload_inside.h"
#include "cmd/workload_line.h"
#include "sandbox/namespace.h"
#include "sandbox/view.h"

static const char *const names[] = {
    [ISOLATION_NONE] = "none", [ISOLATION_NETWORK] = "network", [ISOLATION_FULL] = "full"};

/* What holds no more with one level less. */
static const char *const lost[] = {
    [ISOLATION_NETWORK] = "the command could reach every host by itself, past its doors",
    [ISOLATION_FULL] = "the command could see every file and every process that its user can",
};

static void forget_place(struct workload_place *place) {
    *place = (struct workload_place){.diag = -EBADF};
    for (size_t i = 0; i < ARRAY_LEN(place->listeners); i++)
        place->listeners[i] = -EBADF;
}

static int note_ports(struct workload_place *place, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct sockaddr_in address = {.sin_port = 0};
        socklen_t size = sizeof(address);

        if (getsockname(place->listeners[i], (struct sockaddr *)&address, &size) < 0)
            return -errno;
        place->ports[i] = ntohs(address.sin_port);
    }
    return 0;
}

static int say_go(int line) {
    const struct line_message go = {.kind = LINE_GO};

    return line_send(line, &go);
}

static void reap(pid_t pid) {
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Its successor is ours too (CLONE_PARENT), and is known by the number that the kernel gave it here. */
static int follow(struct workload *workload, pid_t first) {
    reap(workload->pid);
    workload->pid = first;
    return say_go(workload->line);
}

static int map_it(const struct workload *workload) {
    int r = namespace_map(workload->pid);

    return r < 0 ? r : say_go(workload->line);
}

static int take_place(struct line_message *made, size_t n, struct workload_place *ret) {
    if (n >= LINE_FDS || made->n_fds != (n > 0 ? n + 1 : 0)) {
        for (size_t i = 0; i < made->n_fds; i++)
            fd_close(&made->fds[i]);
        return -EPROTO;
    }
    memcpy(ret->listeners, made->fds, n * sizeof(int));
    ret->diag = n > 0 ? made->fds[n] : -EBADF;
    return note_ports(ret, n);
}

/* Until it has made everything and waits. With -errno `text` says what failed, in a few words. */
static int converse(struct workload *workload, size_t n_listeners, struct workload_place *ret, char *text,
                    size_t text_size) {
    for (;;) {
        struct line_message message = {.n_fds = 0};
        int r = line_receive(workload->line, &message);

        (void)snprintf(text, text_size, "%s",
                       r == -EAGAIN  ? "it took too long"
                       : r == -EPIPE ? "the process that prepares it died"
                       : r < 0       ? strerror(-r)
                                     : "it does not keep to the order");
        if (r < 0)
            return r;
        switch (message.kind) {
        case LINE_ENTERED:
            r = map_it(workload);
            (void)snprintf(text, text_size, "who is who in it cannot be written: %s", strerror(-r));
            break;
        case LINE_FIRST:
            r = follow(workload, (pid_t)message.number);
            break;
        case LINE_MADE:
            return take_place(&message, n_listeners, ret);
        case LINE_FAILED:
            (void)snprintf(text, text_size, "%s", message.text);
            return message.number < 0 ? message.number : -EIO;
        case LINE_GO:
        case LINE_BEGIN:
            r = -EPROTO;
            break;
        }
        if (r < 0)
            return r;
    }
}

static int set_patience(int line) {
    const struct timeval patience = {.tv_sec = TIMEOUT_NAMESPACE / 1000};

    if (setsockopt(line, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
        setsockopt(line, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
        return -errno;
    return 0;
}

static int begin(struct workload *workload, const struct workload_isolation *isolation, size_t n_listeners) {
    int line[2], r = fd_pair(SOCK_STREAM, line);
    pid_t pid;

    if (r < 0)
        return r;
    pid = fork();
    if (pid == 0) {
        fd_close(&line[0]);
        workload_inside(isolation, n_listeners, line[1]);
    }
    r = pid < 0 ? -errno : set_patience(line[0]);
    fd_close(&line[1]);
    workload->line = line[0];
    workload->pid = pid > 0 ? pid : 0;
    workload->is_waiting = pid > 0;
    return r;
}

/* One level. */
static int try_level(struct workload *workload, const struct workload_isolation *isolation, size_t n_listeners,
                     struct workload_place *ret, char *text, size_t text_size) {
    int r = begin(workload, isolation, n_listeners);

    forget_place(ret);
    if (r < 0)
        (void)snprintf(text, text_size, "%s", strerror(-r));
    else
        r = converse(workload, n_listeners, ret, text, text_size);
    if (r == 0)
        ret->isolation = isolation->wanted;
    else
        workload_give_up(workload);
    return r;
}

static int make_here(size_t n_listeners, struct workload_place *ret) {
    int r;

    forget_place(ret);
    r = workload_listen(n_listeners, ret->listeners, &ret->diag);
    return r == 0 ? note_ports(ret, n_listeners) : r;
}

/* What is asked for and is not there is the asker's mistake, whatever the kernel can. */
static int check_paths(const char *option, const char *const *paths, size_t n, char **ret_error) {
    for (size_t i = 0; i < n; i++) {
        int error = strcmp(paths[i], "/") == 0 ? EINVAL : access(paths[i], F_OK) < 0 ? errno : 0;

        if (error == 0)
            continue;
        if (asprintf(ret_error, "run: %s %s: %s", option, paths[i],
                     error == EINVAL ? "that is everything; --isolate network hides no file" : strerror(error)) < 0)
            *ret_error = NULL;
        return -error;
    }
    return 0;
}

/* The kernel's reason where it is one of those that are known; else NULL. */
static const char *obstacle_of(enum isolation level) {
    const struct namespace_want want = {
        .has_network = true, .has_mounts = true, .has_processes = level == ISOLATION_FULL};

    return namespace_obstacle(&want);
}

static bool is_shown(const char *path, const char *const *paths, size_t n) {
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *shown = realpath(paths[i], NULL);
        size_t length = shown ? strlen(shown) : 0;

        if (shown && strncmp(path, shown, length) == 0 && (path[length] == '/' || path[length] == '\0'))
            return true;
    }
    return false;
}

/* What it would write there would be lost, and nobody would have been told. */
static int check_work(const struct workload_isolation *isolation, char **ret_error) {
    _cleanup_free_ char *cwd = getcwd(NULL, 0);

    if (!cwd || !view_replaces(cwd) || is_shown(cwd, isolation->writable, isolation->n_writable) ||
        is_shown(cwd, isolation->readable, isolation->n_readable))
        return 0;
    if (asprintf(ret_error,
                 "run: --isolate full: the working directory %s would be an empty one, and what is written to it lost: "
                 "start it in a directory of its own, or say --write %s",
                 cwd, cwd) < 0)
        *ret_error = NULL;
    return -EINVAL;
}

static void explain(enum isolation level, const char *reason, bool may_do, char **ret_error) {
    int n = may_do ? asprintf(ret_error,
                              "run: --isolate %s: %s; without it %s: --isolate %s,best takes what can be had, "
                              "--isolate none does without; see credfd doctor",
                              names[level], reason, lost[level], names[level])
                   : asprintf(ret_error, "run: --isolate %s: %s; without it %s, so nothing is started", names[level],
                              reason, lost[level]);

    if (n < 0)
        *ret_error = NULL;
}

int workload_prepare(struct workload *workload, const struct workload_isolation *isolation, size_t n_listeners,
                     struct workload_place *ret, char **ret_error) {
    struct workload_isolation at = *isolation;
    bool is_full = isolation->wanted == ISOLATION_FULL;
    int r = n_listeners > ARRAY_LEN(ret->listeners) ? -E2BIG : 0;

    if (r == 0 && is_full)
        r = check_paths("--read", at.readable, at.n_readable, ret_error);
    if (r == 0 && is_full)
        r = check_paths("--write", at.writable, at.n_writable, ret_error);
    if (r == 0 && is_full)
        r = check_work(&at, ret_error);
    if (r < 0)
        return r;
    for (; at.wanted != ISOLATION_NONE; at.wanted--) {
        char text[512];
        const char *reason;
        bool may_do;

        r = try_level(workload, &at, n_listeners, ret, text, sizeof(text));
        if (r == 0)
            return 0;
        reason = obstacle_of(at.wanted);
        /* the kernel, or what rules over this user; whatever else it is, others may have brought it about */
        may_do = reason || r == -EPERM || r == -ENOSYS || r == -EOPNOTSUPP;
        if (!reason)
            reason = text;
        if (!at.is_best || !may_do) {
            explain(at.wanted, reason, may_do, ret_error);
            return r;
        }
        log_warning("run: no isolation `%s`: %s; %s", names[at.wanted], reason, lost[at.wanted]);
    }
    r = make_here(n_listeners, ret);
    if (r < 0 && asprintf(ret_error, "run: no listener on 127.0.0.1: %s", strerror(-r)) < 0)
        *ret_error = NULL;
    return r;
}
