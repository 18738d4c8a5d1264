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
#include "egress/credential_codec.h"
#include "egress/keeper_stream.h"
#include "egress/lookup.h"
#include "proc/role.h"

/* One credential, and how its authority is reached in each identity's name. */
static struct {
    struct held_credential held;
    struct slice ca; /* the certificates of its ca_file; empty for the system's */
    struct origin **origins;
    uint32_t n_origins;
} credentials[LIMIT_LEASES];

static struct {
    const char *directory;
    struct slice bundle;         /* beside it, when the person who started credfd named one */
    struct tls_context *context; /* made when the first credential needs it */
} system_trust = {.directory = "/etc/ssl/certs"};

static struct timeouts timeouts;

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

static int on_credential(void *owner, struct ipc_message *m) {
    struct credential *credential;
    uint32_t id;
    int r = credential_decode(m, &id, &credential);

    (void)owner;
    if (r < 0)
        return r;
    if (id >= LIMIT_LEASES || credentials[id].held.credential) {
        credential_free(credential);
        return -EPROTO;
    }
    credentials[id].held.credential = credential;
    return 0;
}

static int on_secret(void *owner, struct ipc_message *m) {
    uint32_t id;
    int r = get_credential(m, &id);
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0 || r < 0 || credentials[id].held.secret)
        return -EPROTO;
    return secret_open(fd_steal(&fd), &credentials[id].held.secret);
}

static int on_ca_file(void *owner, struct ipc_message *m) {
    uint32_t id;
    int r = get_credential(m, &id);
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    if (ipc_end(m) < 0 || r < 0)
        return -EPROTO;
    return map_certificates(fd, &credentials[id].ca);
}

static int on_resolver(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    return ipc_end(m) < 0 ? -EPROTO : lookup_init(fd_steal(&fd));
}

/* A credential with its own certificates has its own context; the others share the system's. */
static int trust_for(uint32_t id, struct tls_context **ret) {
    int r = 0;

    if (credentials[id].ca.n > 0)
        return tls_context_new(credentials[id].ca, NULL, ret);
    if (!system_trust.context)
        r = tls_context_new(system_trust.bundle, system_trust.directory, &system_trust.context);
    *ret = system_trust.context;
    return r;
}

static struct origin *origin_for(uint32_t id, uint32_t identity) {
    struct held_credential *held = &credentials[id].held;

    if (identity >= credentials[id].n_origins) {
        size_t n = (size_t)identity + 1;
        struct origin **origins = realloc(credentials[id].origins, n * sizeof(*origins));

        if (!origins)
            return NULL;
        memset(origins + credentials[id].n_origins, 0, (n - credentials[id].n_origins) * sizeof(*origins));
        credentials[id].origins = origins;
        credentials[id].n_origins = (uint32_t)n;
    }
    if (!credentials[id].origins[identity]) {
        int r = held->credential->authority.is_tls && !held->tls ? trust_for(id, &held->tls) : 0;

        if (r < 0) {
            log_error("credential %s: the certificates to trust cannot be used: %s", held->credential->name,
                      r == -EINVAL ? "there is none in the file" : strerror(-r));
            return NULL;
        }
        credentials[id].origins[identity] = origin_new(held->credential, held->tls, timeouts.connect);
    }
    return credentials[id].origins[identity];
}

static int on_stream(void *owner, struct ipc_message *m) {
    uint64_t stream = ipc_get_u64(m);
    uint32_t id;
    int r = get_credential(m, &id);
    uint32_t identity = ipc_get_u32(m);
    _cleanup_close_ int fd = m->is_fd_lost ? -EBADF : ipc_get_fd(m);
    struct origin *origin;

    (void)owner;
    if (ipc_end(m) < 0 || r < 0 || !credentials[id].held.secret || identity >= LIMIT_IDENTITIES)
        return -EPROTO;
    origin = fd >= 0 ? origin_for(id, identity) : NULL;
    if (fd < 0 || !origin || keeper_stream_open(stream, fd_steal(&fd), &credentials[id].held, origin, &timeouts) < 0) {
        /* the pair is closed with its descriptor: the relay refuses the dial */
        if (fd < 0 || origin)
            log_warning("credential %s: a stream is refused: out of descriptors or memory",
                        credentials[id].held.credential->name);
        keeper_stream_ended(stream);
    }
    return 0;
}

static const struct ipc_permit permits[] = {
    {IPC_TRUST, 1, on_trust},   {IPC_TIMEOUTS, 1, on_timeouts}, {IPC_CREDENTIAL, 1, on_credential},
    {IPC_SECRET, 1, on_secret}, {IPC_CA_FILE, 1, on_ca_file},   {IPC_RESOLVER, 1, on_resolver},
    {IPC_STREAM, 1, on_stream},
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
