#include "egress/desk/broker.h"

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
#include "egress/desk/broker_state.h"
#include "egress/desk/ways.h"

static bool is_quiet(const struct broker *broker) {
    if (!custody_is_quiet(broker) || !ways_is_quiet(broker) || broker->holders || broker->spare ||
        !metrics_server_is_quiet(broker->metrics_server))
        return false;
    for (size_t i = 0; i < broker->n_configured; i++)
        if (!feed_is_quiet(broker->configured[i]->feed))
            return false;
    return true;
}

/* The keeper goes last: it tells how the exchanges ended that went with their relays. */
static void go_on_stopping(struct broker *broker) {
    if (!broker->holders &&
        (broker->streams.n_used == 0 || broker->is_late || !child_is_running(&broker->keeper.child)))
        custody_stop(broker);
    if (!broker->holders)
        ways_stop(broker);
    if (is_quiet(broker)) {
        timer_cancel(&broker->stop_deadline);
        broker->owner.stopped(broker->owner.owner);
    }
}

static bool has_every_secret(const struct broker *broker) {
    for (size_t i = 0; i < broker->n_configured; i++)
        if (broker->configured[i]->sealed < 0)
            return false;
    return true;
}

/* Once every role has hardened itself and every secret is there, the keeper gets them. Never a moment earlier. */
static void go_on_starting(struct broker *broker) {
    char error[128];
    int r;

    if (broker->is_ready || broker->is_told || !custody_is_ready(broker) || !ways_is_ready(broker) ||
        !has_every_secret(broker))
        return;
    r = custody_serve(broker);
    if (r < 0) {
        (void)snprintf(error, sizeof(error), "the keeper cannot be given its credentials: %s", strerror(-r));
        broker_fail(broker, error);
        return;
    }
    broker->is_ready = true;
    spare_want(broker);
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

void broker_note(struct broker *broker, const struct stream_entry *entry, const struct exchange_record *record) {
    const struct credential *credential = entry->possession->credential;
    struct lease_id id = {.pid = broker->pid, .number = entry->lease_number};
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
    metrics_exchange(&broker->metrics, entry->possession->label, record);
    if (entry->holder)
        grant_count(&entry->holder->grants[entry->door], record);
    audit_note(broker->audit, &subject, record);
    if (broker->owner.exchange)
        broker->owner.exchange(broker->owner.owner, credential->name, record);
}

void broker_account(struct broker *broker, const struct stream_entry *entry, const struct exchange_record *record) {
    broker_note(broker, entry, record);
    audit_flush(broker->audit); /* it says itself what it could not write */
}

static int start_feeds(struct broker *broker, char **ret_error) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < broker->n_configured; i++)
        r = possession_feed(broker->configured[i], ret_error);
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

static int start(struct broker *broker, char **ret_error) {
    int r = open_audit(broker, ret_error);

    if (r == 0)
        r = broker_check_programs(ret_error);
    if (r == 0)
        r = custody_start(broker, ret_error);
    if (r == 0)
        r = ways_start(broker);
    if (r < 0) {
        if (!*ret_error && asprintf(ret_error, "credfd's own programs cannot be started: %s", strerror(-r)) < 0)
            *ret_error = NULL;
        return r;
    }
    r = start_feeds(broker, ret_error);
    if (r == 0)
        answers_start(broker);
    return r;
}

const char *const broker_programs[] = {"credfd-keeper",   "credfd-relay", "credfd-source", "credfd-resolver",
                                       "credfd-exporter", "credfd-gate",  "credfd-proxy",  NULL};

int broker_check_programs(char **ret_error) {
    char path[PATH_MAX];

    for (const char *const *name = broker_programs; *name; name++) {
        int r = child_program_path(*name, path, sizeof(path));

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

static void stream_freed(struct stream_entry *entry) {
    possession_unref(entry->possession);
}

int broker_start(const struct settings *settings, const char *const *names, size_t n_names,
                 const struct broker_owner *owner, struct broker **ret, char **ret_error) {
    struct broker *broker = calloc(1, sizeof(*broker));
    int r = 0;

    if (!broker)
        return -ENOMEM;
    broker->pid = (uint32_t)getpid();
    broker->settings = settings;
    broker->owner = *owner;
    broker->bundle = -EBADF;
    broker->stop_deadline.on_expiry = stop_late;
    broker->streams.on_free = stream_freed;
    *ret = broker;
    for (; r == 0 && broker->n_configured < n_names; broker->n_configured += r == 0)
        r = possession_new(broker, settings_credential(settings, names[broker->n_configured]),
                           &broker->configured[broker->n_configured]);
    return r == 0 ? start(broker, ret_error) : r;
}

void broker_stop(struct broker *broker) {
    struct holder *next;

    broker->is_stopping = true;
    timer_set(&broker->stop_deadline, TIMEOUT_ROLE_STOP);
    answers_stop(broker);
    spare_stop(broker);
    for (struct holder *holder = broker->holders; holder; holder = next) {
        next = holder->next; /* one whose relay has gone before is freed */
        holder_end(holder);
    }
    for (size_t i = 0; i < broker->n_configured; i++)
        feed_stop(broker->configured[i]->feed);
    go_on_stopping(broker);
}

void broker_free(struct broker *broker) {
    if (!broker)
        return;
    control_stop(broker->control); /* of one that could not begin */
    stream_table_done(&broker->streams);
    ways_free(broker);
    for (size_t i = 0; i < broker->n_configured; i++)
        possession_unref(broker->configured[i]);
    number_table_done(&broker->possessions);
    number_table_done(&broker->identities);
    vault_done(broker);
    fd_close(&broker->bundle);
    metrics_server_free(broker->metrics_server);
    audit_close(broker->audit);
    free(broker);
}
