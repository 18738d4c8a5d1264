#include <stdio.h>

#include "base/limits.h"
#include "unit_mask.h"

/* Steps over `n` bytes of a text that repeats `piece`; `ret_progress` tells how it went. */
static uint64_t steps_over(struct slice secret, struct slice piece, size_t n, struct progress *ret_progress) {
    _cleanup_free_ char *text = malloc(n);
    struct matcher m;

    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        text[i] = piece.p[i % piece.n];
    assert_int_equal(matcher_init(&m, &secret, 1, SCAN_PLAIN), 0);
    *ret_progress = (struct progress){0};
    (void)matcher_read(&m, ret_progress, NULL, text, n);
    matcher_done(&m);
    return ret_progress->steps;
}

/* No text makes more work a byte than there may be threads, a secret of ordinary randomness makes hardly any. */
static void work_is_linear(void **state) {
    static char secret[LIMIT_SECRET];
    struct progress progress;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(units) * ARRAY_LEN(pieces); i++) {
        struct slice unit = units[i / ARRAY_LEN(pieces)], piece = pieces[i % ARRAY_LEN(pieces)];

        for (size_t k = 0; k < sizeof(secret); k++)
            secret[k] = unit.p[k % unit.n];
        assert_row(piece, steps_over(slice_of(secret, sizeof(secret)), piece, 3000, &progress) <
                              3000 * (LIMIT_MASK_THREADS + 8 * FORMS_OF_SECRET));
    }
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        assert_row(pieces[i], steps_over(SLICE("zK3_x9-Qm7Zr2Lw8"), pieces[i], 3000, &progress) < 3000 * (GHOSTS + 8));
}

/* Of 40 characters, and behind its first none that looks like another beginning, in no spelling. */
#define RANDOM_SECRET "Vq8wT-mZ2xJryNd6hKyG7sLzB0pXcD3wHf9tRiG4"

enum guess_spelling {
    GUESS_RAW,
    GUESS_HEX,
    GUESS_PERCENT,
    GUESS_JSON,
    GUESS_HTML,
    GUESS_SPELLINGS,
};

static size_t spell(unsigned char c, enum guess_spelling spelling, char to[static 16]) {
    switch (spelling) {
    case GUESS_RAW:
        return (size_t)snprintf(to, 16, "%c", c);
    case GUESS_HEX:
        return (size_t)snprintf(to, 16, "%02x", c);
    case GUESS_PERCENT:
        return (size_t)snprintf(to, 16, "%%%02X", c);
    case GUESS_JSON:
        return (size_t)snprintf(to, 16, "\\u%04x", c);
    case GUESS_HTML:
        return (size_t)snprintf(to, 16, "&#x%06x;", c);
    case GUESS_SPELLINGS:
        break;
    }
    return 0;
}

#define GUESS_ROOM 1024

/* The first `right` characters of the secret, others for the rest of its length, and `tail`. */
static size_t write_guess(struct slice secret, size_t right, enum guess_spelling spelling, struct slice tail,
                          char *to) {
    size_t n = 0;

    for (size_t i = 0; i < secret.n; i++)
        n += spell((unsigned char)(i < right ? secret.p[i] : '~'), spelling, to + n);
    memcpy(to + n, tail.p, tail.n);
    return n + tail.n;
}

/* What a guess costs when it is read `times`, at most a hundred, in pieces of `size`. */
static uint64_t cost_of(struct slice secret, struct slice guess, size_t times, size_t size) {
    static char text[100 * GUESS_ROOM];
    _cleanup_mask_ struct mask *mask = mask_of(secret);
    struct mask_stream s;
    uint64_t steps;

    for (size_t i = 0; i < times; i++)
        memcpy(text + i * guess.n, guess.p, guess.n);
    mask_stream_init(&s, mask);
    for (size_t at = 0; at < times * guess.n; at += MIN_OF(size, times * guess.n)) {
        assert_int_equal(mask_stream_push(&s, text + at, MIN_OF(size, times * guess.n - at), false), 0);
        while (mask_stream_pull(&s, SIZE_MAX).n > 0)
            ;
    }
    steps = s.progress.steps;
    assert_int_equal(mask_stream_found(&s), 0);
    mask_stream_done(&s);
    return steps;
}

/* What stands behind a guess: nothing that matters, or an escape left open. */
static const struct slice tails[] = {SLICE(" "), SLICE(""), SLICE("&#x0000000"), SLICE("\\u00")};

/*
 * Whoever makes the upstream say his guesses, and sees how long we work, must not be told how much of one is right:
 * from what the first look lets through to all but the last character, the work is the same.
 */
static void right_and_wrong_guesses_cost_the_same(void **state) {
    struct slice secret = SLICE(RANDOM_SECRET);
    char guess[GUESS_ROOM];

    (void)state;
    for (size_t i = 0; i < GUESS_JSON * ARRAY_LEN(tails); i++) {
        enum guess_spelling spelling = i % GUESS_JSON;
        struct slice tail = tails[i / GUESS_JSON];
        size_t n = write_guess(secret, SCAN_DEPTH, spelling, tail, guess);
        uint64_t expected = cost_of(secret, slice_of(guess, n), 20, SIZE_MAX);

        assert_true(expected >= 20 * secret.n);
        for (size_t right = SCAN_DEPTH + 1; right < secret.n; right++) {
            n = write_guess(secret, right, spelling, tail, guess);
            assert_row(slice_of(guess, n), cost_of(secret, slice_of(guess, n), 20, SIZE_MAX) == expected);
        }
    }
}

/*
 * The same turned round, in every spelling: one text, and secrets of which it guesses more or less. Now it may also be
 * cut anywhere.
 */
static void secrets_of_one_beginning_cost_the_same(void **state) {
    static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    static const size_t sizes[] = {SIZE_MAX, 1000, 7};
    char guess[GUESS_ROOM], right[39], partly[39];
    unsigned seed = 3;

    (void)state;
    for (size_t i = 0; i < GUESS_SPELLINGS * ARRAY_LEN(tails) * ARRAY_LEN(sizes); i++) {
        size_t n, size = sizes[i / GUESS_SPELLINGS / ARRAY_LEN(tails)];
        uint64_t expected = 0;

        for (size_t k = 0; k < sizeof(right); k++)
            right[k] = characters[next_random(&seed) % 64];
        n = write_guess(slice_of(right, sizeof(right)), sizeof(right) - 1, i % GUESS_SPELLINGS,
                        tails[i / GUESS_SPELLINGS % ARRAY_LEN(tails)], guess);
        for (size_t wrong = 0; wrong <= sizeof(right) - SCAN_DEPTH; wrong += 4) {
            uint64_t cost;

            memset(partly, '!', sizeof(partly));
            memcpy(partly, right, sizeof(right) - wrong);
            cost = cost_of(slice_of(partly, sizeof(partly)), slice_of(guess, n), 8, size);
            expected = wrong == 0 ? cost : expected;
            assert_row(slice_of(guess, n), cost == expected);
        }
    }
}

/* An escape that is left open could become any character: behind a right beginning, and behind a wrong one. */
static void an_open_escape_tells_nothing(void **state) {
    static const struct slice escapes[] = {SLICE("&#x0000000"), SLICE("&#0000000"), SLICE("\\u00"), SLICE("%")};
    struct slice secret = SLICE(RANDOM_SECRET);
    char guess[GUESS_ROOM];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(escapes) * (secret.n - SCAN_DEPTH); i++) {
        struct slice escape = escapes[i % ARRAY_LEN(escapes)];
        size_t right = SCAN_DEPTH + i / ARRAY_LEN(escapes);
        uint64_t cost_right, cost_wrong;

        memcpy(guess, secret.p, right);
        memcpy(guess + right, escape.p, escape.n);
        cost_right = cost_of(secret, slice_of(guess, right + escape.n), 20, SIZE_MAX);
        guess[right - 1] = right > SCAN_DEPTH ? '~' : guess[right - 1];
        cost_wrong = cost_of(secret, slice_of(guess, right + escape.n), 20, SIZE_MAX);
        assert_row(slice_of(guess, right + escape.n), cost_right == cost_wrong);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_linear),
        cmocka_unit_test(right_and_wrong_guesses_cost_the_same),
        cmocka_unit_test(secrets_of_one_beginning_cost_the_same),
        cmocka_unit_test(an_open_escape_tells_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
