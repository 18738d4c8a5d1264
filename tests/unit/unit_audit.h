/*
 * For tests of the audit's files: a folder for each test, and a walk along the chain of what was written there.
 */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "egress/audit/audit_chain.h"
#include "unit_fd.h"

static char folder[64];
static char audit_path[96]; /* of a file in it */

static inline int make_folder(void **state) {
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/credfd-audit-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(audit_path, sizeof(audit_path), "%s/audit.jsonl", folder);
    return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static inline int remove_folder(void **state) {
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* FILE.n, or FILE for 0. */
static inline const char *rotated(unsigned n) {
    static char path[128];

    (void)snprintf(path, sizeof(path), n > 0 ? "%s.%u" : "%s", audit_path, n);
    return path;
}

static inline bool is_there(const char *path) {
    return access(path, F_OK) == 0;
}

/* What stands in a file; valid until the next call. */
static inline struct slice content_of(const char *path) {
    static char content[4 * 1024 * 1024];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : fd_read_all(fd, content, sizeof(content));

    assert_true(n >= 0 && n < (ssize_t)sizeof(content));
    fd_close(&fd);
    return slice_of(content, (size_t)n);
}

static inline void append_to(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
    fd_close(&fd);
}

/*
 * How many lines the file has. Each must follow the one before it, the first `hash`, which becomes that of the last. A
 * line without a `prev` is somebody else's and must only be followed.
 */
static inline size_t follow_chain(const char *path, char hash[static AUDIT_HASH]) {
    struct slice rest = content_of(path);
    size_t n = 0;

    assert_true(rest.n == 0 || rest.p[rest.n - 1] == '\n');
    for (rest.n -= rest.n > 0; rest.p && rest.n > 0; n++) {
        struct slice line = slice_cut(&rest, '\n'), prev = audit_line_prev(line);

        if (prev.n > 0 && memcmp(prev.p, hash, AUDIT_HASH) != 0)
            fail_msg("%s: line %zu does not follow the one before it", path, n + 1);
        audit_hash(line, hash);
    }
    return n;
}

/* The same of one that begins a chain. */
static inline size_t lines_of_chain(const char *path) {
    char hash[AUDIT_HASH];

    memcpy(hash, audit_chain_start, AUDIT_HASH);
    return follow_chain(path, hash);
}
