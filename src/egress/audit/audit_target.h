/*
 * Where the lines of the audit go: a file, a stream (standard error, a FIFO, a device), or the journal. A target writes
 * a line whole or not at all, sets its `prev`, and keeps nothing: what waits is kept by egress/audit/audit_queue.h. Used by
 * the audit alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "egress/audit/audit_line.h"

struct audit_target;

struct audit_target_kind {
    /*
     * `lines` are one or more of audit_line.h, `n` bytes, each with its newline. Writes the first, and more where that
     * costs no more. How many bytes of whole lines were written, or -errno with nothing written that a reader could take
     * for a line. Waits for TIMEOUT_AUDIT at most, and not at all unless `may_wait`.
     */
    ssize_t (*write)(struct audit_target *target, char *lines, size_t n, bool may_wait);
    void (*free)(struct audit_target *target);
};

struct audit_target {
    const struct audit_target_kind *kind;
    const char *name; /* for complaints; lives as long as the target */
};

/*
 * Each makes one: 0 with `*ret` the caller's, or -errno. The file or stream at `path`, whichever it is; "-" is standard
 * error. `rotate_bytes` and `keep` as in struct audit_settings, for a file.
 */
int audit_path_open(const char *path, uint64_t rotate_bytes, uint64_t keep, struct audit_target **ret);
int audit_journal_open(struct audit_target **ret);

/* Of audit_path_open: they take `fd` over in every case. */
int audit_file_new(const char *path, int fd, uint64_t rotate_bytes, uint64_t keep, struct audit_target **ret);
int audit_stream_new(const char *name, int fd, struct audit_target **ret);

/* Where both are files of one name: the new one's chain goes on from the old one's, wherever that was moved. */
void audit_file_follow(struct audit_target *target, struct audit_target *before);

/* Opens a file, made when it is not there, to append to and to read its end. The descriptor, or -errno. */
int audit_path_fd(const char *path);

/* Whatever can be written to `fd` within TIMEOUT_AUDIT, or at once; `*ret_written` says how much. 0 or -errno. */
int audit_stream_write(int fd, struct slice bytes, bool may_wait, size_t *ret_written);

/*
 * After a write that failed with `error`: takes back the signal that came with it (SIGPIPE, SIGXFSZ), which is blocked
 * and would else be taken for one from outside.
 */
void audit_forget_signal(int error);

/* A wait with an end, in pauses that grow. */
struct audit_patience {
    uint64_t left_us, pause_us;
};

/* TIMEOUT_AUDIT, or none at all. */
struct audit_patience audit_patience_begin(bool may_wait);

/* Pauses, and says whether to try again; false, without a pause, when it is at its end. */
bool audit_patience_wait(struct audit_patience *patience);
