#include "egress/door/call.h"

#include <errno.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "net/loop.h"
#include "proc/role.h"

/* How a place in the table is called on the channel: which place, and whose turn it is there. */
#define PLACE_BITS 8
_Static_assert(LIMIT_CALLS == 1 << PLACE_BITS, "a call's number is its place and its turn");

enum call_kind { CALL_NONE, CALL_LEASE, CALL_WAY };

struct call {
    enum call_kind kind;     /* CALL_NONE: the place is free */
    uint32_t turn;           /* of the place: an answer to an earlier one is the supervisor's mistake */
    call_answered *answered; /* NULL: nobody waits any more, but the answer is still due */
    void *owner;
    struct timer deadline;
};

static struct call calls[LIMIT_CALLS];
static unsigned n_calls;
static void (*room_told)(void); /* or NULL */

static uint32_t number_of(const struct call *call) {
    return (uint32_t)(call - calls) | call->turn << PLACE_BITS;
}

static void tell_over(enum ipc_type type, uint64_t id) {
    struct ipc_writer w = ipc_begin(type);

    ipc_put_u64(&w, id);
    role_send(&w, -EBADF);
}

/* The caller is answered once, whatever comes later. */
static void give(struct call *call, struct call_answer *answer) {
    call_answered *answered = call->answered;

    call->answered = NULL;
    timer_cancel(&call->deadline);
    answered(call->owner, answer);
}

/* Whoever waits has waited for long enough; the answer will find nobody. */
static void too_late(struct timer *timer) {
    struct call *call = container_of(timer, struct call, deadline);

    give(call, &(struct call_answer){.fd = -EBADF, .status = 504, .reason = SLICE("it could not be reached in time")});
}

static struct call *call_new(enum call_kind kind, call_answered *answered, void *owner) {
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        struct call *call = &calls[i];

        if (call->kind != CALL_NONE)
            continue;
        n_calls++;
        call->kind = kind;
        call->turn++;
        call->answered = answered;
        call->owner = owner;
        call->deadline.on_expiry = too_late;
        timer_set(&call->deadline, TIMEOUT_CALL);
        return call;
    }
    return NULL;
}

struct call *call_lease(uint32_t door, const struct caller *caller, call_answered *answered, void *owner) {
    struct call *call = call_new(CALL_LEASE, answered, owner);
    struct ipc_writer w;

    if (!call)
        return NULL;
    w = ipc_begin(IPC_CALL);
    ipc_put_u32(&w, number_of(call));
    ipc_put_u32(&w, door);
    ipc_put_u16(&w, caller->port_from);
    ipc_put_u16(&w, caller->port_to);
    ipc_put_u32(&w, (uint32_t)caller->pid);
    role_send(&w, caller->pidfd);
    return call;
}

struct call *call_way(struct slice host, uint16_t port, bool is_plain, const struct caller *caller,
                      call_answered *answered, void *owner) {
    struct call *call = call_new(CALL_WAY, answered, owner);
    struct ipc_writer w;

    if (!call)
        return NULL;
    w = ipc_begin(IPC_WAY);
    ipc_put_u32(&w, number_of(call));
    ipc_put_u16(&w, caller->port_from);
    ipc_put_u16(&w, caller->port_to);
    ipc_put_bytes(&w, host);
    ipc_put_u16(&w, port);
    ipc_put_u8(&w, is_plain);
    role_send(&w, -EBADF);
    return call;
}

bool call_has_room(void) {
    return n_calls < LIMIT_CALLING;
}

void call_set_on_room(void (*on_room)(void)) {
    room_told = on_room;
}

void call_cancel(struct call *call) {
    if (!call)
        return;
    call->answered = NULL;
    timer_cancel(&call->deadline);
}

/* The call that the supervisor answers. NULL, and the message has failed: there is none. */
static struct call *get_call(struct ipc_message *m) {
    uint32_t number = ipc_get_u32(m);
    struct call *call = &calls[number % LIMIT_CALLS];

    if (call->kind != CALL_NONE && number == number_of(call))
        return call;
    ipc_fail(m);
    return NULL;
}

/* The place is free before its owner is told: he may call again at once. */
static void take_answer(struct call *call, struct call_answer *answer) {
    enum ipc_type over = call->kind == CALL_LEASE ? IPC_STREAM_ENDED : IPC_WAY_CLOSED;

    call->kind = CALL_NONE;
    n_calls--;
    if (call->answered) {
        give(call, answer);
    } else {
        fd_close(&answer->fd);
        if (answer->is_granted)
            tell_over(over, answer->id);
    }
    if (room_told && n_calls == LIMIT_CALLING - 1)
        room_told();
}

int call_take_stream(void *owner, struct ipc_message *m) {
    struct call *call = get_call(m);
    struct call_answer granted = {.is_granted = true, .id = ipc_get_u64(m), .fd = -EBADF};

    (void)owner;
    /* where no descriptor was left for it, it is as if there were no keeper: the client is told to ask again */
    if (ipc_has_fd(m))
        granted.fd = ipc_get_fd(m);
    if (ipc_end(m) < 0 || !call || call->kind != CALL_LEASE) {
        fd_close(&granted.fd);
        return -EPROTO;
    }
    take_answer(call, &granted);
    return 0;
}

int call_take_way(void *owner, struct ipc_message *m) {
    struct call *call = get_call(m);
    struct call_answer granted = {.is_granted = true, .id = ipc_get_u64(m), .fd = -EBADF};
    bool is_lost = m->is_fd_lost;

    (void)owner;
    if (!is_lost)
        granted.fd = ipc_get_fd(m);
    if (ipc_end(m) < 0 || !call || call->kind != CALL_WAY) {
        fd_close(&granted.fd);
        return -EPROTO;
    }
    if (is_lost) { /* no descriptor was left for it: this way is over, the rest goes on */
        tell_over(IPC_WAY_CLOSED, granted.id);
        granted = (struct call_answer){
            .fd = -EBADF, .status = 503, .reason = SLICE("the relay has no descriptor left; try again")};
    }
    take_answer(call, &granted);
    return 0;
}

int call_take_refusal(void *owner, struct ipc_message *m) {
    struct call *call = get_call(m);
    struct call_answer refused = {.fd = -EBADF, .status = ipc_get_u16(m)};

    (void)owner;
    refused.rule = ipc_get_bytes(m, LIMIT_RULE);
    refused.reason = ipc_get_bytes(m, LIMIT_REASON);
    refused.hint = ipc_get_bytes(m, LIMIT_REASON);
    if (ipc_end(m) < 0 || !call)
        return -EPROTO;
    take_answer(call, &refused);
    return 0;
}
