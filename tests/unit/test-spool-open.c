#include <signal.h>

#include "unit_child.h"
#include "unit_spool.h"

#define FAILED(id, error)                                                                                              \
    "{\"task_id\":\"" id "\",\"source_instance_id\":\"source\",\"success\":false,\"error\":\"" error "\"}"
#define INTERRUPTED(id) FAILED(id, "task interrupted: the runner ended while it ran")
#define NAMELESS(id, error) "{\"task_id\":\"" id "\",\"success\":false,\"error\":\"" error "\"}"

static void what_waited_is_sent_after_a_restart_in_its_order(void **state) {
    (void)state;
    task_end("late", "{\"n\":3}", 30);
    task_end("early", "{\"n\":1}", 10);
    task_end("middle", "{\"n\":2}", 20);
    spool_restart();
    (void)next_is(next_is(next_is(0, "early", "{\"n\":1}"), "middle", "{\"n\":2}"), "late", "{\"n\":3}");
    assert_int_equal(spool_counts(spool).results, 3);
}

static void the_trace_of_what_waited_is_known(void **state) {
    struct spool_entry entry;

    (void)state;
    task_end("a", "{}", 1);
    spool_restart();
    assert_true(spool_next(spool, 0, &entry));
    assert_slice(entry.trace_id, "trace");
}

static void what_was_begun_was_interrupted(void **state) {
    (void)state;
    task_begin("a");
    spool_restart();
    (void)next_is(0, "a", INTERRUPTED("a"));
    assert_false(place_has(spool_place, "a.begun"));
    spool_restart(); /* it is told once more, and is the same */
    (void)next_is(0, "a", INTERRUPTED("a"));
}

static void one_that_was_written_and_not_cleaned_up_has_its_result(void **state) {
    (void)state;
    task_begin("a");
    assert_int_equal(linkat(spool_place, "a.begun", spool_place, "saved", 0), 0);
    task_end("a", "{\"a\":1}", 1);
    assert_int_equal(renameat(spool_place, "saved", spool_place, "a.begun"), 0);
    spool_restart();
    (void)next_is(0, "a", "{\"a\":1}");
    assert_false(place_has(spool_place, "a.begun"));
    assert_int_equal(spool_counts(spool).begun, 0);
}

static void what_was_being_written_is_removed(void **state) {
    (void)state;
    place_write(spool_place, "a.new", SLICE("half"));
    task_begin("b");
    place_write(spool_place, "b.new", SLICE("half"));
    spool_restart();
    assert_false(place_has(spool_place, "a.new"));
    assert_int_equal(spool_find(spool, SLICE("a")), SPOOL_UNKNOWN);
    (void)next_is(0, "b", INTERRUPTED("b"));
    assert_false(place_has(spool_place, "b.new"));
}

/* The task of a supervisor that was killed goes on for a moment, and its result is the one that counts. */
static void one_that_still_lives_is_waited_for(void **state) {
    struct record begun = record_of("a", "");
    int lock = spool_write_begun(spool_place, &begun);

    (void)state;
    assert_true(lock >= 0);
    spool_restart();
    nothing_is_next(0);
    assert_int_equal(spool_find(spool, SLICE("a")), SPOOL_BEGUN);
    assert_false(spool_retry(spool));
    task_end("a", "{\"a\":1}", 1);
    (void)close(lock);
    assert_true(spool_retry(spool));
    (void)next_is(0, "a", "{\"a\":1}");
}

static void one_that_still_lives_and_then_dies_was_interrupted(void **state) {
    struct record begun = record_of("a", "");
    int lock = spool_write_begun(spool_place, &begun);

    (void)state;
    spool_restart();
    assert_false(spool_retry(spool));
    (void)close(lock);
    assert_true(spool_retry(spool));
    (void)next_is(0, "a", INTERRUPTED("a"));
}

static void a_torn_beginning_is_still_known_by_its_name(void **state) {
    char bytes[256];
    ssize_t n;

    (void)state;
    task_begin("a");
    n = place_read(spool_place, "a.begun", bytes, sizeof(bytes));
    for (ssize_t i = 0; i < n; i++) {
        spool_close(spool);
        place_write(spool_place, "a.begun", slice_of(bytes, (size_t)i));
        spool_start();
        spool_settle(spool, next_is(0, "a", NAMELESS("a", "task interrupted: the runner ended while it ran")), true);
        assert_int_equal(unlinkat(spool_place, "a.sent", 0), 0);
    }
}

static void a_torn_result_is_set_aside_and_told(void **state) {
    char bytes[256];
    ssize_t n;

    (void)state;
    task_end("a", "{}", 1);
    n = place_read(spool_place, "a.result", bytes, sizeof(bytes));
    for (ssize_t i = 0; i < n; i++) {
        spool_close(spool);
        place_write(spool_place, "a.result", slice_of(bytes, (size_t)i));
        spool_start();
        assert_int_equal(spool_counts(spool).damaged, 1);
        spool_settle(spool, next_is(0, "a", NAMELESS("a", "the task's result was damaged in the spool")), true);
        assert_true(place_has(spool_place, "a.damaged"));
        assert_int_equal(unlinkat(spool_place, "a.sent", 0), 0);
        assert_int_equal(unlinkat(spool_place, "a.damaged", 0), 0);
    }
}

static void a_damaged_result_of_a_known_beginning_says_whose_it_is(void **state) {
    (void)state;
    task_begin("a");
    place_write(spool_place, "a.result", SLICE("junk"));
    spool_restart();
    (void)next_is(0, "a", FAILED("a", "the task's result was damaged in the spool"));
    assert_false(place_has(spool_place, "a.begun"));
}

static void what_is_no_file_blocks_nobody(void **state) {
    (void)state;
    assert_int_equal(mkfifoat(spool_place, "a.result", 0600), 0);
    assert_int_equal(mkfifoat(spool_place, "b.begun", 0600), 0);
    assert_int_equal(symlinkat("/etc/passwd", spool_place, "c.result"), 0);
    place_mkdir(spool_place, "d.result");
    assert_int_equal(mkfifoat(spool_place, "e.sent", 0600), 0);
    assert_int_equal(mkfifoat(spool_place, "f.new", 0600), 0);
    place_write(spool_place, "foreign", SLICE("x"));
    spool_restart();
    assert_int_equal(spool_counts(spool).results, 4);
    assert_int_equal(spool_counts(spool).damaged, 3);
    assert_int_equal(spool_find(spool, SLICE("e")), SPOOL_SENT);
    assert_int_equal(spool_again(spool, SLICE("e")), -ENOENT);
    assert_true(place_has(spool_place, "foreign"));
    assert_false(place_has(spool_place, "f.new"));
}

static void what_was_sent_is_known_and_can_be_sent_again(void **state) {
    struct spool_entry entry;

    (void)state;
    task_run("a", "{\"a\":1}");
    spool_settle(spool, next_is(0, "a", "{\"a\":1}"), false);
    task_run("b", "{\"b\":1}");
    spool_settle(spool, next_is(0, "b", "{\"b\":1}"), true);
    spool_restart();
    nothing_is_next(0);
    assert_int_equal(spool_counts(spool).remembered, 2);
    assert_int_equal(spool_find(spool, SLICE("b")), SPOOL_SENT);
    assert_int_equal(spool_again(spool, SLICE("b")), -ENOENT);
    assert_int_equal(spool_again(spool, SLICE("a")), 0);
    (void)next_is(0, "a", "{\"a\":1}");
    assert_true(spool_next(spool, 0, &entry));
    assert_slice(entry.trace_id, "trace");
}

static void a_result_beside_one_that_was_sent_is_sent(void **state) {
    (void)state;
    place_write(spool_place, "a.sent", SLICE_EMPTY);
    task_end("a", "{\"a\":1}", 1);
    spool_restart();
    (void)next_is(0, "a", "{\"a\":1}");
    assert_false(place_has(spool_place, "a.sent"));
}

static int open_as_second(const void *of) {
    char *error = NULL, expected[128];
    struct spool *second;
    int r = spool_open(place_path, SPOOL_BYTES, &second, &error);

    (void)of;
    (void)snprintf(expected, sizeof(expected), "%s: another runner uses it (pid %d)", place_path, (int)getppid());
    return r == -EBUSY && strcmp(error, expected) == 0 ? 0 : 1;
}

static void a_second_runner_is_refused_by_name(void **state) {
    (void)state;
    assert_int_equal(status_of_child(open_as_second, NULL), 0);
}

static void one_that_others_can_write_to_is_refused(void **state) {
    char *error = NULL, expected[128];
    struct spool *second = NULL;

    (void)state;
    spool_close(spool);
    assert_int_equal(chmod(place_path, 0777), 0);
    assert_int_equal(spool_open(place_path, SPOOL_BYTES, &second, &error), -EPERM);
    (void)snprintf(expected, sizeof(expected), "%s: others can write to it (mode 0777); close it with chmod 700",
                   place_path);
    assert_string_equal(error, expected);
    free(error);
    assert_null(second);
    assert_int_equal(chmod(place_path, 0700), 0);
    spool_start();
}

/* As a runner whose tasks have another user left it, to one whose tasks have none. */
static void one_that_was_shared_with_tasks_is_closed(void **state) {
    struct stat st;

    (void)state;
    spool_close(spool);
    assert_int_equal(chmod(place_path, 0770), 0);
    spool_start();
    assert_int_equal(stat(place_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void it_is_made_where_it_is_not(void **state) {
    struct spool *deep = NULL;
    char path[128], *error = NULL;
    struct stat st;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/new/deep", place_path);
    assert_int_equal(spool_open(path, SPOOL_BYTES, &deep, &error), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    spool_close(deep);
    (void)snprintf(path, sizeof(path), "%s/file", place_path);
    place_write(spool_place, "file", SLICE("x"));
    assert_true(spool_open(path, SPOOL_BYTES, &deep, &error) < 0);
    assert_true(strstr(error, "cannot be opened") != NULL);
    free(error);
}

/* A supervisor that is killed at any moment: whatever its tasks have left is found. */
static int run_and_die(const void *of) {
    const char *id = of;
    struct record record = record_of(id, "");

    if (spool_accept(spool, &record) < 0 || spool_write_begun(spool_place, &record) < 0)
        return 1;
    record.payload = SLICE("{\"done\":true}");
    if (id[0] == 'd' && spool_write_result(spool_place, &record) < 0)
        return 1;
    (void)raise(SIGKILL);
    return 0;
}

static void nothing_is_lost_when_it_is_killed(void **state) {
    (void)state;
    assert_true(WIFSIGNALED(status_of_child(run_and_die, "done")));
    assert_true(WIFSIGNALED(status_of_child(run_and_die, "half")));
    spool_restart();
    spool_settle(spool, next_is(0, "done", "{\"done\":true}"), true);
    (void)next_is(0, "half", INTERRUPTED("half"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_waited_is_sent_after_a_restart_in_its_order, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(the_trace_of_what_waited_is_known, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(what_was_begun_was_interrupted, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(one_that_was_written_and_not_cleaned_up_has_its_result, spool_setup,
                                        spool_teardown),
        cmocka_unit_test_setup_teardown(what_was_being_written_is_removed, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(one_that_still_lives_is_waited_for, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(one_that_still_lives_and_then_dies_was_interrupted, spool_setup,
                                        spool_teardown),
        cmocka_unit_test_setup_teardown(a_torn_beginning_is_still_known_by_its_name, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(a_torn_result_is_set_aside_and_told, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_result_of_a_known_beginning_says_whose_it_is, spool_setup,
                                        spool_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_file_blocks_nobody, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(what_was_sent_is_known_and_can_be_sent_again, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(a_result_beside_one_that_was_sent_is_sent, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(a_second_runner_is_refused_by_name, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(one_that_others_can_write_to_is_refused, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(one_that_was_shared_with_tasks_is_closed, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(it_is_made_where_it_is_not, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_lost_when_it_is_killed, spool_setup, spool_teardown),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no openat2(2)");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
