#include "base/text.h"

#include <errno.h>

#include "unit.h"

static struct buf memory;

static int begin(void **state) {
    (void)state;
    buf_init(&memory, 4096);
    return 0;
}

static int end(void **state) {
    (void)state;
    buf_release(&memory);
    return 0;
}

static void pieces_follow_one_another(void **state) {
    struct text text = {.to = &memory};

    (void)state;
    text_put(&text, SLICE("a"));
    text_add(&text, "%d%s", 12, "b");
    text_put_html(&text, SLICE("c"));
    assert_int_equal(text.error, 0);
    assert_slice(buf_slice(&memory), "a12bc");
}

static void what_means_something_in_html_is_escaped(void **state) {
    struct text text = {.to = &memory};

    (void)state;
    text_put_html(&text, SLICE("<a href=\"x\" b='y'>&amp;\n\xC3\xBC\x1b~"));
    assert_slice(buf_slice(&memory), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;????~");
}

static void an_empty_text_adds_nothing(void **state) {
    struct text text = {.to = &memory};

    (void)state;
    text_put_html(&text, SLICE_EMPTY);
    text_put(&text, SLICE_EMPTY);
    assert_int_equal(buf_length(&memory), 0);
}

static void after_a_failure_nothing_is_added(void **state) {
    struct buf small;
    struct text text = {.to = &small};

    (void)state;
    buf_init(&small, 4);
    text_put(&text, SLICE("abc"));
    text_put(&text, SLICE("too much"));
    text_put(&text, SLICE("d"));
    text_put_html(&text, SLICE("e"));
    assert_int_equal(text.error, -ENOBUFS);
    assert_slice(buf_slice(&small), "abc");
    buf_release(&small);
}

static void a_piece_that_is_too_long_is_cut(void **state) {
    struct text text = {.to = &memory};

    (void)state;
    text_add(&text, "%0600d", 1);
    assert_int_equal(text.error, 0);
    assert_int_equal(buf_length(&memory), TEXT_PIECE - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(pieces_follow_one_another),       TEST(what_means_something_in_html_is_escaped),
        TEST(an_empty_text_adds_nothing),      TEST(after_a_failure_nothing_is_added),
        TEST(a_piece_that_is_too_long_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
