/*
 * The first process of a command's pid namespace: its child is the command. It reaps whoever is left over, passes on
 * what is sent to it from outside, and ends as the command ends, and everybody in there with it. It stays in the
 * command's process group, so that the terminal is the command's as if there were nobody between. Called by
 * cmd/workload_prepare.c; executes nothing.
 */
#pragma once

#include <sys/types.h>

/*
 * Never returns: exits with the command's status, or 128 and its signal's number. All signals are blocked. Each time
 * that the command stops, the signal's number goes to `line` as one byte; the other end's close ends everything.
 */
_Noreturn void init_process_run(pid_t command, int line);
