/*
 * Namespaces of a command's own: the calls, each in its order, and what each needs of the process outside. Knows no
 * lease and no door. Called by who starts a command.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Which of them; a user namespace comes with any of them, so that root in there is nobody out here. */
struct namespace_want {
    bool has_network; /* nothing but a loopback, which is up; and no queues or memory of System V's but its own */
    bool has_mounts;
    bool has_processes; /* the next child is its first process */
};

/*
 * In the process that enters: leaves its old namespaces. Then the process outside calls namespace_map, and tells this
 * one so; only then does it go on. 0 or -errno.
 */
int namespace_enter(const struct namespace_want *want);

/*
 * In the process outside, of a child that has just entered: who is who in there. Root's children see every user as he
 * is; anybody else's see themselves alone. 0 or -errno.
 */
int namespace_map(pid_t child);

/* In the new network: the loopback goes up. 0 or -errno. */
int namespace_raise_loopback(void);

/*
 * Why the kernel or this user cannot, for people, and what mends it: tries it in a process of its own. NULL when it
 * works; else a constant.
 */
const char *namespace_obstacle(const struct namespace_want *want);
