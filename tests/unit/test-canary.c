#include "egress/placeholder/canary.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

#define FIRST "ghp_Q7rT2vX9zB4nM6kL8pW1"
#define SECOND "sk-a1b2c3d4e5f6g7h8"

static struct canary *two(void) {
    struct canary *canary;

    assert_int_equal(canary_new(&canary), 0);
    assert_int_equal(canary_add(canary, 7, SLICE(FIRST)), 0);
    assert_int_equal(canary_add(canary, 9, SLICE(SECOND)), 0);
    return canary;
}

static void finds_in(const char *text, int expected, uint32_t whose) {
    struct canary *canary = two();
    uint32_t lease = 0;

    assert_int_equal(canary_look(canary, slice_of_string(text), &lease), expected);
    if (expected == 1)
        assert_int_equal(lease, whose);
    canary_unref(canary);
}

static void knows_whose_it_is(void **state) {
    (void)state;
    finds_in("a " FIRST " b", 1, 7);
    finds_in("a " SECOND, 1, 9);
    finds_in(SECOND, 1, 9);
    finds_in("ghp_Q7rT2vX9zB4nM6kL8pW2", 0, 0);
    finds_in("", 0, 0);
}

static void finds_it_in_disguise(void **state) {
    (void)state;
    finds_in("67 67 6768705f51377254327658397a42346e4d366b4c38705731", 1, 7); /* hexadecimal */
    finds_in("%67%68p_Q7rT2vX9zB4nM6kL8pW1", 1, 7);
    finds_in("eDpnaHBfUTdyVDJ2WDl6QjRuTTZrTDhwVzE=", 1, 7); /* base64 of "x:" and it */
}

static void finds_it_across_pieces(void **state) {
    const struct slice text = SLICE("....{\"token\":\"" SECOND "\"}....");
    struct canary *canary = two();

    (void)state;
    for (size_t step = 1; step < text.n; step++) {
        struct canary_stream s;
        uint32_t lease = 0;
        int r = 0;

        assert_int_equal(canary_stream_begin(&s, canary), 0);
        for (size_t at = 0; r == 0 && at < text.n; at += step)
            r = canary_stream_look(&s, slice_first(slice_from(text, at), step), &lease);
        assert_int_equal(r, 1);
        assert_int_equal(lease, 9);
        canary_stream_done(&s);
    }
    canary_unref(canary);
}

static void leaves_what_it_looks_at_alone(void **state) {
    char text[] = "a " FIRST;
    struct canary *canary = two();
    uint32_t lease;

    (void)state;
    assert_int_equal(canary_look(canary, slice_of_string(text), &lease), 1);
    assert_string_equal(text, "a " FIRST);
    canary_hide(canary, text, strlen(text));
    assert_string_equal(text, "a ************************");
    canary_unref(canary);
}

static void the_same_text_stays_the_first_lease_s(void **state) {
    struct canary *canary = two();
    uint32_t lease;

    (void)state;
    assert_int_equal(canary_add(canary, 11, SLICE(SECOND)), 0);
    assert_int_equal(canary_look(canary, SLICE(SECOND), &lease), 1);
    assert_int_equal(lease, 9);
    assert_int_equal(canary_add(canary, 11, SLICE("another-placeholder")), -EINVAL); /* it was looked at */
    canary_unref(canary);
}

static void without_any_nothing_is_found(void **state) {
    struct canary_stream s = {0};
    struct canary *canary;
    uint32_t lease;

    (void)state;
    assert_int_equal(canary_look(NULL, SLICE(FIRST), &lease), 0);
    assert_int_equal(canary_stream_look(&s, SLICE(FIRST), &lease), 0);
    canary_stream_done(&s);
    assert_int_equal(canary_new(&canary), 0);
    assert_int_equal(canary_look(canary, SLICE(FIRST), &lease), 0);
    assert_int_equal(canary_add(canary, 0, SLICE_EMPTY), -EINVAL);
    canary_unref(canary);
    canary_unref(NULL);
}

static void a_stream_keeps_it(void **state) {
    struct canary *canary = two();
    struct canary_stream s;
    uint32_t lease;

    (void)state;
    assert_int_equal(canary_stream_begin(&s, canary), 0);
    canary_unref(canary);
    assert_int_equal(canary_stream_look(&s, SLICE("x" FIRST), &lease), 1);
    canary_stream_done(&s);
    canary_stream_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_whose_it_is),
        cmocka_unit_test(finds_it_in_disguise),
        cmocka_unit_test(finds_it_across_pieces),
        cmocka_unit_test(leaves_what_it_looks_at_alone),
        cmocka_unit_test(the_same_text_stays_the_first_lease_s),
        cmocka_unit_test(without_any_nothing_is_found),
        cmocka_unit_test(a_stream_keeps_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
