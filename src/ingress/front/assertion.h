/*
 * Whether an assertion, a signed JWT (RFC 7515, RFC 7519), is to be believed, and whom it names. Done by the book of
 * RFC 8725: two algorithms, each with keys of its own kind only; nothing in the token chooses how it is judged but the
 * number of the key. Pure: keys, rules and the time are given. Called by the verifier, which alone sees tokens and keys
 * together. Never keeps, copies or prints a token.
 */
#pragma once

#include <stdint.h>

#include "ingress/front/assertion_codec.h"
#include "ingress/front/jwks.h"

enum assertion_fault {
    ASSERTION_GOOD,
    ASSERTION_MALFORMED,   /* no compact form of three parts, bad base64url, bad or duplicate JSON */
    ASSERTION_ALGORITHM,   /* neither RS256 nor ES256 */
    ASSERTION_TYPE,        /* it says that it is something else than a JWT */
    ASSERTION_CRITICAL,    /* it has extensions that must be understood */
    ASSERTION_UNKNOWN_KEY, /* no key of that number and kind: there may be newer ones */
    ASSERTION_SIGNATURE,
    ASSERTION_ISSUER,
    ASSERTION_AUDIENCE,
    ASSERTION_NO_EXPIRY,
    ASSERTION_EXPIRED,
    ASSERTION_NOT_YET,
    ASSERTION_NO_NAME, /* the claim is not there, no string, or too long */
    ASSERTION_FAULTS
};

struct assertion {
    char name[LIMIT_CLAIM + 1]; /* what the claim says; no control bytes. The front judges it further */
    uint64_t good_ms;           /* it stays good for so long: till it expires, LIFE_ASSERTION at most */
};

/* `now_s` is the wall clock's. `*ret` is set with ASSERTION_GOOD alone. */
enum assertion_fault assertion_verify(const struct assertion_rules *rules, const struct jwks *keys, struct slice token,
                                      uint64_t now_s, struct assertion *ret);

/* Plain words, a constant: for the log and for the answer. */
const char *assertion_fault_text(enum assertion_fault fault);
