/*
 * The audit: one JSON object a line for each exchange and for each lease's beginning and end, written by the supervisor,
 * which alone knows whose channel a report came on. Never holds a query, a body, or a byte of a secret.
 *
 * A line goes to the file and to the journal, whichever are configured, in the order of the calls. One that cannot be
 * written is kept in memory and tried again each second until it can; as long as any waits, the audit is blocked, and
 * whoever serves requests is to refuse them. With `continues_on_error` such lines are lost instead, and that is logged.
 * No call here waits for longer than about a second. Whoever opens it has blocked all signals (SIGPIPE, SIGXFSZ).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "egress/audit/audit_codec.h"
#include "egress/settings/settings.h"

struct audit;

struct audit_owner {
    /* Lines began to wait, or all of them are written. Never called with `continues_on_error`. */
    void (*on_blocked)(void *owner, bool is_blocked);
    void *owner;
};

/*
 * Appends to settings->file (made with mode 0600); "-" is standard error, NULL is nowhere. A FIFO must have its reader.
 * Needs the loop. `settings` is not used after the return. 0 with `*ret` the caller's, or -errno with `*ret_error` one
 * line for a person, freed by the caller (NULL without memory): settings->where, what, and the mend.
 */
int audit_open(const struct audit_settings *settings, const struct audit_owner *owner, struct audit **ret,
               char **ret_error);

/*
 * Opens everything anew, after a reload or the rotation of another's (logrotate): what waits is written to the new. On
 * failure, as audit_open, the old ones stay in use.
 */
int audit_reopen(struct audit *audit, const struct audit_settings *settings, char **ret_error);

/* Tries a last time to write what waits; what cannot be written goes to standard error, whole. NULL is fine. */
void audit_close(struct audit *audit);

/* Who asked, as the kernel and the configuration know them. */
struct audit_subject {
    const char *lease, *identity, *authority;
    const char *id; /* of the lease, for people */
    pid_t pid;
    const char *executable; /* NULL when it could not be told */
};

enum audit_event_kind { AUDIT_LEASE_GRANTED, AUDIT_LEASE_ENDED, AUDIT_EXFILTRATION };

struct audit_event {
    enum audit_event_kind kind;
    const char *lease, *identity; /* the credential's name, and in whose name */
    const char *id;               /* the lease's, for people */
    const char *reason;           /* why it ended; NULL for none */
    /* of AUDIT_EXFILTRATION: whom the request was for and who sent it, where in it the lease's placeholder stood */
    const struct audit_subject *to;
    struct slice where;
};

/*
 * 0, or -errno when the line is not written now: then it waits or is lost, as configured, and that has been logged.
 * There is nothing left to do for the caller but to know it.
 */
int audit_exchange(struct audit *audit, const struct audit_subject *subject, const struct exchange_record *record);
int audit_event(struct audit *audit, const struct audit_event *event);

/*
 * As audit_exchange, for one of many: while all goes well the line is only made, and is written with others, at the
 * next call of any function here that writes or at audit_flush at the latest. Whoever notes flushes before the loop
 * waits.
 */
void audit_note(struct audit *audit, const struct audit_subject *subject, const struct exchange_record *record);
void audit_flush(struct audit *audit);

/* Whether lines wait to be written. */
bool audit_is_blocked(const struct audit *audit);
