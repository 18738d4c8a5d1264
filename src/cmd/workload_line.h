/*
 * What the supervisor and the process that waits to become the command say to each other: both are this program, and
 * neither has met a stranger yet. Blocks, for as long as the socket's timeouts let it. For cmd/workload*.c alone.
 */
#pragma once

#include <sys/types.h>

#include "base/limits.h"
#include "base/slice.h"

/* Listeners and a netlink socket; or leases. */
#define LINE_FDS (LIMIT_LEASES + 2)

enum line_kind {
    LINE_ENTERED, /* its namespaces are there; who is who in them is to be written: answered with LINE_GO */
    LINE_FIRST,   /* `number` is the pid of the first process, which goes on; answered with LINE_GO */
    LINE_MADE,    /* with listeners and the netlink socket */
    LINE_FAILED,  /* -errno in `number`, and what failed */
    LINE_GO,
    LINE_BEGIN, /* with the leases, the bundle in `text`; `sizes` bytes of words, then of the environment follow */
};

struct line_message {
    enum line_kind kind;
    int number;
    size_t sizes[2];
    char text[400];
    size_t n_fds;
    int fds[LINE_FDS]; /* borrowed when sent, the reader's when received */
};

/* 0 or -errno; -EPIPE when the other end is gone. */
int line_send(int line, const struct line_message *message);
int line_send_bytes(int line, struct slice bytes);

/* 0, -EPIPE at the end, -EPROTO for what is no message, -EAGAIN when it takes too long, or -errno. */
int line_receive(int line, struct line_message *ret);

/* Of `size` bytes, and a NUL behind them; freed by the caller. As line_receive. */
int line_receive_bytes(int line, size_t size, char **ret);
