/*
 * The event loop: edge-triggered epoll over watches, and timers. One for each process, single-threaded.
 *
 * A watch remembers what it is ready for. Its owner's one step function is called when something changed; it does all
 * it can, and clears a readiness with watch_not_ready when the kernel says EAGAIN. Whoever does not want to read simply
 * does not, and comes back to `ready` later: there is no epoll_ctl after the first, but where a writer had to wait.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

struct watch {
    int fd;         /* borrowed: the owner closes it, after watch_remove */
    uint32_t ready; /* EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR as last reported */
    void (*on_ready)(struct watch *watch);
    struct watch *next_again; /* the loop's: see watch_again */
    bool is_again;
    bool awaits_out; /* the loop's: the kernel was asked to say when it can be written to */
};

struct timer {
    void (*on_expiry)(struct timer *timer);
    uint64_t deadline_ms; /* 0 when it is not set */
    uint64_t queued_ms;   /* the loop's: where the timer stands in its heap; never after deadline_ms */
    size_t slot;          /* the loop's: 1-based index in its heap, 0 when it is not in it */
};

/* 0 or -errno. Call once, before anything else here. */
int loop_init(void);

/* Runs until loop_stop, or until there is neither watch nor timer left. 0 or -errno. May be run again. */
int loop_run(void);
void loop_stop(void);

/* Milliseconds of CLOCK_MONOTONIC at the start of this turn of the loop. */
uint64_t loop_now_ms(void);

/*
 * Starts to watch `fd`. `watch` must stay where it is until watch_remove. It starts out as ready to be written to,
 * until a write says otherwise; what can be read the kernel reports on the next turn. 0 or -errno (EPERM: a descriptor
 * that is always ready, such as a plain file).
 */
int watch_add(struct watch *watch, int fd, void (*on_ready)(struct watch *watch));

/* Harmless on a watch that is not added. After it no event of this watch is delivered, not even one already fetched. */
void watch_remove(struct watch *watch);

/* The kernel said EAGAIN: no longer ready for these. With EPOLLOUT it is asked to say when that changes. */
void watch_not_ready(struct watch *watch, uint32_t events);

/* Calls the watch on the next turn although nothing changed: for work cut short so that others get theirs. */
void watch_again(struct watch *watch);

/*
 * From the watch's on_ready: more news of this kind follows, and it can wait. For `ms` the kernel does not wake the loop
 * for it (but for the end of the connection); what came meanwhile the watch is then called for, and before anything else
 * that wakes the loop. Goes on for as long as each such call asks for it again. One watch at a time: another's wish is
 * not heard.
 */
void watch_gather(struct watch *watch, uint64_t ms);

/* (Re)starts: `on_expiry` is called once, `after_ms` from now, on the loop. Cheap to call for every byte. */
void timer_set(struct timer *timer, uint64_t after_ms);
void timer_cancel(struct timer *timer);

/*
 * The same for a timer that is set again and again: it stays where it stands in the loop's order, so that neither this nor
 * the next timer_set costs anything. Before its memory goes, timer_cancel.
 */
static inline void timer_pause(struct timer *timer) {
    timer->deadline_ms = 0;
}

static inline bool timer_is_set(const struct timer *timer) {
    return timer->deadline_ms != 0;
}
