/*
 * One stream in the keeper: the requests that come over its pair from a relay, one exchange after another. Here a
 * request meets its rules, gets its key, goes out and comes back. Reads typed frames, never a workload's bytes.
 */
#pragma once

#include "egress/keeper/lease.h"

/*
 * Takes `fd`, the keeper's end of the pair, over, even on failure; borrows the rest. Whether whoever dialled may use
 * the lease the supervisor knows; a request of somebody who may not is refused, with a reason. The stream frees itself
 * when the relay closes or breaks the rules. 0, or -ENOMEM: then nothing of it has been said to the supervisor.
 */
int keeper_stream_open(uint64_t id, int fd, struct lease *lease, bool may_use, const struct timeouts *timeouts);

/* Tells the supervisor that no more will be said of a stream; of one that could not be opened, too. */
void keeper_stream_ended(uint64_t id);
