#include "egress/keeper/lease.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/keeper/inject.h"
#include "egress/rules/rule.h"

/* Who is cut may leave; when the lease was dropped it goes with the last. */
static void cut_members(struct lease *lease) {
    enum refusal why = lease->ended;
    struct lease_member *next;

    for (struct lease_member *member = lease->members; member; member = next) {
        next = member->next;
        member->cut(member, why);
    }
}

/* The loop's clock stands still while the machine sleeps, the lease's does not: each is asked. */
static void watch_over_time(struct lease *lease) {
    uint64_t now = clock_now_ms();

    if (lease->ends_at == 0 || WEAKENED(TTL))
        return;
    if (now >= lease->ends_at)
        lease_end(lease, REFUSAL_TTL);
    else
        timer_set(&lease->timer, lease->ends_at - now);
}

static void timer_expired(struct timer *timer) {
    struct lease *lease = container_of(timer, struct lease, timer);

    if (lease->ended != REFUSAL_NONE && !WEAKENED(CUT))
        cut_members(lease);
    else
        watch_over_time(lease);
}

void lease_init(struct lease *lease) {
    lease->timer.on_expiry = timer_expired;
}

void lease_set_life(struct lease *lease, uint64_t ttl_left_ms) {
    if (lease->ended != REFUSAL_NONE)
        return;
    timer_cancel(&lease->timer);
    lease->ends_at = ttl_left_ms > 0 ? clock_now_ms() + ttl_left_ms : 0;
    watch_over_time(lease);
}

static void free_when_left(struct lease *lease) {
    if (!lease->is_dropped || lease->members)
        return;
    timer_cancel(&lease->timer);
    origin_free(lease->origin);
    held_unref(lease->held);
    canary_unref(lease->canary);
    free(lease->placeholder);
    free(lease);
}

/* Streams whose relay has gone end by that; one that is kept open by whom the relay gave it to, ends by this. */
void lease_drop(struct lease *lease) {
    lease->is_dropped = true;
    if (lease->ended == REFUSAL_NONE)
        lease->ended = REFUSAL_REVOKED;
    timer_set(&lease->timer, 0);
    free_when_left(lease);
}

void lease_join(struct lease *lease, struct lease_member *member) {
    member->lease = lease;
    member->next = lease->members;
    member->at = &lease->members;
    if (member->next)
        member->next->at = &member->next;
    lease->members = member;
}

void lease_leave(struct lease_member *member) {
    *member->at = member->next;
    if (member->next)
        member->next->at = member->at;
    free_when_left(member->lease);
}

void lease_end(struct lease *lease, enum refusal why) {
    if (lease->ended != REFUSAL_NONE)
        return;
    lease->ended = why;
    timer_set(&lease->timer, 0);
    lease->on_ended(lease);
}

/* With the last exchange that its budget let through; or at once, when the budget was made smaller. */
static void end_if_spent(struct lease *lease) {
    enum refusal end = budget_end(&lease->budget, &lease->held->credential->limits);

    if (end != REFUSAL_NONE)
        lease_end(lease, end);
}

static struct verdict by_rules(const struct credential *credential, const struct request_head *request) {
    struct verdict verdict = {.refusal = REFUSAL_NONE};

    switch (rule_decide(credential, request->method, request->path, &verdict.rule)) {
    case RULE_NONE:
        verdict.refusal = REFUSAL_NO_RULE;
        break;
    case RULE_DENIES:
        verdict.refusal = REFUSAL_DENIED;
        break;
    case RULE_AMBIGUOUS:
        verdict.refusal = REFUSAL_AMBIGUOUS;
        break;
    case RULE_ALLOWS:
        break;
    }
    return verdict;
}

/* What of the request itself the credential cannot carry. */
static struct verdict by_shape(const struct credential *credential, const struct request_head *request,
                               struct slice data) {
    const char *fault = inject_check(credential, request);
    uint64_t max = credential->limits.max_body;

    if (fault)
        return (struct verdict){.refusal = REFUSAL_PLACE, .reason = fault};
    if (request->is_upgrade && !credential->allows_websocket)
        return (struct verdict){.refusal = REFUSAL_WEBSOCKET};
    if (max > 0 && (data.n > max || (request->body.kind == HTTP_BODY_LENGTH && request->body.length > max)))
        return (struct verdict){.refusal = REFUSAL_MAX_BODY};
    return (struct verdict){.refusal = REFUSAL_NONE};
}

/* What has nothing to do with this request. */
static struct verdict by_state(struct lease *lease, bool may_use) {
    struct verdict verdict = {.refusal = REFUSAL_NONE};

    watch_over_time(lease);
    if (lease->ended != REFUSAL_NONE)
        verdict.refusal = lease->ended;
    else if (!may_use)
        verdict.refusal = REFUSAL_EXECUTABLE;
    else if (*lease->is_audit_blocked)
        verdict = (struct verdict){.refusal = REFUSAL_AUDIT, .retry_after_s = 1};
    return verdict;
}

/* A placeholder on its way out is told of, whatever else is wrong with the request. */
static struct verdict by_placeholder(struct lease *lease, bool may_use, const struct request_head *request,
                                     struct placeholder_stray *ret_stray) {
    struct verdict verdict;

    switch (placeholder_judge(lease->held->credential, lease_placeholder(lease), lease->canary, request, ret_stray)) {
    case PLACEHOLDER_USE_ASTRAY:
        return (struct verdict){.refusal = REFUSAL_EXFILTRATION};
    case PLACEHOLDER_USE_NO_MEMORY:
        return (struct verdict){.refusal = REFUSAL_NO_MEMORY};
    case PLACEHOLDER_USE_FOREIGN:
        verdict = by_state(lease, may_use);
        if (verdict.refusal != REFUSAL_NONE)
            return verdict;
        return (struct verdict){.refusal = REFUSAL_PLACE,
                                .status = 403,
                                .reason = "something else than the lease's placeholder stands where the key goes",
                                .hint = "send the placeholder, which is in the variable that has {placeholder} in the "
                                        "credential's env, or send nothing there"};
    case PLACEHOLDER_USE_GOOD:
        break;
    }
    return by_state(lease, may_use);
}

struct verdict lease_admit(struct lease *lease, bool may_use, const struct request_head *request, struct slice data,
                           struct placeholder_stray *ret_stray) {
    const struct credential *credential = lease->held->credential;
    struct verdict verdict = by_placeholder(lease, may_use, request, ret_stray), shape;

    if (verdict.refusal == REFUSAL_NONE)
        verdict = by_rules(credential, request);
    if (verdict.refusal != REFUSAL_NONE)
        return verdict;
    shape = by_shape(credential, request, data);
    if (shape.refusal != REFUSAL_NONE)
        return shape;
    if (!held_is_current(lease->held))
        return (struct verdict){.refusal = REFUSAL_SECRET,
                                .reason = lease->held->current
                                              ? "the secret has expired, and its source gives no new one"
                                              : "the secret that came cannot be used",
                                .retry_after_s = 5};
    verdict.refusal = budget_take(&lease->budget, &credential->limits, loop_now_ms(), &verdict.retry_after_s);
    if (verdict.refusal == REFUSAL_CONCURRENT)
        verdict.retry_after_s = 1;
    end_if_spent(lease);
    return verdict;
}

void lease_release(struct lease *lease) {
    budget_release(&lease->budget);
    end_if_spent(lease);
}

/* A part of the budget at a time is told of before it is used: a keeper that is killed has spent no byte unseen. */
static void claim(struct lease *lease, uint64_t bytes) {
    uint64_t limit = lease->held->credential->limits.bytes;

    if (limit == 0 || lease->budget.bytes + bytes <= lease->claimed)
        return;
    lease->claimed = lease->budget.bytes + bytes + limit / 16;
    lease->on_claimed(lease);
}

void lease_spend(struct lease *lease, uint64_t bytes) {
    claim(lease, bytes);
    if (!budget_spend(&lease->budget, &lease->held->credential->limits, bytes))
        lease_end(lease, REFUSAL_BYTES);
}
