/*
 * Which instances nobody uses any more, and so may be stopped: listens to the dispatchers, looks at every instance from
 * time to time, and forgets those that were not used for long. Stops only what can be started again and what it has
 * seen used or has started. What is not known counts as use (idle.h).
 */
#pragma once

#include "ingress/steward/ward.h"

/* A dispatcher of that number, below LIMIT_WORKERS, is there from now on; in the place of the one before. */
void rest_dispatcher_came(uint32_t number);
void rest_dispatcher_went(uint32_t number);

/* It has spoken of an instance that we cannot place: it may be any, for a while. */
void rest_dispatcher_puzzles(uint32_t number);

/* What it says of one instance: requests since its last word, exchanges and tunnels open now. 0 or -ENOMEM. */
int rest_report(uint32_t number, struct ward *ward, uint32_t requests, uint32_t open);

/* Begins to look. */
void rest_begin(void);

/* From now on nothing is stopped: a successor serves the same instances, and its dispatchers do not tell us. */
void rest_hold(void);
