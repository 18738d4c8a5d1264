#include <sys/file.h>

#include "base/limits.h"
#include "fleet/spool/failure.h"
#include "fleet/spool/spool_file.h"
#include "unit_spool.h"

static int setup(void **state) {
    (void)state;
    spool_place = place_begin();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    place_end(spool_place);
    return 0;
}

static void an_id_becomes_a_name_and_back(void **state) {
    static const struct {
        struct slice id;
        const char *name;
    } rows[] = {
        {SLICE("task_1-A"), "task_1-A.begun"},
        {SLICE(".."), "%2E%2E.begun"},
        {SLICE("../../etc/passwd"), "%2E%2E%2F%2E%2E%2Fetc%2Fpasswd.begun"},
        {SLICE("a%41"), "a%2541.begun"},
        {SLICE("."), "%2E.begun"},
        {SLICE("x.result"), "x%2Eresult.begun"},
    };
    char name[SPOOL_NAME], id[LIMIT_TASK_ID];
    enum spool_ending ending;
    struct slice back;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        spool_file_name(name, rows[i].id, SPOOL_FILE_BEGUN);
        assert_string_equal(name, rows[i].name);
        assert_true(spool_file_parse(name, id, &back, &ending));
        assert_row(rows[i].id, slice_equals(back, rows[i].id) && ending == SPOOL_FILE_BEGUN);
    }
}

static void another_name_is_none_of_ours(void **state) {
    static const char *const names[] = {"",         ".",         "..",        ".lock",    "x",         "x.",
                                        "x.begun~", "x.y.begun", "%41.begun", "%2.begun", "%zz.begun", "%2e.begun",
                                        ".begun",   "a/b.begun", "x .begun",  "%.begun"};
    char id[LIMIT_TASK_ID], long_name[LIMIT_TASK_ID + 16];
    enum spool_ending ending;
    struct slice back;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (spool_file_parse(names[i], id, &back, &ending))
            fail_msg("%s is taken", names[i]);
    memset(long_name, 'x', LIMIT_TASK_ID + 1);
    memcpy(long_name + LIMIT_TASK_ID + 1, ".sent", 6);
    assert_false(spool_file_parse(long_name, id, &back, &ending));
    assert_true(spool_file_parse(long_name + 1, id, &back, &ending));
}

static void the_longest_id_has_a_name(void **state) {
    char id[LIMIT_TASK_ID], back_id[LIMIT_TASK_ID], name[SPOOL_NAME];
    enum spool_ending ending;
    struct slice back;

    (void)state;
    memset(id, '~', sizeof(id));
    spool_file_name(name, slice_of(id, sizeof(id)), SPOOL_FILE_DAMAGED);
    assert_true(strlen(name) <= 255);
    assert_true(spool_file_parse(name, back_id, &back, &ending));
    assert_memory_equal(back_id, id, sizeof(id));
}

static void a_task_begins_once(void **state) {
    struct record begun = record_of("a/b", "");
    _cleanup_close_ int lock = spool_write_begun(spool_place, &begun);

    (void)state;
    assert_true(lock >= 0);
    assert_true(place_has(spool_place, "a%2Fb.begun"));
    assert_false(place_has(spool_place, "a%2Fb.new"));
    assert_int_equal(spool_write_begun(spool_place, &begun), -EEXIST);
    assert_false(place_has(spool_place, "a%2Fb.new"));
}

static void its_lock_says_that_it_lives(void **state) {
    struct record begun = record_of("a", "");
    int lock = spool_write_begun(spool_place, &begun);

    (void)state;
    assert_true(spool_file_is_held(spool_place, begun.task_id, SPOOL_FILE_BEGUN));
    (void)close(lock);
    assert_false(spool_file_is_held(spool_place, begun.task_id, SPOOL_FILE_BEGUN));
    assert_false(spool_file_is_held(spool_place, SLICE("none"), SPOOL_FILE_BEGUN));
}

static void a_result_takes_the_place_of_what_was_begun(void **state) {
    (void)state;
    task_begin("a");
    task_end("a", "{}", 5);
    assert_true(place_has(spool_place, "a.result"));
    assert_false(place_has(spool_place, "a.begun"));
    assert_false(place_has(spool_place, "a.new"));
}

static void what_a_dead_one_was_writing_is_replaced(void **state) {
    struct record result = record_of("a", "{}");

    (void)state;
    place_write(spool_place, "a.new", SLICE("half a rec"));
    assert_int_equal(spool_write_result(spool_place, &result), 0);
    assert_false(place_has(spool_place, "a.new"));
    assert_int_equal(symlinkat("/tmp/credfd-test-nowhere", spool_place, "b.new"), 0);
    result.task_id = SLICE("b");
    assert_int_equal(spool_write_result(spool_place, &result), 0);
    assert_true(access("/tmp/credfd-test-nowhere", F_OK) < 0);
}

static void what_a_living_one_is_writing_is_left(void **state) {
    struct record result = record_of("a", "{}");
    _cleanup_close_ int fd = -EBADF;

    (void)state;
    place_write(spool_place, "a.new", SLICE("half a rec"));
    fd = openat(spool_place, "a.new", O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(spool_write_result(spool_place, &result), -EBUSY);
    assert_false(place_has(spool_place, "a.result"));
}

static void what_cannot_be_written_leaves_nothing(void **state) {
    struct record result = record_of("a", "{}");

    (void)state;
    place_mkdir(spool_place, "a.result");
    assert_int_equal(spool_write_result(spool_place, &result), -EISDIR);
    assert_false(place_has(spool_place, "a.new"));
    result.payload = SLICE_EMPTY;
    assert_int_equal(spool_write_result(spool_place, &result), -EINVAL);
}

static void a_failure_says_what_the_hub_must_know(void **state) {
    struct buf to;

    (void)state;
    buf_init(&to, 1024);
    assert_int_equal(failure_write(&to, SLICE("t"), SLICE("s"), SLICE("no \"x\"")), 0);
    assert_slice(buf_slice(&to),
                 "{\"task_id\":\"t\",\"source_instance_id\":\"s\",\"success\":false,\"error\":\"no \\\"x\\\"\"}");
    buf_consume(&to, 1024);
    assert_int_equal(failure_write(&to, SLICE("t"), SLICE_EMPTY, SLICE("e")), 0);
    assert_slice(buf_slice(&to), "{\"task_id\":\"t\",\"success\":false,\"error\":\"e\"}");
    buf_release(&to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_becomes_a_name_and_back),
        cmocka_unit_test(another_name_is_none_of_ours),
        cmocka_unit_test(the_longest_id_has_a_name),
        cmocka_unit_test_setup_teardown(a_task_begins_once, setup, teardown),
        cmocka_unit_test_setup_teardown(its_lock_says_that_it_lives, setup, teardown),
        cmocka_unit_test_setup_teardown(a_result_takes_the_place_of_what_was_begun, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_dead_one_was_writing_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_living_one_is_writing_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_leaves_nothing, setup, teardown),
        cmocka_unit_test(a_failure_says_what_the_hub_must_know),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no openat2(2)");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
