/*
 * For tests of what cannot be undone: it is done in a forked child, and the parent looks at how the child ended.
 */
#pragma once

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

/* Runs `body` in a child, which exits with what it returns. The wait status. */
static inline int status_of_child(int (*body)(const void *of), const void *of) {
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(body(of));
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return status;
}
