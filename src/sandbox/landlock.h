/*
 * Landlock for roles: no file, no TCP, no abstract socket and no signal beyond the process itself, except reading
 * below the directories that are named, and making, changing and removing files and directories below others. An older
 * kernel gives what it has; one without Landlock gives nothing, and seccomp stands alone (`credfd doctor` says so). And
 * for a command with a view of its own (view.h), where Landlock is the second wall.
 */
#pragma once

#include <stddef.h>

struct landlock_want {
    const char *const *readable; /* directories or files; ones that do not exist are passed over */
    size_t n_readable;
    const char *const *writable; /* directories, likewise */
    size_t n_writable;
    int may_connect; /* TCP out */
    int may_list;    /* any directory */
};

/* Needs no_new_privs. The ABI in force (>= 1), 0 when the kernel has none, or -errno. */
int landlock_enter(const struct landlock_want *want);

/*
 * For a command that nobody knows: reading and executing below what is readable, everything but devices of its own
 * below what is writable, its signals and abstract sockets for itself; TCP is left to its network namespace. Stays over
 * exec. Needs CAP_SYS_ADMIN in the user namespace, or no_new_privs. As landlock_enter.
 */
int landlock_enter_command(const struct landlock_want *want);

/*
 * The same for a command that sees every file: its signals and its abstract sockets stay with it and what it starts,
 * and nothing else changes. 0 where the kernel's ABI is below LANDLOCK_ABI_SCOPES: then nothing was entered.
 */
int landlock_enter_scopes(void);

#define LANDLOCK_ABI_SCOPES 6 /* Linux 6.12 */

/* The ABI version that the kernel offers, 0 for none. */
int landlock_abi(void);
