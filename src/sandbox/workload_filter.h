/*
 * The few system calls that lead out of a command's namespaces, refused in it for good: sockets that know no network
 * namespace (vsock and other families), what makes sockets without a system call (io_uring), keyrings, whose helper
 * the kernel starts outside, input that is put into the terminal's queue as if somebody had typed it, and limits set on
 * another process, by which the supervisor could write its audit no more. All else is the command's own affair. Called
 * in the process that becomes the command, which is still root in its namespace.
 */
#pragma once

/* Over every exec, and without no_new_privs: needs CAP_SYS_ADMIN in the user namespace. 0 or -errno. */
int workload_filter_enter(void);
