/*
 * One credential's secret over time, in the supervisor: had for the first time at the start, and again when its file
 * changes, when its command is due (by its `refresh`, or ahead of the secret's expiry) and when somebody asks. A
 * failure leaves the secret that there was in force, is told each time, and is retried: after RETRY_SOURCE, then after
 * twice as long each time. What is in a variable or comes from a descriptor is had once, for good.
 *
 * Secrets pass through as sealed descriptors; this process maps none. The broker has a feed for each credential in use.
 */
#pragma once

#include "net/file_watch.h"
#include "secrets/secret_source.h"

struct secret_feed;

/* All are called from the loop, never from inside a call of the functions below. Each may call feed_stop. */
struct feed_events {
    /* A secret is there, to be used from now on. `sealed` is the callee's; `expires_in_ms` is 0 for never. */
    void (*on_secret)(struct secret_feed *feed, int sealed, uint64_t expires_in_ms);
    /* It could not be had. `error` is one line for a person, and holds no byte of a secret. */
    void (*on_failure)(struct secret_feed *feed, const char *error);
    /* After feed_stop: what was running is reaped. Not called when nothing was. The feed may be freed in it. */
    void (*on_quiet)(struct secret_feed *feed);
};

struct secret_feed {
    const struct secret_source *source;
    const struct feed_events *events;
    void *owner;
    struct resolution resolution;
    struct file_watch file;
    struct timer timer; /* the next resolution, or a look at the clock that says when */
    uint64_t next_at;   /* when that one is due, by base/clock.h; 0: not by itself */
    uint64_t retry_ms;  /* how long the next failure is waited after */
    bool is_running;    /* a resolution is */
    bool is_wanted;     /* another is wanted when it has ended */
    bool is_superseded; /* what it yields is from a place that is no longer the source */
    bool is_stopped;
};

/*
 * Begins; `source`, `events` and `owner` are borrowed for the feed's life. A variable is taken and a descriptor is
 * duplicated before it returns, and a command starts no sooner than on the loop: so call it for every credential, then
 * secret_source_forget, and no command sees a variable that is secret. 0, or -errno with `*ret_error` (one line for a
 * person, the caller's; NULL without memory): then nothing has begun.
 */
int feed_start(struct secret_feed *feed, const struct secret_source *source, const struct feed_events *events,
               void *owner, char **ret_error);

/* Has it again now, or right after what is running. Of a variable or a descriptor: nothing to do. */
void feed_refresh(struct secret_feed *feed);

/*
 * The credential's source as the configuration says now, when that was read again: the former one is not looked at any
 * more and may be freed. It is had again, on the loop, but for a variable or a descriptor that is still the same one.
 */
void feed_change(struct secret_feed *feed, const struct secret_source *source);

/* Nothing is told any more but on_quiet; what is running is killed. Harmless on a feed that never began (zeroed). */
void feed_stop(struct secret_feed *feed);

/* Whether no process of it is left. */
bool feed_is_quiet(const struct secret_feed *feed);

/*
 * How long after it was had a secret is due again: ahead of its expiry (0: never expires), and no later than its
 * `refresh` says. 0 when only a change brings the next.
 */
uint64_t feed_due_ms(const struct secret_source *source, uint64_t expires_in_ms);
