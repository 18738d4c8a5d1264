/*
 * libcredfd: a program's side of a lease.
 *
 * A lease is the right to use a credential without holding it. `credfd run` starts a command with one descriptor for
 * each lease, the lease's channel, and tells their names and numbers in the environment:
 *
 *     CREDFD=github=3,registry=4
 *
 * This library reads that variable and asks a channel for streams. A stream is a connected socket that speaks HTTP/1.1:
 * write an ordinary request to any placeholder host, without a credential, and read the answer. The broker puts the
 * credential in on the way to the one server that it is for. No function here can yield the credential itself.
 *
 * Every function returns a negative error code on failure, listed at each; credfd_strerror gives its words. Nothing is
 * printed, nothing is allocated, no signal is raised, no thread is started. Every function may be called from any
 * thread at any time, as long as no other thread changes the environment meanwhile (getenv(3)). A program that runs
 * with more privileges than its caller (set-user-ID; see secure_getenv(3)) sees no lease.
 *
 * The protocol below it is in docs/protocol.md; credfd_connect(3) is the manual page.
 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/* A lease's name is 1 to this many bytes of [A-Za-z0-9._-]. */
#define CREDFD_NAME_MAX 64

/*
 * Opens a stream through the lease `name`, or through the only lease there is when `name` is NULL.
 *
 * Returns a connected, blocking SOCK_STREAM descriptor, close-on-exec, which the caller owns and closes. It carries
 * any number of requests, one after the other.
 *
 * Waits for the broker's answer; interrupted by a signal it goes on waiting. Threads that dial at once take turns.
 * Processes that share a channel (a pipeline, the two sides of a fork) need no turns: every request is answered, and
 * one answer is as good as another. It is not a point of thread cancellation.
 *
 *   -ENODATA       there is no lease: CREDFD is not set, or is empty
 *   -ENOENT        CREDFD names no lease `name`
 *   -ENOTUNIQ      `name` is NULL and there are several leases
 *   -EINVAL        CREDFD is malformed
 *   -EBADF         the lease's descriptor is not open in this process: a parent closed it
 *   -ENOTSOCK      its number now belongs to something that is no lease's channel
 *   -ECONNREFUSED  the broker refused: it has no stream to give, for the moment or under this lease
 *   -EPIPE         the broker has closed the channel: the lease has ended
 *   -EPROTO        the answer is not one that the protocol knows; whatever came with it was closed
 *   -EMFILE        the stream was lost, because this process (or the system) may hold no more descriptors
 *
 * and, rarely, another code of sendmsg(2) or recvmsg(2), such as -ENOBUFS or -ENOMEM.
 */
int credfd_connect(const char *name);

/*
 * As credfd_connect, through a channel whose number the caller knows from elsewhere: credfd_lease, or a variable that
 * the lease's configuration sets. `channel` is borrowed. The errors are those from -EBADF on.
 */
int credfd_connect_fd(int channel);

/*
 * The descriptor of the channel of lease `name`, or of the only lease there is when `name` is NULL: 3 or above.
 * Borrowed: it belongs to the process; closing it ends the process's use of the lease. It is inherited by the programs
 * that this one starts, so that they may use the lease too; set FD_CLOEXEC on it where they should not.
 * The errors are those of credfd_connect up to -ENOTSOCK.
 */
int credfd_lease(const char *name);

/*
 * The leases one by one: copies the name of the lease at `index`, counted from 0 in the order of CREDFD, to `name`,
 * with a NUL at its end, and returns its number as CREDFD gives it, 3 or above. -ENODATA and -EINVAL as above; -ENOENT
 * behind the last lease. `name` is untouched on failure.
 *
 *     char name[CREDFD_NAME_MAX + 1];
 *     for (unsigned i = 0; credfd_lease_at(i, name) >= 0; i++)
 *         puts(name);
 */
int credfd_lease_at(unsigned index, char name[CREDFD_NAME_MAX + 1]);

/*
 * A few words for an error code of this library, without a full stop or a newline; static text, never NULL. A code
 * that is not in the list above gets the system's description.
 */
const char *credfd_strerror(int code);

#ifdef __cplusplus
}
#endif
