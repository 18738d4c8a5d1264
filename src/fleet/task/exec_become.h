/*
 * How a process becomes a task's command: what it leaves behind of ours, what bounds it, whose it is. In the process
 * itself, between clone(2) and execve(2): system calls only, and whatever fails is told through a pipe.
 */
#pragma once

#include <sys/types.h>

#include "fleet/task/exec_setup.h"

/*
 * Never returns: says on the descriptor `complaint` (close-on-exec) that it is alive, and then what failed, and exits. Who
 * has not even said that was killed before its first instruction.
 */
_Noreturn void exec_become(const struct exec_setup *setup, pid_t parent, int complaint);

/* The same for a step before. */
_Noreturn void exec_complain(int complaint, enum exec_step step);
