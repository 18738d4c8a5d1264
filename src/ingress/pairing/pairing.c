#include "ingress/pairing/pairing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/macros.h"
#include "ingress/pairing/mint_output.h"
#include "ingress/pairing/recipe_request.h"
#include "net/loop.h"

enum pairing_state {
    WAIT_MINT,     /* for the end of the mint command, and of what it prints */
    WAIT_EXCHANGE, /* for the instance's answer */
    OVER,          /* for its owner to free it */
};

struct pairing {
    enum pairing_state state;
    struct target *target;
    struct call_times times;
    struct pairing_owner owner;
    struct timer deadline; /* of the mint */
    struct watch watch;
    int fd; /* what the mint prints */
    bool is_printed, is_too_long, has_ended;
    enum command_end end;
    int wait_status;
    struct mint_output *output;
    struct slice credential; /* looks into it */
    size_t exchange;
    struct instance_call *call;
};

static void set_state(struct pairing *pairing, enum pairing_state state) {
    pairing->state = state;
}

static void stop_reading(struct pairing *pairing) {
    watch_remove(&pairing->watch);
    fd_close(&pairing->fd);
}

static void wipe(struct pairing *pairing) {
    mint_output_free(pairing->output);
    pairing->output = NULL;
    pairing->credential = SLICE_EMPTY;
}

/* The last thing that is done with it here: the owner may free it. */
static void pairing_over(struct pairing *pairing, struct pairing_result result) {
    set_state(pairing, OVER);
    stop_reading(pairing);
    timer_cancel(&pairing->deadline);
    wipe(pairing);
    result.exchange = pairing->exchange;
    pairing->owner.done(pairing->owner.owner, &result);
}

static void fail(struct pairing *pairing, enum pairing_fault fault, const char *reason) {
    pairing_over(pairing, (struct pairing_result){.fault = fault, .reason = reason});
}

static void reject(struct pairing *pairing, unsigned status, const char *reason) {
    pairing_over(pairing, (struct pairing_result){.fault = PAIRING_REJECTED, .reason = reason, .status = status});
}

/* They go into a head of ours, as they are. */
static bool are_sound(const struct call_answer *answer) {
    for (size_t i = 0; i < answer->n_set_cookies; i++) {
        struct slice value = answer->set_cookies[i];

        if (value.n == 0)
            return false;
        for (size_t at = 0; at < value.n; at++)
            if ((unsigned char)value.p[at] < 0x20 || value.p[at] == 0x7f)
                return false;
    }
    return true;
}

static void begin_exchange(struct pairing *pairing);

static void judge_answer(struct pairing *pairing, const struct call_answer *answer) {
    const struct recipe *recipe = pairing->target->recipe;

    if (answer->status == 404 && pairing->exchange + 1 < recipe->n_exchanges) {
        pairing->exchange++; /* another version of the instance has another endpoint */
        begin_exchange(pairing);
    } else if (!recipe_accepts(recipe, answer->status)) {
        reject(pairing, answer->status, "the instance did not accept the credential");
    } else if (answer->n_set_cookies == 0) {
        reject(pairing, answer->status, "the instance accepted the credential and set no cookie");
    } else if (!are_sound(answer)) {
        reject(pairing, answer->status, "the instance set a cookie that cannot be passed on");
    } else {
        pairing_over(pairing, (struct pairing_result){.fault = PAIRING_WORKED,
                                                      .reason = "",
                                                      .status = answer->status,
                                                      .set_cookies = answer->set_cookies,
                                                      .n_set_cookies = answer->n_set_cookies});
    }
}

static void exchanged(void *owner, const struct call_answer *answer) {
    struct pairing *pairing = owner;

    pairing->call = NULL;
    switch (answer->end) {
    case CALL_ANSWERED:
        judge_answer(pairing, answer);
        break;
    case CALL_UNREACHABLE:
    case CALL_BROKEN:
        fail(pairing, PAIRING_UNREACHABLE, answer->reason);
        break;
    case CALL_SILENT:
        pairing_over(pairing, (struct pairing_result){
                                  .fault = PAIRING_UNREACHABLE, .reason = answer->reason, .was_silent = true});
        break;
    case CALL_TOO_LONG:
        reject(pairing, answer->status, answer->reason);
        break;
    }
}

static void begin_exchange(struct pairing *pairing) {
    const struct call_times times = {pairing->times.connect_ms,
                                     MIN_OF(pairing->times.response_ms, (uint64_t)TIMEOUT_EXCHANGE)};
    struct buf request;
    int r;

    set_state(pairing, WAIT_EXCHANGE);
    buf_init_secret(&request, RECIPE_REQUEST_MAX);
    r = recipe_write_exchange(pairing->target, pairing->exchange, pairing->credential, &request);
    if (r == 0)
        r = instance_call_start(&pairing->target->instance, buf_slice(&request), times, exchanged, pairing,
                                &pairing->call);
    buf_release(&request);
    if (r < 0)
        reject(pairing, 0, r == -ENOMEM ? "out of memory" : "the recipe's request cannot be made of that credential");
}

/* What a mint command ends with says why: credfd-mint(8) has a status for each fault. */
static void fail_by_status(struct pairing *pairing) {
    int status = pairing->wait_status;
    char words[64];

    (void)snprintf(words, sizeof(words),
                   WIFEXITED(status) ? "the mint command ended with %d" : "signal %d ended the mint command",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    fail(pairing, PAIRING_MINT_FAILED, words);
}

static void judge_mint(struct pairing *pairing) {
    timer_cancel(&pairing->deadline);
    stop_reading(pairing);
    if (pairing->is_too_long)
        fail(pairing, PAIRING_UNPARSEABLE, "the mint command printed too much");
    else if (pairing->end == COMMAND_TIMED_OUT)
        fail(pairing, PAIRING_MINT_FAILED, "the mint command took too long");
    else if (pairing->end != COMMAND_EXITED)
        fail(pairing, PAIRING_MINT_FAILED, "the mint command could not be run");
    else if (pairing->wait_status != 0)
        fail_by_status(pairing);
    else if (mint_output_parse(pairing->output, &pairing->credential) < 0)
        fail(pairing, PAIRING_UNPARSEABLE, "what the mint command printed is no JSON object with a credential");
    else
        begin_exchange(pairing);
}

static void mint_late(struct timer *timer) {
    struct pairing *pairing = container_of(timer, struct pairing, deadline);

    if (pairing->has_ended) {
        judge_mint(pairing); /* somebody whom it has left behind holds the pipe: what it printed itself is there */
        return;
    }
    pairing->owner.stop_mint(pairing->owner.owner);
    fail(pairing, PAIRING_MINT_FAILED, "the mint command took too long");
}

static void printed(struct pairing *pairing) {
    stop_reading(pairing);
    pairing->is_printed = true;
    if (pairing->has_ended)
        judge_mint(pairing);
}

static void output_step(struct watch *watch) {
    struct pairing *pairing = container_of(watch, struct pairing, watch);
    int r = mint_output_read(pairing->output, pairing->fd);

    if (r == -EAGAIN) {
        watch_not_ready(watch, EPOLLIN);
        return;
    }
    pairing->is_too_long = r == -EMSGSIZE;
    if (r < 0)
        pairing->owner.stop_mint(pairing->owner.owner);
    printed(pairing);
}

void pairing_mint_output(struct pairing *pairing, int fd) {
    int r;

    if (pairing->state != WAIT_MINT || pairing->fd >= 0 || pairing->is_printed) {
        fd_close(&fd);
        return;
    }
    if (fd < 0) {
        pairing_over(pairing, (struct pairing_result){.fault = PAIRING_MINT_FAILED,
                                                      .reason = "the mint command could not be started",
                                                      .was_not_started = true});
        return;
    }
    pairing->fd = fd;
    r = watch_add(&pairing->watch, fd, output_step);
    if (r < 0) {
        pairing->owner.stop_mint(pairing->owner.owner);
        fail(pairing, PAIRING_MINT_FAILED, "what the mint command prints cannot be read");
    }
}

void pairing_mint_ended(struct pairing *pairing, enum command_end end, int wait_status) {
    if (pairing->state != WAIT_MINT || pairing->has_ended)
        return;
    pairing->has_ended = true;
    pairing->end = end;
    pairing->wait_status = wait_status;
    /* what has not gone well needs no output; else its last bytes may still be in the pipe */
    if (pairing->is_printed || end != COMMAND_EXITED || wait_status != 0)
        judge_mint(pairing);
    else
        timer_set(&pairing->deadline, GRACE_MINT);
}

struct pairing *pairing_new(struct target *target, uint64_t mint_ms, struct call_times times,
                            const struct pairing_owner *owner) {
    struct pairing *pairing = calloc(1, sizeof(*pairing));
    struct mint_output *output = mint_output_new();

    if (!pairing || !output) {
        mint_output_free(output);
        free(pairing);
        return NULL;
    }
    *pairing = (struct pairing){.state = WAIT_MINT,
                                .target = target_ref(target),
                                .times = times,
                                .owner = *owner,
                                .fd = -EBADF,
                                .output = output,
                                .deadline.on_expiry = mint_late};
    timer_set(&pairing->deadline, mint_ms + GRACE_MINT);
    return pairing;
}

void pairing_free(struct pairing *pairing) {
    if (!pairing)
        return;
    stop_reading(pairing);
    timer_cancel(&pairing->deadline);
    instance_call_cancel(pairing->call);
    wipe(pairing);
    target_unref(pairing->target);
    free(pairing);
}
