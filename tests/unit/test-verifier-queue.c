#include "ingress/front/verifier_queue.h"

#include "unit.h"

static struct verifier_queue queue;
static uint32_t judged[LIMIT_ASSERTION_WAITERS];
static size_t n_judged;

static int begin(void **state) {
    (void)state;
    n_judged = 0;
    return 0;
}

static bool judge_odd(uint32_t peer, uint32_t question, struct slice token) {
    assert_true(peer < 2);
    assert_slice(token, question % 2 == 0 ? "even" : "odd");
    judged[n_judged++] = question;
    return question % 2 == 1;
}

static bool judge_all(uint32_t peer, uint32_t question, struct slice token) {
    (void)peer;
    (void)token;
    judged[n_judged++] = question;
    return true;
}

static void add(uint32_t peer, uint32_t question) {
    _cleanup_slice_ struct slice token = exact_copy(question % 2 == 0 ? SLICE("even") : SLICE("odd"));

    assert_true(verifier_queue_add(&queue, peer, question, token));
}

static void who_is_judged_waits_no_more(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        add(0, i);
    verifier_queue_judge(&queue, judge_odd);
    assert_int_equal(n_judged, 5);
    assert_int_equal(queue.n, 3);
    n_judged = 0;
    verifier_queue_judge(&queue, judge_all);
    assert_int_equal(n_judged, 3);
    assert_int_equal(judged[0], 0);
    assert_int_equal(judged[1], 2);
    assert_int_equal(judged[2], 4);
    assert_int_equal(queue.n, 0);
}

static void who_has_gone_is_not_judged(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 6; i++)
        add(i % 3 == 0, i);
    verifier_queue_drop(&queue, 0);
    verifier_queue_judge(&queue, judge_all);
    assert_int_equal(n_judged, 2);
    assert_int_equal(judged[0], 0);
    assert_int_equal(judged[1], 3);
}

static void only_so_many_wait(void **state) {
    (void)state;
    for (uint32_t i = 0; i < LIMIT_ASSERTION_WAITERS; i++)
        add(0, i);
    assert_false(verifier_queue_add(&queue, 1, 1, SLICE("odd")));
    verifier_queue_drop(&queue, 1);
    assert_int_equal(queue.n, LIMIT_ASSERTION_WAITERS);
    verifier_queue_drop(&queue, 0);
    assert_int_equal(queue.n, 0);
    assert_false(verifier_queue_add(&queue, 1, 1, SLICE("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_is_judged_waits_no_more, begin),
        cmocka_unit_test_setup(who_has_gone_is_not_judged, begin),
        cmocka_unit_test_setup(only_so_many_wait, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
