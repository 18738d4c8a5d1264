#include "cmd/run_learn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "egress/rules/suggest.h"

struct learning {
    const char *path; /* borrowed */
    FILE *file;
    struct suggest *suggest;
    bool has_seen;      /* anything that is to be written */
    bool is_incomplete; /* memory was out */
};

static const char preface[] =
    "# What one `credfd run --learn` used, as rules. In that run every request to the upstreams was\n"
    "# allowed, so whatever the command did stands here, also what it had no business to do. A PERSON\n"
    "# MUST READ THIS before a line of it goes into a configuration: take out what is not meant.\n"
    "# A line behind a # changes nothing: what the upstream refused, what credfd refused, what no rule\n"
    "# can say.\n"
    "\n";

static void learning_free(struct learning *learning) {
    if (learning->file)
        (void)fclose(learning->file);
    suggest_free(learning->suggest);
    free(learning);
}

static int complain(const char *path, int error) {
    log_error("run: --learn %s: %s%s", path, strerror(-error),
              error == -EEXIST ? "; what a run has learnt goes into a file of its own: name one that is not there yet"
                               : "");
    return error;
}

/* For its owner alone: paths may tell more than rules should. */
static int make_file(const char *path, FILE **ret) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "we") : NULL;

    if (fd >= 0 && !file)
        (void)close(fd);
    if (!file)
        return -errno;
    *ret = file;
    return 0;
}

int learning_open(const char *path, struct learning **ret) {
    struct learning *learning = calloc(1, sizeof(*learning));
    int r;

    if (!learning)
        return complain(path, -ENOMEM);
    learning->path = path;
    learning->suggest = suggest_new();
    r = learning->suggest ? make_file(path, &learning->file) : -ENOMEM;
    if (r < 0) {
        learning_free(learning);
        return complain(path, r);
    }
    log_warning(
        "run: --learn: IN THIS RUN EVERY REQUEST TO THE UPSTREAMS IS ALLOWED, whatever `allow` says; `deny` and "
        "limits still count; the rules that would do are going to stand in %s",
        path);
    *ret = learning;
    return 0;
}

void learning_allow_all(struct settings *settings) {
    for (size_t i = 0; i < settings->n_credentials; i++)
        settings->credentials[i].allows_all = true;
}

static void remember(struct learning *learning, const struct suggest_request *request, enum refusal refusal) {
    int r = refusal == REFUSAL_NONE ? suggest_used(learning->suggest, request)
                                    : suggest_refused(learning->suggest, request, refusal);

    learning->has_seen = true;
    learning->is_incomplete = learning->is_incomplete || r < 0;
}

/* One that was let go upstream was used, whatever became of it there. */
void learning_take(struct learning *learning, const char *name, const struct exchange_record *record) {
    const struct suggest_request request = {
        .lease = slice_of_string(name),
        .method = record->method,
        .path = record->path,
        .rule = record->rule,
        .status = record->status,
    };

    remember(learning, &request, record->is_admitted ? REFUSAL_NONE : record->refusal);
}

/* A host that was let through needs a line too: what is written stands in the place of what was there. */
void learning_take_way(struct learning *learning, const char *authority, const struct exchange_record *record) {
    const struct suggest_request request = {
        .lease = SLICE(AUDIT_WAYS),
        .method = record->method,
        .path = record->path,
        .rule = record->rule,
        .authority = slice_of_string(authority),
        .is_not_wanted = true, /* where it was refused: in this run everything else was allowed */
    };

    if (record->refusal == REFUSAL_NONE || record->refusal == REFUSAL_HOST || record->refusal == REFUSAL_ADDRESS ||
        record->refusal == REFUSAL_EXFILTRATION)
        remember(learning, &request, record->refusal);
}

static int write_all(struct learning *learning) {
    int r;

    (void)fputs(preface, learning->file);
    r = suggest_write(learning->suggest, learning->file);
    if (r == 0 && learning->is_incomplete)
        (void)fputs("# memory was out: some requests are missing here\n", learning->file);
    if (r == 0 && (fflush(learning->file) != 0 || fsync(fileno(learning->file)) < 0))
        r = -errno;
    return r == 0 && ferror(learning->file) ? -EIO : r;
}

void learning_finish(struct learning *learning) {
    int r;

    if (!learning)
        return;
    r = learning->has_seen ? write_all(learning) : 0;
    if (r < 0)
        (void)complain(learning->path, r);
    else if (learning->has_seen)
        log_warning("run: --learn: the rules of this run stand in %s; a person must read them before they are used",
                    learning->path);
    else
        log_warning("run: --learn: no request was made, so %s was not written", learning->path);
    if (!learning->has_seen)
        (void)unlink(learning->path);
    learning_free(learning);
}
