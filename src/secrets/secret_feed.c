#include "secrets/secret_feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"

/* A variable is wiped and a descriptor is read to its end: neither yields anything twice. */
static bool is_renewable(const struct secret_source *source) {
    return source->kind != SECRET_ENV && source->kind != SECRET_FD;
}

uint64_t feed_due_ms(const struct secret_source *source, uint64_t expires_in_ms) {
    uint64_t ahead = MAX_OF(expires_in_ms / 10, (uint64_t)REFRESH_AHEAD);
    uint64_t due = expires_in_ms > ahead ? expires_in_ms - ahead : 0;

    if (source->kind != SECRET_COMMAND || expires_in_ms == 0)
        return source->refresh_ms;
    due = MAX_OF(due, (uint64_t)REFRESH_SOONEST);
    return source->refresh_ms > 0 ? MIN_OF(due, source->refresh_ms) : due;
}

/* The loop's timers stand still while the machine sleeps, so the clock is looked at now and then. */
static void wait_for_clock(struct secret_feed *feed) {
    uint64_t now = clock_now_ms();

    timer_set(&feed->timer, feed->next_at > now ? MIN_OF(feed->next_at - now, (uint64_t)CLOCK_LOOK) : 0);
}

/* 0: not by itself. */
static void be_due_in(struct secret_feed *feed, uint64_t ms) {
    feed->next_at = ms > 0 ? clock_now_ms() + ms : 0;
    if (ms > 0)
        wait_for_clock(feed);
    else
        timer_cancel(&feed->timer);
}

/* At once: or, when one is running that may have looked too early, as soon as that has ended. */
static void want(struct secret_feed *feed) {
    if (feed->is_running)
        feed->is_wanted = true;
    else
        be_due_in(feed, 1);
}

static void be_due_after_failure(struct secret_feed *feed) {
    be_due_in(feed, is_renewable(feed->source) ? feed->retry_ms : 0);
    feed->retry_ms = MIN_OF(feed->retry_ms * 2, (uint64_t)RETRY_SOURCE_MAX);
}

static void be_due_after_success(struct secret_feed *feed, uint64_t expires_in_ms) {
    feed->retry_ms = RETRY_SOURCE;
    be_due_in(feed, feed_due_ms(feed->source, expires_in_ms));
}

static void resolved(struct resolution *resolution, int fd, uint64_t expires_in_ms, const char *error) {
    struct secret_feed *feed = container_of(resolution, struct secret_feed, resolution);
    bool is_superseded = feed->is_superseded, is_wanted = feed->is_wanted;
    _cleanup_close_ int sealed = fd;

    feed->is_running = feed->is_wanted = feed->is_superseded = false;
    if (feed->is_stopped) {
        feed->events->on_quiet(feed);
        return;
    }
    if (sealed >= 0)
        be_due_after_success(feed, expires_in_ms);
    else
        be_due_after_failure(feed);
    if (is_wanted || is_superseded)
        want(feed);
    if (is_superseded)
        return;
    if (sealed >= 0)
        feed->events->on_secret(feed, fd_steal(&sealed), expires_in_ms);
    else
        feed->events->on_failure(feed, error);
}

static int begin(struct secret_feed *feed, char **ret_error) {
    int r = resolution_start(&feed->resolution, feed->source, resolved, feed, ret_error);

    feed->is_running = r == 0;
    return r;
}

static void timer_expired(struct timer *timer) {
    struct secret_feed *feed = container_of(timer, struct secret_feed, timer);
    _cleanup_free_ char *error = NULL;
    int r;

    if (clock_now_ms() < feed->next_at) {
        wait_for_clock(feed);
        return;
    }
    r = begin(feed, &error);
    if (r == 0)
        return;
    be_due_after_failure(feed);
    feed->events->on_failure(feed, error ? error : strerror(-r));
}

static void file_changed(struct file_watch *file) {
    want(container_of(file, struct secret_feed, file));
}

int feed_start(struct secret_feed *feed, const struct secret_source *source, const struct feed_events *events,
               void *owner, char **ret_error) {
    int r = 0;

    *feed = (struct secret_feed){.source = source, .events = events, .owner = owner, .retry_ms = RETRY_SOURCE};
    feed->timer.on_expiry = timer_expired;
    if (source->path) /* before it is read: what changes while it is, is had again */
        file_watch_start(&feed->file, source->path, file_changed);
    if (source->kind == SECRET_COMMAND)
        want(feed);
    else
        r = begin(feed, ret_error);
    if (r < 0)
        file_watch_stop(&feed->file);
    return r;
}

void feed_refresh(struct secret_feed *feed) {
    if (is_renewable(feed->source) && !feed->is_stopped)
        want(feed);
}

static bool is_same_for_good(const struct secret_source *a, const struct secret_source *b) {
    if (a->kind != b->kind || is_renewable(a))
        return false;
    return a->kind == SECRET_FD ? a->fd == b->fd : strcmp(a->variable, b->variable) == 0;
}

void feed_change(struct secret_feed *feed, const struct secret_source *source) {
    bool is_same = is_same_for_good(feed->source, source);

    feed->source = source;
    feed->resolution.from = source;
    if (is_same || feed->is_stopped)
        return;
    file_watch_stop(&feed->file);
    if (source->path)
        file_watch_start(&feed->file, source->path, file_changed);
    feed->retry_ms = RETRY_SOURCE;
    feed->is_superseded = feed->is_running;
    want(feed);
    resolution_kill(&feed->resolution);
}

void feed_stop(struct secret_feed *feed) {
    feed->is_stopped = true;
    timer_cancel(&feed->timer);
    file_watch_stop(&feed->file);
    resolution_kill(&feed->resolution);
}

bool feed_is_quiet(const struct secret_feed *feed) {
    return !feed->is_running;
}
