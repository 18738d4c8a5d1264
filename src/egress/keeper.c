/*
 * The keeper: the one process that maps secrets and talks to upstreams. It reads typed frames from our own roles, and
 * bytes from one kind of stranger only: the upstream, which has the secret anyway. It parses nothing that a workload
 * wrote, runs no command, and opens no file but certificates. One for each supervisor, which starts it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/credential_codec.h"
#include "egress/keeper_stream.h"
#include "names/lookup.h"
#include "proc/role.h"

/* One credential, and the leases of it by their identities' numbers. */
static struct {
    struct held held;
    struct lease **leases;
    uint32_t n_leases;
} credentials[LIMIT_LEASES];

static struct {
    const char *directory;
    struct slice bundle;         /* beside it, when the person who started credfd named one */
    struct tls_context *context; /* made when the first credential needs it */
} system_trust = {.directory = "/etc/ssl/certs"};

static struct timeouts timeouts;
static bool is_audit_blocked;

static int get_credential(struct ipc_message *m, uint32_t *ret_id) {
    *ret_id = ipc_get_u32(m);
    if (*ret_id >= LIMIT_LEASES || !credentials[*ret_id].held.credential)
        ipc_fail(m);
    return m->is_failed ? -EPROTO : 0;
}

/* Maps a file of certificates that the supervisor has opened. */
static int map_certificates(int fd, struct slice *ret) {
    struct stat st;
    char *bytes;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size <= 0 || st.st_size > LIMIT_CA_FILE)
        return -EINVAL;
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return -errno;
    *ret = slice_of(bytes, (size_t)st.st_size);
    return 0;
}

static int on_trust(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    return ipc_end(m) < 0 ? -EPROTO : map_certificates(fd, &system_trust.bundle);
}

static int on_timeouts(void *owner, struct ipc_message *m) {
    (void)owner;
    return timeouts_decode(m, &timeouts);
}

/* Again for one that is there, when the configuration was read again: rules and limits may differ, nothing else. */
static int on_credential(void *owner, struct ipc_message *m) {
    struct credential *credential;
    uint32_t id;
    int r = credential_decode(m, &id, &credential);

    (void)owner;
    if (r < 0)
        return r;
    if (id < LIMIT_LEASES)
        return held_define(&credentials[id].held, credential) == -ENOMEM ? -ENOMEM : 0;
    credential_free(credential);
    return -EPROTO;
}

static int on_secret(void *owner, struct ipc_message *m) {
    uint32_t id;
    int r = get_credential(m, &id);
    uint64_t expires_in_ms = ipc_get_u64(m);
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0 || r < 0)
        return -EPROTO;
    return held_renew(&credentials[id].held, fd_steal(&fd), expires_in_ms);
}

static int on_ca_file(void *owner, struct ipc_message *m) {
    uint32_t id;
    int r = get_credential(m, &id);
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0 || r < 0)
        return -EPROTO;
    return map_certificates(fd, &credentials[id].held.ca);
}

static int on_resolver(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    return ipc_end(m) < 0 ? -EPROTO : lookup_init(fd_steal(&fd));
}

/* A credential with its own certificates has its own context; the others share the system's. */
static int trust_for(uint32_t id, struct tls_context **ret) {
    int r = 0;

    if (credentials[id].held.ca.n > 0)
        return tls_context_new(credentials[id].held.ca, NULL, ret);
    if (!system_trust.context)
        r = tls_context_new(system_trust.bundle, system_trust.directory, &system_trust.context);
    *ret = system_trust.context;
    return r;
}

/* False after a word in the log. */
static bool has_trust(uint32_t id) {
    struct held *held = &credentials[id].held;
    int r = held->credential->authority.is_tls && !held->tls ? trust_for(id, &held->tls) : 0;

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

static struct lease *lease_of(uint32_t id, uint32_t identity) {
    return identity < credentials[id].n_leases ? credentials[id].leases[identity] : NULL;
}

static int make_room(uint32_t id, uint32_t identity) {
    size_t n = (size_t)identity + 1, had = credentials[id].n_leases;
    struct lease **leases;

    if (n <= had)
        return 0;
    leases = realloc(credentials[id].leases, n * sizeof(struct lease *));
    if (!leases)
        return -ENOMEM;
    memset(leases + had, 0, (n - had) * sizeof(struct lease *));
    credentials[id].leases = leases;
    credentials[id].n_leases = (uint32_t)n;
    return 0;
}

/* Again for a lease that is there, when its life has been changed: what it has spent is known here better. */
static int on_grant(void *owner, struct ipc_message *m) {
    uint32_t id;
    int r = get_credential(m, &id);
    uint32_t identity = ipc_get_u32(m);
    uint64_t requests = ipc_get_u64(m), bytes = ipc_get_u64(m), ttl_left_ms = ipc_get_u64(m);
    struct lease *lease;

    (void)owner;
    if (ipc_end(m) < 0 || r < 0 || identity >= LIMIT_IDENTITIES)
        return -EPROTO;
    if (lease_of(id, identity)) {
        lease_set_life(lease_of(id, identity), ttl_left_ms);
        return 0;
    }
    lease = make_room(id, identity) == 0 ? calloc(1, sizeof(*lease)) : NULL;
    if (!lease)
        return -ENOMEM;
    *lease = (struct lease){.credential = id,
                            .identity = identity,
                            .held = &credentials[id].held,
                            .is_audit_blocked = &is_audit_blocked,
                            .claimed = bytes,
                            .on_ended = tell_spent,
                            .on_claimed = tell_claimed};
    lease_init(lease);
    budget_init(&lease->budget, requests, bytes);
    credentials[id].leases[identity] = lease;
    lease_set_life(lease, ttl_left_ms);
    return 0;
}

static int on_revoke(void *owner, struct ipc_message *m) {
    uint32_t id;
    int r = get_credential(m, &id);
    uint32_t identity = ipc_get_u32(m);
    uint8_t why = ipc_get_u8(m);

    (void)owner;
    if (ipc_end(m) < 0 || r < 0 || !lease_of(id, identity) || why == REFUSAL_NONE || why >= REFUSALS)
        return -EPROTO;
    lease_end(lease_of(id, identity), why);
    return 0;
}

static int on_drop(void *owner, struct ipc_message *m) {
    uint32_t identity = ipc_get_u32(m);

    (void)owner;
    if (ipc_end(m) < 0)
        return -EPROTO;
    for (uint32_t id = 0; id < LIMIT_LEASES; id++) {
        struct lease *lease = lease_of(id, identity);

        if (!lease)
            continue;
        credentials[id].leases[identity] = NULL;
        lease_drop(lease);
    }
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
    if (!lease->origin && has_trust(lease->credential))
        lease->origin = origin_new(lease->held, timeouts.connect);
    return lease->origin != NULL;
}

static int on_stream(void *owner, struct ipc_message *m) {
    uint64_t stream = ipc_get_u64(m);
    uint32_t id;
    int r = get_credential(m, &id);
    uint32_t identity = ipc_get_u32(m);
    bool may_use = ipc_get_u8(m) == 1;
    _cleanup_close_ int fd = m->is_fd_lost && !WEAKENED(LOST_FD) ? -EBADF : ipc_get_fd(m);
    struct lease *lease;

    (void)owner;
    if (ipc_end(m) < 0 || r < 0 || !lease_of(id, identity) || !credentials[id].held.current)
        return -EPROTO;
    lease = lease_of(id, identity);
    if (fd < 0 || !has_origin(lease) || keeper_stream_open(stream, fd_steal(&fd), lease, may_use, &timeouts) < 0) {
        /* the pair is closed with its descriptor: the relay refuses the dial */
        if (fd < 0 || lease->origin)
            log_warning("credential %s: a stream is refused: out of descriptors or memory",
                        credentials[id].held.credential->name);
        keeper_stream_ended(stream);
    }
    return 0;
}

static const struct ipc_permit permits[] = {
    {IPC_TRUST, 1, on_trust},   {IPC_TIMEOUTS, 1, on_timeouts}, {IPC_CREDENTIAL, 1, on_credential},
    {IPC_SECRET, 1, on_secret}, {IPC_CA_FILE, 1, on_ca_file},   {IPC_RESOLVER, 1, on_resolver},
    {IPC_GRANT, 1, on_grant},   {IPC_REVOKE, 1, on_revoke},     {IPC_DROP, 1, on_drop},
    {IPC_BLOCK, 1, on_block},   {IPC_STREAM, 1, on_stream},
};

/* argv[1], if it is there, is the directory of certificates to trust instead of the system's. */
int main(int argc, char **argv) {
    /* with Debian's, its hashed links and where they lead */
    const char *const readable[] = {argc > 1 ? argv[1] : system_trust.directory, "/usr/share/ca-certificates",
                                    "/usr/local/share/ca-certificates"};
    const struct role keeper = {
        .name = "credfd-keeper",
        .seccomp = SECCOMP_KEEPER,
        .landlock = {.readable = readable, .n_readable = ARRAY_LEN(readable), .may_connect = 1},
        .permits = permits,
        .n_permits = ARRAY_LEN(permits),
        .phase = 1,
        .prepare = tls_init,
    };

    system_trust.directory = readable[0];
    return role_main(&keeper);
}
