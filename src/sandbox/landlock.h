/*
 * Landlock for roles: no file, no TCP, no abstract socket and no signal beyond the process itself, except reading
 * below the directories that are named, and making, changing and removing files and directories below others. An older kernel gives what it has; one without Landlock gives nothing, and
 * seccomp stands alone (`credfd doctor` says so).
 */
#pragma once

#include <stddef.h>

struct landlock_want {
    const char *const *readable; /* directories or files; ones that do not exist are passed over */
    size_t n_readable;
    const char *const *writable; /* directories, likewise */
    size_t n_writable;
    int may_connect; /* TCP out */
};

/* Needs no_new_privs. The ABI in force (>= 1), 0 when the kernel has none, or -errno. */
int landlock_enter(const struct landlock_want *want);

/* The ABI version that the kernel offers, 0 for none. */
int landlock_abi(void);
