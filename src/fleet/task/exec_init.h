/*
 * The first process of a task's own PID namespace: it starts the command there, reaps what is orphaned in it, passes
 * SIGTERM on to all, and ends when nothing is left. When it ends, for whatever reason, the kernel ends the rest
 * (pid_namespaces(7)); and it ends with credfd-exec. Never maps more than credfd-exec has.
 */
#pragma once

#include "fleet/task/exec_setup.h"

/*
 * In the new process. `parent` is a pidfd of credfd-exec; the command's wait status is written to `status` (four bytes)
 * once it is over.
 */
_Noreturn void exec_init(const struct exec_setup *setup, int parent, int complaint, int status);
