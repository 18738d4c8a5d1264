/*
 * The keys in force: from a file that the supervisor hands over, or fetched from where they are published, again every
 * ten minutes, and sooner, at a bounded rate, when an assertion is signed by one that is not known. What was had stays
 * in force while it cannot be had again, for a day at most. Part of the verifier.
 */
#pragma once

#include "ingress/front/jwks.h"
#include "ingress/front/jwks_fetch.h"
#include "net/loop.h"

struct verifier_keys {
    struct jwks *keys;
    uint64_t got_ms;                /* clock_now_ms */
    char url_text[LIMIT_CLAIM + 1]; /* empty: they come as a file */
    struct jwks_url url;
    struct tls_context *trust;
    struct jwks_fetch *fetch;
    uint64_t began_ms, delay_ms; /* the last fetch, loop_now_ms; to the next after a failure */
    bool has_begun;
    struct timer next;
    void (*settled)(struct verifier_keys *keys); /* a fetch has ended, well or not; or a file has come */
};

void verifier_keys_init(struct verifier_keys *keys, void (*settled)(struct verifier_keys *keys));

/*
 * From now on they are published at `url` (checked by the settings), or come as a file where it is empty. `trust`, for
 * an https URL, is taken over. `is_new`: those had so far are somebody else's. Nothing is fetched yet. 0 or -EINVAL.
 */
int verifier_keys_point(struct verifier_keys *keys, const char *url, struct tls_context *trust, bool is_new);

/* A file of them. NULL, or in plain words why it is not taken; then those from before stay. */
const char *verifier_keys_read(struct verifier_keys *keys, int fd);

/* Those in force, or NULL. */
const struct jwks *verifier_keys_current(struct verifier_keys *keys);

/* Newer ones are wanted: whether they are on their way, so that waiting for `settled` is worth it. */
bool verifier_keys_ask(struct verifier_keys *keys);

/* Fetches now where they are published, unless that is under way. */
void verifier_keys_fetch(struct verifier_keys *keys);
