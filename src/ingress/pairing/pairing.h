/*
 * One pairing: what the mint command prints is read, the credential in it is exchanged at the instance for a session,
 * and the session's cookies are handed over. An object on the loop that runs no command itself: whoever has it starts
 * the mint, gives its output and says how it ended. Used by the pairer and by `credfd dispatch check`.
 *
 * The credential lives from the last byte of the mint's output to the end of the exchange, in memory that is wiped.
 */
#pragma once

#include "ingress/pairing/instance_call.h"
#include "ingress/pairing/session_codec.h"
#include "ingress/pairing/target.h"
#include "ingress/peer_role.h"

struct pairing;

/* Valid during `done`. */
struct pairing_result {
    enum pairing_fault fault;
    const char *reason;   /* what went wrong, for the log; "" when it worked */
    unsigned status;      /* of the instance's answer to the last exchange; 0 without one */
    size_t exchange;      /* index of the last one that was tried */
    bool was_not_started; /* with PAIRING_MINT_FAILED: there was no command at all */
    bool was_silent;      /* with PAIRING_UNREACHABLE: the instance is there, and did not answer in time */
    const struct slice *set_cookies;
    size_t n_set_cookies;
};

/* Both are called from the loop, or from inside the two functions that tell of the mint. */
struct pairing_owner {
    void (*stop_mint)(void *owner); /* its output is no use: end it */
    void (*done)(void *owner,
                 const struct pairing_result *result); /* once; the owner frees the pairing, then or later */
    void *owner;
};

/*
 * A reference to the target is taken. Whoever runs the mint ends it after `mint_ms`; when no word of that comes in
 * GRACE_MINT more, the pairing has failed all the same. NULL without memory.
 */
struct pairing *pairing_new(struct target *target, uint64_t mint_ms, struct call_times times,
                            const struct pairing_owner *owner);

/* What the mint prints, taken over; once. A negative `fd`: it could not be started, and no end of it will come. */
void pairing_mint_output(struct pairing *pairing, int fd);
void pairing_mint_ended(struct pairing *pairing, enum command_end end, int wait_status);

/* `done` is not called any more. NULL is fine. */
void pairing_free(struct pairing *pairing);
