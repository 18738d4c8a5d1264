#include "egress/desk/turned_away.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "egress/desk/calls.h"
#include "egress/desk/ways.h"

#define NO_DOOR UINT32_MAX

/* What the relay says of him. Slices look into the message. */
struct turned {
    uint64_t stream;
    uint32_t door;
    uint16_t from, to;
    pid_t pid;
    int pidfd;
    struct slice authority;
    struct exchange_record record;
};

static void read_turned(struct ipc_message *m, struct turned *ret) {
    *ret = (struct turned){.stream = ipc_get_u64(m), .pidfd = -EBADF};
    ret->door = ipc_get_u32(m);
    ret->from = ipc_get_u16(m);
    ret->to = ipc_get_u16(m);
    ret->pid = (pid_t)ipc_get_u32(m);
    ret->record.refusal = ipc_get_u8(m);
    ret->record.status = ipc_get_u16(m);
    ret->record.method = ipc_get_bytes(m, LIMIT_METHOD);
    ret->authority = ipc_get_bytes(m, LIMIT_AUTHORITY);
    ret->record.path = ipc_get_bytes(m, LIMIT_TARGET);
    ret->record.reason = ipc_get_bytes(m, LIMIT_REASON);
    if (ipc_has_fd(m))
        ret->pidfd = ipc_get_fd(m);
    if (ret->record.refusal == REFUSAL_NONE || ret->record.refusal >= REFUSALS || slice_has(ret->authority, '\0'))
        ipc_fail(m);
    else
        ret->record.rule = refusal_text(ret->record.refusal)->rule;
}

/* One line, of the lease that the entry names. */
static void account_for_lease(struct holder *holder, const struct stream_entry *entry,
                              const struct exchange_record *record) {
    const struct credential *credential = entry->possession->credential;
    char authority[URI_AUTHORITY_MAX];
    const struct audit_subject to = {
        .lease = credential->name,
        .identity = entry->identity,
        .authority = authority,
        .pid = entry->asker.pid,
        .executable = entry->asker.executable[0] ? entry->asker.executable : NULL,
    };

    broker_account(holder->broker, entry, record);
    authority[uri_format_authority(&credential->authority, authority)] = '\0';
    if (record->refusal == REFUSAL_EXFILTRATION)
        exfiltration_tell(holder, &to, SLICE("the head or the content"));
}

/* A stream of this very relay, or the relay lies: its caller is known already. */
static int account_for_stream(struct holder *holder, const struct turned *turned) {
    const struct stream_entry *entry = stream_table_find(&holder->broker->streams, turned->stream);

    if (!entry || entry->holder != holder || entry->is_relay_done)
        return -EPROTO;
    account_for_lease(holder, entry, &turned->record);
    return 0;
}

/* Somebody else's process has no business here, whatever it said; what it said of a placeholder counts all the same. */
static void name_stranger(struct exchange_record *record) {
    const struct refusal_text *text = refusal_text(REFUSAL_CALLER);

    if (record->refusal == REFUSAL_EXFILTRATION)
        return;
    record->refusal = REFUSAL_CALLER;
    record->rule = text->rule;
    record->reason = slice_of_string(text->reason);
}

static void account(struct holder *holder, struct turned *turned) {
    struct stream_entry entry = {.holder = holder, .door = turned->door};
    char authority[LIMIT_AUTHORITY + 1];

    if (calls_identify(holder, turned->from, turned->to, turned->pid, turned->pidfd, &entry.asker) == CALLER_STRANGER)
        name_stranger(&turned->record);
    if (turned->door == NO_DOOR) {
        (void)snprintf(authority, sizeof(authority), "%.*s", SLICE_ARG(turned->authority));
        ways_account(holder, authority, &entry.asker, &turned->record);
        return;
    }
    memcpy(entry.identity, holder->identity, sizeof(entry.identity));
    entry.possession = holder->grants[turned->door].possession;
    entry.lease_number = holder->grants[turned->door].number;
    account_for_lease(holder, &entry, &turned->record);
}

int turned_away_take(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct holder *holder = child->owner;
    struct turned turned;
    int r = 0;

    read_turned(m, &turned);
    if (ipc_end(m) < 0 || !holder->doors || (turned.door != NO_DOOR && turned.door >= holder->n_grants))
        r = -EPROTO;
    else if (turned.stream > 0)
        r = account_for_stream(holder, &turned);
    else
        account(holder, &turned);
    fd_close(&turned.pidfd);
    return r;
}
