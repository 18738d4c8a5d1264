#include "ingress/pairing/pairing_check.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/macros.h"
#include "ingress/pairing/cookie.h"
#include "ingress/pairing/mint_output.h"
#include "ingress/pairing/recipe_request.h"
#include "proc/command.h"

struct pairing_check {
    struct pairing_check_plan plan;
    struct pairing_check_result result;
    struct command command;
    struct timer deadline; /* of the mint; with no delay, ends a check that has nothing to do */
    bool is_late;
    struct pairing *pairing;
    struct instance_call *look;
    struct buf cookies;
};

static void check_over(struct pairing_check *check) {
    check->result.cookies = buf_slice(&check->cookies);
    check->plan.done(check->plan.owner, &check->result);
}

static void looked(void *owner, const struct call_answer *answer) {
    struct pairing_check *check = owner;
    struct session_report report;

    check->look = NULL;
    check->result.has_looked = true;
    if (answer->end == CALL_ANSWERED) {
        session_report_read(check->plan.target->recipe, answer->status, answer->body, &report);
        check->result.verdict = report.verdict;
    } else {
        check->result.look_reason = answer->reason;
    }
    check_over(check);
}

/* Whether the instance honours what it has just set. */
static void look(struct pairing_check *check) {
    const struct target *target = check->plan.target;
    struct buf request;
    int r = -EINVAL;

    buf_init_secret(&request, RECIPE_REQUEST_MAX);
    if (target->recipe->session_path)
        r = recipe_write_get(target, target->recipe->session_path, buf_slice(&check->cookies), &request);
    if (r == 0)
        r = instance_call_start(&target->instance, buf_slice(&request), check->plan.times, looked, check, &check->look);
    buf_release(&request);
    if (r < 0)
        check_over(check);
}

/* The pairs alone: what stands behind them (RFC 6265 §4.1.1) is for the browser. */
static int keep_cookies(struct pairing_check *check, const struct pairing_result *result) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < result->n_set_cookies; i++) {
        struct slice rest = result->set_cookies[i], name, pair;

        if (!cookie_next(&rest, &name, &pair))
            continue;
        if (!buf_is_empty(&check->cookies))
            r = buf_append(&check->cookies, SLICE("; "));
        if (r == 0)
            r = buf_append(&check->cookies, pair);
    }
    return r;
}

static void stop_mint(void *owner) {
    struct pairing_check *check = owner;

    command_kill(&check->command);
}

static void paired(void *owner, const struct pairing_result *result) {
    struct pairing_check *check = owner;

    timer_cancel(&check->deadline);
    check->result.fault = result->fault;
    check->result.reason = result->reason;
    check->result.status = result->status;
    check->result.exchange = result->exchange;
    check->result.has_minted = result->fault != PAIRING_MINT_FAILED && result->fault != PAIRING_UNPARSEABLE;
    check->result.has_exchanged = result->fault == PAIRING_WORKED;
    if (result->fault == PAIRING_WORKED && keep_cookies(check, result) == 0)
        look(check);
    else
        check_over(check);
}

static void mint_ended(struct command *command) {
    struct pairing_check *check = container_of(command, struct pairing_check, command);
    enum command_end end = check->is_late ? COMMAND_TIMED_OUT : COMMAND_EXITED;

    pairing_mint_ended(check->pairing, command->exec_error < 0 ? COMMAND_NOT_STARTED : end, command->wait_status);
}

static void deadline_reached(struct timer *timer) {
    struct pairing_check *check = container_of(timer, struct pairing_check, deadline);

    if (!check->pairing) {
        check_over(check);
        return;
    }
    check->is_late = true;
    command_kill(&check->command);
}

static int begin(struct pairing_check *check) {
    const struct pairing_owner owner = {.stop_mint = stop_mint, .done = paired, .owner = check};
    int output, r;

    check->deadline.on_expiry = deadline_reached;
    if (!check->plan.target->recipe->pairs) {
        timer_set(&check->deadline, 0);
        return 0;
    }
    r = command_start(&check->command, check->plan.mint_argv, mint_ended, &output, NULL);
    if (r < 0)
        return r;
    check->pairing = pairing_new(check->plan.target, check->plan.mint_ms, check->plan.times, &owner);
    if (!check->pairing) {
        fd_close(&output);
        return -ENOMEM;
    }
    timer_set(&check->deadline, check->plan.mint_ms);
    pairing_mint_output(check->pairing, output);
    return 0;
}

int pairing_check_start(const struct pairing_check_plan *plan, struct pairing_check **ret) {
    struct pairing_check *check = calloc(1, sizeof(*check));
    int r;

    if (!check)
        return -ENOMEM;
    mint_json_init();
    *check = (struct pairing_check){.plan = *plan, .result = {.reason = "", .look_reason = ""}};
    check->command.pidfd = check->command.complaint = -EBADF;
    target_ref(plan->target);
    buf_init_secret(&check->cookies, LIMIT_COOKIE);
    r = begin(check);
    if (r < 0) {
        pairing_check_free(check);
        return r;
    }
    *ret = check;
    return 0;
}

void pairing_check_free(struct pairing_check *check) {
    if (!check)
        return;
    pairing_free(check->pairing);
    instance_call_cancel(check->look);
    timer_cancel(&check->deadline);
    command_forget(&check->command);
    target_unref(check->plan.target);
    buf_release(&check->cookies);
    free(check);
}
