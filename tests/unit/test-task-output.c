#include "fleet/task/task_output.h"

#include "base/limits.h"
#include "unit_place.h"
#include "unit_fd.h"

static struct output_means means;
static struct output output;
static struct mask *mask;
static int place;

static void begin(const char *key, uint64_t max_file, uint64_t rate) {
    struct slice keys[] = {slice_of_string(key ? key : "")};

    mask = NULL;
    if (key)
        assert_int_equal(mask_new(keys, 1, &mask), 0);
    output_means_init(&means, place, mask, max_file, rate, 1000);
    output_init(&output, &means);
}

static void take(const char *text) {
    char copy[256];
    size_t n = strlen(text);

    memcpy(copy, text, n);
    assert_int_equal(output_take(&output, copy, n, false), 0);
}

static void take_end(void) {
    assert_int_equal(output_take(&output, (char[]){0}, 0, true), 0);
}

static void take_many(char c, size_t n) {
    char piece[4096];

    while (n > 0) {
        size_t part = MIN_OF(n, sizeof(piece));

        memset(piece, c, part);
        assert_int_equal(output_take(&output, piece, part, false), 0);
        n -= part;
    }
}

static struct slice tell_at(uint64_t now_ms) {
    struct slice text = output_tell(&output, now_ms, false);

    output_told(&output, text.n, text.n > 0 ? now_ms : output.told_ms);
    return text;
}

static void assert_shows(const char *text) {
    struct buf shown;

    buf_init(&shown, 1 << 20);
    assert_int_equal(output_show(&output, &shown), 0);
    assert_slice(buf_slice(&shown), text);
    buf_release(&shown);
}

static void what_is_small_is_shown_as_it_is(void **state) {
    (void)state;
    begin(NULL, 0, 0);
    take("one\n");
    take("tw\xE2\x82");
    take_end();
    assert_false(output.is_large);
    assert_shows("one\ntw\xE2\x82");
    assert_int_equal(output.total, 8);
}

static void is_told_at_intervals_and_in_whole_characters(void **state) {
    (void)state;
    begin(NULL, 0, 0);
    take("a\xE2");
    assert_slice(tell_at(1000), "a");
    take("\x82\xAC");
    assert_slice(tell_at(1000 + OUTPUT_EVERY - 1), "");
    assert_true(output_waits(&output));
    assert_slice(tell_at(1000 + OUTPUT_EVERY), "\u20ac");
    assert_false(output_waits(&output));
    take("end");
    assert_slice(output_tell(&output, 1000 + OUTPUT_EVERY, false), "");
    assert_slice(output_tell(&output, 1000 + OUTPUT_EVERY, true), "end");
    take_end();
}

static void no_more_is_told_than_the_rate(void **state) {
    size_t told = 0;

    (void)state;
    begin(NULL, 0, 1000);
    for (uint64_t now = 1000; now < 11000; now += OUTPUT_EVERY) {
        take_many('x', 5000);
        told += tell_at(now).n;
    }
    assert_in_range(told, 10000 - 1000, 10000 + 1000);
    take_end();
}

static void what_comes_slower_than_the_rate_is_told_whole(void **state) {
    size_t told = 0;

    (void)state;
    begin(NULL, 0, 1000);
    for (uint64_t now = 1000; now < 6000; now += OUTPUT_EVERY) {
        take("forty bytes a turn are less than it allows"); /* 42, where 50 are */
        told += tell_at(now).n;
    }
    told += tell_at(9000).n;
    assert_int_equal(told, output.total);
    take_end();
}

static void the_newest_is_told_and_no_character_is_cut(void **state) {
    struct slice text;

    (void)state;
    begin(NULL, 0, 0);
    take("\u20ac");
    take_many('x', LIMIT_TASK_OUTPUT - 2);
    take("y");
    text = output_tell(&output, 1000, false);
    assert_int_equal(text.n, LIMIT_TASK_OUTPUT - 1);
    assert_int_equal(text.p[0], 'x');
    assert_int_equal(text.p[text.n - 1], 'y');
    take_end();
}

static void a_key_is_masked_in_what_is_told_kept_and_written(void **state) {
    static char found[1 << 17];

    (void)state;
    begin("the-key-0123", 0, 0);
    take("<the-key");
    assert_slice(tell_at(1000), "<");
    take("-0123>");
    assert_slice(tell_at(2000), "************>");
    assert_shows("<************>");
    for (unsigned i = 0; i < 40; i++)
        take_many(' ', 1000);
    take("the-key-0123");
    take_end();
    assert_true(output.is_large);
    assert_int_equal(place_read(place, output.path, found, sizeof(found)), (ssize_t)output.total);
    assert_null(strstr(found, "the-key"));
    assert_non_null(strstr(found, "<************>"));
    assert_slice(slice_from(slice_of_string(found), output.total - 12), "************");
}

static void characters_count_and_not_bytes(void **state) {
    (void)state;
    begin(NULL, 0, 0);
    for (unsigned i = 0; i < LIMIT_SHOWN_OUTPUT; i++)
        take("\U0001f511");
    assert_false(output.is_large);
    take("x");
    assert_true(output.is_large);
    take_end();
    assert_int_equal(output.written, 4 * LIMIT_SHOWN_OUTPUT + 1);
}

static void what_is_large_is_in_a_file_and_its_memory_is_small(void **state) {
    static char found[200000];

    (void)state;
    begin(NULL, 0, 0);
    take("first\n");
    take_many('x', 100000);
    take_end();
    assert_int_equal(buf_length(&output.kept), LIMIT_PREVIEW);
    assert_true(output.kept.size <= 4 * LIMIT_PREVIEW);
    assert_int_equal(place_read(place, output.path, found, sizeof(found)), 100006);
    assert_int_equal(strncmp(found, "first\nx", 7), 0);
}

static void what_is_lost_is_said_at_the_end_of_the_file(void **state) {
    static char found[200000];
    ssize_t n;

    (void)state;
    begin(NULL, 40000, 0);
    take_many('x', 100000);
    take_end();
    n = place_read(place, output.path, found, sizeof(found));
    assert_true(n > 40000);
    assert_string_equal(found + 40000, "\n[60000 more bytes were printed and are not kept]\n");
    assert_int_equal(output.total, 100000);
    assert_int_equal(output.written, 40000);
}

static void a_file_that_cannot_be_made_loses_no_beginning(void **state) {
    struct buf shown;

    (void)state;
    place_write(place, ".work", SLICE("no directory"));
    begin(NULL, 0, 0);
    take("first\n");
    take_many('x', 100000);
    take_end();
    assert_true(output.is_large);
    assert_string_equal(output.path, "");
    buf_init(&shown, 1 << 20);
    assert_int_equal(output_show(&output, &shown), 0);
    assert_non_null(memmem(buf_slice(&shown).p, buf_length(&shown), "first\nxxxx", 10));
    buf_release(&shown);
}

static int setup(void **state) {
    (void)state;
    place = place_begin();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    output_done(&output);
    mask_free(mask);
    place_end(place);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_small_is_shown_as_it_is),
        TEST(is_told_at_intervals_and_in_whole_characters),
        TEST(no_more_is_told_than_the_rate),
        TEST(what_comes_slower_than_the_rate_is_told_whole),
        TEST(the_newest_is_told_and_no_character_is_cut),
        TEST(a_key_is_masked_in_what_is_told_kept_and_written),
        TEST(characters_count_and_not_bytes),
        TEST(what_is_large_is_in_a_file_and_its_memory_is_small),
        TEST(what_is_lost_is_said_at_the_end_of_the_file),
        TEST(a_file_that_cannot_be_made_loses_no_beginning),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no openat2");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
