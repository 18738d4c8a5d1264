/*
 * What roles say to their supervisor. Each is believed about its own work alone: a number that leads nowhere in the
 * table is passed over, and whoever breaks the rules of its channel is ended.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "ingress/desk/dispatch_state.h"
#include "ingress/desk/status.h"

/* The instance of that number, in the table in force. One of a table that is gone is nobody's any more. */
static bool find_instance(const struct dispatch *dispatch, uint64_t table, uint32_t number, struct instance *ret) {
    return table == table_number(dispatch->table.table) && table_instance(dispatch->table.table, number, ret);
}

static int on_tally(void *owner, struct ipc_message *m) {
    struct seat *seat = seat_of(owner);
    struct tally tally;

    if (tally_decode(m, &tally) < 0)
        return -EPROTO;
    /* the doorman, too, counts whom it refuses; it has nothing open that would be a dispatcher's */
    dispatch_metrics_tally(&seat->dispatch->metrics, seat->role == PEER_DISPATCHER ? seat->number : LIMIT_WORKERS,
                           &tally);
    return 0;
}

static int on_seen(void *owner, struct ipc_message *m) {
    struct seat *seat = seat_of(owner);
    uint64_t now_ms = dispatch_wall_ms();
    struct seen seen;

    do {
        if (seen_get(m, &seen) < 0)
            return -EPROTO;
        people_seen(seat->dispatch->people, seat->number, &seen, now_ms);
    } while (m->rest.n > 0);
    return ipc_end(m);
}

static int send_part(struct seat *seat, uint32_t question, bool is_end, struct slice part) {
    struct ipc_writer w = ipc_begin(IPC_STATUS);

    ipc_put_u32(&w, question);
    ipc_put_u8(&w, is_end);
    ipc_put_bytes(&w, part);
    return channel_send(&seat->standing.child.channel, &w, -EBADF);
}

/* In parts, and always with an end: a page that could not be made is an empty one. */
static int send_status(struct seat *seat, uint32_t question, struct slice page) {
    int r;

    do {
        struct slice part = slice_first(page, LIMIT_READ);

        page = slice_from(page, part.n);
        r = send_part(seat, question, page.n == 0, part);
    } while (r == 0 && page.n > 0);
    return r;
}

static int write_status(const struct dispatch *dispatch, struct buf *to) {
    char host[256] = "";
    struct status status = {
        .people = dispatch->people,
        .metrics = &dispatch->metrics,
        .table = dispatch->table.table,
        .host = gethostname(host, sizeof(host) - 1) == 0 ? host : NULL,
        .now_ms = dispatch_wall_ms(),
        .started_ms = dispatch->started_ms,
    };

    return status_write(&status, to);
}

static int on_status_ask(void *owner, struct ipc_message *m) {
    struct seat *seat = seat_of(owner);
    uint32_t question = ipc_get_u32(m);
    struct ipc_writer w;
    struct buf page;
    int r;

    if (ipc_end(m) < 0)
        return -EPROTO;
    buf_init(&page, LIMIT_STATUS);
    r = write_status(seat->dispatch, &page);
    r = send_status(seat, question, r == 0 ? buf_slice(&page) : SLICE_EMPTY);
    buf_release(&page);
    w = ipc_begin(IPC_HEALTH_ASK); /* for the next look at it, which comes soon */
    seats_send(seat->dispatch, PEER_STEWARD, &w, -EBADF);
    return r;
}

static int on_drained(void *owner, struct ipc_message *m) {
    struct seat *seat = seat_of(owner);

    if (ipc_end(m) < 0 || !seat->dispatch->is_draining)
        return -EPROTO;
    seat->is_drained = true;
    dispatch_go_on(seat->dispatch);
    return 0;
}

static void send_mint_output(struct seat *seat, uint32_t mint, int fd) {
    struct ipc_writer w = ipc_begin(IPC_MINT_OUTPUT);

    ipc_put_u32(&w, mint);
    seat_send(seat, &w, fd);
}

static const char *recipe_name(const struct dispatch *dispatch, const struct instance *instance) {
    return instance->recipe < dispatch->recipes.n ? dispatch->recipes.items[instance->recipe].name : "";
}

static int start_errand(struct dispatch *dispatch, enum errand_kind kind, uint32_t number,
                        const struct command_settings *settings, uint64_t table, uint32_t instance_number,
                        int *ret_output) {
    struct instance instance;
    int r;

    if (!find_instance(dispatch, table, instance_number, &instance))
        return -ENOENT;
    r = errand_start(&dispatch->errands, kind, number, settings, &instance, recipe_name(dispatch, &instance),
                     ret_output);
    if (r < 0)
        log_error("%s could not be started for %.*s: %s", settings->argv ? settings->argv[0] : "no command",
                  SLICE_ARG(instance.os_user), strerror(-r));
    return r;
}

static int on_mint(void *owner, struct ipc_message *m) {
    struct seat *seat = seat_of(owner);
    uint32_t mint = ipc_get_u32(m);
    uint64_t table = ipc_get_u64(m);
    uint32_t instance = ipc_get_u32(m);
    _cleanup_close_ int output = -EBADF;

    if (ipc_end(m) < 0)
        return -EPROTO;
    (void)start_errand(seat->dispatch, ERRAND_MINT, mint, &seat->dispatch->settings->mint.command, table, instance,
                       &output);
    send_mint_output(seat, mint, output);
    return 0;
}

static int on_mint_stop(void *owner, struct ipc_message *m) {
    uint32_t mint = ipc_get_u32(m);

    if (ipc_end(m) < 0)
        return -EPROTO;
    errand_kill(&seat_of(owner)->dispatch->errands, ERRAND_MINT, mint);
    return 0;
}

static int on_paired(void *owner, struct ipc_message *m) {
    struct dispatch *dispatch = seat_of(owner)->dispatch;
    uint64_t table = ipc_get_u64(m);
    uint32_t number = ipc_get_u32(m);
    uint8_t fault = ipc_get_u8(m), exchange = ipc_get_u8(m);
    struct slice reason = ipc_get_bytes(m, LIMIT_REASON);
    struct instance instance;

    if (ipc_end(m) < 0 || fault >= PAIRING_FAULTS)
        return -EPROTO;
    dispatch_metrics_paired(&dispatch->metrics, fault, exchange > 0);
    if (find_instance(dispatch, table, number, &instance))
        people_paired(dispatch->people, instance.name, fault, reason, dispatch_wall_ms());
    return 0;
}

static void send_command_done(struct dispatch *dispatch, uint32_t number, enum command_end end, int wait_status) {
    struct ipc_writer w = ipc_begin(IPC_COMMAND_DONE);

    ipc_put_u32(&w, number);
    ipc_put_u8(&w, (uint8_t)end);
    ipc_put_u32(&w, (uint32_t)wait_status);
    seats_send(dispatch, PEER_STEWARD, &w, -EBADF);
}

void hear_errand_ended(void *owner, enum errand_kind kind, uint32_t number, enum command_end end, int wait_status) {
    struct dispatch *dispatch = owner;
    struct ipc_writer w;

    if (kind == ERRAND_STEWARD) {
        send_command_done(dispatch, number, end, wait_status);
        return;
    }
    w = ipc_begin(IPC_MINT_ENDED);
    ipc_put_u32(&w, number);
    ipc_put_u8(&w, (uint8_t)end);
    ipc_put_u32(&w, (uint32_t)wait_status);
    seats_send(dispatch, PEER_PAIRER, &w, -EBADF);
}

static int on_command(void *owner, struct ipc_message *m) {
    struct dispatch *dispatch = seat_of(owner)->dispatch;
    const struct start_settings *start = &dispatch->settings->start;
    uint32_t number = ipc_get_u32(m);
    uint8_t command = ipc_get_u8(m);
    uint64_t table = ipc_get_u64(m);
    uint32_t instance = ipc_get_u32(m);
    int output = -EBADF;

    if (ipc_end(m) < 0 || command >= STEWARD_COMMANDS)
        return -EPROTO;
    if (start_errand(dispatch, ERRAND_STEWARD, number, command == STEWARD_START ? &start->start : &start->stop, table,
                     instance, &output) < 0)
        send_command_done(dispatch, number, COMMAND_NOT_STARTED, 0);
    return 0;
}

static int on_health(void *owner, struct ipc_message *m) {
    struct dispatch *dispatch = seat_of(owner)->dispatch;
    uint64_t table = ipc_get_u64(m);
    uint32_t number = ipc_get_u32(m);
    uint8_t health = ipc_get_u8(m);
    uint32_t answer_ms = ipc_get_u32(m);
    struct instance instance;

    if (ipc_end(m) < 0 || health >= HEALTHS)
        return -EPROTO;
    if (find_instance(dispatch, table, number, &instance))
        people_health(dispatch->people, &instance, health, answer_ms, dispatch_wall_ms());
    return 0;
}

#define EVERY_ROLE                                                                                                     \
    {IPC_HELLO, 1, standing_on_hello}, {                                                                               \
        IPC_LOG, 1, child_on_log                                                                                       \
    }

static const struct ipc_permit dispatcher_permits[] = {
    EVERY_ROLE,
    {IPC_TALLY, 1, on_tally},
    {IPC_SEEN, 1, on_seen},
    {IPC_STATUS_ASK, 1, on_status_ask},
    {IPC_DRAINED, 1, on_drained},
};
static const struct ipc_permit pairer_permits[] = {
    EVERY_ROLE,
    {IPC_MINT, 1, on_mint},
    {IPC_MINT_STOP, 1, on_mint_stop},
    {IPC_PAIRED, 1, on_paired},
};
static const struct ipc_permit steward_permits[] = {
    EVERY_ROLE,
    {IPC_COMMAND, 1, on_command},
    {IPC_HEALTH, 1, on_health},
};
static const struct ipc_permit doorman_permits[] = {
    EVERY_ROLE,
    {IPC_TALLY, 1, on_tally},
    {IPC_DRAINED, 1, on_drained},
};
static const struct ipc_permit other_permits[] = {EVERY_ROLE};

struct permits hear_permits(enum peer_role role) {
    switch (role) {
    case PEER_DISPATCHER:
        return (struct permits){dispatcher_permits, ARRAY_LEN(dispatcher_permits)};
    case PEER_PAIRER:
        return (struct permits){pairer_permits, ARRAY_LEN(pairer_permits)};
    case PEER_STEWARD:
        return (struct permits){steward_permits, ARRAY_LEN(steward_permits)};
    case PEER_DOORMAN:
        return (struct permits){doorman_permits, ARRAY_LEN(doorman_permits)};
    case PEER_VERIFIER:
    case PEER_RESOLVER:
    case PEER_ROLES:
        break;
    }
    return (struct permits){other_permits, ARRAY_LEN(other_permits)};
}
