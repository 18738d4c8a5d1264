#include "ingress/pairing/cookie.h"

#include <errno.h>

#include "base/limits.h"
#include "unit.h"

static struct slice select_of(struct slice cookies, struct slice patterns, struct buf *to) {
    buf_init(to, 1024);
    assert_int_equal(cookie_select(cookies, patterns, to), 0);
    return buf_slice(to);
}

static const struct {
    struct slice name, cookies, patterns;
    const char *selected;
} rows[] = {
    {SLICE("one"), SLICE("t3_session=a"), SLICE("t3_session*"), "t3_session=a"},
    {SLICE("none"), SLICE(""), SLICE("t3_session*"), ""},
    {SLICE("another's"), SLICE("sid=1; xt3_session=2"), SLICE("t3_session*"), ""},
    {SLICE("among others"), SLICE("a=1; t3_session_3773=x.y; b=2"), SLICE("t3_session*"), "t3_session_3773=x.y"},
    {SLICE("two of them"), SLICE("t3_session=1;t3_session_80=2"), SLICE("t3_session*"),
     "t3_session=1; t3_session_80=2"},
    {SLICE("twice the same"), SLICE("k=1; k=2"), SLICE("k"), "k=1; k=2"},
    {SLICE("second pattern"), SLICE("key=1"), SLICE("code-server-session*; key"), "key=1"},
    {SLICE("exact name"), SLICE("keys=1; Key=2"), SLICE("key"), ""},
    {SLICE("no value"), SLICE("key"), SLICE("key"), ""},
    {SLICE("empty value"), SLICE("key="), SLICE("key"), "key="},
    {SLICE("equals in the value"), SLICE("key=a=b=="), SLICE("key"), "key=a=b=="},
    {SLICE("a quoted value"), SLICE("key=\"2|1:0|10:1\"; x=1"), SLICE("key"), "key=\"2|1:0|10:1\""},
    {SLICE("blanks around"), SLICE("  key=1  ;\t"), SLICE("key"), "key=1"},
    {SLICE("a name that is no token"), SLICE("k y=1; =2; (k)=3"), SLICE("*"), ""},
    {SLICE("hidden in a value"), SLICE("a=\"; key=1; b=\""), SLICE("b"), "b=\""},
    {SLICE("empty pieces"), SLICE(";;key=1;;"), SLICE("key"), "key=1"},
    {SLICE("no pattern"), SLICE("key=1"), SLICE(""), ""},
};

static void finds_the_sessions(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice cookies = exact_copy(rows[i].cookies);
        struct buf to;
        struct slice selected = select_of(cookies, rows[i].patterns, &to);

        assert_row(rows[i].name, slice_equals(selected, slice_of_string(rows[i].selected)));
        assert_row(rows[i].name, cookie_has(cookies, rows[i].patterns) == (selected.n > 0));
        buf_release(&to);
    }
}

static void is_bounded_by_the_buffer(void **state) {
    struct buf to;

    (void)state;
    buf_init(&to, 8);
    assert_int_equal(cookie_select(SLICE("key=1; key=23"), SLICE("key"), &to), -ENOBUFS);
    buf_release(&to);
}

static void a_told_name_is_no_pattern(void **state) {
    (void)state;
    assert_true(cookie_is_plain_name(SLICE("t3_session_3773_ab12")));
    assert_false(cookie_is_plain_name(SLICE("*")));
    assert_false(cookie_is_plain_name(SLICE("t3*")));
    assert_false(cookie_is_plain_name(SLICE("a b")));
    assert_false(cookie_is_plain_name(SLICE("a; b")));
    assert_false(cookie_is_plain_name(SLICE("")));
    assert_false(
        cookie_is_plain_name(slice_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                      LIMIT_COOKIE_NAME + 1)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_sessions),
        cmocka_unit_test(is_bounded_by_the_buffer),
        cmocka_unit_test(a_told_name_is_no_pattern),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
