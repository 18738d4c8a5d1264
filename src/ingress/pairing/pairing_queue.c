#include "ingress/pairing/pairing_queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "ingress/pairing/pairing_rounds.h"
#include "net/loop.h"

/* What a user's turn is waiting for. */
enum turn {
    WAIT_NOBODY,  /* for somebody who wants a session */
    WAIT_ROOM,    /* for one of LIMIT_MINTS, or of LIMIT_PAIRINGS */
    WAIT_ANYBODY, /* for the instance to accept a connection: the last pairing found nobody there */
    WAIT_MINT,    /* for the end of the command */
    WAIT_SESSION, /* for the instance: it may take its time, and keeps no other from minting */
};

struct pairing_user {
    struct pairing_user *next;
    struct pairing_queue *queue;
    char os_user[LIMIT_OS_USER + 1];
    enum turn turn;
    uint64_t next_us;        /* pairing_rate.h */
    uint64_t unreachable_ms; /* until then it is looked first whether somebody is there */
    uint64_t silent_ms;      /* until then the instance of the key `silent` gets no credential: it says nothing */
    char silent[LIMIT_INSTANCE_KEY + 1];
    struct pairing_rounds rounds;
    uint64_t n_turns;
    uint64_t refused_ms[PAIRING_REFUSALS]; /* when that was told last; 0: never */
    struct pairing_waiter *waiters, **waiters_end;
    size_t n_waiters;
    /* from WAIT_ANYBODY on */
    struct target *target;
    struct instance_call *call;
    struct pairing *pairing;
    uint32_t mint;
};

struct pairing_queue {
    const struct pairing_queue_ops *ops;
    struct pairing_rules rules;
    struct pairing_user *users;
    size_t n_users, n_minting, n_running;
    uint32_t next_mint;
};

struct pairing_queue *pairing_queue_new(const struct pairing_queue_ops *ops) {
    struct pairing_queue *queue = calloc(1, sizeof(*queue));

    if (queue)
        *queue = (struct pairing_queue){
            .ops = ops, .rules = {.mint_ms = TIMEOUT_MINT, .times = {TIMEOUT_CONNECT, TIMEOUT_RESPONSE}}};
    return queue;
}

static void user_free(struct pairing_user *user) {
    for (struct pairing_waiter *w = user->waiters; w; w = w->next)
        w->user = NULL;
    instance_call_cancel(user->call);
    pairing_free(user->pairing);
    target_unref(user->target);
    free(user);
}

void pairing_queue_free(struct pairing_queue *queue) {
    if (!queue)
        return;
    while (queue->users) {
        struct pairing_user *user = queue->users;

        queue->users = user->next;
        user_free(user);
    }
    free(queue);
}

void pairing_queue_set_rules(struct pairing_queue *queue, const struct pairing_rules *rules) {
    queue->rules = *rules;
}

static void take_turn(struct pairing_user *user);

static void set_turn(struct pairing_user *user, enum turn turn) {
    struct pairing_queue *queue = user->queue;

    queue->n_running = queue->n_running - (user->turn >= WAIT_ANYBODY) + (turn >= WAIT_ANYBODY);
    queue->n_minting = queue->n_minting - (user->turn == WAIT_MINT) + (turn == WAIT_MINT);
    user->turn = turn;
}

static bool has_room(const struct pairing_queue *queue) {
    return queue->n_minting < LIMIT_MINTS && queue->n_running < LIMIT_PAIRINGS;
}

static void append(struct pairing_user *user, struct pairing_waiter *waiter) {
    waiter->next = NULL;
    waiter->user = user;
    *user->waiters_end = waiter;
    user->waiters_end = &waiter->next;
    user->n_waiters++;
}

/* Takes out of the list all who are told now: those who share `target`, or everybody without one. */
static struct pairing_waiter *take_waiters(struct pairing_user *user, const struct target *target) {
    struct pairing_waiter *all = user->waiters, *taken = NULL, **taken_end = &taken;

    user->waiters = NULL;
    user->waiters_end = &user->waiters;
    user->n_waiters = 0;
    while (all) {
        struct pairing_waiter *waiter = all;

        all = waiter->next;
        if (target && !target_shares(target, waiter->target)) {
            append(user, waiter);
            continue;
        }
        waiter->user = NULL;
        waiter->next = NULL;
        *taken_end = waiter;
        taken_end = &waiter->next;
    }
    return taken;
}

/* He has a session: where his browser does not keep it, or the instance denies it, he comes again at once. */
static void note_round(struct pairing_user *user, const struct pairing_waiter *waiter,
                       const struct pairing_result *result) {
    struct session_digest cookie =
        pairing_rounds_cookie(waiter->target, waiter->names, result->set_cookies, result->n_set_cookies);

    pairing_rounds_note(&user->rounds, waiter->browser, user->n_turns, &cookie, loop_now_ms());
}

/* Nobody's telling makes another of them go: each is its owner's to free, once it was told. */
static void tell(struct pairing_user *user, struct pairing_waiter *waiters, struct pairing_outcome outcome) {
    while (waiters) {
        struct pairing_waiter *waiter = waiters;

        waiters = waiter->next;
        if (outcome.result && outcome.result->fault == PAIRING_WORKED)
            note_round(user, waiter, outcome.result);
        waiter->on_outcome(waiter, &outcome);
    }
}

/* Somebody who reloads and reloads does not fill the log. */
static void log_refusal(struct pairing_user *user, const struct target *target, enum pairing_refusal refusal) {
    uint64_t *told_ms = &user->refused_ms[refusal];

    if (*told_ms > 0 && loop_now_ms() - *told_ms < LOOP_LOOK)
        return;
    *told_ms = loop_now_ms();
    user->queue->ops->refused(target, refusal);
}

/* Who waits the longest: new ones stand at the front of the list. */
static struct pairing_user *find_next(const struct pairing_queue *queue) {
    struct pairing_user *next = NULL;

    for (struct pairing_user *user = queue->users; user; user = user->next)
        if (user->turn == WAIT_ROOM)
            next = user;
    return next;
}

/* The turn of others may have come: of several, when the first needs no mint yet. */
static void give_room(struct pairing_queue *queue) {
    struct pairing_user *next;

    while (has_room(queue) && (next = find_next(queue)) != NULL)
        take_turn(next);
}

/* What the end of a turn says of the instance. */
static void note_absence(struct pairing_user *user, const struct pairing_result *result) {
    uint64_t until_ms = loop_now_ms() + LIFE_UNREACHABLE;

    user->unreachable_ms = result->fault == PAIRING_UNREACHABLE ? until_ms : 0;
    if (!result->was_silent)
        return;
    user->silent_ms = until_ms;
    (void)snprintf(user->silent, sizeof(user->silent), "%.*s", SLICE_ARG(user->target->instance.key));
}

/* The turn of whoever shared the target is over; the others of this user, and then other users, have theirs. */
static void turn_over(struct pairing_user *user, const struct pairing_result *result) {
    struct target *target = user->target;
    struct pairing *pairing = user->pairing;
    struct pairing_waiter *told = take_waiters(user, target);
    struct pairing_outcome outcome = {.result = result};

    note_absence(user, result);
    user->target = NULL;
    user->pairing = NULL;
    user->n_turns++;
    set_turn(user, WAIT_NOBODY);
    tell(user, told, outcome);
    pairing_free(pairing);
    target_unref(target);
    take_turn(user);
    give_room(user->queue);
}

static void paired(void *owner, const struct pairing_result *result) {
    struct pairing_user *user = owner;

    user->queue->ops->paired(user->target, result);
    turn_over(user, result);
}

static void stop_mint(void *owner) {
    struct pairing_user *user = owner;

    user->queue->ops->mint_stop(user->mint);
}

static void fail_turn(struct pairing_user *user, enum pairing_fault fault, const char *reason) {
    turn_over(user, &(struct pairing_result){.fault = fault, .reason = reason});
}

static void begin_pairing(struct pairing_user *user) {
    struct pairing_queue *queue = user->queue;
    const struct pairing_owner owner = {.stop_mint = stop_mint, .done = paired, .owner = user};
    uint32_t retry_s;

    if (!pairing_rate_take(queue->rules.rate, loop_now_ms(), &user->next_us, &retry_s)) {
        struct pairing_waiter *told = take_waiters(user, NULL);
        struct pairing_outcome outcome = {.refusal = PAIRING_TOO_MANY, .retry_s = retry_s};

        log_refusal(user, user->target, PAIRING_TOO_MANY);
        target_unref(user->target);
        user->target = NULL;
        set_turn(user, WAIT_NOBODY);
        tell(user, told, outcome);
        give_room(queue);
        return;
    }
    user->pairing = pairing_new(user->target, queue->rules.mint_ms, queue->rules.times, &owner);
    if (!user->pairing) {
        fail_turn(user, PAIRING_MINT_FAILED, "out of memory");
        return;
    }
    user->mint = queue->next_mint++;
    set_turn(user, WAIT_MINT);
    queue->ops->mint(user->mint, user->target);
}

static void somebody_is_there(void *owner, const struct call_answer *answer) {
    struct pairing_user *user = owner;
    struct pairing_queue *queue = user->queue;

    user->call = NULL;
    if (answer->end != CALL_ANSWERED) {
        fail_turn(user, PAIRING_UNREACHABLE, answer->reason);
        return;
    }
    user->unreachable_ms = 0;
    target_unref(user->target);
    user->target = NULL;
    set_turn(user, WAIT_NOBODY);
    take_turn(user); /* a mint may have no room now */
    give_room(queue);
}

/* That it accepts a connection means nothing: one that hangs does so too. */
static bool is_silent(const struct pairing_user *user) {
    return user->silent_ms > loop_now_ms() && slice_equals(slice_of_string(user->silent), user->target->instance.key);
}

/*
 * An instance that was not there a moment ago may be starting, and the person's page asks again and again: no
 * credential is minted, and none of the rate is spent, before somebody is there to take it.
 */
static void take_turn(struct pairing_user *user) {
    struct pairing_queue *queue = user->queue;

    if (user->turn >= WAIT_ANYBODY || !user->waiters) {
        if (user->turn == WAIT_ROOM)
            set_turn(user, WAIT_NOBODY);
        return;
    }
    if (!has_room(queue)) {
        set_turn(user, WAIT_ROOM);
        return;
    }
    user->target = target_ref(user->waiters->target);
    if (is_silent(user)) {
        fail_turn(user, PAIRING_UNREACHABLE, "the instance did not answer in time a moment ago");
        return;
    }
    if (user->unreachable_ms <= loop_now_ms()) {
        begin_pairing(user);
        return;
    }
    set_turn(user, WAIT_ANYBODY);
    if (instance_call_start(&user->target->instance, SLICE_EMPTY, queue->rules.times, somebody_is_there, user,
                            &user->call) < 0)
        fail_turn(user, PAIRING_UNREACHABLE, "out of memory");
}

static bool has_rested(const struct pairing_user *user, uint64_t now_ms) {
    return user->turn == WAIT_NOBODY && !user->waiters && user->unreachable_ms <= now_ms && user->silent_ms <= now_ms &&
           !pairing_rounds_have_any(&user->rounds, now_ms) && pairing_rate_is_rested(user->next_us, now_ms);
}

/* Nothing is remembered of users who have rested. */
static void forget_rested(struct pairing_queue *queue) {
    for (struct pairing_user **at = &queue->users; *at;) {
        struct pairing_user *user = *at;

        if (!has_rested(user, loop_now_ms())) {
            at = &user->next;
            continue;
        }
        *at = user->next;
        queue->n_users--;
        user_free(user);
    }
}

static struct pairing_user *find_user(const struct pairing_queue *queue, struct slice os_user) {
    for (struct pairing_user *user = queue->users; user; user = user->next)
        if (slice_equals(slice_of_string(user->os_user), os_user) && !WEAKENED(ONE_MINT))
            return user;
    return NULL;
}

void pairing_settled(struct pairing_queue *queue, const struct target *target, uint64_t browser) {
    struct pairing_user *user = find_user(queue, target->instance.os_user);

    if (user)
        pairing_rounds_end(&user->rounds, browser);
}

static int add_user(struct pairing_queue *queue, struct slice os_user, struct pairing_user **ret) {
    struct pairing_user *user;

    forget_rested(queue);
    if (queue->n_users >= LIMIT_PAIRING_PEOPLE || os_user.n > LIMIT_OS_USER)
        return -EBUSY;
    user = calloc(1, sizeof(*user));
    if (!user)
        return -ENOMEM;
    *user = (struct pairing_user){.next = queue->users, .queue = queue};
    user->waiters_end = &user->waiters;
    memcpy(user->os_user, os_user.p, os_user.n);
    queue->users = user;
    queue->n_users++;
    *ret = user;
    return 0;
}

/* The third redirect would not be the last: no session is made for it. */
static bool refuse_round(struct pairing_user *user, struct pairing_waiter *waiter) {
    struct pairing_outcome outcome = {.refusal = PAIRING_NOT_KEPT};

    if (WEAKENED(LOOP) || !pairing_rounds_are_full(&user->rounds, waiter->browser, loop_now_ms()))
        return false;
    if (pairing_rounds_came_back(&user->rounds, waiter->browser, waiter->target, waiter->denied, loop_now_ms()))
        outcome.refusal = PAIRING_DENIED;
    log_refusal(user, waiter->target, outcome.refusal);
    waiter->on_outcome(waiter, &outcome);
    return true;
}

int pairing_want(struct pairing_queue *queue, struct target *target, struct pairing_waiter *waiter) {
    struct pairing_user *user = find_user(queue, target->instance.os_user);
    int r = user ? 0 : add_user(queue, target->instance.os_user, &user);

    if (r < 0)
        return r;
    if (user->n_waiters >= LIMIT_PERSON_QUESTIONS)
        return -EBUSY;
    waiter->target = target;
    if (refuse_round(user, waiter))
        return 0;
    append(user, waiter);
    if (user->turn == WAIT_NOBODY)
        take_turn(user);
    return 0;
}

void pairing_cancel(struct pairing_waiter *waiter) {
    struct pairing_user *user = waiter->user;

    if (!user)
        return;
    waiter->user = NULL;
    for (struct pairing_waiter **at = &user->waiters; *at; at = &(*at)->next) {
        if (*at != waiter)
            continue;
        *at = waiter->next;
        user->n_waiters--;
        if (!*at)
            user->waiters_end = at;
        return;
    }
}

static struct pairing_user *find_mint(const struct pairing_queue *queue, uint32_t mint) {
    for (struct pairing_user *user = queue->users; user; user = user->next)
        if (user->turn >= WAIT_MINT && user->mint == mint)
            return user;
    return NULL;
}

int pairing_queue_mint_output(struct pairing_queue *queue, uint32_t mint, int fd) {
    struct pairing_user *user = find_mint(queue, mint);

    if (user)
        pairing_mint_output(user->pairing, fd);
    else
        fd_close(&fd);
    return mint < queue->next_mint ? 0 : -EPROTO;
}

int pairing_queue_mint_ended(struct pairing_queue *queue, uint32_t mint, enum command_end end, int wait_status) {
    struct pairing_user *user = find_mint(queue, mint);

    if (user) {
        set_turn(user, WAIT_SESSION);
        pairing_mint_ended(user->pairing, end, wait_status);
        give_room(queue);
    }
    return mint < queue->next_mint ? 0 : -EPROTO;
}
