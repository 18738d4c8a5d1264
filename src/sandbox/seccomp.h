/*
 * The system calls that each role may make, and no other: a list a role, compiled into BPF when the project is built
 * (seccomp_lists.c), so that a role maps no library for it. A call that is not listed ends the process. A build with
 * -Dseccomp_trace=true says on standard error which call it was and lets the role go on.
 */
#pragma once

enum seccomp_list {
    SECCOMP_RELAY,
    SECCOMP_KEEPER,
    SECCOMP_SOURCE,
    SECCOMP_RESOLVER,
    SECCOMP_EXPORTER,
    SECCOMP_DISPATCHER,
    SECCOMP_PAIRER,
    SECCOMP_STEWARD,
    SECCOMP_VERIFIER,
    SECCOMP_DOORMAN,
    SECCOMP_LINK,
    SECCOMP_TASK,
    SECCOMP_PROBE,
    SECCOMP_PROXY,
    SECCOMP_GATE,
    SECCOMP_LISTS
};

/* One way. Needs no_new_privs. 0 or -errno. */
int seccomp_enter(enum seccomp_list list);
