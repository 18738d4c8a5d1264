/*
 * What of an upstream's response reaches the workload: cookies stay behind, and the secret is overwritten in fields and
 * body, in every form that egress/mask/mask.h knows. Sits in the keeper between the client that parses a response and the
 * pair to the relay. Changes no length and no order; holds back only what may be the beginning of the secret.
 */
#pragma once

#include "egress/keeper/held.h"
#include "relay/client.h"

struct filter {
    const struct mask *mask; /* NULL where masking is off */
    bool passes_cookies;
    struct mask_stream stream;
    struct upstream_event event; /* that was pushed, and has not been pulled to its end */
    bool is_pending;
    uint64_t masked_fields; /* places in heads so far */
};

/* Before the first event of a response; `mask` (NULL for none) outlives it. */
void filter_begin(struct filter *f, const struct mask *mask, bool passes_cookies);

/* After the last event, or in the middle. Harmless when nothing was begun. */
void filter_done(struct filter *f);

/*
 * Takes an event that client_receive has just given, but no ABORT. What it shows is changed in place, and must stay
 * where it is until everything was pulled. 0 or -ENOMEM.
 */
int filter_push(struct filter *f, struct client *client, const struct upstream_event *event);

/* The response breaks off here: what is held back is to be pulled. 0 or -ENOMEM. */
int filter_break_off(struct filter *f);

/* How many places were overwritten so far. */
uint64_t filter_masked(const struct filter *f);

/* The next event for the relay, with at most LIMIT_PIECE bytes. False when there is none: then push, or it is over. */
bool filter_pull(struct filter *f, struct upstream_event *ret);
