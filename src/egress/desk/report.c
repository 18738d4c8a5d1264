/*
 * What a relay tells of a request that no keeper accounts for: one that it refused itself, or one that was lost with its
 * keeper. Of a request that a keeper had the keeper's word counts, and the relay's only should that never come: so a
 * keeper that dies, at whatever moment, leaves nothing unseen, and a relay that lies can hide nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "egress/desk/broker_state.h"

/* Out of the receiving buffer: something else may be heard before it is used. */
struct refusal_report {
    uint32_t number; /* of the exchange on its stream; 0 for one that no keeper was to have */
    struct exchange_record record;
    char method[LIMIT_METHOD], path[LIMIT_TARGET], reason[LIMIT_REASON];
};

static struct slice get_copy(struct ipc_message *m, char *to, size_t max) {
    struct slice bytes = ipc_get_bytes(m, max);

    if (bytes.n > 0)
        memcpy(to, bytes.p, bytes.n);
    return slice_of(to, bytes.n);
}

static void get_report(struct ipc_message *m, struct refusal_report *ret) {
    ret->record = (struct exchange_record){.status = ipc_get_u16(m)};
    ret->number = ipc_get_u32(m);
    ret->record.is_admitted = ipc_get_u8(m) == 1;
    ret->record.method = get_copy(m, ret->method, sizeof(ret->method));
    ret->record.path = get_copy(m, ret->path, sizeof(ret->path));
    ret->record.reason = get_copy(m, ret->reason, sizeof(ret->reason));
    ret->record.refusal = ret->number > 0 ? REFUSAL_KEEPER : REFUSAL_MALFORMED;
}

int report_take(struct broker *broker, struct stream_entry *entry, struct ipc_message *m) {
    struct refusal_report *report = malloc(sizeof(*report));

    if (!report)
        return -ENOMEM;
    get_report(m, report);
    if (ipc_end(m) < 0 || !entry) {
        free(report);
        return -EPROTO;
    }
    if (report->number > 0 && !entry->is_keeper_done && report->number > entry->n_told) {
        free(entry->pending);
        entry->pending = report;
        return 0;
    }
    if (report->number == 0 || report->number > entry->n_told)
        broker_account(broker, entry, &report->record);
    free(report);
    return 0;
}

void report_drop(struct stream_entry *entry) {
    if (entry->pending && entry->pending->number <= entry->n_told) {
        free(entry->pending);
        entry->pending = NULL;
    }
}

void report_count_pending(struct broker *broker) {
    struct stream_entry *entry;
    uint32_t row = 0;

    while ((entry = stream_table_next_pending(&broker->streams, &row)) != NULL)
        broker_account(broker, entry, &entry->pending->record);
}
