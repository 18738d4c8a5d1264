#include "net/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "base/fd.h"
#include "base/macros.h"

#define LOOP_BATCH 64

static struct {
    int epoll;
    bool is_stopped;
    size_t n_watches;
    uint64_t now_ms;
    struct epoll_event batch[LOOP_BATCH]; /* being delivered: [at, n) are still to come */
    int at, n;
    struct watch *again;     /* to be called on the next turn */
    struct watch *once;      /* the same, of the turn that is running */
    struct watch *gathering; /* hears its news together: see watch_gather */
    bool is_gathering_on;    /* and goes on with it */
    struct timer gathered;
    uint64_t gather_ms;
    struct timer **heap; /* smallest queued_ms first; heap[0] is not used, so that slot 0 means "not in it" */
    size_t n_timers, heap_size;
} loop = {.epoll = -EBADF};

static void read_clock(void) {
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail for this clock */
    loop.now_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int loop_init(void) {
    loop.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop.epoll < 0)
        return -errno;
    read_clock();
    return 0;
}

uint64_t loop_now_ms(void) {
    return loop.now_ms;
}

void loop_stop(void) {
    loop.is_stopped = true;
}

static int ask_kernel(struct watch *watch, int operation) {
    struct epoll_event event = {.events = EPOLLET, .data.ptr = watch};

    if (watch != loop.gathering)
        event.events |= EPOLLIN | EPOLLRDHUP;
    if (watch->awaits_out)
        event.events |= EPOLLOUT;
    return epoll_ctl(loop.epoll, operation, watch->fd, &event) < 0 ? -errno : 0;
}

int watch_add(struct watch *watch, int fd, void (*on_ready)(struct watch *watch)) {
    int r;

    *watch = (struct watch){.fd = fd, .ready = EPOLLOUT};
    r = ask_kernel(watch, EPOLL_CTL_ADD);
    if (r < 0)
        return r;
    watch->on_ready = on_ready;
    loop.n_watches++;
    return 0;
}

/*
 * A unix socket calls itself writable each time its peer has read: asked for all the time, EPOLLOUT would wake the
 * sender of every message for nothing. So it is asked for once a write has had to wait, and until it comes for no one.
 */
void watch_not_ready(struct watch *watch, uint32_t events) {
    watch->ready &= ~events;
    if ((events & EPOLLOUT) && !watch->awaits_out && watch->on_ready) {
        watch->awaits_out = true;
        (void)ask_kernel(watch, EPOLL_CTL_MOD); /* cannot fail for a descriptor that is in the set (epoll_ctl(2)) */
    }
}

static void note_ready(struct watch *watch, uint32_t events) {
    if ((events & watch->ready & EPOLLOUT) && watch->awaits_out) {
        watch->awaits_out = false;
        (void)ask_kernel(watch, EPOLL_CTL_MOD);
    }
    watch->ready |= events;
}

static void forget_again(struct watch *watch) {
    struct watch **lists[] = {&loop.again, &loop.once};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (struct watch **at = lists[i]; *at; at = &(*at)->next_again)
            if (*at == watch) {
                *at = watch->next_again;
                break;
            }
    watch->is_again = false;
}

static void forget_gathering(void) {
    loop.gathering = NULL;
    timer_cancel(&loop.gathered);
}

void watch_remove(struct watch *watch) {
    if (!watch->on_ready)
        return;
    /* a descriptor that is also open elsewhere would stay in the set if it were merely closed (epoll(7), Q6) */
    (void)epoll_ctl(loop.epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = loop.at; i < loop.n; i++)
        if (loop.batch[i].data.ptr == watch)
            loop.batch[i].data.ptr = NULL;
    if (watch->is_again)
        forget_again(watch);
    if (watch == loop.gathering)
        forget_gathering();
    watch->on_ready = NULL;
    watch->ready = 0;
    loop.n_watches--;
}

void watch_again(struct watch *watch) {
    if (watch->is_again)
        return;
    watch->is_again = true;
    watch->next_again = loop.again;
    loop.again = watch;
}

/* Only those that stand in the list now: a step that asks again waits for the next turn. */
static void deliver_again(void) {
    loop.once = loop.again;
    loop.again = NULL;
    while (loop.once) {
        struct watch *watch = loop.once;

        loop.once = watch->next_again;
        watch->is_again = false;
        watch->on_ready(watch);
    }
}

static void heap_put(size_t slot, struct timer *timer) {
    loop.heap[slot] = timer;
    timer->slot = slot;
}

static void heap_up(size_t slot, struct timer *timer) {
    for (; slot > 1 && loop.heap[slot / 2]->queued_ms > timer->queued_ms; slot /= 2)
        heap_put(slot, loop.heap[slot / 2]);
    heap_put(slot, timer);
}

static void heap_down(size_t slot, struct timer *timer) {
    for (;;) {
        size_t child = slot * 2;

        if (child > loop.n_timers)
            break;
        if (child < loop.n_timers && loop.heap[child + 1]->queued_ms < loop.heap[child]->queued_ms)
            child++;
        if (loop.heap[child]->queued_ms >= timer->queued_ms)
            break;
        heap_put(slot, loop.heap[child]);
        slot = child;
    }
    heap_put(slot, timer);
}

static void heap_remove(struct timer *timer) {
    size_t slot = timer->slot;
    struct timer *last = loop.heap[loop.n_timers--];

    timer->slot = 0;
    if (last == timer)
        return;
    if (slot > 1 && loop.heap[slot / 2]->queued_ms > last->queued_ms)
        heap_up(slot, last);
    else
        heap_down(slot, last);
}

static void heap_add(struct timer *timer) {
    if (loop.n_timers + 2 > loop.heap_size) {
        size_t size = MAX_OF(loop.heap_size * 2, (size_t)64);
        struct timer **heap = realloc(loop.heap, size * sizeof(*heap));

        if (!heap)
            abort(); /* a process that cannot keep time cannot keep its promises */
        loop.heap = heap;
        loop.heap_size = size;
    }
    timer->queued_ms = timer->deadline_ms;
    heap_up(++loop.n_timers, timer);
}

/* A deadline that only moves away, as keep-alive timers do, is moved in the heap when its old time comes. */
void timer_set(struct timer *timer, uint64_t after_ms) {
    timer->deadline_ms = loop.now_ms + MAX_OF(after_ms, (uint64_t)1);
    if (timer->slot > 0 && timer->queued_ms <= timer->deadline_ms)
        return;
    if (timer->slot > 0)
        heap_remove(timer);
    heap_add(timer);
}

void timer_cancel(struct timer *timer) {
    if (timer->slot > 0)
        heap_remove(timer);
    timer->deadline_ms = 0;
}

static void deliver_timers(void) {
    while (loop.n_timers > 0 && loop.heap[1]->queued_ms <= loop.now_ms) {
        struct timer *timer = loop.heap[1];

        heap_remove(timer);
        if (timer->deadline_ms == 0) /* paused, and not set again since */
            continue;
        if (timer->deadline_ms > timer->queued_ms) { /* moved away: its turn comes in the order of deadlines */
            heap_add(timer);
            continue;
        }
        timer->deadline_ms = 0;
        timer->on_expiry(timer);
    }
}

/* Before anything else of a turn, whatever that is for: nobody acts on less than was said before. */
static void hear_gathered(void) {
    struct watch *watch = loop.gathering;

    if (!watch)
        return;
    watch->ready |= EPOLLIN;
    watch->on_ready(watch);
}

/* What came was heard at the beginning of this turn. Where nothing did, the next news is worth a wake-up again. */
static void stop_gathering(struct timer *timer) {
    struct watch *watch = loop.gathering;

    if (loop.is_gathering_on) {
        loop.is_gathering_on = false;
        timer_set(timer, loop.gather_ms);
        return;
    }
    loop.gathering = NULL;
    (void)ask_kernel(watch, EPOLL_CTL_MOD); /* reports what has come meanwhile */
}

void watch_gather(struct watch *watch, uint64_t ms) {
    if (loop.gathering == watch)
        loop.is_gathering_on = true;
    if (loop.gathering)
        return;
    loop.gathering = watch;
    loop.is_gathering_on = false;
    loop.gather_ms = ms;
    loop.gathered.on_expiry = stop_gathering;
    timer_set(&loop.gathered, ms);
    (void)ask_kernel(watch, EPOLL_CTL_MOD); /* cannot fail for a descriptor that is in the set (epoll_ctl(2)) */
}

static int wait_ms(void) {
    uint64_t ms;

    if (loop.again)
        return 0;
    if (loop.n_timers == 0)
        return -1;
    if (loop.heap[1]->queued_ms <= loop.now_ms)
        return 0;
    ms = loop.heap[1]->queued_ms - loop.now_ms;
    return (int)MIN_OF(ms, (uint64_t)INT_MAX);
}

static void deliver_events(void) {
    for (loop.at = 0; loop.at < loop.n; loop.at++) {
        struct watch *watch = loop.batch[loop.at].data.ptr;

        if (!watch)
            continue;
        note_ready(watch, loop.batch[loop.at].events);
        watch->on_ready(watch);
    }
    loop.n = 0;
}

int loop_run(void) {
    while (!loop.is_stopped && (loop.n_watches > 0 || loop.n_timers > 0)) {
        int n = epoll_wait(loop.epoll, loop.batch, LOOP_BATCH, wait_ms());

        if (n < 0 && errno != EINTR)
            return -errno;
        read_clock();
        loop.at = 0; /* all of the batch is still to come: what is removed from here on is taken out of it */
        loop.n = MAX_OF(n, 0);
        hear_gathered();
        deliver_events();
        deliver_again();
        deliver_timers();
    }
    loop.is_stopped = false;
    return 0;
}
