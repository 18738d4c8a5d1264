/*
 * Who has custody of the secrets: the keeper, and the resolver beside it; what they are given, in which order, and how
 * they are started again when they die. What a new keeper is given is what the old one had: definitions, certificates,
 * secrets (sealed, this process cannot read them), and the leases with what they have spent.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "egress/credential_codec.h"
#include "egress/desk/broker_state.h"
#include "egress/desk/ways.h"
#include "names/trust.h"
#include "net/address.h"

static struct broker *broker_of(struct child *child) {
    struct standing *standing = child->owner;

    return standing->owner;
}

void custody_send(struct broker *broker, const struct ipc_writer *w, int fd) {
    /* a keeper that cannot be told anything any more is about to be known as dead */
    if (broker->is_keeper_serving)
        (void)channel_send(&broker->keeper.child.channel, w, fd);
}

/* One of many, while a command is busy: they are heard, and written, together. */
static int on_exchange(void *owner, struct ipc_message *m) {
    struct broker *broker = broker_of(owner);
    struct exchange_record record;
    struct stream_entry *entry;
    uint64_t stream;

    if (record_decode(m, &stream, &record) < 0)
        return -EPROTO;
    watch_gather(&broker->keeper.child.channel.watch, GATHER_ACCOUNTS);
    entry = stream_table_find(&broker->streams, stream);
    if (!entry)
        return 0;
    entry->n_told++;
    report_drop(entry);
    broker_note(broker, entry, &record);
    return 0;
}

static void all_heard(void *owner) {
    audit_flush(broker_of(owner)->audit);
}

static int on_stream_ended(void *owner, struct ipc_message *m) {
    struct broker *broker = broker_of(owner);
    struct stream_entry *entry = stream_table_find(&broker->streams, ipc_get_u64(m));

    if (ipc_end(m) < 0)
        return -EPROTO;
    if (entry)
        stream_table_keeper_done(&broker->streams, entry);
    broker_go_on(broker);
    return 0;
}

/* The lease that the keeper speaks of: NULL for one whose holder has gone meanwhile. */
static struct grant *get_grant(struct broker *broker, struct ipc_message *m, struct holder **ret_holder) {
    uint32_t credential = ipc_get_u32(m), identity = ipc_get_u32(m);

    *ret_holder = number_table_find(&broker->identities, identity);
    return *ret_holder ? holder_grant(*ret_holder, credential) : NULL;
}

static int on_claimed(void *owner, struct ipc_message *m) {
    struct holder *holder;
    struct grant *grant = get_grant(broker_of(owner), m, &holder);
    uint64_t bytes = ipc_get_u64(m);

    if (ipc_end(m) < 0)
        return -EPROTO;
    if (grant)
        grant->claimed = bytes;
    return 0;
}

static int on_spent(void *owner, struct ipc_message *m) {
    struct holder *holder;
    struct grant *grant = get_grant(broker_of(owner), m, &holder);
    uint8_t why = ipc_get_u8(m);

    if (ipc_end(m) < 0 || why >= REFUSALS)
        return -EPROTO;
    if (grant)
        holder_lease_ended(holder, grant, why, refusal_text(why)->reason);
    return 0;
}

static int on_exfiltration(void *owner, struct ipc_message *m) {
    return exfiltration_take(broker_of(owner), m);
}

static int on_vault(void *owner, struct ipc_message *m) {
    return vault_take(broker_of(owner), m);
}

static int on_kept(void *owner, struct ipc_message *m) {
    return vault_take_kept(broker_of(owner), m);
}

static const struct ipc_permit keeper_permits[] = {
    {IPC_HELLO, 1, standing_on_hello},      {IPC_LOG, 1, child_on_log}, {IPC_EXCHANGE, 1, on_exchange},
    {IPC_STREAM_ENDED, 1, on_stream_ended}, {IPC_SPENT, 1, on_spent},   {IPC_CLAIMED, 1, on_claimed},
    {IPC_EXFILTRATION, 1, on_exfiltration}, {IPC_VAULT, 1, on_vault},   {IPC_KEPT, 1, on_kept},
};
static const struct ipc_permit resolver_permits[] = {{IPC_HELLO, 1, standing_on_hello}, {IPC_LOG, 1, child_on_log}};

static int send_definition(const struct possession *possession) {
    struct ipc_writer w = credential_encode(possession->number, possession->credential);

    return channel_send(&possession->broker->keeper.child.channel, &w, -EBADF);
}

static int send_ca(const struct possession *possession) {
    struct ipc_writer w = ipc_begin(IPC_CA_FILE);

    ipc_put_u32(&w, possession->number);
    return channel_send(&possession->broker->keeper.child.channel, &w, certificates_fd(possession->ca));
}

static int send_secret(const struct possession *possession) {
    struct ipc_writer w;
    uint64_t left_ms = 0, now = clock_now_ms();

    if (possession->expires_at >
        0) /* 0 is for never: what has expired has a moment left, and nothing is served by it */
        left_ms = possession->expires_at > now ? possession->expires_at - now : 1;
    if (possession->place.n > 0)
        return vault_send_place(possession, left_ms);
    w = ipc_begin(IPC_SECRET);
    ipc_put_u32(&w, possession->number);
    ipc_put_u64(&w, left_ms);
    return channel_send(&possession->broker->keeper.child.channel, &w, possession->sealed);
}

static int send_possession(const struct possession *possession) {
    int r = send_definition(possession);

    if (r == 0 && possession->ca)
        r = send_ca(possession);
    return r == 0 ? send_secret(possession) : r;
}

void custody_send_possession(const struct possession *possession) {
    if (possession->broker->is_keeper_serving)
        (void)send_possession(possession);
}

void custody_send_definition(const struct possession *possession) {
    if (possession->broker->is_keeper_serving)
        (void)send_definition(possession);
}

void custody_send_secret(const struct possession *possession) {
    if (possession->broker->is_keeper_serving)
        (void)send_secret(possession);
}

void custody_send_blocked(struct broker *broker) {
    struct ipc_writer w = ipc_begin(IPC_BLOCK);

    ipc_put_u8(&w, broker->is_audit_blocked);
    custody_send(broker, &w, -EBADF);
}

static int send_trust(struct broker *broker) {
    struct ipc_writer w = ipc_begin(IPC_TRUST);

    return broker->bundle < 0 ? 0 : channel_send(&broker->keeper.child.channel, &w, broker->bundle);
}

int custody_introduce_resolver(struct broker *broker, struct channel *channel) {
    struct ipc_writer w = ipc_begin(IPC_RESOLVER);

    return standing_is_ready(&broker->resolver) ? standing_introduce(&broker->resolver, channel, &w) : 0;
}

/* Anew whenever one of the two is new. */
static int send_resolver(struct broker *broker) {
    return custody_introduce_resolver(broker, &broker->keeper.child.channel);
}

static int send_those(struct broker *broker, bool have_place) {
    const struct possession *possession;
    size_t at = 0;
    int r = 0;

    while (r == 0 && (possession = number_table_each(&broker->possessions, &at)) != NULL)
        if ((possession->place.n > 0) == have_place)
            r = send_possession(possession);
    return r;
}

/* First those that lie in the vault: only when they are claimed the keeper knows which room there is free. */
static int send_possessions(struct broker *broker) {
    int r = vault_send_regions(broker);

    if (r == 0)
        r = send_those(broker, true);
    if (r == 0)
        r = vault_send_end(broker);
    return r == 0 ? send_those(broker, false) : r;
}

int custody_serve(struct broker *broker) {
    struct ipc_writer w = timeouts_encode(&broker->settings->timeouts);
    int r = channel_send(&broker->keeper.child.channel, &w, -EBADF);

    if (r == 0)
        r = send_trust(broker);
    if (r == 0)
        r = send_resolver(broker);
    if (r == 0)
        r = send_possessions(broker);
    if (r < 0)
        return r;
    broker->is_keeper_serving = true;
    custody_send_blocked(broker);
    for (struct holder *holder = broker->holders; holder; holder = holder->next)
        holder_grant_again(holder);
    return 0;
}

/* The first time the broker decides when; afterwards there is nothing to wait for. */
static void keeper_ready(struct standing *standing) {
    struct broker *broker = standing->owner;
    int r;

    standing->child.channel.max_queued = LIMIT_KEEPER_QUEUE;
    standing->child.channel.on_heard = all_heard;
    if (!broker->is_ready) {
        broker_go_on(broker);
        return;
    }
    r = custody_serve(broker);
    if (r < 0) {
        standing_fail(standing, r);
        return;
    }
    for (size_t i = 0; i < broker->n_configured; i++)
        if (!broker->configured[i]->leader)
            feed_refresh(broker->configured[i]->feed);
}

static void resolver_ready(struct standing *standing) {
    struct broker *broker = standing->owner;
    int r = ways_introduce_resolver(broker);

    if (r == 0 && broker->is_keeper_serving)
        r = send_resolver(broker);
    if (r < 0)
        standing_fail(standing, r);
    else if (!broker->is_keeper_serving)
        broker_go_on(broker);
}

/* Either has died, or has been stopped. */
static void role_exited(struct standing *standing, int wait_status) {
    struct broker *broker = standing->owner;
    char what[CHILD_END_TEXT];

    if (standing == &broker->keeper) {
        broker->is_keeper_serving = false;
        report_count_pending(broker);
        stream_table_side_gone(&broker->streams, NULL);
    }
    if (!broker->is_stopping) {
        (void)child_describe_end(&standing->child, wait_status, what);
        if (standing->was_ready && broker->is_ready) {
            log_error("%s: it is started again", what);
            metrics_restarted(&broker->metrics, standing == &broker->keeper ? METRICS_KEEPER : METRICS_RESOLVER);
            standing_again(standing);
        } else {
            broker_fail(broker, what);
        }
    }
    broker_go_on(broker);
}

static const struct standing_plan keeper_plan = {
    .name = "credfd-keeper",
    .permits = keeper_permits,
    .n_permits = ARRAY_LEN(keeper_permits),
    .on_ready = keeper_ready,
    .on_exited = role_exited,
};
static const struct standing_plan resolver_plan = {
    .name = "credfd-resolver",
    .permits = resolver_permits,
    .n_permits = ARRAY_LEN(resolver_permits),
    .on_ready = resolver_ready,
    .on_exited = role_exited,
};

static bool has_name(const struct credential *credential) {
    struct address address;

    return address_parse(credential->authority.host, 0, &address) < 0 &&
           !slice_equals_nocase(credential->authority.host, SLICE("localhost"));
}

int custody_start_resolver(struct broker *broker) {
    return broker->resolver.plan ? 0 : standing_start(&broker->resolver, &resolver_plan, NULL, broker);
}

int custody_resolve_for(struct broker *broker, const struct credential *credential) {
    return has_name(credential) ? custody_start_resolver(broker) : 0;
}

int custody_start(struct broker *broker, char **ret_error) {
    int r = trust_copy_named(&broker->bundle, ret_error);

    for (size_t i = 0; r == 0 && i < broker->n_configured; i++)
        r = possession_trust(broker->configured[i], ret_error);
    if (r == 0)
        r = standing_start(&broker->keeper, &keeper_plan, trust_named_directory(), broker);
    for (size_t i = 0; r == 0 && i < broker->n_configured; i++)
        r = custody_resolve_for(broker, broker->configured[i]->credential);
    if (r == 0 && broker->n_configured == 0) /* it lends: a loan's upstream is not made to wait for it */
        r = custody_start_resolver(broker);
    return r;
}

void custody_stop(struct broker *broker) {
    standing_stop(&broker->keeper);
    standing_stop(&broker->resolver);
}

bool custody_is_ready(const struct broker *broker) {
    return standing_is_ready(&broker->keeper) &&
           (!child_is_running(&broker->resolver.child) || standing_is_ready(&broker->resolver));
}

bool custody_is_quiet(const struct broker *broker) {
    return !child_is_running(&broker->keeper.child) && !child_is_running(&broker->resolver.child);
}
