/*
 * The only place where a secret's bytes live: a descriptor of memory that no other process can map by accident
 * (memfd_secret: outside the kernel's direct map, never in a core, never readable through /proc/PID/mem), or, where
 * the kernel has none, a sealed memfd that is locked and kept out of cores.
 *
 * A secret moves between processes only as that descriptor. There is no way to print one, and none to copy one but
 * secret_view, whose caller promises to wipe what it copies.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/slice.h"

struct secret;

/*
 * A fresh descriptor with `bytes` in it, 1 to LIMIT_SECRET of them, close-on-exec. `*ret_fd` is the caller's.
 * 0, -EINVAL (size), or -errno of the kernel. The caller wipes `bytes`.
 */
int secret_seal(struct slice bytes, int *ret_fd);

/*
 * Maps, read-only, what secret_seal made; takes `fd` over in every case. 0, -EINVAL (not such a descriptor), -errno.
 * `*ret` is freed by secret_free.
 */
int secret_open(int fd, struct secret **ret);

/* Wiping is not needed (it is read-only; its memory is freed with the last mapping and descriptor). NULL is fine. */
void secret_free(struct secret *s);
void secret_free_pointer(struct secret **s);
#define _cleanup_secret_ _cleanup_(secret_free_pointer)

/* The bytes, valid until secret_free. */
struct slice secret_view(const struct secret *s);

/* Takes as long for every content of one length. */
bool secret_equals(const struct secret *s, struct slice candidate);

/* Whether this kernel gives memfd_secret to this process: for `credfd doctor`. 0 or the -errno that it gave. */
int secret_memory_is_secret(void);
