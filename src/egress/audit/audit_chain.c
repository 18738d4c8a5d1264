#include "egress/audit/audit_chain.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/macros.h"

#define TAIL_FIRST 4096 /* most lines are shorter, and are found with one small read */

const char audit_chain_start[AUDIT_HASH + 1] = "0000000000000000000000000000000000000000000000000000000000000000";

void audit_hash(struct slice line, char ret[static AUDIT_HASH]) {
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx context;

    sha256_init(&context);
    sha256_update(&context, line.n, (const uint8_t *)line.p);
    sha256_digest(&context, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        ret[2 * i] = digits[digest[i] >> 4];
        ret[2 * i + 1] = digits[digest[i] & 15];
    }
}

static int read_end(int fd, off_t size, char *memory, size_t n, struct slice *ret) {
    ssize_t got;

    do
        got = pread(fd, memory, n, size - (off_t)n);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    *ret = slice_of(memory, (size_t)got);
    return 0;
}

/* Whether the last line stands in `end` whole, with `*end` then that line. */
static bool find_last_line(struct slice *end, bool is_whole_file) {
    const char *before = end->n > 0 ? memrchr(end->p, '\n', end->n) : NULL;

    if (before)
        *end = slice_from(*end, (size_t)(before - end->p) + 1);
    return before || is_whole_file;
}

int audit_tail_read(int fd, off_t size, struct audit_tail *ret) {
    _cleanup_free_ char *memory = malloc(LIMIT_AUDIT_LINE + 1);
    struct audit_tail tail = {.is_empty = size == 0};
    size_t n = TAIL_FIRST;

    if (!memory)
        return -ENOMEM;
    memcpy(tail.hash, audit_chain_start, AUDIT_HASH);
    for (bool is_found = tail.is_empty; !is_found; n = LIMIT_AUDIT_LINE + 1) {
        size_t want = (size_t)MIN_OF(size, (off_t)n);
        struct slice end = SLICE_EMPTY;
        int r = read_end(fd, size, memory, want, &end);

        if (r < 0)
            return r;
        tail.is_cut = !slice_ends_with(end, SLICE("\n"));
        if (!tail.is_cut)
            end.n--;
        is_found = find_last_line(&end, (off_t)want == size);
        if (is_found)
            audit_hash(end, tail.hash);
        else if (n > TAIL_FIRST)
            break;
    }
    *ret = tail;
    return 0;
}
