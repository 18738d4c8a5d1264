/*
 * Fetches a set of keys once: resolves, connects, verifies the server's certificate, asks, and reads an answer of a
 * bounded size in a bounded time. Follows no redirect, keeps nothing. Used by the verifier.
 */
#pragma once

#include "ingress/front/jwks_url.h"
#include "net/tls.h"

struct jwks_fetch;

/* What was found there, valid during the call; or `failure`, a constant in plain words, and no bytes. */
typedef void jwks_fetched(void *owner, struct slice json, const char *failure);

/*
 * `trust` is NULL for an http URL. `url` is looked at during the call only. `done` is called once, from the loop,
 * unless jwks_fetch_cancel comes first. NULL without memory.
 */
struct jwks_fetch *jwks_fetch_start(const struct jwks_url *url, struct tls_context *trust, jwks_fetched *done,
                                    void *owner);
void jwks_fetch_cancel(struct jwks_fetch *fetch);
