/*
 * The keeper: the one process that maps secrets and talks to upstreams. It reads typed frames from our own roles, and
 * bytes from one kind of stranger only: the upstream, which has the secret anyway. It parses nothing that a workload
 * wrote, runs no command, and opens no file but certificates. One for each supervisor, which starts it.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/credential_codec.h"
#include "egress/keeper/keeper_stream.h"
#include "egress/keeper/lease_table.h"
#include "names/lookup.h"
#include "names/trust.h"
#include "net/own_machine.h"
#include "proc/role.h"

static struct number_table credentials; /* struct held */
static struct lease_table leases;
static struct anchors system_anchors = {.directory = TRUST_DIRECTORY};
static struct anchors *anchors_shelf; /* of the credentials that have a ca_file */
static struct timer trimming;         /* a while after a credential was forgotten */
static struct timeouts timeouts;
static bool is_audit_blocked;

/* NULL, and the message has failed, for one that is not known. */
static struct held *get_held(struct ipc_message *m, uint32_t *ret_id) {
    struct held *held;

    *ret_id = ipc_get_u32(m);
    held = number_table_find(&credentials, *ret_id);
    if (!held)
        ipc_fail(m);
    return held;
}

/* A bundle beside the directory, when the person who started credfd named one. */
static int on_trust(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    return ipc_end(m) < 0 ? -EPROTO : trust_map(fd, &system_anchors.pem);
}

static int on_timeouts(void *owner, struct ipc_message *m) {
    (void)owner;
    return timeouts_decode(m, &timeouts);
}

/* Again for one that is there, when the configuration was read again: rules and limits may differ, nothing else. */
static int on_credential(void *owner, struct ipc_message *m) {
    struct credential *credential;
    struct held *held;
    uint32_t id;
    int r = credential_decode(m, &id, &credential);

    (void)owner;
    if (r < 0)
        return r;
    held = number_table_find(&credentials, id);
    if (held)
        return held_define(held, credential) == -ENOMEM ? -ENOMEM : 0;
    r = held_new(credential, &held);
    if (r < 0)
        return r;
    r = number_table_put(&credentials, id, held);
    if (r < 0)
        held_unref(held);
    return r;
}

/* Whoever has lent it, or asked for it, is to know whether it can be used. */
static void tell_kept(uint32_t id, const struct held *held, int error) {
    struct secret_place place = error == 0 ? secret_place(held->current->secret) : (struct secret_place){0};
    struct ipc_writer w;

    if (error < 0)
        log_error("credential %s: the secret that came cannot be used: %s", held->credential->name, strerror(-error));
    w = ipc_begin(IPC_KEPT);
    ipc_put_u32(&w, id);
    ipc_put_u32(&w, place.region);
    ipc_put_u16(&w, place.slot);
    ipc_put_u16(&w, place.n);
    ipc_put_u32(&w, (uint32_t)-error);
    role_send(&w, -EBADF);
}

/* One that cannot be held is one credential's misfortune: its requests are answered 503. */
static int on_secret(void *owner, struct ipc_message *m) {
    uint32_t id;
    struct held *held = get_held(m, &id);
    uint64_t expires_in_ms = ipc_get_u64(m);
    _cleanup_close_ int fd = ipc_get_fd(m);
    int r;

    (void)owner;
    if (ipc_end(m) < 0 || !held)
        return -EPROTO;
    r = held_renew(held, fd_steal(&fd), expires_in_ms);
    tell_kept(id, held, r);
    return 0;
}

static int on_secret_place(void *owner, struct ipc_message *m) {
    uint32_t id;
    struct held *held = get_held(m, &id);
    uint64_t expires_in_ms = ipc_get_u64(m);
    struct secret_place place = {.region = ipc_get_u32(m)};

    (void)owner;
    place.slot = ipc_get_u16(m);
    place.n = ipc_get_u16(m);
    if (ipc_end(m) < 0 || !held)
        return -EPROTO;
    tell_kept(id, held, held_claim(held, place, expires_in_ms));
    return 0;
}

static void tell_region(uint32_t region, int fd) {
    struct ipc_writer w = ipc_begin(IPC_VAULT);

    ipc_put_u32(&w, region);
    role_send(&w, fd);
}

/* Of the keeper before: what it had, and what nobody has of it any more. */
static int on_vault(void *owner, struct ipc_message *m) {
    uint32_t region = ipc_get_u32(m);
    _cleanup_close_ int fd = ipc_has_fd(m) ? ipc_get_fd(m) : -EBADF;
    int r = 0;

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    if (fd < 0)
        secret_vault_settle();
    else
        r = secret_vault_adopt(region, fd_steal(&fd));
    if (r < 0)
        log_error("keys that were held before cannot be held again: %s", strerror(-r));
    return 0;
}

static int on_ca_file(void *owner, struct ipc_message *m) {
    uint32_t id;
    struct held *held = get_held(m, &id);
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0 || !held || held->anchors)
        return -EPROTO;
    return anchors_get(&anchors_shelf, fd, &held->anchors);
}

/* What a thousand leases took lies between what others still have: it stays ours until it is given back so. */
static void trim(struct timer *timer) {
    (void)timer;
    anchors_trim(&anchors_shelf);
    (void)malloc_trim(0);
}

/* Its leases were dropped before. */
static int on_forget(void *owner, struct ipc_message *m) {
    uint32_t id = ipc_get_u32(m);
    struct held *held;

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    held = number_table_find(&credentials, id);
    if (!held)
        return 0;
    number_table_remove(&credentials, id);
    held_forget(held);
    held_unref(held);
    if (!timer_is_set(&trimming))
        timer_set(&trimming, TRIM_AFTER);
    return 0;
}

static int on_resolver(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    return ipc_end(m) < 0 ? -EPROTO : lookup_init(fd_steal(&fd));
}

/* False after a word in the log. */
static bool has_trust(struct held *held) {
    struct anchors *anchors = held->anchors ? held->anchors : &system_anchors;
    int r = held->credential->authority.is_tls && !held->tls ? anchors_context(anchors, &held->tls) : 0;

    if (r < 0)
        log_error("credential %s: the certificates to trust cannot be used: %s", held->credential->name,
                  r == -EINVAL ? "there is none in the file" : strerror(-r));
    return r == 0;
}

static void tell_spent(struct lease *lease) {
    struct ipc_writer w = ipc_begin(IPC_SPENT);

    ipc_put_u32(&w, lease->credential);
    ipc_put_u32(&w, lease->identity);
    ipc_put_u8(&w, (uint8_t)lease->ended);
    role_send(&w, -EBADF);
}

static void tell_claimed(struct lease *lease) {
    struct ipc_writer w = ipc_begin(IPC_CLAIMED);

    ipc_put_u32(&w, lease->credential);
    ipc_put_u32(&w, lease->identity);
    ipc_put_u64(&w, lease->claimed);
    role_send(&w, -EBADF);
}

/* Of all leases of the identity; made with the first placeholder. */
static struct canary *canary_of(uint32_t identity) {
    struct lease *first = lease_table_first(&leases, identity);
    struct canary *canary;

    if (!first->canary) {
        if (canary_new(&canary) < 0)
            return NULL;
        for (struct lease *lease = first; lease; lease = lease->next)
            lease->canary = canary_ref(canary);
        canary_unref(canary);
    }
    return first->canary;
}

/* Once for a lease, behind its IPC_GRANT and before the first stream of any of its identity. */
static int on_placeholder(void *owner, struct ipc_message *m) {
    uint32_t id = ipc_get_u32(m), identity = ipc_get_u32(m);
    struct slice text = ipc_get_bytes(m, LIMIT_PLACEHOLDER);
    struct canary *canary;
    struct lease *lease;
    int r;

    (void)owner;
    if (ipc_end(m) < 0 || text.n == 0 || slice_has(text, '\0'))
        return -EPROTO;
    lease = lease_table_find(&leases, id, identity);
    if (!lease || lease->placeholder)
        return -EPROTO;
    canary = canary_of(identity);
    lease->placeholder = strndup(text.p, text.n);
    if (!canary || !lease->placeholder)
        return -ENOMEM;
    r = canary_add(canary, id, text);
    return r == -EINVAL ? -EPROTO : r;
}

static int add_lease(uint32_t id, uint32_t identity, uint64_t requests, uint64_t bytes, struct lease **ret) {
    struct lease *lease = calloc(1, sizeof(*lease)), *first;

    if (!lease)
        return -ENOMEM;
    first = lease_table_first(&leases, identity);
    *lease = (struct lease){.credential = id,
                            .identity = identity,
                            .canary = first ? canary_ref(first->canary) : NULL,
                            .is_audit_blocked = &is_audit_blocked,
                            .claimed = bytes,
                            .on_ended = tell_spent,
                            .on_claimed = tell_claimed};
    if (lease_table_add(&leases, lease) < 0) {
        canary_unref(lease->canary);
        free(lease);
        return -ENOMEM;
    }
    lease_init(lease);
    budget_init(&lease->budget, requests, bytes);
    *ret = lease;
    return 0;
}

/* Again for a lease that is there, when its life has been changed: what it has spent is known here better. */
static int on_grant(void *owner, struct ipc_message *m) {
    uint32_t id;
    struct held *held = get_held(m, &id);
    uint32_t identity = ipc_get_u32(m);
    uint64_t requests = ipc_get_u64(m), bytes = ipc_get_u64(m), ttl_left_ms = ipc_get_u64(m);
    struct lease *lease;

    (void)owner;
    if (ipc_end(m) < 0 || !held)
        return -EPROTO;
    lease = lease_table_find(&leases, id, identity);
    if (!lease) {
        if (add_lease(id, identity, requests, bytes, &lease) < 0)
            return -ENOMEM;
        lease->held = held_ref(held);
    }
    lease_set_life(lease, ttl_left_ms);
    return 0;
}

static int on_revoke(void *owner, struct ipc_message *m) {
    uint32_t id = ipc_get_u32(m), identity = ipc_get_u32(m);
    uint8_t why = ipc_get_u8(m);
    struct lease *lease;

    (void)owner;
    if (ipc_end(m) < 0 || why == REFUSAL_NONE || why >= REFUSALS)
        return -EPROTO;
    lease = lease_table_find(&leases, id, identity);
    if (!lease)
        return -EPROTO;
    lease_end(lease, why);
    return 0;
}

static int on_drop(void *owner, struct ipc_message *m) {
    uint32_t identity = ipc_get_u32(m);

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    lease_table_drop(&leases, identity);
    return 0;
}

static int on_block(void *owner, struct ipc_message *m) {
    uint8_t is_blocked = ipc_get_u8(m);

    (void)owner;
    if (ipc_end(m) < 0 || is_blocked > 1)
        return -EPROTO;
    is_audit_blocked = is_blocked == 1;
    return 0;
}

/* Whether the lease's upstream can be reached at all; its connections are counted from here on. */
static bool has_origin(struct lease *lease) {
    if (!lease->origin && has_trust(lease->held))
        lease->origin = origin_new(lease->held, timeouts.connect);
    return lease->origin != NULL;
}

static int on_stream(void *owner, struct ipc_message *m) {
    uint64_t stream = ipc_get_u64(m);
    uint32_t id = ipc_get_u32(m), identity = ipc_get_u32(m);
    bool may_use = ipc_get_u8(m) == 1;
    _cleanup_close_ int fd = m->is_fd_lost && !WEAKENED(LOST_FD) ? -EBADF : ipc_get_fd(m);
    struct lease *lease;

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    lease = lease_table_find(&leases, id, identity);
    if (!lease)
        return -EPROTO;
    if (fd < 0 || !has_origin(lease) || keeper_stream_open(stream, fd_steal(&fd), lease, may_use, &timeouts) < 0) {
        /* the pair is closed with its descriptor: the relay refuses the dial */
        if (fd < 0 || lease->origin)
            log_warning("credential %s: a stream is refused: out of descriptors or memory",
                        lease->held->credential->name);
        keeper_stream_ended(stream);
    }
    return 0;
}

static const struct ipc_permit permits[] = {
    {IPC_TRUST, 1, on_trust},
    {IPC_TIMEOUTS, 1, on_timeouts},
    {IPC_CREDENTIAL, 1, on_credential},
    {IPC_SECRET, 1, on_secret},
    {IPC_SECRET_PLACE, 1, on_secret_place},
    {IPC_VAULT, 1, on_vault},
    {IPC_CA_FILE, 1, on_ca_file},
    {IPC_RESOLVER, 1, on_resolver},
    {IPC_GRANT, 1, on_grant},
    {IPC_REVOKE, 1, on_revoke},
    {IPC_DROP, 1, on_drop},
    {IPC_FORGET, 1, on_forget},
    {IPC_BLOCK, 1, on_block},
    {IPC_STREAM, 1, on_stream},
    {IPC_PLACEHOLDER, 1, on_placeholder},
};

static int prepare(void) {
    own_machine_init();
    return tls_init();
}

/* argv[1], if it is there, is the directory of certificates to trust instead of the system's. */
int main(int argc, char **argv) {
    /* with Debian's, its hashed links and where they lead */
    const char *const readable[] = {argc > 1 ? argv[1] : TRUST_DIRECTORY, TRUST_LINKED};
    const struct role keeper = {
        .name = "credfd-keeper",
        .seccomp = SECCOMP_KEEPER,
        .landlock = {.readable = readable, .n_readable = ARRAY_LEN(readable), .may_connect = 1},
        .permits = permits,
        .n_permits = ARRAY_LEN(permits),
        .phase = 1,
        .prepare = prepare,
    };

    system_anchors.directory = readable[0];
    trimming.on_expiry = trim;
    secret_vault_tell(tell_region);
    return role_main(&keeper);
}
