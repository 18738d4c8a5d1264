/*
 * Connections to upstreams that no exchange uses for now, whosever they are. Each soon gives back what only an exchange
 * needs; one that nobody has used for long is closed, and where there are too many the one that was used longest ago.
 * Never connects, and never says whose may be used: that is origin.c's, which calls it.
 */
#pragma once

#include "relay/client.h"

struct origin;

struct warm {
    struct client client;
    struct warm_shelf *shelf;
    struct warm *older, *newer; /* on the shelf */
    uint64_t since_ms;          /* loop_now_ms() when it was put there */
    bool is_asleep;
    struct origin *origin; /* the caller's, as is the next line */
    struct warm *next;
};

/* One for the process: all zero but for what the caller sets. */
struct warm_shelf {
    uint64_t sleep_ms, close_ms; /* that nobody has used it */
    size_t max;
    void (*give_up)(struct warm *warm); /* to be taken off, and closed */
    struct warm *oldest, *newest;
    size_t n;
    bool has_awake; /* the timer is about them */
    struct timer timer;
};

/* In use at first. Takes the stream over, even on failure. 0 or -errno. */
int warm_init(struct warm *warm, struct warm_shelf *shelf, struct stream *stream);

/* Nobody uses it from now on: it is the shelf's to watch. It, or another, may be given up at once. */
void warm_put(struct warm *warm);

/* Takes it off the shelf. */
void warm_take(struct warm *warm);

/* Whether it must not be used: while it lay there the other side has closed it, or said something unasked. */
bool warm_is_stale(struct warm *warm);
