/*
 * One stream in the keeper: the requests that come over its pair from a relay, one exchange after another. Here a
 * request meets its rules, gets its key, goes out and comes back. Reads typed frames, never a workload's bytes.
 */
#pragma once

#include "base/secret.h"
#include "egress/origin.h"

/* A credential as the keeper has it; it lives as long as the keeper. */
struct held_credential {
    struct credential *credential;
    struct secret *secret;
    struct tls_context *tls; /* NULL for http */
};

struct keeper_stream;

/*
 * Takes `fd`, the keeper's end of the pair, over, even on failure; borrows the rest. The stream frees itself when the
 * relay closes or breaks the rules. 0, or -ENOMEM: then nothing of it has been said to the supervisor.
 */
int keeper_stream_open(uint64_t id, int fd, const struct held_credential *held, struct origin *origin,
                       const struct timeouts *timeouts);

/* Tells the supervisor that no more will be said of a stream; of one that could not be opened, too. */
void keeper_stream_ended(uint64_t id);
