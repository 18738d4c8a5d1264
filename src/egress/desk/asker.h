/*
 * Who dialled: the process that the kernel named as the sender, and the program that it runs.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define ASKER_PATH_MAX 1024

struct asker {
    pid_t pid;
    char executable[ASKER_PATH_MAX]; /* empty when it could not be told */
};

/*
 * `claimed` is what the relay read from the kernel; the pidfd is the kernel's own word and counts more. It (borrowed,
 * or negative on kernels before 6.5) is the sender's: only while it lives does /proc/PID belong to it and not to
 * whoever got its number next.
 */
void asker_identify(struct asker *ret, pid_t claimed, int pidfd);

/* Whether the process with that pidfd has ended. */
bool asker_is_over(int pidfd);
