/*
 * Descriptors as owned things: initialised to -EBADF, closed by scope, moved by fd_steal. Never a bare close.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/macros.h"

/* Closes a descriptor >= 0 and sets it to -EBADF; errno is kept. */
void fd_close(int *fd);
#define _cleanup_close_ _cleanup_(fd_close)

/* Moves ownership out of `*fd`. */
int fd_steal(int *fd);

/* Both ends close-on-exec. `type` is SOCK_STREAM or SOCK_SEQPACKET, may carry SOCK_NONBLOCK. 0 or -errno. */
int fd_pair(int type, int ret_ends[2]);

int fd_set_cloexec(int fd, bool cloexec);

/* Makes sure that 0, 1 and 2 are open, so that nothing opened later takes their numbers. 0 or -errno. */
int fd_reserve_standard(void);

/* Reads until end of file or `size`, restarting on EINTR. Bytes read, or -errno. */
ssize_t fd_read_all(int fd, void *buffer, size_t size);

/* Writes all of it, restarting on EINTR. 0 or -errno. For descriptors that block. */
int fd_write_all(int fd, const void *buffer, size_t size);
