/*
 * For tests of what a process does in namespaces of its own: it is forked, enters, is mapped from outside, and exits
 * with what `body` returns.
 */
#pragma once

#include <errno.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sandbox/namespace.h"
#include "unit.h"

#define NOT_ENTERED 255

static inline void body_inside(const struct namespace_want *want, int line, int (*body)(const void *of),
                               const void *of) {
    char go;

    (void)prctl(PR_SET_DUMPABLE, 1);
    if (namespace_enter(want) < 0 || fd_write_all(line, "e", 1) < 0 || fd_read_all(line, &go, 1) != 1)
        _exit(NOT_ENTERED);
    _exit(body(of));
}

static inline int status_inside(const struct namespace_want *want, int (*body)(const void *of), const void *of) {
    int line[2], status = 0;
    char entered;
    pid_t pid;

    assert_int_equal(fd_pair(SOCK_STREAM, line), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fd_close(&line[0]);
        body_inside(want, line[1], body, of);
    }
    fd_close(&line[1]);
    if (fd_read_all(line[0], &entered, 1) == 1) {
        assert_int_equal(namespace_map(pid), 0);
        assert_int_equal(fd_write_all(line[0], "m", 1), 0);
    }
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    fd_close(&line[0]);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), NOT_ENTERED);
    return WEXITSTATUS(status);
}

/* For containers and kernels that have none. */
static inline void skip_without_namespaces(const struct namespace_want *want) {
    const char *obstacle = namespace_obstacle(want);

    if (!obstacle)
        return;
    print_message("no namespaces here: %s\n", obstacle);
    skip();
}
