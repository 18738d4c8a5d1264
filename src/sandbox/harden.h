/*
 * What a process takes from itself before it meets a stranger's byte. Every step is one way and argued in the code.
 */
#pragma once

#include <stddef.h>

/*
 * For every process of ours: not dumpable, so no core, no ptrace, no /proc/PID/{mem,environ,fd} for the same uid.
 * 0 or -errno.
 */
int harden_against_inspection(void);

/*
 * For roles, which keep it until they end: the same, no core by limit either, no new privileges by exec. 0 or -errno.
 */
int harden_role(void);

/* Gives up every capability in every set: for roles, which need none. 0 or -errno. */
int harden_drop_all_capabilities(void);

/*
 * For the workload: takes the capabilities away with which it could look into our memory or change the kernel
 * (PTRACE, ADMIN, MODULE, RAWIO, BPF, PERFMON, CHECKPOINT_RESTORE), in every set, so that no exec brings them back.
 * 0 when none is left; -EPERM when one stays because CAP_SETPCAP is missing.
 */
int harden_drop_workload_capabilities(void);

/* Whether somebody already traces this process: they would keep what they have when it stops being dumpable. */
int harden_is_traced(void);
