#include "base/slice.h"

#include "unit.h"

static void parts_stay_inside(void **state) {
    struct slice s = SLICE("abc");

    (void)state;
    assert_slice(slice_from(s, 0), "abc");
    assert_slice(slice_from(s, 2), "c");
    assert_slice(slice_from(s, 3), "");
    assert_slice(slice_from(s, 4), "");
    assert_ptr_equal(slice_from(s, 400).p, s.p + 3);
    assert_slice(slice_first(s, 0), "");
    assert_slice(slice_first(s, 2), "ab");
    assert_slice(slice_first(s, 4), "abc");
}

static void equality(void **state) {
    (void)state;
    assert_true(slice_equals(SLICE("abc"), SLICE("abc")));
    assert_true(slice_equals(SLICE_EMPTY, slice_of(NULL, 0)));
    assert_false(slice_equals(SLICE("abc"), SLICE("abd")));
    assert_false(slice_equals(SLICE("abc"), SLICE("ab")));
    assert_true(slice_equals(SLICE("a\0b"), SLICE("a\0b")));
    assert_false(slice_equals(SLICE("a\0b"), SLICE("a\0c")));
}

static void case_is_ascii_only(void **state) {
    (void)state;
    assert_true(slice_equals_nocase(SLICE("Content-Length"), SLICE("cONTENT-lENGTH")));
    assert_false(slice_equals_nocase(SLICE("abc"), SLICE("abcd")));
    assert_false(slice_equals_nocase(SLICE("["), SLICE("{")));
    assert_false(slice_equals_nocase(SLICE("@"), SLICE("`")));
    assert_false(slice_equals_nocase(SLICE("\xC4"), SLICE("\xE4")));
    assert_true(slice_equals_nocase(SLICE_EMPTY, SLICE_EMPTY));
}

/* Each pair of bytes at each place of texts of some words and a part of one. */
static void case_of_every_byte(void **state) {
    char left[19], right[19];

    (void)state;
    memset(left, 'q', sizeof(left));
    memset(right, 'Q', sizeof(right));
    for (size_t at = 0; at < sizeof(left); at++) {
        for (int a = 0; a < 256; a++)
            for (int b = 0; b < 256; b++) {
                left[at] = (char)a;
                right[at] = (char)b;
                assert_int_equal(slice_equals_nocase(slice_of(left, sizeof(left)), slice_of(right, sizeof(right))),
                                 ascii_lower((char)a) == ascii_lower((char)b));
            }
        left[at] = 'q';
        right[at] = 'Q';
    }
    for (size_t n = 0; n <= sizeof(left); n++) {
        _cleanup_slice_ struct slice a = exact_copy(slice_of(left, n)), b = exact_copy(slice_of(right, n));

        assert_true(slice_equals_nocase(a, b));
    }
}

static void starts_and_ends(void **state) {
    (void)state;
    assert_true(slice_starts_with(SLICE("/a"), SLICE("/")));
    assert_true(slice_starts_with(SLICE("/a"), SLICE("")));
    assert_false(slice_starts_with(SLICE("/"), SLICE("/a")));
    assert_true(slice_ends_with(SLICE("/a/**"), SLICE("/**")));
    assert_true(slice_ends_with(SLICE("/**"), SLICE("/**")));
    assert_false(slice_ends_with(SLICE("**"), SLICE("/**")));
    assert_false(slice_ends_with(SLICE(""), SLICE(".")));
}

static void index_of_a_byte(void **state) {
    (void)state;
    assert_int_equal(slice_index(SLICE("a:b:c"), ':'), 1);
    assert_int_equal(slice_index(SLICE("abc"), ':'), 3);
    assert_int_equal(slice_index(slice_of(NULL, 0), ':'), 0);
    assert_true(slice_has(SLICE("a\0b"), '\0'));
    assert_false(slice_has(SLICE("ab"), '\0'));
}

static void trim_takes_blanks_only(void **state) {
    (void)state;
    assert_slice(slice_trim(SLICE(" \t a b\t ")), "a b");
    assert_slice(slice_trim(SLICE(" \t ")), "");
    assert_slice(slice_trim(SLICE("")), "");
    assert_slice(slice_trim(SLICE("\r\na\v")), "\r\na\v");
}

static void cut_yields_every_part(void **state) {
    static const struct {
        struct slice text;
        const char *parts[4];
        size_t n;
    } rows[] = {
        {SLICE("a"), {"a"}, 1},      {SLICE(""), {""}, 1},      {SLICE("a,"), {"a", ""}, 2},
        {SLICE(",a"), {"", "a"}, 2}, {SLICE(","), {"", ""}, 2}, {SLICE("a,b,,c"), {"a", "b", "", "c"}, 4},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice rest = rows[i].text;
        size_t n = 0;

        for (; rest.p; n++) {
            struct slice part = slice_cut(&rest, ',');
            assert_row(rows[i].text, n < rows[i].n);
            assert_slice(part, rows[i].parts[n]);
        }
        assert_row(rows[i].text, n == rows[i].n);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_stay_inside),      cmocka_unit_test(equality),
        cmocka_unit_test(case_is_ascii_only),     cmocka_unit_test(case_of_every_byte),
        cmocka_unit_test(starts_and_ends),        cmocka_unit_test(index_of_a_byte),
        cmocka_unit_test(trim_takes_blanks_only), cmocka_unit_test(cut_yields_every_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
