/*
 * The link: the one process that speaks with the hub, and the one that has its token. It reads the hub's JSON, turns a
 * task into an order in sealed memory, and a task's key into sealed memory of its own; what held either here is wiped.
 * It runs nothing, keeps nothing on disk, and opens no file but certificates. One for each runner, whose supervisor
 * starts it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "fleet/link/hub.h"
#include "fleet/link/hub_json.h"
#include "names/lookup.h"
#include "names/trust.h"
#include "proc/role.h"

static struct hub hub;
static struct machine machine;
static const char *trusted_directory = TRUST_DIRECTORY;
static struct slice bundle, ca; /* beside what lies in the directory; instead of it */

static int on_trust(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);

    (void)owner;
    trust_unmap(&bundle);
    return ipc_end(m) < 0 ? -EPROTO : trust_map(fd, &bundle);
}

static int on_ca_file(void *owner, struct ipc_message *m) {
    uint32_t nothing = ipc_get_u32(m);
    _cleanup_close_ int fd = ipc_get_fd(m);
    int r;

    (void)owner;
    if (ipc_end(m) < 0 || nothing != 0)
        return -EPROTO;
    trust_unmap(&ca);
    r = trust_map(fd, &ca);
    if (r < 0)
        log_error("the file of the certificates to trust for the hub cannot be read: %s", strerror(-r));
    return 0;
}

/* Whom to believe that he is the hub. With a file of its own certificates nobody else is, ever. */
static int make_trust(bool has_ca, struct tls_context **ret) {
    int r =
        has_ca && ca.n == 0 ? -EINVAL : tls_context_new(has_ca ? ca : bundle, has_ca ? NULL : trusted_directory, ret);

    if (r < 0)
        log_error("the certificates to trust for the hub cannot be used: %s",
                  r == -EINVAL ? "there is none" : strerror(-r));
    else
        tls_context_wipe(*ret);
    return r;
}

static int on_link(void *owner, struct ipc_message *m) {
    struct tls_context *trust = NULL;
    int r = hub.is_pointed ? -EPROTO : link_settings_decode(m, &hub.settings);

    (void)owner;
    if (r < 0)
        return r;
    log_set_level(hub.settings.log_level);
    if (hub.settings.hub.is_tls)
        r = make_trust(hub.settings.has_ca, &trust);
    return r < 0 ? r : hub_point(&hub, trust);
}

static int on_secret(void *owner, struct ipc_message *m) {
    uint32_t nothing = ipc_get_u32(m);
    uint64_t expires_in_ms = ipc_get_u64(m);
    _cleanup_close_ int fd = ipc_get_fd(m);
    struct secret *token;
    int r;

    (void)owner;
    (void)expires_in_ms; /* the supervisor has it again in time */
    if (ipc_end(m) < 0 || nothing != 0)
        return -EPROTO;
    r = secret_open(fd_steal(&fd), &token);
    if (r == 0)
        hub_take_token(&hub, token);
    return r;
}

static int on_resolver(void *owner, struct ipc_message *m) {
    _cleanup_close_ int fd = ipc_get_fd(m);
    int r = ipc_end(m) < 0 ? -EPROTO : lookup_init(fd_steal(&fd));

    (void)owner;
    if (r == 0)
        hub_has_resolver(&hub);
    return r;
}

static int on_connect(void *owner, struct ipc_message *m) {
    uint8_t has_broker = ipc_get_u8(m);

    (void)owner;
    return ipc_end(m) < 0 || has_broker > 1 ? -EPROTO : hub_connect(&hub, has_broker);
}

static int on_output(void *owner, struct ipc_message *m) {
    struct slice task_id = ipc_get_bytes(m, LIMIT_TASK_ID);
    uint8_t stream = ipc_get_u8(m);
    struct slice text = ipc_get_bytes(m, LIMIT_TASK_OUTPUT);

    (void)owner;
    if (ipc_end(m) < 0 || stream >= TASK_STREAMS)
        return -EPROTO;
    talk_output(&hub.talk, task_id, (enum task_stream)stream, text);
    return 0;
}

static int on_result(void *owner, struct ipc_message *m) {
    uint64_t number = ipc_get_u64(m);
    struct slice task_id = ipc_get_bytes(m, LIMIT_TASK_ID);
    _cleanup_close_ int record = ipc_get_fd(m);

    (void)owner;
    return ipc_end(m) < 0 ? -EPROTO : talk_result(&hub.talk, number, task_id, fd_steal(&record));
}

static int on_drain(void *owner, struct ipc_message *m) {
    uint64_t ms = ipc_get_u64(m);

    (void)owner;
    (void)ms; /* the end of the channel says it more exactly */
    if (ipc_end(m) < 0)
        return -EPROTO;
    hub_drain(&hub);
    return 0;
}

/* The supervisor is done with us, or is gone: the hub is told, and it is over. */
static void on_orphaned(void) {
    hub_end(&hub, loop_stop);
}

/* Before the sandbox closes: the libraries' own beginnings, what stands in files, and a seed that nobody can guess. */
static int prepare(void) {
    size_t seed;
    int r = tls_init();

    if (r < 0)
        return r;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        return -EIO;
    hub_json_init(seed);
    machine_read(&machine);
    hub_init(&hub, &machine);
    return 0;
}

static const struct ipc_permit permits[] = {
    {IPC_TRUST, 1, on_trust},        {IPC_CA_FILE, 1, on_ca_file},   {IPC_LINK, 1, on_link},
    {IPC_SECRET, 1, on_secret},      {IPC_RESOLVER, 1, on_resolver}, {IPC_LINK_CONNECT, 1, on_connect},
    {IPC_TASK_OUTPUT, 1, on_output}, {IPC_RESULT, 1, on_result},     {IPC_DRAIN, 1, on_drain},
};

/* argv[1], if it is there, is the directory of certificates to trust instead of the system's. */
int main(int argc, char **argv) {
    const char *const readable[] = {argc > 1 ? argv[1] : TRUST_DIRECTORY, TRUST_LINKED};
    const struct role link_role = {
        .name = "credfd-link",
        .seccomp = SECCOMP_LINK,
        .landlock = {.readable = readable, .n_readable = ARRAY_LEN(readable), .may_connect = 1},
        .permits = permits,
        .n_permits = ARRAY_LEN(permits),
        .phase = 1,
        .prepare = prepare,
        .on_orphaned = on_orphaned,
    };

    trusted_directory = readable[0];
    return role_main(&link_role);
}
