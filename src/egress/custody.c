/*
 * Who has custody of the secrets: the keeper, and the resolver beside it; what they are given, in which order, and how
 * they are started again when they die. What a new keeper is given is what the old one had: definitions, certificates,
 * secrets (sealed, this process cannot read them), and the leases with what they have spent.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "egress/broker_state.h"
#include "egress/credential_codec.h"
#include "net/address.h"

#define SYSTEM_BUNDLE "/etc/ssl/certs/ca-certificates.crt" /* of Debian's ca-certificates */

static struct broker *broker_of(struct child *child) {
    struct standing *standing = child->owner;

    return standing->owner;
}

void custody_send(struct broker *broker, const struct ipc_writer *w, int fd) {
    /* a keeper that cannot be told anything any more is about to be known as dead */
    if (broker->is_keeper_serving)
        (void)channel_send(&broker->keeper.child.channel, w, fd);
}

static int on_exchange(void *owner, struct ipc_message *m) {
    struct broker *broker = broker_of(owner);
    struct exchange_record record;
    struct stream_entry *entry;
    uint64_t stream;

    if (record_decode(m, &stream, &record) < 0)
        return -EPROTO;
    entry = stream_table_find(&broker->streams, stream);
    if (!entry)
        return 0;
    entry->n_told++;
    report_drop(entry);
    broker_account(broker, entry, &record);
    return 0;
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

static struct holder *holder_of(struct broker *broker, uint32_t identity) {
    struct holder *holder = broker->holders;

    while (holder && holder->identity_number != identity)
        holder = holder->next;
    return holder;
}

static int on_claimed(void *owner, struct ipc_message *m) {
    struct broker *broker = broker_of(owner);
    uint32_t credential = ipc_get_u32(m), identity = ipc_get_u32(m);
    uint64_t bytes = ipc_get_u64(m);
    struct holder *holder;

    if (ipc_end(m) < 0 || credential >= broker->n_credentials)
        return -EPROTO;
    holder = holder_of(broker, identity);
    if (holder)
        holder->grants[credential].claimed = bytes;
    return 0;
}

static int on_spent(void *owner, struct ipc_message *m) {
    struct broker *broker = broker_of(owner);
    uint32_t credential = ipc_get_u32(m), identity = ipc_get_u32(m);
    uint8_t why = ipc_get_u8(m);

    if (ipc_end(m) < 0 || credential >= broker->n_credentials || why >= REFUSALS)
        return -EPROTO;
    if (holder_of(broker, identity))
        holder_lease_ended(holder_of(broker, identity), credential, why, refusal_text(why)->reason);
    return 0;
}

static const struct ipc_permit keeper_permits[] = {
    {IPC_HELLO, 1, standing_on_hello},      {IPC_LOG, 1, child_on_log}, {IPC_EXCHANGE, 1, on_exchange},
    {IPC_STREAM_ENDED, 1, on_stream_ended}, {IPC_SPENT, 1, on_spent},   {IPC_CLAIMED, 1, on_claimed},
};
static const struct ipc_permit resolver_permits[] = {{IPC_HELLO, 1, standing_on_hello}, {IPC_LOG, 1, child_on_log}};

/*
 * A sealed copy of a file of certificates: read by the keeper, and by each that comes after it. The file itself may have
 * become another by then, at the hands of whoever would like to be trusted.
 */
static int copy_certificates(const char *path) {
    _cleanup_close_ int from = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), copy = -EBADF;
    struct stat st;

    if (from < 0 || fstat(from, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size > LIMIT_CA_FILE)
        return -EINVAL;
    copy = memfd_create("certificates", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (copy < 0)
        return -errno;
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(copy, from, NULL, (size_t)left);

        if (n <= 0)
            return n < 0 ? -errno : -EIO; /* it has become shorter */
        left -= n;
    }
    if (fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    return fd_steal(&copy);
}

static int send_fd(struct broker *broker, enum ipc_type type, uint32_t credential, int fd) {
    struct ipc_writer w = ipc_begin(type);

    ipc_put_u32(&w, credential);
    return channel_send(&broker->keeper.child.channel, &w, fd);
}

static int send_definition(struct broker *broker, uint32_t i) {
    struct ipc_writer w = credential_encode(i, broker->credentials[i]);

    return channel_send(&broker->keeper.child.channel, &w, -EBADF);
}

static int send_secret(struct broker *broker, uint32_t i) {
    const struct possession *possession = &broker->possessions[i];
    struct ipc_writer w = ipc_begin(IPC_SECRET);
    uint64_t left_ms = 0, now = clock_now_ms();

    if (possession->expires_at >
        0) /* 0 is for never: what has expired has a moment left, and nothing is served by it */
        left_ms = possession->expires_at > now ? possession->expires_at - now : 1;
    ipc_put_u32(&w, i);
    ipc_put_u64(&w, left_ms);
    return channel_send(&broker->keeper.child.channel, &w, possession->sealed);
}

static int send_credential(struct broker *broker, uint32_t i) {
    int ca = broker->possessions[i].ca, r = send_definition(broker, i);

    if (r == 0 && ca >= 0)
        r = send_fd(broker, IPC_CA_FILE, i, ca);
    return r == 0 ? send_secret(broker, i) : r;
}

void custody_send_credential(struct broker *broker, uint32_t credential) {
    if (broker->is_keeper_serving)
        (void)send_definition(broker, credential);
}

void custody_send_secret(struct broker *broker, uint32_t credential) {
    if (broker->is_keeper_serving)
        (void)send_secret(broker, credential);
}

void custody_send_blocked(struct broker *broker) {
    struct ipc_writer w = ipc_begin(IPC_BLOCK);

    ipc_put_u8(&w, broker->is_audit_blocked);
    custody_send(broker, &w, -EBADF);
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
    r = copy_certificates(path);
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

    return broker->bundle < 0 ? 0 : channel_send(&broker->keeper.child.channel, &w, broker->bundle);
}

/* Introduces the two to each other: anew whenever one of them is new. */
static int send_resolver(struct broker *broker) {
    _cleanup_close_ int keeper_end = -EBADF, resolver_end = -EBADF;
    struct ipc_writer w;
    int ends[2], r;

    if (!standing_is_ready(&broker->resolver))
        return 0;
    r = fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends);
    if (r < 0)
        return r;
    keeper_end = ends[0];
    resolver_end = ends[1];
    w = ipc_begin(IPC_RESOLVER);
    r = channel_send(&broker->keeper.child.channel, &w, keeper_end);
    return r == 0 ? channel_send(&broker->resolver.child.channel, &w, resolver_end) : r;
}

int custody_serve(struct broker *broker) {
    struct ipc_writer w = timeouts_encode(&broker->settings->timeouts);
    int r = channel_send(&broker->keeper.child.channel, &w, -EBADF);

    if (r == 0)
        r = send_trust(broker);
    if (r == 0)
        r = send_resolver(broker);
    for (uint32_t i = 0; r == 0 && i < broker->n_credentials; i++)
        r = send_credential(broker, i);
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

    if (!broker->is_ready) {
        broker_go_on(broker);
        return;
    }
    if (custody_serve(broker) < 0)
        return; /* it has died again, and that is told next */
    for (size_t i = 0; i < broker->n_credentials; i++)
        feed_refresh(&broker->possessions[i].feed);
}

static void resolver_ready(struct standing *standing) {
    struct broker *broker = standing->owner;

    if (broker->is_keeper_serving)
        (void)send_resolver(broker);
    else
        broker_go_on(broker);
}

static void describe_end(const struct standing *standing, int wait_status, char *text, size_t size) {
    const char *what = WIFSIGNALED(wait_status) ? "signal" : "exit status";

    (void)snprintf(text, size, "%s ended unexpectedly (%s %d)", standing->plan->name, what,
                   WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status));
}

/* Either has died, or has been stopped. */
static void role_exited(struct standing *standing, int wait_status) {
    struct broker *broker = standing->owner;
    char what[128];

    if (standing == &broker->keeper) {
        broker->is_keeper_serving = false;
        report_count_pending(broker);
        stream_table_side_gone(&broker->streams, NULL);
    }
    if (!broker->is_stopping) {
        describe_end(standing, wait_status, what, sizeof(what));
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

static bool needs_resolver(const struct broker *broker) {
    struct address address;

    for (size_t i = 0; i < broker->n_credentials; i++) {
        struct slice host = broker->credentials[i]->authority.host;

        if (address_parse(host, 0, &address) < 0 && !slice_equals_nocase(host, SLICE("localhost")))
            return true;
    }
    return false;
}

static int copy_ca_files(struct broker *broker, char **ret_error) {
    for (size_t i = 0; i < broker->n_credentials; i++) {
        const struct credential *credential = broker->credentials[i];
        int ca = credential->ca_file ? copy_certificates(credential->ca_file) : -EBADF;

        if (credential->ca_file && ca < 0) {
            if (asprintf(ret_error, "credential %s: ca_file: %s: %s; name a file of certificates", credential->name,
                         credential->ca_file, strerror(-ca)) < 0)
                *ret_error = NULL;
            return ca;
        }
        broker->possessions[i].ca = ca;
    }
    return 0;
}

int custody_start(struct broker *broker, char **ret_error) {
    int r = open_named_bundle(&broker->bundle, ret_error);

    if (r == 0)
        r = copy_ca_files(broker, ret_error);
    if (r == 0)
        r = standing_start(&broker->keeper, &keeper_plan, named_directory(), broker);
    if (r == 0 && needs_resolver(broker))
        r = standing_start(&broker->resolver, &resolver_plan, NULL, broker);
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
