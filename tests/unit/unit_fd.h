/*
 * What tests of descriptors and processes need: whether one has leaked, whether one is open, and whether this process
 * runs in valgrind, which answers some system calls itself.
 */
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "unit.h"

/* The number that the next descriptor will get: the same before and after, nothing below it has leaked. */
static inline int next_number(void) {
    int fd = fcntl(STDERR_FILENO, F_DUPFD, 3);

    assert_true(fd >= 0);
    (void)close(fd);
    return fd;
}

static inline bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

/* How many there are, of the numbers that a test ever sees. */
static inline int open_descriptors(void) {
    int n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += is_open(fd);
    return n;
}

static inline bool is_in_valgrind(void) {
    const char *preloaded = getenv("LD_PRELOAD");

    return preloaded && strstr(preloaded, "vgpreload");
}

/* What a test program ends with that cannot be run here: meson takes it for skipped. */
static inline int leave_out(const char *why) {
    print_message("%s\n", why);
    return 77;
}
