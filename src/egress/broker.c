#include "egress/broker.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "egress/broker_state.h"
#include "egress/credential.h"

static bool is_quiet(const struct broker *broker) {
    if (!custody_is_quiet(broker) || broker->holders || !metrics_server_is_quiet(broker->metrics_server))
        return false;
    for (size_t i = 0; i < broker->n_credentials; i++)
        if (!feed_is_quiet(&broker->possessions[i].feed))
            return false;
    return true;
}

/* The keeper goes last: it tells how the exchanges ended that went with their relays. */
static void go_on_stopping(struct broker *broker) {
    if (!broker->holders &&
        (broker->streams.n_used == 0 || broker->is_late || !child_is_running(&broker->keeper.child)))
        custody_stop(broker);
    if (is_quiet(broker)) {
        timer_cancel(&broker->stop_deadline);
        broker->owner.stopped(broker->owner.owner);
    }
}

static bool has_every_secret(const struct broker *broker) {
    for (size_t i = 0; i < broker->n_credentials; i++)
        if (broker->possessions[i].sealed < 0)
            return false;
    return true;
}

/* Once every role has hardened itself and every secret is there, the keeper gets them. Never a moment earlier. */
static void go_on_starting(struct broker *broker) {
    char error[128];
    int r;

    if (broker->is_ready || broker->is_told || !custody_is_ready(broker) || !has_every_secret(broker))
        return;
    r = custody_serve(broker);
    if (r < 0) {
        (void)snprintf(error, sizeof(error), "the keeper cannot be given its credentials: %s", strerror(-r));
        broker_fail(broker, error);
        return;
    }
    broker->is_ready = true;
    broker->owner.ready(broker->owner.owner);
}

void broker_go_on(struct broker *broker) {
    if (broker->is_stopping)
        go_on_stopping(broker);
    else
        go_on_starting(broker);
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
    struct lease_id id = {.pid = (uint32_t)getpid(), .number = entry->lease_number};
    char authority[URI_AUTHORITY_MAX], id_text[LEASE_ID_MAX];
    struct audit_subject subject = {
        .lease = credential->name,
        .identity = entry->identity,
        .authority = authority,
        .id = id_text,
        .pid = entry->asker.pid,
        .executable = entry->asker.executable[0] ? entry->asker.executable : NULL,
    };

    lease_id_format(id, id_text);
    authority[uri_format_authority(&credential->authority, authority)] = '\0';
    metrics_exchange(&broker->metrics, entry->lease, record);
    if (entry->holder)
        holder_count(entry->holder, entry->lease, record);
    (void)audit_exchange(broker->audit, &subject, record); /* it says itself what it could not write */
}

void broker_holder_gone(struct broker *broker, struct holder *holder) {
    for (struct holder **at = &broker->holders; *at; at = &(*at)->next)
        if (*at == holder) {
            *at = holder->next;
            break;
        }
    holder_free(holder);
    broker_go_on(broker);
}

static uint32_t number_of(const struct broker *broker, struct secret_feed *feed) {
    struct possession *possession = container_of(feed, struct possession, feed);

    return (uint32_t)(possession - broker->possessions);
}

static void secret_came(struct secret_feed *feed, int sealed, uint64_t expires_in_ms) {
    struct broker *broker = feed->owner;
    uint32_t i = number_of(broker, feed);
    struct possession *possession = &broker->possessions[i];

    secret_source_forget(feed->source); /* one that a reload has named, too */
    fd_close(&possession->sealed);
    possession->sealed = sealed;
    possession->expires_at = expires_in_ms > 0 ? clock_now_ms() + expires_in_ms : 0;
    if (broker->is_ready)
        metrics_refreshed(&broker->metrics, i, true);
    custody_send_secret(broker, i);
    broker_go_on(broker);
}

static const char *what_is_in_force(const struct possession *possession) {
    if (possession->expires_at == 0)
        return "the former secret stays in force";
    return clock_now_ms() < possession->expires_at
               ? "the former secret stays in force until it expires"
               : "the former secret has expired: requests are answered 503 until there is a new one";
}

/* Without a secret there is no beginning. Later the one that there was stays in force, until its own end. */
static void secret_failed(struct secret_feed *feed, const char *error) {
    struct broker *broker = feed->owner;

    if (!broker->is_ready) {
        broker_fail(broker, error);
        return;
    }
    secret_source_forget(feed->source);
    metrics_refreshed(&broker->metrics, number_of(broker, feed), false);
    log_error("%s; %s", error, what_is_in_force(&broker->possessions[number_of(broker, feed)]));
}

static void feed_quiet(struct secret_feed *feed) {
    broker_go_on(feed->owner);
}

static int write_metrics(void *owner, struct buf *to) {
    struct broker *broker = owner;

    return metrics_write(&broker->metrics, to);
}

static void exporter_restarted(void *owner) {
    struct broker *broker = owner;

    metrics_restarted(&broker->metrics, METRICS_EXPORTER);
}

static void metrics_quiet(void *owner) {
    broker_go_on(owner);
}

static void start_metrics(struct broker *broker) {
    const struct metrics_owner owner = {
        .write = write_metrics, .restarted = exporter_restarted, .quiet = metrics_quiet, .owner = broker};

    for (uint32_t i = 0; i < broker->n_credentials; i++)
        metrics_name(&broker->metrics, i, broker->credentials[i]->name);
    broker->metrics_server = metrics_server_start(&broker->settings->metrics, &owner);
}

static const struct feed_events feed_events = {
    .on_secret = secret_came, .on_failure = secret_failed, .on_quiet = feed_quiet};

static int start_feeds(struct broker *broker, char **ret_error) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < broker->n_credentials; i++)
        r = feed_start(&broker->possessions[i].feed, &broker->credentials[i]->secret, &feed_events, broker, ret_error);
    /* of all that are configured: a variable is no one's business in the command's environment */
    for (size_t i = 0; i < broker->settings->n_credentials; i++)
        secret_source_forget(&broker->settings->credentials[i].secret);
    return r;
}

static void audit_blocked(void *owner, bool is_blocked) {
    struct broker *broker = owner;

    broker->is_audit_blocked = is_blocked;
    custody_send_blocked(broker);
}

static int open_audit(struct broker *broker, char **ret_error) {
    struct audit_owner owner = {.on_blocked = audit_blocked, .owner = broker};

    return audit_open(&broker->settings->audit, &owner, &broker->audit, ret_error);
}

static bool next_lease(void *owner, uint32_t after, struct lease_info *ret) {
    struct broker *broker = owner;
    struct lease_info info;
    uint32_t credential;
    bool is_found = false;

    for (struct holder *holder = broker->holders; holder; holder = holder->next)
        if (holder_find_lease(holder, after, &info, &credential) && (!is_found || info.number < ret->number)) {
            *ret = info;
            is_found = true;
        }
    return is_found;
}

static int revoke_lease(void *owner, uint32_t number, pid_t by, uid_t by_uid) {
    struct broker *broker = owner;
    struct lease_info info;
    uint32_t credential;
    char cause[96];

    (void)snprintf(cause, sizeof(cause), "revoked by process %d of user %u", (int)by, (unsigned)by_uid);
    for (struct holder *holder = broker->holders; holder; holder = holder->next)
        if (holder_find_lease(holder, number - 1, &info, &credential) && info.number == number) {
            holder_revoke(holder, credential, REFUSAL_REVOKED, cause);
            return 0;
        }
    return -ENOENT;
}

static void tell_unmasked(const struct broker *broker) {
    for (size_t i = 0; i < broker->n_credentials; i++)
        if (broker->credentials[i]->is_mask_off)
            log_warning("credential %s: mask: off: a response that says the key shows it to the command",
                        broker->credentials[i]->name);
}

static int start(struct broker *broker, char **ret_error) {
    struct control_owner control = {.next = next_lease, .revoke = revoke_lease, .owner = broker};
    int r = open_audit(broker, ret_error);

    tell_unmasked(broker);
    if (r == 0)
        r = broker_check_programs(ret_error);
    if (r == 0)
        r = custody_start(broker, ret_error);
    if (r < 0) {
        if (!*ret_error && asprintf(ret_error, "credfd's own programs cannot be started: %s", strerror(-r)) < 0)
            *ret_error = NULL;
        return r;
    }
    r = start_feeds(broker, ret_error);
    if (r < 0)
        return r;
    broker->control = control_start(&control);
    start_metrics(broker);
    return 0;
}

int broker_check_programs(char **ret_error) {
    static const char *const names[] = {"credfd-keeper", "credfd-relay", "credfd-source", "credfd-resolver",
                                        "credfd-exporter"};
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

int broker_start(const struct settings *settings, const char *const *names, size_t n_names,
                 const struct broker_owner *owner, struct broker **ret, char **ret_error) {
    struct broker *broker = calloc(1, sizeof(*broker));

    if (!broker)
        return -ENOMEM;
    broker->settings = settings;
    broker->owner = *owner;
    broker->bundle = -EBADF;
    broker->stop_deadline.on_expiry = stop_late;
    broker->n_credentials = n_names;
    for (size_t i = 0; i < n_names; i++) {
        broker->credentials[i] = settings_credential(settings, names[i]);
        broker->possessions[i].sealed = broker->possessions[i].ca = -EBADF;
    }
    *ret = broker;
    return start(broker, ret_error);
}

static void end_leases_of(struct broker *broker, uint32_t credential) {
    for (struct holder *holder = broker->holders; holder; holder = holder->next)
        holder_revoke(holder, credential, REFUSAL_REMOVED, refusal_text(REFUSAL_REMOVED)->reason);
}

static void change_rules(struct broker *broker, uint32_t i, const struct credential *to) {
    broker->credentials[i] = to;
    custody_send_credential(broker, i);
    for (struct holder *holder = broker->holders; holder; holder = holder->next)
        holder_tell_life(holder, i);
}

/* One of the credentials in use, as the configuration has it now: `to`, or NULL when it is gone. */
static void change_credential(struct broker *broker, uint32_t i, const struct credential *to) {
    if (!to) {
        log_warning("credential %s: no longer in the configuration: its leases end", broker->credentials[i]->name);
        end_leases_of(broker, i);
        return;
    }
    if (!credential_is_same_place(broker->credentials[i], to)) {
        log_error("credential %s: its upstream, or how it is put in, has changed: living leases go on as they were; "
                  "start the command again to use the new one",
                  to->name);
        return;
    }
    if (!credential_is_same(broker->credentials[i], to))
        change_rules(broker, i, to);
    broker->credentials[i] = to;
    feed_change(&broker->possessions[i].feed, &to->secret);
}

void broker_reload(struct broker *broker, const struct settings *settings) {
    _cleanup_free_ char *error = NULL;

    if (audit_reopen(broker->audit, &settings->audit, &error) < 0)
        log_error("%s", error ? error : "out of memory");
    broker->settings = settings;
    for (uint32_t i = 0; i < broker->n_credentials; i++)
        change_credential(broker, i, settings_credential(settings, broker->credentials[i]->name));
}

void broker_stop(struct broker *broker) {
    broker->is_stopping = true;
    timer_set(&broker->stop_deadline, TIMEOUT_ROLE_STOP);
    control_stop(broker->control);
    broker->control = NULL;
    metrics_server_stop(broker->metrics_server);
    for (struct holder *holder = broker->holders; holder; holder = holder->next)
        holder_end(holder);
    for (size_t i = 0; i < broker->n_credentials; i++)
        feed_stop(&broker->possessions[i].feed);
    go_on_stopping(broker);
}

static void free_possession(struct possession *possession) {
    fd_close(&possession->sealed);
    fd_close(&possession->ca);
}

bool broker_uses(const struct broker *broker, const struct settings *settings) {
    if (broker->settings == settings)
        return true;
    for (size_t i = 0; i < broker->n_credentials; i++)
        for (size_t j = 0; j < settings->n_credentials; j++)
            if (broker->credentials[i] == &settings->credentials[j])
                return true;
    return false;
}

void broker_free(struct broker *broker) {
    if (!broker)
        return;
    for (size_t i = 0; i < broker->n_credentials; i++)
        free_possession(&broker->possessions[i]);
    fd_close(&broker->bundle);
    metrics_server_free(broker->metrics_server);
    stream_table_done(&broker->streams);
    audit_close(broker->audit);
    free(broker);
}
