/*
 * The ways in which the load client reaches a server: through a lease, directly over TLS, over plain TCP, or
 * through a plain unix socket. One client drives them all, so that a comparison compares the way and nothing else.
 *
 * The TLS here is OpenSSL as a careful ordinary client uses it: verified, library defaults otherwise. It shares no code
 * with the keeper, whose cost it is held against. For the benchmark only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"

struct target;

/*
 * What `way` and `place` name: "lease" the descriptor of a lease's channel, "tls" a port on 127.0.0.1 whose server has
 * a certificate that `ca_file` vouches for, "tcp" such a port without, "unix" the path of a socket.
 * 0, -EINVAL or -ENOMEM.
 */
int target_new(const char *way, const char *place, const char *ca_file, struct target **ret);
void target_free(struct target *target);

struct transport {
    int fd;
    void *ssl; /* SSL, or NULL */
};

/* Connects and shakes hands, waiting; then the stream is non-blocking. 0 or -errno. */
int transport_open(struct transport *t, const struct target *target);
void transport_close(struct transport *t);

/* Bytes; 0 at the end; -EAGAIN or -errno. */
ssize_t transport_read(struct transport *t, void *to, size_t size);

/* 0 when all bytes were taken, -errno otherwise: a request fits into an empty socket. */
int transport_write(struct transport *t, struct slice bytes);
