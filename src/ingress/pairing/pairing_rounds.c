#include "ingress/pairing/pairing_rounds.h"

#include <string.h>

#include "ingress/pairing/cookie.h"

struct session_digest pairing_rounds_cookie(const struct target *target, struct slice names,
                                            const struct slice *set_cookies, size_t n) {
    struct slice name, pair;

    for (size_t i = 0; i < n; i++) {
        struct slice first = slice_first(set_cookies[i], slice_index(set_cookies[i], ';'));

        if (cookie_next(&first, &name, &pair) && cookie_is_named(name, names))
            return session_digest_of(target, pair);
    }
    return (struct session_digest){0};
}

static bool counts(const struct pairing_rounds *rounds, size_t i, uint64_t now_ms) {
    return rounds->at[i].when_ms > 0 && rounds->at[i].when_ms + LOOP_LOOK > now_ms;
}

void pairing_rounds_note(struct pairing_rounds *rounds, uint64_t browser, uint64_t turn,
                         const struct session_digest *cookie, uint64_t now_ms) {
    for (size_t i = 0; i < ROUNDS_MAX; i++)
        if (counts(rounds, i, now_ms) && rounds->at[i].browser == browser && rounds->at[i].turn == turn)
            return;
    rounds->at[rounds->next].browser = browser;
    rounds->at[rounds->next].turn = turn;
    rounds->at[rounds->next].when_ms = now_ms;
    rounds->at[rounds->next].cookie = *cookie;
    rounds->next = (rounds->next + 1) % ROUNDS_MAX;
}

bool pairing_rounds_are_full(const struct pairing_rounds *rounds, uint64_t browser, uint64_t now_ms) {
    size_t n = 0;

    for (size_t i = 0; i < ROUNDS_MAX; i++)
        n += counts(rounds, i, now_ms) && rounds->at[i].browser == browser;
    return n >= LOOP_PAIRINGS;
}

static bool has_cookie(const struct pairing_rounds *rounds, uint64_t browser, const struct session_digest *cookie,
                       uint64_t now_ms) {
    for (size_t i = 0; i < ROUNDS_MAX; i++)
        if (counts(rounds, i, now_ms) && rounds->at[i].browser == browser &&
            session_digest_equals(&rounds->at[i].cookie, cookie))
            return true;
    return false;
}

bool pairing_rounds_came_back(const struct pairing_rounds *rounds, uint64_t browser, const struct target *target,
                              struct slice cookies, uint64_t now_ms) {
    struct slice name, pair;

    while (cookie_next(&cookies, &name, &pair)) {
        struct session_digest cookie = session_digest_of(target, pair);

        if (has_cookie(rounds, browser, &cookie, now_ms))
            return true;
    }
    return false;
}

void pairing_rounds_end(struct pairing_rounds *rounds, uint64_t browser) {
    for (size_t i = 0; i < ROUNDS_MAX; i++)
        if (rounds->at[i].browser == browser)
            rounds->at[i].when_ms = 0;
}

bool pairing_rounds_have_any(const struct pairing_rounds *rounds, uint64_t now_ms) {
    for (size_t i = 0; i < ROUNDS_MAX; i++)
        if (counts(rounds, i, now_ms))
            return true;
    return false;
}
