/*
 * The audit: one JSON object a line for each exchange, written by the supervisor, which alone knows whose channel a
 * report came on. Never holds a query, a body, or a byte of a secret.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "egress/audit_codec.h"

struct audit;

/* Appends to the file at `path` (made with mode 0600); "-" is standard error, NULL is nowhere. A FIFO must have its
 * reader. 0 or -errno. */
int audit_open(const char *path, struct audit **ret);
void audit_close(struct audit *audit);

/* Who asked, as the kernel and the configuration know them. */
struct audit_subject {
    const char *lease, *identity, *authority;
    pid_t pid;
    const char *executable; /* NULL when it could not be told */
};

/* 0 or -errno: then the line is lost, and the caller says so. */
int audit_write(struct audit *audit, const struct audit_subject *subject, const struct exchange_record *record);
