/*
 * What the link says to the desk: connections that come and go, tasks, results that are settled. It parses what the hub
 * sends, so that it is believed about the hub, and about nothing else: whatever breaks the rules of its channel ends it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "fleet/desk/runner_state.h"

static struct link_seat *seat_of(void *owner) {
    struct child *child = owner;
    struct standing *standing = child->owner;

    return standing->owner;
}

static void copy_text(char *to, size_t size, struct slice text) {
    (void)snprintf(to, size, "%.*s", SLICE_ARG(text));
}

static int on_wants(void *owner, struct ipc_message *m) {
    struct runner *runner = seat_of(owner)->runner;

    if (ipc_end(m) < 0)
        return -EPROTO;
    gate_ask(&runner->gate, runner->settings->cli);
    return 0;
}

/* Heard twice where the hub's word about acknowledgements comes late: then the connection is the same. */
static int on_up(void *owner, struct ipc_message *m) {
    struct link_seat *seat = seat_of(owner);
    struct runner *runner = seat->runner;
    uint8_t has_acks = ipc_get_u8(m);
    struct slice worknode_id = ipc_get_bytes(m, LIMIT_WORKNODE), name = ipc_get_bytes(m, LIMIT_WORKNODE);

    if (ipc_end(m) < 0 || has_acks > 1)
        return -EPROTO;
    copy_text(seat->worknode_id, sizeof(seat->worknode_id), worknode_id);
    copy_text(seat->name, sizeof(seat->name), name);
    seat->has_acks = has_acks;
    if (!seat->is_up) {
        seat->is_up = true;
        seat->changed_ms = runner_wall_ms();
        seat->again_ms = 0;
        seat->reason[0] = '\0';
        runner->metrics.connects++;
        runner->metrics.is_up = 1;
    }
    announce_status(runner);
    link_send_results(runner);
    return 0;
}

static int on_down(void *owner, struct ipc_message *m) {
    struct runner *runner = seat_of(owner)->runner;
    uint64_t again_in_ms = ipc_get_u64(m);
    struct slice reason = ipc_get_bytes(m, LIMIT_REASON);

    if (ipc_end(m) < 0)
        return -EPROTO;
    link_went_down(runner, again_in_ms, reason);
    runner_go_on(runner);
    return 0;
}

/* One that did not come through, for want of a descriptor here, is -EBADF: the task is refused then. */
static int get_descriptor(struct ipc_message *m) {
    if (m->is_fd_lost && !ipc_has_fd(m))
        return -EBADF;
    return ipc_get_fd(m);
}

static int on_key(void *owner, struct ipc_message *m) {
    struct coming_key *key = &seat_of(owner)->key;
    struct slice task_id = ipc_get_bytes(m, LIMIT_TASK_ID), base_url = ipc_get_bytes(m, LIMIT_BASE_URL);
    int fd = get_descriptor(m);

    if (ipc_end(m) < 0) {
        fd_close(&fd);
        return -EPROTO;
    }
    fd_close(&key->fd);
    key->fd = fd;
    copy_text(key->task_id, sizeof(key->task_id), task_id);
    copy_text(key->base_url, sizeof(key->base_url), base_url);
    return 0;
}

/* The key of this task, or none: it came right before, and whatever is not asked for now is nobody's. */
static void take_key(struct coming_key *key, struct task_request *request) {
    if (slice_equals(request->task_id, slice_of_string(key->task_id))) {
        request->key = fd_steal(&key->fd);
        request->base_url = slice_of_string(key->base_url);
        request->has_key = true;
    }
    fd_close(&key->fd);
    key->task_id[0] = '\0';
}

static int on_task(void *owner, struct ipc_message *m) {
    struct link_seat *seat = seat_of(owner);
    uint8_t operation = ipc_get_u8(m);
    struct task_request request = {.order = -EBADF, .key = -EBADF};
    bool has_order;

    request.task_id = ipc_get_bytes(m, LIMIT_TASK_ID);
    request.trace_id = ipc_get_bytes(m, LIMIT_TASK_ID);
    request.source_id = ipc_get_bytes(m, LIMIT_TASK_ID);
    request.fault = ipc_get_bytes(m, LIMIT_REASON);
    has_order = ipc_has_fd(m) || m->is_fd_lost;
    if (operation > OPERATION_UNKNOWN || request.task_id.n == 0 || has_order != (request.fault.n == 0))
        ipc_fail(m);
    request.order = has_order ? get_descriptor(m) : -EBADF;
    if (ipc_end(m) < 0) {
        fd_close(&request.order);
        return -EPROTO;
    }
    request.operation = operation;
    request.is_leased = seat->says_broker;
    take_key(&seat->key, &request);
    intake_take(seat->runner, &request);
    return 0;
}

static int on_cancel(void *owner, struct ipc_message *m) {
    struct runner *runner = seat_of(owner)->runner;
    struct slice task_id = ipc_get_bytes(m, LIMIT_TASK_ID);

    if (ipc_end(m) < 0)
        return -EPROTO;
    intake_cancel(runner, task_id);
    return 0;
}

static void forget_unsettled(struct link_seat *seat, uint64_t number) {
    for (size_t i = 0; i < seat->n_unsettled; i++)
        if (seat->unsettled[i] == number) {
            seat->unsettled[i] = seat->unsettled[--seat->n_unsettled];
            return;
        }
}

static int on_settled(void *owner, struct ipc_message *m) {
    struct link_seat *seat = seat_of(owner);
    struct runner *runner = seat->runner;
    uint64_t number = ipc_get_u64(m);
    uint8_t is_acknowledged = ipc_get_u8(m);

    if (ipc_end(m) < 0 || is_acknowledged > 1)
        return -EPROTO;
    forget_unsettled(seat, number);
    spool_settle(runner->spool, number, is_acknowledged);
    runner->metrics.settled++;
    runner_spool_changed(runner);
    return 0;
}

const struct ipc_permit link_permits[] = {
    {IPC_HELLO, 1, standing_on_hello},
    {IPC_LOG, 1, child_on_log},
    {IPC_LINK_WANTS, 1, on_wants},
    {IPC_LINK_UP, 1, on_up},
    {IPC_LINK_DOWN, 1, on_down},
    {IPC_TASK_KEY, 1, on_key},
    {IPC_TASK, 1, on_task},
    {IPC_TASK_CANCEL, 1, on_cancel},
    {IPC_RESULT_SETTLED, 1, on_settled},
};
const size_t n_link_permits = ARRAY_LEN(link_permits);
