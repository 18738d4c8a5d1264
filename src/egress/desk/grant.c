/*
 * The leases of a workload, as the supervisor knows them: numbered, counted, ended, and told to the keeper, again when
 * that was started again.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/desk/broker_state.h"
#include "egress/placeholder/placeholder.h"
#include "egress/settings/environment.h"

static void audit_lease(const struct holder *holder, const struct grant *grant, enum audit_event_kind kind,
                        const char *reason) {
    struct lease_id id = {.pid = (uint32_t)getpid(), .number = grant->number};
    char text[LEASE_ID_MAX];
    struct audit_event event = {
        .kind = kind,
        .lease = grant->possession->credential->name,
        .identity = holder->identity,
        .id = text,
        .reason = reason,
    };

    lease_id_format(id, text);
    (void)audit_event(holder->broker->audit, &event); /* it says itself what it could not write */
}

/* What is left of its ttl in ms, as the configuration says now; LEASE_FOREVER without one. */
static uint64_t life_left(const struct grant *grant) {
    uint64_t ttl_ms = grant->possession->credential->limits.ttl_ms;
    uint64_t age_ms = clock_now_ms() - grant->granted_at;

    if (ttl_ms == 0)
        return LEASE_FOREVER;
    return ttl_ms > age_ms ? ttl_ms - age_ms : 0;
}

struct grant *holder_grant(struct holder *holder, uint32_t credential) {
    for (size_t i = 0; i < holder->n_grants; i++)
        if (holder->grants[i].possession->number == credential)
            return &holder->grants[i];
    return NULL;
}

void holder_tell_life(struct holder *holder, const struct grant *grant) {
    uint64_t left_ms = life_left(grant);
    struct ipc_writer w = ipc_begin(IPC_GRANT);

    if (holder->is_gone)
        return;
    ipc_put_u32(&w, grant->possession->number);
    ipc_put_u32(&w, holder->identity_number);
    ipc_put_u64(&w, WEAKENED(SPENT) ? 0 : grant->admitted);
    ipc_put_u64(&w, WEAKENED(SPENT) ? 0 : MAX_OF(grant->bytes_in + grant->bytes_out, grant->claimed));
    ipc_put_u64(&w, left_ms == LEASE_FOREVER ? 0 : MAX_OF(left_ms, (uint64_t)1)); /* 0 would be for ever */
    custody_send(holder->broker, &w, -EBADF);
}

/* The keeper is to know it before the first request comes; the relay, where it passes on what no keeper sees. */
static void tell_placeholder(struct holder *holder, const struct grant *grant) {
    struct ipc_writer w = ipc_begin(IPC_PLACEHOLDER);

    if (grant->placeholder[0] == '\0')
        return;
    ipc_put_u32(&w, grant->possession->number);
    ipc_put_u32(&w, holder->identity_number);
    ipc_put_bytes(&w, slice_of_string(grant->placeholder));
    custody_send(holder->broker, &w, -EBADF);
}

static void tell_relay_placeholder(struct holder *holder, const struct grant *grant) {
    struct ipc_writer w = ipc_begin(IPC_PLACEHOLDER);

    if (grant->placeholder[0] == '\0' || !holder->doors || !holder->doors->has_proxy)
        return;
    ipc_put_u32(&w, (uint32_t)(grant - holder->grants));
    ipc_put_bytes(&w, slice_of_string(grant->placeholder));
    (void)channel_send(&holder->relay.channel, &w, -EBADF);
}

/* Those that share a key are one to a program, and so is what stands for it; unless they are to look different. */
static void share_placeholder(struct holder *holder, struct grant *grant) {
    const struct possession *leader = grant->possession->leader;
    const struct grant *first = leader ? holder_grant(holder, leader->number) : NULL;
    const char *shape = grant->possession->credential->placeholder;
    const char *of_first = first ? first->possession->credential->placeholder : NULL;

    if (of_first && (!shape || slice_equals(slice_of_string(shape), slice_of_string(of_first))))
        memcpy(grant->placeholder, first->placeholder, sizeof(grant->placeholder));
}

/* One for each lease, and for those that share their key the same. */
static void make_placeholders(struct holder *holder) {
    for (size_t i = 0; i < holder->n_grants; i++) {
        const char *shape = holder->grants[i].possession->credential->placeholder;

        if (shape)
            (void)placeholder_make(slice_of_string(shape), holder->grants[i].placeholder);
    }
    for (size_t i = 0; i < holder->n_grants; i++)
        share_placeholder(holder, &holder->grants[i]);
}

static void tell_keeper_end(struct holder *holder, const struct grant *grant) {
    struct ipc_writer w = ipc_begin(IPC_REVOKE);

    ipc_put_u32(&w, grant->possession->number);
    ipc_put_u32(&w, holder->identity_number);
    ipc_put_u8(&w, (uint8_t)grant->ended);
    custody_send(holder->broker, &w, -EBADF);
}

void holder_grant_again(struct holder *holder) {
    for (size_t i = 0; !holder->is_gone && i < holder->n_grants; i++) {
        holder_tell_life(holder, &holder->grants[i]);
        tell_placeholder(holder, &holder->grants[i]);
        if (holder->grants[i].ended != REFUSAL_NONE && !WEAKENED(ENDED))
            tell_keeper_end(holder, &holder->grants[i]);
    }
}

void holder_lease_ended(struct holder *holder, struct grant *grant, enum refusal why, const char *cause) {
    if (grant->ended != REFUSAL_NONE)
        return;
    grant->ended = why;
    metrics_lease_ended(&holder->broker->metrics, grant->possession->label);
    log_info("lease %s: %s", grant->possession->credential->name, cause);
    audit_lease(holder, grant, AUDIT_LEASE_ENDED, cause);
}

void holder_revoke(struct holder *holder, struct grant *grant, enum refusal why, const char *cause) {
    if (grant->ended != REFUSAL_NONE)
        return;
    holder_lease_ended(holder, grant, why, cause);
    tell_keeper_end(holder, grant);
}

void grant_count(struct grant *grant, const struct exchange_record *record) {
    grant->requests++;
    grant->refused += record->refusal != REFUSAL_NONE;
    grant->admitted += record->is_admitted;
    grant->bytes_in += record->bytes_in;
    grant->bytes_out += record->is_admitted ? record->bytes_out : 0;
}

static struct lease_info info_of(const struct holder *holder, const struct grant *grant) {
    return (struct lease_info){
        .number = grant->number,
        .lease = slice_of_string(grant->possession->credential->name),
        .identity = slice_of_string(holder->identity),
        .started_ms = grant->granted_ms,
        .left_ms = life_left(grant),
        .requests = grant->requests,
        .refused = grant->refused,
        .active = grant->n_open + grant->n_called,
        .bytes_in = grant->bytes_in,
        .bytes_out = grant->bytes_out,
        .ended = grant->ended,
    };
}

/* They were numbered in their order. */
struct grant *holder_find_lease(struct holder *holder, uint32_t after, struct lease_info *ret) {
    for (size_t i = 0; i < holder->n_grants; i++)
        if (holder->grants[i].number > after) {
            *ret = info_of(holder, &holder->grants[i]);
            return &holder->grants[i];
        }
    return NULL;
}

void holder_number_leases(struct holder *holder) {
    struct broker *broker = holder->broker;
    struct timespec now;

    make_placeholders(holder);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    for (size_t i = 0; i < holder->n_grants; i++) {
        struct grant *grant = &holder->grants[i];

        grant->number = ++broker->n_leases;
        grant->granted_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
        grant->granted_at = clock_now_ms();
        holder_tell_life(holder, grant);
        tell_placeholder(holder, grant);
        tell_relay_placeholder(holder, grant);
        metrics_lease_granted(&broker->metrics, grant->possession->label);
        audit_lease(holder, grant, AUDIT_LEASE_GRANTED, NULL);
    }
}

int holder_environment(const struct holder *holder, int fd, struct buf *to) {
    struct environment_lease leases[LIMIT_LEASES];

    for (size_t i = 0; i < holder->n_grants; i++)
        leases[i] = (struct environment_lease){
            .credential = holder->grants[i].possession->credential,
            .doors = holder->doors ? &holder->doors->lease[i] : NULL,
            .placeholder = holder->grants[i].placeholder,
        };
    return environment_add(to, leases, holder->n_grants, fd);
}
