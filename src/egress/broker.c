#include "egress/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "egress/broker_state.h"
#include "egress/credential_codec.h"
#include "net/address.h"

#define SYSTEM_BUNDLE "/etc/ssl/certs/ca-certificates.crt" /* of Debian's ca-certificates */

static bool is_quiet(const struct broker *broker) {
    if (child_is_running(&broker->keeper) || child_is_running(&broker->resolver) || broker->holders)
        return false;
    for (size_t i = 0; i < broker->n_credentials; i++)
        if (child_is_running(&broker->resolutions[i].source))
            return false;
    return true;
}

/* The keeper goes last: it tells how the exchanges ended that went with their relays. */
static void go_on_stopping(struct broker *broker) {
    if (!broker->is_stopping)
        return;
    if (!broker->holders && (broker->streams.n_used == 0 || broker->is_late || !child_is_running(&broker->keeper))) {
        child_stop(&broker->keeper);
        child_stop(&broker->resolver);
    }
    if (is_quiet(broker)) {
        timer_cancel(&broker->stop_deadline);
        broker->owner.stopped(broker->owner.owner);
    }
}

static void stop_late(struct timer *timer) {
    struct broker *broker = container_of(timer, struct broker, stop_deadline);

    broker->is_late = true;
    go_on_stopping(broker);
}

void broker_fail(struct broker *broker, const char *error) {
    if (!broker->is_told && !broker->is_stopping)
        broker->owner.failed(broker->owner.owner, error);
    broker->is_told = true;
}

void broker_account(struct broker *broker, const struct stream_entry *entry, const struct exchange_record *record) {
    const struct credential *credential = broker->credentials[entry->lease];
    char authority[URI_AUTHORITY_MAX];
    struct audit_subject subject = {
        .lease = credential->name,
        .identity = entry->identity,
        .authority = authority,
        .pid = entry->asker.pid,
        .executable = entry->asker.executable[0] ? entry->asker.executable : NULL,
    };
    int r;

    authority[uri_format_authority(&credential->authority, authority)] = '\0';
    r = audit_write(broker->audit, &subject, record);
    if (r < 0)
        log_error("a line of the audit is lost: %s", strerror(-r));
}

static int on_exchange(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct broker *broker = child->owner;
    struct exchange_record record;
    struct stream_entry *entry;
    uint64_t stream;

    if (record_decode(m, &stream, &record) < 0)
        return -EPROTO;
    entry = stream_table_find(&broker->streams, stream);
    if (entry)
        broker_account(broker, entry, &record);
    return 0;
}

static int on_stream_ended(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct broker *broker = child->owner;
    struct stream_entry *entry = stream_table_find(&broker->streams, ipc_get_u64(m));

    if (ipc_end(m) < 0)
        return -EPROTO;
    if (entry)
        stream_table_keeper_done(&broker->streams, entry);
    go_on_stopping(broker);
    return 0;
}

static void become_ready(struct broker *broker);

static int on_hello(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    int r = child_on_hello(owner, m);

    if (r == 0)
        become_ready(child->owner);
    return r;
}

static const struct ipc_permit keeper_permits[] = {
    {IPC_HELLO, 1, on_hello},
    {IPC_LOG, 1, child_on_log},
    {IPC_EXCHANGE, 1, on_exchange},
    {IPC_STREAM_ENDED, 1, on_stream_ended},
};
static const struct ipc_permit resolver_permits[] = {{IPC_HELLO, 1, on_hello}, {IPC_LOG, 1, child_on_log}};

static void role_exited(struct child *child, int wait_status) {
    struct broker *broker = child->owner;
    char error[128];

    if (child == &broker->keeper)
        stream_table_side_gone(&broker->streams, NULL);
    if (!broker->is_stopping) {
        (void)snprintf(error, sizeof(error), "%s ended unexpectedly (wait status %#x)", child->name,
                       (unsigned)wait_status);
        broker_fail(broker, error);
    }
    go_on_stopping(broker);
}

void broker_holder_gone(struct broker *broker, struct holder *holder) {
    for (struct holder **at = &broker->holders; *at; at = holder_next(*at))
        if (*at == holder) {
            *at = *holder_next(holder);
            break;
        }
    holder_free(holder);
    go_on_stopping(broker);
}

static int send_fd(struct broker *broker, enum ipc_type type, uint32_t credential, int fd) {
    struct ipc_writer w = ipc_begin(type);

    ipc_put_u32(&w, credential);
    return channel_send(&broker->keeper.channel, &w, fd);
}

/* A file of certificates that its name alone says something about: opened here, read by the keeper. */
static int open_certificates(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    return fd < 0 ? -errno : fd;
}

static int send_credential(struct broker *broker, uint32_t i) {
    const struct credential *credential = broker->credentials[i];
    _cleanup_close_ int ca = -EBADF;
    struct ipc_writer w = credential_encode(i, credential);
    int r = channel_send(&broker->keeper.channel, &w, -EBADF);

    if (r == 0 && credential->ca_file) {
        ca = open_certificates(credential->ca_file);
        r = ca < 0 ? ca : send_fd(broker, IPC_CA_FILE, i, ca);
    }
    if (r == 0)
        r = send_fd(broker, IPC_SECRET, i, broker->sealed[i]);
    fd_close(&broker->sealed[i]);
    return r;
}

/*
 * $SSL_CERT_FILE and $SSL_CERT_DIR name other certificates to trust, as for every program that checks them
 * (SSL_CTX_set_default_verify_paths(3)). The system's bundle is the system's directory once more: that one is not read.
 */
static int open_named_bundle(int *ret_fd, char **ret_error) {
    const char *path = getenv("SSL_CERT_FILE");
    int r;

    if (!path || !*path || strcmp(path, SYSTEM_BUNDLE) == 0)
        return 0;
    r = open_certificates(path);
    if (r < 0 &&
        asprintf(ret_error, "SSL_CERT_FILE: %s: %s; unset it, or name a file of certificates", path, strerror(-r)) < 0)
        *ret_error = NULL;
    if (r >= 0)
        *ret_fd = r;
    return r < 0 ? r : 0;
}

static const char *named_directory(void) {
    const char *path = getenv("SSL_CERT_DIR");

    return path && *path ? path : NULL;
}

static int send_trust(struct broker *broker) {
    struct ipc_writer w = ipc_begin(IPC_TRUST);
    int r = broker->bundle < 0 ? 0 : channel_send(&broker->keeper.channel, &w, broker->bundle);

    fd_close(&broker->bundle);
    return r;
}

static int send_resolver(struct broker *broker) {
    _cleanup_close_ int keeper_end = -EBADF, resolver_end = -EBADF;
    struct ipc_writer w;
    int ends[2], r;

    if (!child_is_running(&broker->resolver))
        return 0;
    r = fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends);
    if (r < 0)
        return r;
    keeper_end = ends[0];
    resolver_end = ends[1];
    w = ipc_begin(IPC_RESOLVER);
    r = channel_send(&broker->keeper.channel, &w, keeper_end);
    return r == 0 ? channel_send(&broker->resolver.channel, &w, resolver_end) : r;
}

static int send_settings(struct broker *broker) {
    struct ipc_writer w = timeouts_encode(&broker->settings->timeouts);
    int r = channel_send(&broker->keeper.channel, &w, -EBADF);

    if (r == 0)
        r = send_trust(broker);
    if (r == 0)
        r = send_resolver(broker);
    for (uint32_t i = 0; r == 0 && i < broker->n_credentials; i++)
        r = send_credential(broker, i);
    return r;
}

/* Once every role has hardened itself and every secret is there, the keeper gets them. Never a moment earlier. */
static void become_ready(struct broker *broker) {
    char error[128];
    int r;

    if (broker->is_ready || broker->is_stopping || broker->is_told || !broker->keeper.is_ready ||
        (child_is_running(&broker->resolver) && !broker->resolver.is_ready))
        return;
    for (size_t i = 0; i < broker->n_credentials; i++)
        if (broker->sealed[i] < 0)
            return;
    r = send_settings(broker);
    if (r < 0) {
        (void)snprintf(error, sizeof(error), "the keeper cannot be given its credentials: %s", strerror(-r));
        broker_fail(broker, error);
        return;
    }
    broker->is_ready = true;
    broker->owner.ready(broker->owner.owner);
}

static void resolved(struct resolution *resolution, int sealed, const char *error) {
    struct broker *broker = resolution->owner;

    broker->sealed[resolution - broker->resolutions] = sealed;
    if (sealed < 0)
        broker_fail(broker, error);
    else
        become_ready(broker);
    go_on_stopping(broker);
}

static bool needs_resolver(const struct broker *broker) {
    struct address address;

    for (size_t i = 0; i < broker->n_credentials; i++) {
        struct slice host = broker->credentials[i]->authority.host;

        if (address_parse(host, 0, &address) < 0 && !slice_equals_nocase(host, SLICE("localhost")))
            return true;
    }
    return false;
}

static int start_sources(struct broker *broker, char **ret_error) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < broker->n_credentials; i++)
        r = resolution_start(&broker->resolutions[i], &broker->credentials[i]->secret, resolved, broker, ret_error);
    /* of all that are configured: a variable is no one's business in the command's environment */
    for (size_t i = 0; i < broker->settings->n_credentials; i++)
        secret_source_forget(&broker->settings->credentials[i].secret);
    return r;
}

static int start_roles(struct broker *broker) {
    int r = child_start(&broker->keeper, "credfd-keeper", named_directory(), keeper_permits, ARRAY_LEN(keeper_permits),
                        1, role_exited, broker);

    if (r == 0 && needs_resolver(broker))
        r = child_start(&broker->resolver, "credfd-resolver", NULL, resolver_permits, ARRAY_LEN(resolver_permits), 1,
                        role_exited, broker);
    return r;
}

int broker_check_programs(char **ret_error) {
    static const char *const names[] = {"credfd-keeper", "credfd-relay", "credfd-source", "credfd-resolver"};
    char path[PATH_MAX];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int r = child_program_path(names[i], path, sizeof(path));

        if (r == 0 && access(path, X_OK) < 0)
            r = -errno;
        if (r < 0) {
            if (asprintf(ret_error, "%s: %s; install credfd whole, or build it whole", path, strerror(-r)) < 0)
                *ret_error = NULL;
            return r;
        }
    }
    return 0;
}

static char *describe(const char *what, int error) {
    char *text;

    return asprintf(&text, "%s: %s", what, strerror(-error)) < 0 ? NULL : text;
}

int broker_start(const struct settings *settings, const char *const *names, size_t n_names, const char *audit_path,
                 const char *audit_where, const struct broker_owner *owner, struct broker **ret, char **ret_error) {
    struct broker *broker = calloc(1, sizeof(*broker));
    int r;

    if (!broker)
        return -ENOMEM;
    broker->settings = settings;
    broker->owner = *owner;
    broker->n_credentials = n_names;
    for (size_t i = 0; i < n_names; i++) {
        broker->credentials[i] = settings_credential(settings, names[i]);
        broker->sealed[i] = -EBADF;
    }
    broker->bundle = -EBADF;
    *ret = broker;
    r = audit_open(audit_path, &broker->audit);
    if (r < 0) {
        if (asprintf(ret_error, "%s: %s: cannot be written: %s; name a file in a folder that is there", audit_where,
                     audit_path, strerror(-r)) < 0)
            *ret_error = NULL;
        return r;
    }
    r = open_named_bundle(&broker->bundle, ret_error);
    if (r < 0)
        return r;
    r = broker_check_programs(ret_error);
    if (r == 0)
        r = start_roles(broker);
    if (r < 0) {
        if (!*ret_error)
            *ret_error = describe("credfd's own programs cannot be started", r);
        return r;
    }
    return start_sources(broker, ret_error);
}

void broker_stop(struct broker *broker) {
    broker->is_stopping = true;
    broker->stop_deadline.on_expiry = stop_late;
    timer_set(&broker->stop_deadline, TIMEOUT_ROLE_STOP);
    for (struct holder *holder = broker->holders; holder; holder = *holder_next(holder))
        holder_end(holder);
    for (size_t i = 0; i < broker->n_credentials; i++)
        child_kill(&broker->resolutions[i].source);
    go_on_stopping(broker);
}

void broker_free(struct broker *broker) {
    if (!broker)
        return;
    for (size_t i = 0; i < broker->n_credentials; i++)
        fd_close(&broker->sealed[i]);
    fd_close(&broker->bundle);
    stream_table_done(&broker->streams);
    audit_close(broker->audit);
    free(broker);
}
