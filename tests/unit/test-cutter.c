#include "fleet/task/cutter.h"

#include "unit.h"

/* All that comes out of `text` when it is cut after every `step` bytes. */
static size_t cut(struct slice text, size_t step, char *to) {
    struct cutter cutter = {0};
    size_t n = 0;

    for (size_t at = 0; at <= text.n; at += step) {
        _cleanup_slice_ struct slice copy = exact_copy(slice_first(slice_from(text, at), step));
        bool is_end = at + step > text.n;
        struct slice rest = copy, piece;

        while ((piece = cutter_next(&cutter, &rest, is_end)).n > 0) {
            memcpy(to + n, piece.p, piece.n);
            n += piece.n;
        }
        assert_int_equal(rest.n, 0);
    }
    return n;
}

static const struct {
    struct slice text;
    const char *cut;
} rows[] = {
    {SLICE(""), ""},
    {SLICE("plain text, longer than a word of the machine\n"), "plain text, longer than a word of the machine\n"},
    {SLICE("\u00e4\u20ac\U0001f511x"), "\u00e4\u20ac\U0001f511x"},
    {SLICE("eight by\u20ac"), "eight by\u20ac"},
    {SLICE("\xFF"), "\uFFFD"},
    {SLICE("a\xC3"), "a\uFFFD"},
    {SLICE("\xE2\x82"), "\uFFFD\uFFFD"},
    {SLICE("\xE2\x82\x41"), "\uFFFD\uFFFDA"},
    {SLICE("\xE2\xE2\x82\xAC"), "\uFFFD\u20ac"},
    {SLICE("\xF0\x9F\x94\xF0\x9F\x94\x91"), "\uFFFD\uFFFD\uFFFD\U0001f511"},
    {SLICE("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD"},                     /* a surrogate */
    {SLICE("\xC0\x80\xE0\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"}, /* overlong */
    {SLICE("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD"},           /* beyond U+10FFFF */
    {SLICE("\xF5\x80"), "\uFFFD\uFFFD"},
};

static void is_the_same_wherever_it_was_cut(void **state) {
    char got[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t step = 1; step <= rows[i].text.n + 1; step++) {
            size_t n = cut(rows[i].text, step, got);

            assert_slice(slice_of(got, n), rows[i].cut);
        }
}

static void what_is_whole_does_not_wait(void **state) {
    struct cutter cutter = {0};
    struct slice rest = SLICE("ab\xE2\x82");

    (void)state;
    assert_slice(cutter_next(&cutter, &rest, false), "ab");
    assert_int_equal(cutter_next(&cutter, &rest, false).n, 0);
    rest = SLICE("\xAC-");
    assert_slice(cutter_next(&cutter, &rest, false), "\u20ac");
    assert_slice(cutter_next(&cutter, &rest, false), "-");
}

static void what_cannot_become_a_character_does_not_wait(void **state) {
    struct cutter cutter = {0};
    struct slice rest = SLICE("\xED\xA0");

    (void)state;
    assert_slice(cutter_next(&cutter, &rest, false), "\uFFFD");
    assert_slice(cutter_next(&cutter, &rest, false), "\uFFFD");
}

static void counts_characters(void **state) {
    (void)state;
    assert_int_equal(cutter_count(SLICE("a\u00e4\u20ac\U0001f511")), 4);
    assert_int_equal(cutter_count(SLICE_EMPTY), 0);
}

static void cuts_between_characters(void **state) {
    (void)state;
    assert_slice(cutter_first(SLICE("a\u20acb"), 3), "a");
    assert_slice(cutter_first(SLICE("a\u20acb"), 4), "a\u20ac");
    assert_slice(cutter_first(SLICE("a\u20acb"), 9), "a\u20acb");
    assert_slice(cutter_first(SLICE("\u20ac"), 2), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_same_wherever_it_was_cut),
        cmocka_unit_test(what_is_whole_does_not_wait),
        cmocka_unit_test(what_cannot_become_a_character_does_not_wait),
        cmocka_unit_test(counts_characters),
        cmocka_unit_test(cuts_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
