/*
 * The credentials that the broker has: the configuration's, each with the feed of its secret, and those that are lent,
 * whose key comes once and goes with the loan.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "egress/desk/broker_state.h"
#include "egress/desk/loan.h"

/* One of those that the feed's secret is for has it from now on. */
static void keep_secret(struct possession *possession, int sealed, uint64_t expires_in_ms) {
    fd_close(&possession->sealed);
    possession->sealed = sealed;
    possession->expires_at = expires_in_ms > 0 ? clock_now_ms() + expires_in_ms : 0;
    if (possession->broker->is_ready)
        metrics_refreshed(&possession->broker->metrics, possession->label, true);
    custody_send_secret(possession);
}

/* The same sealed memory: its bytes are there once. */
static void share_secret(struct possession *follower, int sealed, uint64_t expires_in_ms) {
    int copy = fcntl(sealed, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    if (copy >= 0)
        keep_secret(follower, copy, expires_in_ms);
    else if (!follower->broker->is_ready)
        broker_fail(follower->broker, "no descriptor for a secret that is shared");
    else
        log_error("credential %s: no descriptor for its secret: %s", follower->credential->name, strerror(errno));
}

static void secret_came(struct secret_feed *feed, int sealed, uint64_t expires_in_ms) {
    struct possession *possession = feed->owner;
    struct broker *broker = possession->broker;

    secret_source_forget(feed->source); /* one that a reload has named, too */
    keep_secret(possession, sealed, expires_in_ms);
    for (size_t i = 0; i < broker->n_configured; i++)
        if (broker->configured[i]->leader == possession)
            share_secret(broker->configured[i], sealed, expires_in_ms);
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
    struct possession *possession = feed->owner;
    struct broker *broker = possession->broker;

    if (!broker->is_ready) {
        broker_fail(broker, error);
        return;
    }
    secret_source_forget(feed->source);
    metrics_refreshed(&broker->metrics, possession->label, false);
    log_error("%s; %s", error, what_is_in_force(possession));
}

static void feed_quiet(struct secret_feed *feed) {
    const struct possession *possession = feed->owner;

    broker_go_on(possession->broker);
}

static const struct feed_events feed_events = {
    .on_secret = secret_came, .on_failure = secret_failed, .on_quiet = feed_quiet};

static int add(struct broker *broker, const struct credential *credential, struct possession **ret) {
    struct possession *possession = malloc(sizeof(*possession));
    int r;

    if (!possession)
        return -ENOMEM;
    *possession = (struct possession){.broker = broker,
                                      .refs = 1,
                                      .label = metrics_label(&broker->metrics, credential->name),
                                      .credential = credential,
                                      .sealed = -EBADF};
    r = number_table_give(&broker->possessions, possession, &possession->number);
    if (r < 0) {
        free(possession);
        return r;
    }
    *ret = possession;
    return 0;
}

int possession_new(struct broker *broker, const struct credential *credential, struct possession **ret) {
    struct secret_feed *feed = calloc(1, sizeof(*feed));
    int r = feed ? add(broker, credential, ret) : -ENOMEM;

    if (r < 0)
        free(feed);
    else
        (*ret)->feed = feed;
    return r;
}

int possession_trust(struct possession *possession, char **ret_error) {
    const struct credential *credential = possession->credential;
    int r;

    if (!credential->ca_file)
        return 0;
    r = certificates_get(&possession->broker->certificates, credential->ca_file, &possession->ca);
    if (r < 0 && asprintf(ret_error, "credential %s: ca_file: %s: %s; name a file of certificates", credential->name,
                          credential->ca_file, strerror(-r)) < 0)
        *ret_error = NULL;
    return r;
}

/* Who has the same secret, by what the settings say, and has begun to ask for it. */
static struct possession *find_leader(const struct possession *possession) {
    uint32_t group = possession->credential->secret.group;

    for (size_t i = 0; group != 0 && i < possession->broker->n_configured; i++) {
        struct possession *other = possession->broker->configured[i];

        if (other == possession)
            break;
        if (!other->leader && other->credential->secret.group == group)
            return other;
    }
    return NULL;
}

int possession_feed(struct possession *possession, char **ret_error) {
    const struct credential *credential = possession->credential;

    if (credential->is_mask_off)
        log_warning("credential %s: mask: off: a response that says the key shows it to the command", credential->name);
    possession->leader = find_leader(possession);
    if (possession->leader)
        return 0;
    return feed_start(possession->feed, &credential->secret, &feed_events, possession, ret_error);
}

static int add_lent(struct broker *broker, const struct loan *loan, struct possession **ret) {
    struct credential *credential;
    int r = loan_credential(loan, &credential);

    if (r < 0)
        return r;
    r = add(broker, credential, ret);
    if (r < 0)
        loan_credential_free(credential);
    else
        (*ret)->lent = credential;
    return r;
}

int possession_lend(struct broker *broker, const struct loan *loan, struct possession **ret) {
    _cleanup_close_ int key = loan->key;
    _cleanup_free_ char *error = NULL;
    struct possession *possession;
    int r = loan_is_key(key) ? add_lent(broker, loan, &possession) : -EINVAL;

    if (r < 0)
        return r;
    possession->sealed = fd_steal(&key);
    r = possession_trust(possession, &error);
    if (r == 0)
        r = custody_resolve_for(broker, possession->credential);
    if (r < 0) {
        log_error("%s", error ? error : strerror(-r));
        possession_take_back(possession);
        possession_unref(possession);
        return r;
    }
    custody_send_possession(possession);
    *ret = possession;
    return 0;
}

struct possession *possession_ref(struct possession *possession) {
    possession->refs++;
    return possession;
}

void possession_unref(struct possession *possession) {
    if (!possession || --possession->refs > 0)
        return;
    if (!possession->lent)
        number_table_remove(&possession->broker->possessions, possession->number);
    certificates_unref(possession->ca);
    fd_close(&possession->sealed);
    loan_credential_free(possession->lent);
    free(possession->feed);
    free(possession);
}

static void forget(struct possession *possession) {
    struct ipc_writer w = ipc_begin(IPC_FORGET);

    ipc_put_u32(&w, possession->number);
    custody_send(possession->broker, &w, -EBADF);
    number_table_remove(&possession->broker->possessions, possession->number);
    fd_close(&possession->sealed);
    possession->place = (struct secret_place){0};
    possession->borrower = NULL;
}

void possession_take_back(struct possession *possession) {
    if (possession->lent && (possession->sealed >= 0 || possession->place.n > 0))
        forget(possession);
}
