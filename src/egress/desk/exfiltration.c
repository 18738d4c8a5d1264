/*
 * A placeholder that was sent where it does not belong: the audit says so in a line of its own, beside that of the
 * exchange which it ended. Whose it was, where it was going, and who sent it; never the placeholder itself.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "egress/desk/broker_state.h"

/* The lease whose placeholder it must be, or the first of those that share it; NULL where it could be several. */
static const struct grant *find_only(const struct holder *holder) {
    const struct grant *only = NULL;

    for (size_t i = 0; i < holder->n_grants; i++) {
        const struct grant *grant = &holder->grants[i];

        if (grant->placeholder[0] == '\0')
            continue;
        if (only && !slice_equals(slice_of_string(only->placeholder), slice_of_string(grant->placeholder)))
            return NULL;
        only = only ? only : grant;
    }
    return only;
}

/* `number` is of the lease's id; 0 where that is not known. */
static void write_event(struct broker *broker, const char *lease, uint32_t number, const struct audit_subject *to,
                        struct slice where) {
    char id[LEASE_ID_MAX] = "", reason[256];
    const struct audit_event event = {.kind = AUDIT_EXFILTRATION,
                                      .lease = lease,
                                      .identity = to->identity,
                                      .id = id,
                                      .reason = reason,
                                      .to = to,
                                      .where = where};

    if (number > 0)
        lease_id_format((struct lease_id){.pid = (uint32_t)getpid(), .number = number}, id);
    (void)snprintf(reason, sizeof(reason), "its placeholder stood in %.*s of a request to %.120s",
                   SLICE_ARG(slice_first(where, 96)), to->authority);
    (void)audit_event(broker->audit, &event); /* it says itself what it could not write */
}

void exfiltration_tell(struct holder *holder, const struct audit_subject *to, struct slice where) {
    const struct grant *grant = find_only(holder);

    write_event(holder->broker, grant ? grant->possession->credential->name : to->lease, grant ? grant->number : 0, to,
                where);
}

/* Whose it was; should the relay have gone meanwhile, and its leases with it, what is left of that. */
static void tell_of_stream(struct broker *broker, const struct stream_entry *entry, uint32_t credential,
                           const struct audit_subject *to, struct slice where) {
    const struct grant *grant = entry->holder ? holder_grant(entry->holder, credential) : NULL;
    const struct possession *whose = number_table_find(&broker->possessions, credential);
    uint32_t number = credential == entry->possession->number ? entry->lease_number : 0;

    write_event(broker, whose ? whose->credential->name : to->lease, grant ? grant->number : number, to, where);
}

int exfiltration_take(struct broker *broker, struct ipc_message *m) {
    struct stream_entry *entry = stream_table_find(&broker->streams, ipc_get_u64(m));
    uint32_t credential = ipc_get_u32(m);
    struct slice where = ipc_get_bytes(m, LIMIT_REASON);
    char authority[URI_AUTHORITY_MAX];
    struct audit_subject to;

    if (ipc_end(m) < 0)
        return -EPROTO;
    if (!entry)
        return 0;
    authority[uri_format_authority(&entry->possession->credential->authority, authority)] = '\0';
    to = (struct audit_subject){
        .lease = entry->possession->credential->name,
        .identity = entry->identity,
        .authority = authority,
        .pid = entry->asker.pid,
        .executable = entry->asker.executable[0] ? entry->asker.executable : NULL,
    };
    tell_of_stream(broker, entry, credential, &to, where);
    return 0;
}
