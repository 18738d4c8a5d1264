#include "cmd/lease_ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/macros.h"
#include "cmd/control_ask.h"

void lease_rows_done(struct lease_rows *rows) {
    free(rows->at);
    *rows = (struct lease_rows){0};
}

static int add_row(struct lease_rows *rows, uint32_t pid, const struct lease_info *info) {
    struct lease_row *row;

    if ((rows->n & (rows->n - 1)) == 0) { /* full at each power of two */
        row = reallocarray(rows->at, MAX_OF(2 * rows->n, (size_t)1), sizeof(*row));
        if (!row)
            return -ENOMEM;
        rows->at = row;
    }
    row = &rows->at[rows->n++];
    *row = (struct lease_row){.id = {.pid = pid, .number = info->number}, .info = *info};
    row->info.lease = row->info.identity = SLICE_EMPTY;
    row->lease_n = info->lease.n;
    row->identity_n = info->identity.n;
    memcpy(row->lease, info->lease.p, info->lease.n);
    memcpy(row->identity, info->identity.p, info->identity.n);
    return 0;
}

/* All of one supervisor's leases; on failure none of them. Numbers rise, so a list has an end. */
static int list_one(void *owner, const struct control_place *place, uint32_t pid) {
    struct lease_rows *rows = owner;
    struct control_asked asked = {.fd = -EBADF};
    struct control_answer answer = {0};
    size_t before = rows->n;
    uint32_t last = 0;
    int r = control_ask(place, pid, &(struct control_request){.type = IPC_LEASE_LIST}, &asked);

    while (r == 0 && (r = control_wait(&asked, &answer)) == 0 && answer.type == IPC_LEASE) {
        if (answer.info.number <= last || rows->n - before == LIMIT_LISTED)
            r = -EPROTO;
        else
            r = add_row(rows, pid, &answer.info);
        last = answer.info.number;
    }
    if (r == 0 && answer.type != IPC_LEASE_END)
        r = -EPROTO;
    if (r < 0)
        rows->n = before;
    fd_close(&asked.fd);
    return r;
}

static int by_id(const void *a, const void *b) {
    const struct lease_id *x = &((const struct lease_row *)a)->id, *y = &((const struct lease_row *)b)->id;

    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

int lease_ask_all(struct lease_rows *ret) {
    struct lease_rows rows = {0};
    int r = control_ask_each("lease", list_one, &rows);

    if (r < 0) {
        lease_rows_done(&rows);
        return r;
    }
    if (rows.n > 0)
        qsort(rows.at, rows.n, sizeof(*rows.at), by_id);
    *ret = rows;
    return 0;
}

static int revoke_at(const struct control_place *place, struct lease_id id) {
    struct control_request request = {.type = IPC_LEASE_REVOKE, .number = id.number};
    struct control_asked asked = {.fd = -EBADF};
    struct control_answer answer = {0};
    int r = control_ask(place, id.pid, &request, &asked);

    if (r == -ECONNREFUSED)
        return -ENOENT;
    if (r == 0)
        r = control_wait(&asked, &answer);
    fd_close(&asked.fd);
    if (r < 0)
        return r;
    if (answer.type != IPC_LEASE_REVOKED)
        return -EPROTO;
    return answer.outcome == REVOCATION_DONE ? 0 : answer.outcome == REVOCATION_NO_SUCH_LEASE ? -ENOENT : -EIO;
}

int lease_ask_revoke(struct lease_id id) {
    struct control_place places[CONTROL_PLACES];
    size_t n = control_places(places);
    int r = -ENOENT;

    for (size_t i = 0; r == -ENOENT && i < n; i++)
        r = revoke_at(&places[i], id);
    return r;
}
