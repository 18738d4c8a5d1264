/*
 * The leases of a workload, as the supervisor knows them: numbered, counted, ended, and told to the keeper, again when
 * that was started again.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/broker_state.h"

static void audit_lease(struct holder *holder, uint32_t credential, enum audit_event_kind kind, const char *reason) {
    struct lease_id id = {.pid = (uint32_t)getpid(), .number = holder->grants[credential].number};
    char text[LEASE_ID_MAX];
    struct audit_event event = {
        .kind = kind,
        .lease = holder->broker->credentials[credential]->name,
        .identity = holder->identity,
        .id = text,
        .reason = reason,
    };

    lease_id_format(id, text);
    (void)audit_event(holder->broker->audit, &event); /* it says itself what it could not write */
}

/* What is left of its ttl in ms, as the configuration says now; LEASE_FOREVER without one. */
static uint64_t life_left(const struct holder *holder, uint32_t credential) {
    uint64_t ttl_ms = holder->broker->credentials[credential]->limits.ttl_ms;
    uint64_t age_ms = clock_now_ms() - holder->grants[credential].granted_at;

    if (ttl_ms == 0)
        return LEASE_FOREVER;
    return ttl_ms > age_ms ? ttl_ms - age_ms : 0;
}

void holder_tell_life(struct holder *holder, uint32_t credential) {
    const struct grant *grant = &holder->grants[credential];
    uint64_t left_ms = life_left(holder, credential);
    struct ipc_writer w = ipc_begin(IPC_GRANT);

    ipc_put_u32(&w, credential);
    ipc_put_u32(&w, holder->identity_number);
    ipc_put_u64(&w, WEAKENED(SPENT) ? 0 : grant->admitted);
    ipc_put_u64(&w, WEAKENED(SPENT) ? 0 : MAX_OF(grant->bytes_in + grant->bytes_out, grant->claimed));
    ipc_put_u64(&w, left_ms == LEASE_FOREVER ? 0 : MAX_OF(left_ms, (uint64_t)1)); /* 0 would be for ever */
    custody_send(holder->broker, &w, -EBADF);
}

static void tell_keeper_end(struct holder *holder, uint32_t credential) {
    struct ipc_writer w = ipc_begin(IPC_REVOKE);

    ipc_put_u32(&w, credential);
    ipc_put_u32(&w, holder->identity_number);
    ipc_put_u8(&w, (uint8_t)holder->grants[credential].ended);
    custody_send(holder->broker, &w, -EBADF);
}

void holder_grant_again(struct holder *holder) {
    for (uint32_t i = 0; i < holder->broker->n_credentials; i++) {
        holder_tell_life(holder, i);
        if (holder->grants[i].ended != REFUSAL_NONE && !WEAKENED(ENDED))
            tell_keeper_end(holder, i);
    }
}

void holder_lease_ended(struct holder *holder, uint32_t credential, enum refusal why, const char *cause) {
    if (holder->grants[credential].ended != REFUSAL_NONE)
        return;
    holder->grants[credential].ended = why;
    metrics_lease_ended(&holder->broker->metrics, credential);
    log_info("lease %s: %s", holder->broker->credentials[credential]->name, cause);
    audit_lease(holder, credential, AUDIT_LEASE_ENDED, cause);
}

void holder_revoke(struct holder *holder, uint32_t credential, enum refusal why, const char *cause) {
    if (holder->grants[credential].ended != REFUSAL_NONE)
        return;
    holder_lease_ended(holder, credential, why, cause);
    tell_keeper_end(holder, credential);
}

void holder_count(struct holder *holder, uint32_t credential, const struct exchange_record *record) {
    struct grant *grant = &holder->grants[credential];

    grant->requests++;
    grant->refused += record->refusal != REFUSAL_NONE;
    grant->admitted += record->is_admitted;
    grant->bytes_in += record->bytes_in;
    grant->bytes_out += record->is_admitted ? record->bytes_out : 0;
}

static struct lease_info info_of(const struct holder *holder, uint32_t credential) {
    const struct grant *grant = &holder->grants[credential];

    return (struct lease_info){
        .number = grant->number,
        .lease = slice_of_string(holder->broker->credentials[credential]->name),
        .identity = slice_of_string(holder->identity),
        .started_ms = grant->granted_ms,
        .left_ms = life_left(holder, credential),
        .requests = grant->requests,
        .refused = grant->refused,
        .active = grant->n_open,
        .bytes_in = grant->bytes_in,
        .bytes_out = grant->bytes_out,
        .ended = grant->ended,
    };
}

/* They were numbered in their order. */
bool holder_find_lease(struct holder *holder, uint32_t after, struct lease_info *ret, uint32_t *ret_credential) {
    for (uint32_t i = 0; i < holder->broker->n_credentials; i++)
        if (holder->grants[i].number > after) {
            *ret = info_of(holder, i);
            *ret_credential = i;
            return true;
        }
    return false;
}

void holder_number_leases(struct holder *holder) {
    struct broker *broker = holder->broker;
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    for (uint32_t i = 0; i < broker->n_credentials; i++) {
        holder->grants[i] = (struct grant){
            .number = ++broker->n_leases,
            .granted_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
            .granted_at = clock_now_ms(),
        };
        holder_tell_life(holder, i);
        metrics_lease_granted(&broker->metrics, i);
        audit_lease(holder, i, AUDIT_LEASE_GRANTED, NULL);
    }
}
