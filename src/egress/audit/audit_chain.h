/*
 * The chain that ties each line of the audit to the one before it: `prev` is the SHA-256 of that line's bytes without
 * its newline. Whoever removes or changes a line has to write every later one anew. Made by the targets of the audit,
 * checked by `credfd log --verify`.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/slice.h"
#include "egress/audit/audit_line.h"

/* The `prev` of a chain's first line: 64 zeros. */
extern const char audit_chain_start[AUDIT_HASH + 1];

/* `line` is without its newline. */
void audit_hash(struct slice line, char ret[static AUDIT_HASH]);

/* How a file ends. */
struct audit_tail {
    char hash[AUDIT_HASH]; /* of its last line; of one longer than LIMIT_AUDIT_LINE, which is none of ours: zeros */
    bool is_empty;         /* it has no line: no hash */
    bool is_cut;           /* its last line has no newline: a write was cut short */
};

/* Reads the end of the regular file `fd`, open for reading and `size` bytes long. 0 or -errno. */
int audit_tail_read(int fd, off_t size, struct audit_tail *ret);
