/*
 * One workload: its relay and its lease channels. What comes in on them is for dial.c, what became of its leases for
 * grant.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "egress/credential_codec.h"
#include "egress/desk/broker_state.h"
#include "egress/desk/calls.h"
#include "egress/desk/door_files.h"
#include "egress/desk/turned_away.h"
#include "egress/desk/ways.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76 /* asm-generic/socket.h, since 6.5 */
#endif

static const char could_not_start[] = "the relay could not be started";

void holder_free(struct holder *holder) {
    if (holder->broker->listed == holder)
        holder->broker->listed = NULL;
    if (holder->at)
        *holder->at = holder->next;
    if (holder->at && holder->next)
        holder->next->at = holder->at;
    for (size_t i = 0; i < holder->n_grants; i++) {
        struct possession *possession = holder->grants[i].possession;

        if (possession->borrower == holder)
            possession->borrower = NULL;
        possession_unref(possession);
    }
    free(holder->fault);
    free(holder);
}

static void enter_list(struct holder *holder) {
    struct broker *broker = holder->broker;

    holder->next = broker->holders;
    holder->at = &broker->holders;
    if (holder->next)
        holder->next->at = &holder->next;
    broker->holders = holder;
}

/* A lent key that the keeper has not said that it holds is not there yet. */
static bool has_key(const struct holder *holder) {
    const struct possession *possession = holder->n_grants > 0 ? holder->grants[0].possession : NULL;

    return !possession || !possession->lent || possession->is_kept;
}

/* Nobody can use its leases any more: the keeper forgets them, and what was lent. */
static void leave(struct holder *holder, const char *cause) {
    struct broker *broker = holder->broker;
    struct ipc_writer w = ipc_begin(IPC_DROP);

    holder->is_gone = true;
    ipc_put_u32(&w, holder->identity_number);
    custody_send(broker, &w, -EBADF);
    number_table_remove(&broker->identities, holder->identity_number);
    for (size_t i = 0; i < holder->n_grants; i++) {
        if (holder->grants[i].number > 0)
            holder_lease_ended(holder, &holder->grants[i], REFUSAL_REVOKED, cause);
        possession_take_back(holder->grants[i].possession);
    }
    stream_table_side_gone(&broker->streams, holder);
    ways_side_gone(broker, holder);
}

void holder_go_on(struct holder *holder) {
    bool is_ready = holder->relay.is_ready && holder->is_open;

    if (!is_ready || holder->is_told || holder->is_ending || holder->is_gone || holder->fault || !has_key(holder))
        return;
    if (holder->doors && holder->doors->has_proxy && !holder->doors->bundle)
        return; /* its relay has not made its authority yet */
    holder->is_told = true;
    holder->on_ready(holder->owner);
}

/* Its relay was a spare: it has nothing new to say, but its owner is to hear of it as of any other. */
static void spare_heard(void *owner) {
    struct child *child = owner;

    child->channel.on_heard = NULL;
    holder_go_on(child->owner);
}

static int on_relay_hello(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct holder *holder = child->owner;
    int r = child_on_hello(owner, m);

    if (r == 0 && holder != holder->broker->spare)
        holder_go_on(holder);
    return r;
}

#define EVERY_RELAYS                                                                                                   \
    {IPC_HELLO, 1, on_relay_hello}, {IPC_LOG, 1, child_on_log}, {IPC_DIAL, 1, dial_take},                              \
        {IPC_REFUSAL, 1, dial_take_refusal}, {                                                                         \
        IPC_STREAM_ENDED, 1, dial_take_end                                                                             \
    }

static const struct ipc_permit plain_permits[] = {EVERY_RELAYS};
static const struct ipc_permit door_permits[] = {
    EVERY_RELAYS, {IPC_CALL, 1, calls_take}, {IPC_TURNED_AWAY, 1, turned_away_take}};
static const struct ipc_permit proxy_permits[] = {
    EVERY_RELAYS,
    {IPC_CALL, 1, calls_take},
    {IPC_TURNED_AWAY, 1, turned_away_take},
    {IPC_WAY, 1, ways_take},
    {IPC_WAY_USED, 1, ways_take_used},
    {IPC_WAY_CLOSED, 1, ways_take_close},
    {IPC_AUTHORITY, 1, door_files_take},
};

/* By what it is to do: what it has no use for, it has no leave for. */
static const struct relay_kind {
    const char *program;
    const struct ipc_permit *permits;
    size_t n_permits;
} plain_relay = {"credfd-relay", plain_permits, ARRAY_LEN(plain_permits)},
  door_relay = {"credfd-relay", door_permits, ARRAY_LEN(door_permits)},
  proxy_relay = {"credfd-proxy", proxy_permits, ARRAY_LEN(proxy_permits)};

static const struct relay_kind *kind_for(const struct doors *doors) {
    if (!doors || !doors_are_wanted(doors))
        return &plain_relay;
    return doors->has_proxy ? &proxy_relay : &door_relay;
}

/* Its end of the lease channels went with it: nobody can be told to ask again, so these leases are over. */
static void relay_lost(struct holder *holder, bool was_ready, int wait_status) {
    struct broker *broker = holder->broker;
    char what[CHILD_END_TEXT];

    if (was_ready)
        log_error("%s: its leases are gone", child_describe_end(&holder->relay, wait_status, what));
    leave(holder, "the relay ended unexpectedly");
    if (holder->on_lost) {
        if (!was_ready)
            log_error("%s", could_not_start);
        holder->on_lost(holder->owner);
    } else if (!was_ready) {
        broker_fail(broker, could_not_start); /* whose owner may stop the broker, and the holder is gone then */
    }
}

static void relay_exited(struct child *child, int wait_status) {
    struct holder *holder = child->owner;
    struct broker *broker = holder->broker;

    if (holder == broker->spare) {
        spare_gone(holder);
        return;
    }
    if (!holder->is_ending) {
        relay_lost(holder, child->is_ready, wait_status);
        return;
    }
    leave(holder, "its command has ended");
    holder_free(holder);
    broker_go_on(broker);
}

static int send_timeouts(struct holder *holder) {
    struct ipc_writer w = timeouts_encode(&holder->broker->settings->timeouts);

    return channel_send(&holder->relay.channel, &w, -EBADF);
}

/* The kernel is told to name every sender, before the other end is in anybody's hands. */
static int make_lease_channel(int ret_ends[2]) {
    const int on = 1;
    int r = fd_pair(SOCK_SEQPACKET, ret_ends);

    if (r < 0)
        return r;
    if (setsockopt(ret_ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0) {
        r = -errno;
        fd_close(&ret_ends[0]);
        fd_close(&ret_ends[1]);
        return r;
    }
    (void)setsockopt(ret_ends[0], SOL_SOCKET, SO_PASSPIDFD, &on, sizeof(on)); /* where the kernel has it */
    return 0;
}

static int open_door(struct holder *holder, uint32_t door, int *ret_end) {
    struct ipc_writer w;
    int ends[2], r = make_lease_channel(ends);

    if (r < 0)
        return r;
    w = door_encode(door, holder->grants[door].possession->credential);
    r = channel_send(&holder->relay.channel, &w, ends[0]);
    fd_close(&ends[0]);
    if (r < 0)
        fd_close(&ends[1]);
    else
        *ret_end = ends[1];
    return r;
}

static int open_lease_doors(struct holder *holder, int *ret_ends) {
    int r = send_timeouts(holder);

    for (uint32_t i = 0; r == 0 && i < holder->n_grants; i++) {
        r = open_door(holder, i, &ret_ends[i]);
        for (uint32_t made = 0; r < 0 && made < i; made++)
            fd_close(&ret_ends[made]);
    }
    return r;
}

static struct holder *holder_blank(struct broker *broker, size_t n) {
    struct holder *holder = calloc(1, sizeof(*holder) + n * sizeof(holder->grants[0]));

    if (!holder)
        return NULL;
    holder->broker = broker;
    return holder;
}

/* Takes over a reference to each of the possessions, even on failure. `holder` may be NULL: there was no memory. */
static int holder_fill(struct holder *holder, struct broker *broker, const char *identity,
                       struct possession *const *possessions, size_t n) {
    int r = holder ? number_table_give(&broker->identities, holder, &holder->identity_number) : -ENOMEM;

    if (r < 0) {
        for (size_t i = 0; i < n; i++) {
            possession_take_back(possessions[i]);
            possession_unref(possessions[i]);
        }
        return r;
    }
    memcpy(holder->identity, identity, strlen(identity) + 1);
    for (; holder->n_grants < n; holder->n_grants++)
        holder->grants[holder->n_grants].possession = possessions[holder->n_grants];
    return 0;
}

static int start_relay(struct holder *holder) {
    const struct relay_kind *kind = kind_for(holder->doors);
    int r;

    holder->is_open = kind == &plain_relay;
    r = child_start(&holder->relay, kind->program, NULL, kind->permits, kind->n_permits, 1, relay_exited, holder);
    holder->relay.is_known_by_channel = r == 0;
    return r;
}

/* Starts its relay, if it has none. On failure the holder is freed, now or when the relay has gone. */
static int holder_start(struct holder *holder, int *ret_ends) {
    int r = child_is_running(&holder->relay) ? 0 : start_relay(holder);

    if (r < 0) {
        leave(holder, could_not_start);
        holder_free(holder);
        return r;
    }
    enter_list(holder);
    r = open_lease_doors(holder, ret_ends);
    if (r < 0) {
        holder_end(holder);
        return r;
    }
    holder_number_leases(holder);
    if (holder->relay.is_ready) {
        holder->relay.channel.on_heard = spare_heard;
        watch_again(&holder->relay.channel.watch);
    }
    return 0;
}

int holder_start_spare(struct broker *broker, struct holder **ret) {
    struct holder *holder = holder_blank(broker, 1);
    int r = holder ? start_relay(holder) : -ENOMEM;

    if (r < 0)
        free(holder);
    else
        *ret = holder;
    return r;
}

static bool may_grant(const struct broker *broker, const char *identity) {
    return !broker->is_stopping && strlen(identity) <= LIMIT_IDENTITY;
}

int broker_grant(struct broker *broker, const char *identity, struct doors *doors, void (*on_ready)(void *owner),
                 void *owner, int *ret_ends, struct holder **ret) {
    struct holder *holder;
    int r;

    if (!may_grant(broker, identity))
        return -EINVAL;
    for (size_t i = 0; i < broker->n_configured; i++)
        (void)possession_ref(broker->configured[i]);
    holder = holder_blank(broker, broker->n_configured);
    r = holder_fill(holder, broker, identity, broker->configured, broker->n_configured);
    if (r < 0) {
        free(holder);
        return r;
    }
    holder->doors = doors;
    holder->on_ready = on_ready;
    holder->owner = owner;
    r = holder_start(holder, ret_ends);
    if (r == 0)
        *ret = holder;
    return r;
}

/* The spare, when there is one. NULL without memory. */
static struct holder *holder_for_loan(struct broker *broker) {
    struct holder *spare = spare_take(broker);

    return spare ? spare : holder_blank(broker, 1);
}

int broker_lend(struct broker *broker, const struct loan *loan, const char *identity, void (*on_ready)(void *owner),
                void *owner, int *ret_end, struct holder **ret) {
    struct possession *possession;
    struct holder *holder;
    int key = loan->key, r;

    if (!may_grant(broker, identity)) {
        fd_close(&key);
        return -EINVAL;
    }
    r = possession_lend(broker, loan, &possession);
    if (r < 0)
        return r;
    holder = holder_for_loan(broker);
    r = holder_fill(holder, broker, identity, &possession, 1);
    if (r < 0) {
        spare_give_back(broker, holder);
        return r;
    }
    possession->borrower = holder;
    holder->on_ready = on_ready;
    holder->owner = owner;
    r = holder_start(holder, ret_end);
    spare_want(broker);
    if (r == 0)
        *ret = holder;
    return r;
}

void holder_on_lost(struct holder *holder, void (*on_lost)(void *owner)) {
    holder->on_lost = on_lost;
}

const char *holder_fault(const struct holder *holder) {
    return holder->fault;
}

/* Its relay goes when its owner ends it, as he has to. */
void holder_fail(struct holder *holder, struct slice fault) {
    if (holder->is_ending || holder->is_gone || holder->fault)
        return;
    holder->fault = strndup(fault.p, fault.n);
    if (holder->on_lost)
        holder->on_lost(holder->owner);
    else if (!holder->is_told)
        broker_fail(holder->broker, holder->fault ? holder->fault : could_not_start);
}

/* What was lent is taken back at once: its requests are cut, whether or not the relay goes soon. */
void holder_end(struct holder *holder) {
    holder->is_ending = true;
    if (holder->is_gone) {
        holder_free(holder);
        return;
    }
    for (size_t i = 0; i < holder->n_grants; i++)
        if (holder->grants[i].possession->lent && holder->grants[i].number > 0)
            holder_revoke(holder, &holder->grants[i], REFUSAL_REVOKED, "its command has ended");
    child_stop(&holder->relay);
}
