/*
 * A placeholder that was sent where it does not belong: the audit says so in a line of its own, beside that of the
 * exchange which it ended. Whose it was, where it was going, and who sent it; never the placeholder itself.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "egress/broker_state.h"

/* The only lease of the holder that has one; NULL where it could be any of several. */
static const struct grant *find_only(const struct holder *holder) {
    const struct grant *only = NULL;

    for (size_t i = 0; i < holder->n_grants; i++) {
        if (holder->grants[i].placeholder[0] == '\0')
            continue;
        if (only)
            return NULL;
        only = &holder->grants[i];
    }
    return only;
}

void exfiltration_tell(struct holder *holder, const struct grant *grant, const struct audit_subject *to,
                       struct slice where) {
    char id[LEASE_ID_MAX] = "", reason[256];
    struct audit_event event = {.kind = AUDIT_EXFILTRATION, .identity = to->identity, .reason = reason, .to = to};

    if (!grant)
        grant = find_only(holder);
    if (grant)
        lease_id_format((struct lease_id){.pid = (uint32_t)getpid(), .number = grant->number}, id);
    event.lease = grant ? grant->possession->credential->name : to->lease;
    event.id = id;
    event.where = where;
    (void)snprintf(reason, sizeof(reason), "its placeholder stood in %.*s of a request to %.*s",
                   SLICE_ARG(slice_first(where, 96)), 120, to->authority);
    (void)audit_event(holder->broker->audit, &event); /* it says itself what it could not write */
}

int exfiltration_take(struct broker *broker, struct ipc_message *m) {
    struct stream_entry *entry = stream_table_find(&broker->streams, ipc_get_u64(m));
    uint32_t credential = ipc_get_u32(m);
    struct slice where = ipc_get_bytes(m, LIMIT_REASON);
    char authority[URI_AUTHORITY_MAX];
    struct audit_subject to;

    if (ipc_end(m) < 0)
        return -EPROTO;
    if (!entry || !entry->holder) /* its relay is gone already: the exchange's own line still says what it was */
        return 0;
    authority[uri_format_authority(&entry->possession->credential->authority, authority)] = '\0';
    to = (struct audit_subject){
        .lease = entry->possession->credential->name,
        .identity = entry->identity,
        .authority = authority,
        .pid = entry->asker.pid,
        .executable = entry->asker.executable[0] ? entry->asker.executable : NULL,
    };
    exfiltration_tell(entry->holder, holder_grant(entry->holder, credential), &to, where);
    return 0;
}
