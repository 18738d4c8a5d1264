#include "ingress/front/doorman_pump.h"

#include <errno.h>

#include "base/limits.h"
#include "base/macros.h"

#define TURN 16 /* reads of one way, before others get theirs */

#define READABLE (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)

/* What is being passed on; between two calls nothing stands in it that is still needed. */
static char passing[LIMIT_READ];

static void over(struct pump *pump) {
    pump->is_over = true;
    timer_cancel(&pump->patience);
    pump->ended(pump);
}

static void patience_ends(struct timer *timer) {
    over(container_of(timer, struct pump, patience));
}

void pump_init(struct pump *pump, struct stream *outer, struct stream *inner, void (*ended)(struct pump *pump)) {
    *pump = (struct pump){.outer = outer,
                          .inner = inner,
                          .inward = {.from = outer, .to = inner},
                          .outward = {.from = inner, .to = outer, .forgives = true},
                          .patience.on_expiry = patience_ends,
                          .ended = ended};
    buf_init(&pump->inward.waiting, LIMIT_READ);
    buf_init(&pump->outward.waiting, LIMIT_READ);
}

void pump_done(struct pump *pump) {
    timer_cancel(&pump->patience);
    buf_release(&pump->inward.waiting);
    buf_release(&pump->outward.waiting);
}

static ssize_t read_some(struct stream *from) {
    return stream_is_ready(from, READABLE) ? stream_read(from, passing, sizeof(passing)) : -EAGAIN;
}

static ssize_t write_some(struct stream *to, struct slice bytes) {
    return stream_is_ready(to, EPOLLOUT) ? stream_write(to, &bytes, 1) : -EAGAIN;
}

/* 0 when nothing waits any more, -EAGAIN, or -errno. */
static int flush(struct pump_way *way) {
    while (!buf_is_empty(&way->waiting)) {
        ssize_t n = write_some(way->to, buf_slice(&way->waiting));

        if (n < 0)
            return (int)n;
        buf_consume(&way->waiting, (size_t)n);
        way->passed += (uint64_t)n;
    }
    buf_release(&way->waiting);
    return 0;
}

/* One read passed on, as far as it is taken. Bytes read, 0 at the end, or -errno. */
static ssize_t pass(struct pump_way *way) {
    ssize_t n = read_some(way->from), taken;
    struct slice bytes;
    int r;

    if (n == -ECONNRESET && way->forgives)
        return 0;
    if (n <= 0)
        return n;
    bytes = slice_of(passing, (size_t)n);
    taken = write_some(way->to, bytes);
    if (taken < 0 && taken != -EAGAIN)
        return taken;
    way->passed += taken > 0 ? (uint64_t)taken : 0;
    r = buf_append(&way->waiting, slice_from(bytes, taken > 0 ? (size_t)taken : 0));
    return r < 0 ? r : n;
}

/* Passes on what there is. 0 at its end, -EAGAIN, or -errno; with `*ret_again` there may be more. */
static int carry(struct pump_way *way, bool *ret_again) {
    for (unsigned i = 0; i < TURN; i++) {
        int r = flush(way);
        ssize_t n;

        if (r < 0)
            return r;
        if (way->has_ended) {
            if (!way->is_shut)
                stream_shut_write(way->to);
            way->is_shut = true;
            return 0;
        }
        n = pass(way);
        if (n < 0)
            return (int)n;
        way->has_ended = n == 0;
    }
    *ret_again = true;
    return -EAGAIN;
}

/*
 * The dispatcher takes no more: what the guest still says is read and dropped, so that the kernel does not answer it
 * with a reset that overtakes the last words (RFC 9112 §9.6). As carry.
 */
static int discard(struct pump *pump, bool *ret_again) {
    buf_release(&pump->inward.waiting);
    for (unsigned i = 0; i < TURN; i++) {
        ssize_t n = pump->inward.has_ended ? 0 : read_some(pump->outer);

        if (n < 0)
            return (int)n;
        if (n == 0) {
            pump->inward.has_ended = true;
            return 0;
        }
    }
    *ret_again = true;
    return -EAGAIN;
}

static bool is_broken(int r) {
    return r < 0 && r != -EAGAIN;
}

static bool is_inner_gone(const struct pump *pump, int in) {
    return in == -EPIPE || (pump->inner->watch.ready & EPOLLHUP) != 0;
}

/* A guest has the usual time to take each part of what is left, and a moment to close when it has all. */
static void be_patient(struct pump *pump, bool has_all, bool has_moved) {
    if (has_all && !pump->is_lingering)
        timer_set(&pump->patience, TIMEOUT_LINGER);
    else if (!has_all && (has_moved || !timer_is_set(&pump->patience)))
        timer_set(&pump->patience, TIMEOUT_WRITE);
    pump->is_lingering = has_all;
}

void pump_step(struct pump *pump) {
    uint64_t passed = pump->outward.passed;
    bool is_again = false;
    int in = -EPIPE, out;

    if (pump->is_over)
        return;
    out = carry(&pump->outward, &is_again);
    if (!pump->is_inner_gone)
        in = carry(&pump->inward, &is_again);
    if (is_inner_gone(pump, in)) {
        pump->is_inner_gone = true;
        in = discard(pump, &is_again);
    }
    if (is_broken(out) || is_broken(in) || (in == 0 && out == 0)) {
        over(pump);
        return;
    }
    if (pump->is_inner_gone)
        be_patient(pump, out == 0, pump->outward.passed > passed);
    if (is_again)
        watch_again(&pump->outer->watch);
}
