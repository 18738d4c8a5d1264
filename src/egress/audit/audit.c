#include "egress/audit/audit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "egress/audit/audit_line.h"
#include "egress/audit/audit_queue.h"
#include "net/loop.h"

struct audit {
    struct audit_owner owner;
    struct audit_queue file, journal;
    struct timer retry;
    bool is_blocked;                  /* as the owner was told */
    size_t n_noted;                   /* bytes of `lines` that are noted and not yet written */
    char lines[2 * LIMIT_AUDIT_LINE]; /* and room for the one being made */
};

bool audit_is_blocked(const struct audit *audit) {
    return audit->is_blocked;
}

static bool must_wait(const struct audit_queue *queue) {
    return audit_queue_is_waiting(queue) && !queue->continues_on_error;
}

/* After every attempt to write. */
static void look_what_waits(struct audit *audit) {
    bool is_blocked = must_wait(&audit->file) || must_wait(&audit->journal);

    if (audit_queue_is_waiting(&audit->file) || audit_queue_is_waiting(&audit->journal)) {
        if (!timer_is_set(&audit->retry))
            timer_set(&audit->retry, RETRY_AUDIT);
    } else {
        timer_cancel(&audit->retry);
    }
    if (is_blocked == audit->is_blocked)
        return;
    audit->is_blocked = is_blocked;
    audit->owner.on_blocked(audit->owner.owner, is_blocked);
}

static void try_again(struct timer *timer) {
    struct audit *audit = container_of(timer, struct audit, retry);

    (void)audit_queue_flush(&audit->file);
    (void)audit_queue_flush(&audit->journal);
    look_what_waits(audit);
}

static int complain(const char *where, const char *what, const char *mend, int error, char **ret_error) {
    if (asprintf(ret_error, "%s: %s: cannot be written: %s; %s", where, what, strerror(-error), mend) < 0)
        *ret_error = NULL;
    return error;
}

static void free_target(struct audit_target **target) {
    if (*target)
        (*target)->kind->free(*target);
}

/* NULL for what is not configured. */
static int open_targets(const struct audit_settings *settings, struct audit_target **ret_file,
                        struct audit_target **ret_journal, char **ret_error) {
    _cleanup_(free_target) struct audit_target *file = NULL, *journal = NULL;
    int r = 0;

    if (settings->file)
        r = audit_path_open(settings->file, settings->rotate_bytes, settings->keep, &file);
    if (r < 0)
        return complain(settings->where ? settings->where : "audit.file", settings->file,
                        "name a file that this user may read and write", r, ret_error);
    if (settings->is_journal)
        r = audit_journal_open(&journal);
    if (r < 0)
        return complain("audit.journal", "the journal", "start systemd-journald, or take this out", r, ret_error);
    *ret_file = steal_pointer(&file);
    *ret_journal = steal_pointer(&journal);
    return 0;
}

int audit_open(const struct audit_settings *settings, const struct audit_owner *owner, struct audit **ret,
               char **ret_error) {
    struct audit_target *file, *journal;
    struct audit *audit = malloc(sizeof(*audit));
    int r;

    *ret_error = NULL;
    if (!audit)
        return -ENOMEM;
    r = open_targets(settings, &file, &journal, ret_error);
    if (r < 0) {
        free(audit);
        return r;
    }
    audit->owner = *owner;
    audit->retry = (struct timer){.on_expiry = try_again};
    audit->is_blocked = false;
    audit->n_noted = 0;
    audit_queue_init(&audit->file, file, settings->continues_on_error);
    audit_queue_init(&audit->journal, journal, settings->continues_on_error);
    *ret = audit;
    return 0;
}

static bool is_failing(const struct audit *audit) {
    return audit->file.is_failing || audit->journal.is_failing;
}

static bool is_nowhere(const struct audit *audit) {
    return !audit->file.target && !audit->journal.target;
}

static int write_lines(struct audit *audit, size_t n, bool is_spare) {
    int file = audit_queue_put(&audit->file, audit->lines, n, is_spare);
    int journal = audit_queue_put(&audit->journal, audit->lines, n, is_spare);

    audit->n_noted = 0;
    look_what_waits(audit);
    return file < 0 ? file : journal;
}

void audit_flush(struct audit *audit) {
    if (audit->n_noted > 0)
        (void)write_lines(audit, audit->n_noted, false);
}

int audit_reopen(struct audit *audit, const struct audit_settings *settings, char **ret_error) {
    struct audit_target *file, *journal;
    int r;

    *ret_error = NULL;
    r = open_targets(settings, &file, &journal, ret_error);
    if (r < 0)
        return r;
    audit_flush(audit);
    audit_queue_move(&audit->file, file, settings->continues_on_error);
    audit_queue_move(&audit->journal, journal, settings->continues_on_error);
    try_again(&audit->retry);
    return 0;
}

void audit_close(struct audit *audit) {
    if (!audit)
        return;
    audit_flush(audit);
    timer_cancel(&audit->retry);
    audit_queue_done(&audit->file);
    audit_queue_done(&audit->journal);
    free(audit);
}

/* Room for a line, behind those that are noted. */
static char *line_begin(struct audit *audit) {
    if (audit->n_noted > sizeof(audit->lines) - LIMIT_AUDIT_LINE)
        audit_flush(audit);
    return audit->lines + audit->n_noted;
}

int audit_exchange(struct audit *audit, const struct audit_subject *subject, const struct exchange_record *record) {
    bool is_spare = record->refusal == REFUSAL_AUDIT;
    char *line;

    if (is_nowhere(audit))
        return 0;
    if (is_spare)
        audit_flush(audit); /* those noted before it are none */
    line = line_begin(audit);
    return write_lines(audit, audit->n_noted + audit_line_exchange(line, subject, record), is_spare);
}

void audit_note(struct audit *audit, const struct audit_subject *subject, const struct exchange_record *record) {
    char *line;

    if (is_failing(audit) || record->refusal == REFUSAL_AUDIT) {
        (void)audit_exchange(audit, subject, record);
    } else if (!is_nowhere(audit)) {
        line = line_begin(audit);
        audit->n_noted += audit_line_exchange(line, subject, record);
    }
}

int audit_event(struct audit *audit, const struct audit_event *event) {
    char *line;

    if (is_nowhere(audit))
        return 0;
    line = line_begin(audit);
    return write_lines(audit, audit->n_noted + audit_line_event(line, event), false);
}
