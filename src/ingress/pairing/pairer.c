/*
 * The pairer: knows whether people have a session at their instance, and gets them one. The only process that sees a
 * one-time credential, from the mint command's pipe until the instance has taken it. It reads what dispatchers ask, in
 * typed frames, and believes none of them about who is who; what mint commands print; and what instances answer. It
 * runs no command and opens no file. One for each supervisor, which starts it.
 */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "ingress/pairing/mint_output.h"
#include "ingress/pairing/recipe_codec.h"
#include "ingress/pairing/session_desk.h"
#include "names/lookup.h"
#include "proc/role.h"

static struct session_desk *desk;

static struct dispatcher {
    struct channel channel;
    struct timer end; /* of one that takes no answers: not inside the desk's own steps */
} dispatchers[LIMIT_WORKERS];

static unsigned number_of(const struct dispatcher *dispatcher) {
    return (unsigned)(dispatcher - dispatchers);
}

static void drop(struct dispatcher *dispatcher) {
    channel_done(&dispatcher->channel);
    timer_cancel(&dispatcher->end);
    session_desk_forget(desk, dispatcher);
}

static void dispatcher_closed(void *owner, int reason) {
    struct dispatcher *dispatcher = owner;

    if (reason != 0)
        log_error("dispatcher %u broke the rules of its channel, which is closed: %s", number_of(dispatcher),
                  strerror(-reason));
    drop(dispatcher);
}

static void dispatcher_stuck(struct timer *timer) {
    struct dispatcher *dispatcher = container_of(timer, struct dispatcher, end);

    log_error("dispatcher %u takes no answers: its channel is closed", number_of(dispatcher));
    drop(dispatcher);
}

static int on_session(void *owner, struct ipc_message *m) {
    struct session_question question;

    if (session_question_decode(m, &question) < 0)
        return -EPROTO;
    session_desk_ask(desk, owner, &question);
    return 0;
}

static int meet_dispatcher(uint32_t number, int fd) {
    static const struct ipc_permit permits[] = {{IPC_SESSION, 1, on_session}};
    struct dispatcher *dispatcher = &dispatchers[number];

    drop(dispatcher);
    dispatcher->end.on_expiry = dispatcher_stuck;
    return channel_init(&dispatcher->channel, fd, permits, ARRAY_LEN(permits), 1, dispatcher, dispatcher_closed);
}

static int on_peer(void *owner, struct ipc_message *m) {
    uint8_t role = ipc_get_u8(m);
    uint32_t number = ipc_get_u32(m);
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    if (role == PEER_RESOLVER)
        return lookup_init(fd_steal(&fd));
    return role == PEER_DISPATCHER && number < LIMIT_WORKERS ? meet_dispatcher(number, fd_steal(&fd)) : -EPROTO;
}

static int on_pairer(void *owner, struct ipc_message *m) {
    struct pairing_rules rules;

    (void)owner;
    rules.rate.count = ipc_get_u32(m);
    rules.rate.window_ms = ipc_get_u64(m);
    rules.mint_ms = ipc_get_u64(m);
    rules.times.connect_ms = ipc_get_u64(m);
    rules.times.response_ms = ipc_get_u64(m);
    if (ipc_end(m) < 0 || rules.rate.window_ms > TIMEOUT_MAX || rules.mint_ms > TIMEOUT_MAX ||
        rules.times.connect_ms > TIMEOUT_MAX || rules.times.response_ms > TIMEOUT_MAX)
        return -EPROTO;
    session_desk_set_rules(desk, &rules);
    return 0;
}

static int on_recipe(void *owner, struct ipc_message *m) {
    struct recipe recipe;
    int r = recipe_decode(m, &recipe);

    (void)owner;
    if (r == 0) {
        r = session_desk_set_recipe(desk, &recipe);
        recipe_done(&recipe);
    }
    return r;
}

static int on_table(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);
    struct table *table;
    int r;

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    r = table_open(fd_steal(&fd), &table);
    if (r == 0)
        session_desk_set_table(desk, table);
    return r;
}

static int on_mint_output(void *owner, struct ipc_message *m) {
    uint32_t mint = ipc_get_u32(m);
    _cleanup_close_ int fd = ipc_has_fd(m) ? ipc_get_fd(m) : -EBADF;

    (void)owner;
    return ipc_end(m) < 0 ? -EPROTO : pairing_queue_mint_output(session_desk_queue(desk), mint, fd_steal(&fd));
}

static int on_mint_ended(void *owner, struct ipc_message *m) {
    uint32_t mint = ipc_get_u32(m);
    uint8_t end = ipc_get_u8(m);
    int status = (int)ipc_get_u32(m);

    (void)owner;
    if (ipc_end(m) < 0 || end >= COMMAND_ENDS)
        return -EPROTO;
    return pairing_queue_mint_ended(session_desk_queue(desk), mint, end, status);
}

static void tell_answer(void *asker, const struct session_answer *answer) {
    struct dispatcher *dispatcher = asker;
    struct ipc_writer w = session_answer_encode(answer);
    int r = channel_send(&dispatcher->channel, &w, -EBADF);

    /* one that is gone is known by the end of its channel */
    if (r < 0 && !ipc_is_gone(r))
        timer_set(&dispatcher->end, 0);
}

static void ask_mint(uint32_t mint, const struct target *target) {
    struct ipc_writer w = ipc_begin(IPC_MINT);

    ipc_put_u32(&w, mint);
    ipc_put_u64(&w, table_number(target->table));
    ipc_put_u32(&w, target->instance.number);
    role_send(&w, -EBADF);
}

static void stop_mint(uint32_t mint) {
    struct ipc_writer w = ipc_begin(IPC_MINT_STOP);

    ipc_put_u32(&w, mint);
    role_send(&w, -EBADF);
}

static void log_pairing(const struct target *target, const struct pairing_result *result) {
    const struct instance *i = &target->instance;

    if (result->status > 0 && result->fault != PAIRING_WORKED)
        log_warning("%.*s (%.*s): %s: %s (%s: %u)", SLICE_ARG(i->name), SLICE_ARG(i->os_user),
                    pairing_fault_words(result->fault), result->reason,
                    target->recipe->exchanges[result->exchange].path, result->status);
    else if (result->fault != PAIRING_WORKED)
        log_warning("%.*s (%.*s): %s: %s", SLICE_ARG(i->name), SLICE_ARG(i->os_user),
                    pairing_fault_words(result->fault), result->reason);
    else if (result->exchange > 0)
        log_info("%.*s (%.*s): paired, at the older endpoint %s", SLICE_ARG(i->name), SLICE_ARG(i->os_user),
                 target->recipe->exchanges[result->exchange].path);
    else
        log_info("%.*s (%.*s): paired", SLICE_ARG(i->name), SLICE_ARG(i->os_user));
}

static void log_refusal(const struct target *target, enum pairing_refusal refusal) {
    static const char *const words[PAIRING_REFUSALS] = {
        [PAIRING_TOO_MANY] = "asks for a session more often than dispatch.mint.rate allows, and is told to wait",
        [PAIRING_NOT_KEPT] = "was given a session twice just now and comes again without it: the browser does not keep "
                             "the cookie, or does not get it",
        [PAIRING_DENIED] = "was given a session twice just now and comes with it, and the instance denies it: it does "
                           "not honour the sessions that it makes",
    };
    const struct instance *i = &target->instance;

    log_warning("%.*s (%.*s), instance %.*s: %s", SLICE_ARG(i->name), SLICE_ARG(i->os_user), SLICE_ARG(i->key),
                words[refusal]);
}

static void tell_pairing(const struct target *target, const struct pairing_result *result) {
    struct ipc_writer w;

    log_pairing(target, result); /* before ipc_begin: the line is a message too */
    w = ipc_begin(IPC_PAIRED);
    ipc_put_u64(&w, table_number(target->table));
    ipc_put_u32(&w, target->instance.number);
    ipc_put_u8(&w, (uint8_t)result->fault);
    ipc_put_u8(&w, (uint8_t)result->exchange);
    ipc_put_bytes(&w, slice_of_string(result->reason));
    role_send(&w, -EBADF);
}

static int open_desk(void) {
    static const struct session_desk_ops ops = {
        .answer = tell_answer,
        .queue = {.mint = ask_mint, .mint_stop = stop_mint, .paired = tell_pairing, .refused = log_refusal}};

    log_set_level(LOG_INFO); /* each pairing is told of; the supervisor drops what nobody wants to see */
    mint_json_init();
    desk = session_desk_new(&ops);
    return desk ? 0 : -ENOMEM;
}

static const struct ipc_permit permits[] = {
    {IPC_PAIRER, 1, on_pairer}, {IPC_RECIPE, 1, on_recipe},           {IPC_TABLE, 1, on_table},
    {IPC_PEER, 1, on_peer},     {IPC_MINT_OUTPUT, 1, on_mint_output}, {IPC_MINT_ENDED, 1, on_mint_ended},
};

int main(void) {
    static const struct role pairer = {.name = "credfd-pairer",
                                       .seccomp = SECCOMP_PAIRER,
                                       .landlock = {.may_connect = 1},
                                       .permits = permits,
                                       .n_permits = ARRAY_LEN(permits),
                                       .phase = 1,
                                       .prepare = open_desk};

    return role_main(&pairer);
}
