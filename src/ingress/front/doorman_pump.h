/*
 * Bytes both ways between two streams, as they come, for as long as both sides like: what one side ends the other sees
 * end, while the way back stays open. Holds at most one read's bytes for each way, and no memory while nothing waits.
 * Knows no protocol. The outer stream is a guest's, the inner one leads to a dispatcher, who keeps time for both: here
 * a guest is only given up once the dispatcher has gone. Used by the doorman.
 */
#pragma once

#include "base/buf.h"
#include "net/stream.h"

struct pump_way {
    struct stream *from, *to;
    struct buf waiting; /* read, and not taken yet */
    uint64_t passed;    /* bytes that were taken */
    bool has_ended;     /* `from` has said its last */
    bool is_shut;       /* and `to` was told */
    bool forgives;      /* a reset is no worse than an end */
};

struct pump {
    struct stream *outer, *inner;
    struct pump_way inward, outward;
    bool is_inner_gone; /* it takes no more: what the guest says is dropped */
    bool is_lingering;  /* and all that it said was passed on */
    bool is_over;
    struct timer patience; /* with the guest, since the dispatcher has gone */
    void (*ended)(struct pump *pump);
};

/*
 * Both streams stay the owner's, who closes them, and calls pump_step whenever one of them is ready. `ended` is called
 * once, when nothing more is to be done; it may be where pump_done is called.
 */
void pump_init(struct pump *pump, struct stream *outer, struct stream *inner, void (*ended)(struct pump *pump));

/* All that can be done now. May call `ended`, as the last thing that it does. */
void pump_step(struct pump *pump);

/* Gives its memory back; calls nothing. Harmless on one that is all zero. */
void pump_done(struct pump *pump);
