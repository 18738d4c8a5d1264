/*
 * A set of public keys (JWKS, RFC 7517) that signs assertions. Of what stands in it only keys that can verify RS256 or
 * ES256 are kept: RSA from 2048 bits on, EC on P-256. A key that is published with its private half is no key. Pure;
 * used by the verifier.
 */
#pragma once

#include <stdbool.h>

#include "base/limits.h"
#include "base/slice.h"

struct jwks;
struct evp_pkey_st;

enum jwk_kind { JWK_RSA, JWK_EC };

/*
 * Keys of other kinds and uses are passed over, as RFC 7517 §5 asks. 0 with at least one key; -EINVAL: no set of keys,
 * or none in it that can be used; -ENOMEM. `*ret` is freed by jwks_free.
 */
int jwks_parse(struct slice json, struct jwks **ret);
void jwks_free(struct jwks *keys);

size_t jwks_count(const struct jwks *keys);

/*
 * The one key of that kind whose `kid` is this; where `kid` is NULL, the only one of that kind. NULL when there is
 * none, or more than one. It lives as long as `keys`.
 */
struct evp_pkey_st *jwks_find(const struct jwks *keys, enum jwk_kind kind, const struct slice *kid);
