#include "fleet/files/outputs.h"

#include <errno.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "unit_place.h"

static int workspace;
static struct buf out;

static int setup(void **state) {
    (void)state;
    workspace = place_begin();
    buf_init(&out, 64 * 1024);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    buf_release(&out);
    place_end(workspace);
    return 0;
}

static void each_has_a_file_of_its_own(void **state) {
    char first[OUTPUTS_PATH], second[OUTPUTS_PATH], text[16];
    _cleanup_close_ int a = outputs_create(workspace, "bash", first), b = outputs_create(workspace, "bash", second);

    (void)state;
    assert_true(a >= 0 && b >= 0);
    assert_int_equal(strncmp(first, ".work/outputs/bash_", 19), 0);
    assert_string_not_equal(first, second);
    assert_int_equal(fd_write_all(a, "x", 1), 0);
    assert_int_equal(place_read(workspace, first, text, sizeof(text)), 1);
}

static void a_way_out_of_the_workspace_is_refused(void **state) {
    char path[OUTPUTS_PATH];

    (void)state;
    assert_int_equal(symlinkat("/tmp", workspace, ".work"), 0);
    assert_int_equal(outputs_create(workspace, "bash", path), -EXDEV);
}

static void lines_of_it_are_shown(void **state) {
    struct output_facts facts = {
        .beginning = SLICE("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20\n21\n22\n"),
        .total_size = 40000,
        .lines = 123,
        .path = ".work/outputs/bash_1_2.txt"};

    (void)state;
    assert_int_equal(output_describe(&out, &facts), 0);
    assert_slice(buf_slice(&out), "<output_truncated>\n"
                                  "The output has 40000 bytes in 123 lines, too much to be shown. It was saved to "
                                  ".work/outputs/bash_1_2.txt\n"
                                  "\n"
                                  "Its beginning, 20 lines:\n"
                                  "```\n"
                                  "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20\n"
                                  "```\n"
                                  "\n"
                                  "To read on: read(\".work/outputs/bash_1_2.txt\", offset=51)\n"
                                  "</output_truncated>");
}

static void one_that_could_not_be_saved_says_so(void **state) {
    struct output_facts facts = {.beginning = SLICE("x\n"), .total_size = 40000, .lines = 1};

    (void)state;
    assert_int_equal(output_describe(&out, &facts), 0);
    assert_non_null(memmem(buf_slice(&out).p, buf_length(&out), "It could not be saved.", 22));
    assert_null(memmem(buf_slice(&out).p, buf_length(&out), "To read on", 10));
}

static void what_is_lost_is_said(void **state) {
    struct output_facts facts = {.beginning = SLICE("x\n"), .total_size = 40000, .lines = 1, .path = "p", .lost = 7};

    (void)state;
    assert_int_equal(output_describe(&out, &facts), 0);
    assert_non_null(memmem(buf_slice(&out).p, buf_length(&out), "but for its last 7 bytes", 24));
}

/* A character of each length, and every way in which the end may fall into it. */
static void no_character_is_cut(void **state) {
    static const char *const characters[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\xBB"};
    char text[LIMIT_PREVIEW + 16];

    (void)state;
    for (size_t kind = 0; kind < ARRAY_LEN(characters); kind++)
        for (size_t shift = 0; shift < 4; shift++) {
            struct output_facts facts = {.beginning = slice_of(text, sizeof(text)), .total_size = 99999, .lines = 1};
            struct slice rest;
            uint32_t code;

            memset(text, 'x', sizeof(text));
            for (size_t at = shift; at + 4 < sizeof(text); at += strlen(characters[kind]))
                memcpy(text + at, characters[kind], strlen(characters[kind]));
            assert_int_equal(output_describe(&out, &facts), 0);
            for (rest = buf_slice(&out); rest.n > 0;) {
                size_t n = utf8_next(rest, &code);

                assert_true(n > 0);
                rest = slice_from(rest, n);
            }
            assert_true(buf_length(&out) > LIMIT_PREVIEW && buf_length(&out) < LIMIT_PREVIEW + 300);
            buf_consume(&out, buf_length(&out));
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_has_a_file_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_way_out_of_the_workspace_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_of_it_are_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_could_not_be_saved_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_lost_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(no_character_is_cut, setup, teardown),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no openat2(2)");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
