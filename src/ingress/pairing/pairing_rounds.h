/*
 * Who is sent round and round: the sessions that the browsers of one user were given in the last LOOP_LOOK, and of each
 * what tells its cookie when it comes back. Holds digests, never a cookie. Pure: the time is given. The queue's.
 */
#pragma once

#include "ingress/pairing/session_cache.h"

#define ROUNDS_MAX 16 /* sessions of one user: more in LOOP_LOOK no rate should allow */

/* All zero: nobody was given any. */
struct pairing_rounds {
    struct {
        uint64_t browser; /* session_codec.h */
        uint64_t when_ms; /* 0: never */
        uint64_t turn;    /* that brought it: many tabs of one browser are one */
        struct session_digest cookie;
    } at[ROUNDS_MAX];
    size_t next;
};

/* The cookie of the session among `set_cookies`, whose name one of `names` matches; of one without any: of nothing. */
struct session_digest pairing_rounds_cookie(const struct target *target, struct slice names,
                                            const struct slice *set_cookies, size_t n);

/* That browser was given a session. */
void pairing_rounds_note(struct pairing_rounds *rounds, uint64_t browser, uint64_t turn,
                         const struct session_digest *cookie, uint64_t now_ms);

/* Whether it was given so many that another would not be the last. */
bool pairing_rounds_are_full(const struct pairing_rounds *rounds, uint64_t browser, uint64_t now_ms);

/* Whether one of them is among `cookies`: the browser has kept it. */
bool pairing_rounds_came_back(const struct pairing_rounds *rounds, uint64_t browser, const struct target *target,
                              struct slice cookies, uint64_t now_ms);

/* It has come with a session that lives. */
void pairing_rounds_end(struct pairing_rounds *rounds, uint64_t browser);

/* Whether anything in it still counts. */
bool pairing_rounds_have_any(const struct pairing_rounds *rounds, uint64_t now_ms);
