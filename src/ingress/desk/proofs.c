/*
 * What fronts are believed by, where that changes by itself: the secret that they share with us, had as a digest
 * whenever its file changes; a file of keys; the doorman's certificate, key and CA. Of none of them this process sees
 * more than a descriptor.
 */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "ingress/desk/dispatch_state.h"

static const struct secret_source *secret_of(const struct dispatch *dispatch) {
    const struct trust_settings *trust = &dispatch->settings->trust;

    return trust->shared_secret.header ? &trust->shared_secret.secret : NULL;
}

static void secret_came(struct secret_feed *feed, int sealed, uint64_t expires_in_ms) {
    struct dispatch *dispatch = feed->owner;

    (void)expires_in_ms; /* a front that goes on with it is not kept out */
    secret_source_forget(feed->source);
    fd_close(&dispatch->proofs.digest);
    dispatch->proofs.digest = sealed;
    seats_tell(dispatch, PEER_DISPATCHER, tell_front);
    dispatch_go_on(dispatch);
}

/* Without it there is no beginning. Later the one that there was stays in force. */
static void secret_failed(struct secret_feed *feed, const char *error) {
    struct dispatch *dispatch = feed->owner;

    if (dispatch->is_ready)
        log_error("%s; %s", error,
                  dispatch->proofs.digest >= 0 ? "the former secret stays in force"
                                               : "until there is one, no front is believed");
    else
        dispatch_fail(dispatch, error);
}

static void start_feed(struct dispatch *dispatch);

/* One that was ended by a reload may be wanted again by the next. */
static void secret_quiet(struct secret_feed *feed) {
    struct dispatch *dispatch = feed->owner;

    dispatch->proofs.is_secret_fed = false;
    if (!dispatch->is_stopping && secret_of(dispatch))
        start_feed(dispatch);
    dispatch_go_on(dispatch);
}

static const struct feed_events feed_events = {
    .on_secret = secret_came, .on_failure = secret_failed, .on_quiet = secret_quiet};

static int begin_feed(struct dispatch *dispatch, char **ret_error) {
    struct proofs *proofs = &dispatch->proofs;
    int r = feed_start(&proofs->secret, secret_of(dispatch), &feed_events, dispatch, ret_error);

    proofs->is_secret_fed = r == 0;
    return r;
}

static void start_feed(struct dispatch *dispatch) {
    _cleanup_free_ char *error = NULL;

    if (begin_feed(dispatch, &error) < 0)
        log_error("%s; until there is one, no front is believed", error ? error : "out of memory");
}

/* Another source, none any more, or one for the first time. */
static void change_feed(struct dispatch *dispatch) {
    struct proofs *proofs = &dispatch->proofs;
    const struct secret_source *source = secret_of(dispatch);

    if (source && proofs->is_secret_fed && !proofs->secret.is_stopped) {
        feed_change(&proofs->secret, source);
    } else if (source && !proofs->is_secret_fed) {
        start_feed(dispatch);
    } else if (!source && proofs->is_secret_fed) {
        fd_close(&proofs->digest);
        feed_stop(&proofs->secret);
        proofs->is_secret_fed = !feed_is_quiet(&proofs->secret);
    }
}

static void keys_changed(struct file_watch *watch) {
    struct watched_file *file = container_of(watch, struct watched_file, watch);

    seats_tell(file->dispatch, PEER_VERIFIER, tell_assertions);
}

/* Its companions change with it, a moment before or after: what does not go together the doorman does not take. */
static void tls_changed(struct file_watch *watch) {
    struct watched_file *file = container_of(watch, struct watched_file, watch);

    seats_tell(file->dispatch, PEER_DOORMAN, tell_doorman);
}

static void watch_file(struct dispatch *dispatch, struct watched_file *file, const char *path,
                       void (*on_change)(struct file_watch *watch)) {
    file->dispatch = dispatch;
    if (path && path[0] == '/') /* keys may be at a URL */
        file_watch_start(&file->watch, path, on_change);
}

static void watch_files(struct dispatch *dispatch) {
    const struct trust_settings *trust = &dispatch->settings->trust;
    const char *const paths[TLS_PARTS] = {trust->mtls.certificate, trust->mtls.key, trust->mtls.ca};
    struct proofs *proofs = &dispatch->proofs;

    watch_file(dispatch, &proofs->keys, trust->jwt.jwks, keys_changed);
    for (size_t i = 0; i < TLS_PARTS; i++)
        watch_file(dispatch, &proofs->tls[i], paths[i], tls_changed);
}

static void unwatch_files(struct proofs *proofs) {
    file_watch_stop(&proofs->keys.watch);
    for (size_t i = 0; i < TLS_PARTS; i++)
        file_watch_stop(&proofs->tls[i].watch);
}

int proofs_start(struct dispatch *dispatch, char **ret_error) {
    int r = secret_of(dispatch) ? begin_feed(dispatch, ret_error) : 0;

    if (r == 0)
        watch_files(dispatch);
    return r;
}

bool proofs_are_there(const struct dispatch *dispatch) {
    return !secret_of(dispatch) || dispatch->proofs.digest >= 0;
}

void proofs_change(struct dispatch *dispatch) {
    change_feed(dispatch);
    unwatch_files(&dispatch->proofs);
    watch_files(dispatch);
}

void proofs_stop(struct dispatch *dispatch) {
    unwatch_files(&dispatch->proofs);
    if (dispatch->proofs.is_secret_fed)
        feed_stop(&dispatch->proofs.secret);
}

bool proofs_are_quiet(const struct dispatch *dispatch) {
    return !dispatch->proofs.is_secret_fed || feed_is_quiet(&dispatch->proofs.secret);
}

void proofs_done(struct dispatch *dispatch) {
    fd_close(&dispatch->proofs.digest);
}
