#include "ingress/pairing/session_cache.h"

#include <stdio.h>

#include "unit.h"

static struct session_cache *cache;
static struct target ann = {.host = "box", .instance.key = SLICE("u_ann 1 t3")};
static struct target bob = {.host = "box", .instance.key = SLICE("u_bob 2 t3")};

static int begin(void **state) {
    (void)state;
    cache = session_cache_new();
    return cache ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    session_cache_free(cache);
    return 0;
}

static bool knows(const struct target *target, struct slice cookies, uint64_t now_ms, enum session_verdict expected) {
    struct session_digest digest = session_digest_of(target, cookies);
    enum session_verdict verdict;

    if (!session_cache_find(cache, &digest, now_ms, &verdict))
        return false;
    assert_int_equal(verdict, expected);
    return true;
}

static void learn(const struct target *target, struct slice cookies, enum session_verdict verdict, uint64_t now_ms) {
    struct session_digest digest = session_digest_of(target, cookies);

    session_cache_put(cache, &digest, verdict, now_ms);
}

static void a_verdict_is_good_for_a_moment(void **state) {
    (void)state;
    assert_false(knows(&ann, SLICE("s=1"), 1000, VERDICT_LIVES));
    learn(&ann, SLICE("s=1"), VERDICT_LIVES, 1000);
    assert_true(knows(&ann, SLICE("s=1"), 1000 + LIFE_LOOK - 1, VERDICT_LIVES));
    assert_false(knows(&ann, SLICE("s=1"), 1000 + LIFE_LOOK, VERDICT_LIVES));
    learn(&ann, SLICE("s=1"), VERDICT_DIED, 1000);
    assert_true(knows(&ann, SLICE("s=1"), 1000, VERDICT_DIED));
}

static void of_that_question_alone(void **state) {
    struct target other = ann;

    (void)state;
    learn(&ann, SLICE("s=1"), VERDICT_LIVES, 1000);
    assert_false(knows(&bob, SLICE("s=1"), 1000, VERDICT_LIVES));
    assert_false(knows(&ann, SLICE("s=2"), 1000, VERDICT_LIVES));
    assert_false(knows(&ann, SLICE("s=1; s=2"), 1000, VERDICT_LIVES));
    other.is_https = true;
    assert_false(knows(&other, SLICE("s=1"), 1000, VERDICT_LIVES));
    other = ann;
    other.host[0] = 'f';
    assert_false(knows(&other, SLICE("s=1"), 1000, VERDICT_LIVES));
    /* the same bytes, cut elsewhere */
    other = (struct target){.host = "ox", .instance.key = SLICE("u_ann 1 t3b")};
    assert_false(knows(&other, SLICE("s=1"), 1000, VERDICT_LIVES));
}

static void is_of_one_size(void **state) {
    char cookie[32];
    size_t known = 0;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(cookie, sizeof(cookie), "s=%u", i);
        learn(&ann, slice_of_string(cookie), VERDICT_LIVES, 1000 + i / 100);
        assert_true(knows(&ann, slice_of_string(cookie), 1000 + i / 100, VERDICT_LIVES));
    }
    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(cookie, sizeof(cookie), "s=%u", i);
        known += knows(&ann, slice_of_string(cookie), 2000, VERDICT_LIVES);
    }
    assert_true(known > 1000 && known < 10000);
}

static struct slice name_at(const struct target *target, uint64_t now_ms, bool is_good) {
    struct slice name;

    assert_int_equal(session_cache_name(cache, target, now_ms, &name), is_good);
    return name;
}

static void a_name_stays_when_it_is_old(void **state) {
    (void)state;
    assert_slice(name_at(&ann, 1000, false), "");
    session_cache_put_name(cache, &ann, SLICE("t3_session_1"), 1000);
    assert_slice(name_at(&ann, 1000 + LIFE_COOKIE_NAME - 1, true), "t3_session_1");
    assert_slice(name_at(&ann, 1000 + LIFE_COOKIE_NAME, false), "t3_session_1");
    assert_slice(name_at(&bob, 1000, false), "");
}

static void one_that_cannot_be_asked_is_left_in_peace(void **state) {
    (void)state;
    session_cache_put_name(cache, &ann, SLICE_EMPTY, 1000);
    assert_slice(name_at(&ann, 1000, true), "");
    assert_slice(name_at(&ann, 1000 + LIFE_LOOK, false), "");
    session_cache_put_name(cache, &ann, SLICE("t3_session"), 9000);
    session_cache_put_name(cache, &ann, SLICE_EMPTY, 90000);
    assert_slice(name_at(&ann, 90000, true), "t3_session");
    session_cache_put_name(cache, &ann, SLICE("t3_session_2"), 99000);
    assert_slice(name_at(&ann, 99000, true), "t3_session_2");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_verdict_is_good_for_a_moment),
        TEST(of_that_question_alone),
        TEST(is_of_one_size),
        TEST(a_name_stays_when_it_is_old),
        TEST(one_that_cannot_be_asked_is_left_in_peace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
