#include <sys/mman.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "unit_spool.h"

static void a_task_goes_from_begun_to_sent(void **state) {
    struct record begun = record_of("a", "");
    uint64_t number;

    (void)state;
    assert_int_equal(spool_find(spool, SLICE("a")), SPOOL_UNKNOWN);
    assert_int_equal(spool_accept(spool, &begun), 0);
    assert_int_equal(spool_find(spool, SLICE("a")), SPOOL_BEGUN);
    assert_int_equal(spool_accept(spool, &begun), -EEXIST);
    nothing_is_next(0);
    task_begin("a");
    task_end("a", "{\"x\":1}", 1);
    assert_int_equal(spool_finish(spool, SLICE("a"), "not needed"), 0);
    assert_int_equal(spool_find(spool, SLICE("a")), SPOOL_RESULT);
    number = next_is(0, "a", "{\"x\":1}");
    nothing_is_next(number);
    spool_settle(spool, number, false);
    assert_int_equal(spool_find(spool, SLICE("a")), SPOOL_SENT);
    nothing_is_next(0);
    assert_true(place_has(spool_place, "a.sent"));
    assert_false(place_has(spool_place, "a.result"));
    spool_settle(spool, number, false); /* harmless */
}

static void results_are_sent_in_the_order_in_which_they_came(void **state) {
    uint64_t first, second;

    (void)state;
    task_run("b", "{\"b\":1}");
    task_run("a", "{\"a\":1}");
    task_run("c", "{\"c\":1}");
    first = next_is(0, "b", "{\"b\":1}");
    second = next_is(first, "a", "{\"a\":1}");
    spool_settle(spool, second, true);
    (void)next_is(first, "c", "{\"c\":1}");
    assert_int_equal(next_is(0, "b", "{\"b\":1}"), first);
}

static void counts_are_those_of_what_is_there(void **state) {
    struct record begun = record_of("b", "");
    struct spool_counts counts;

    (void)state;
    assert_int_equal(spool_accept(spool, &begun), 0);
    task_run("a", "{\"a\":1}");
    counts = spool_counts(spool);
    assert_int_equal(counts.begun, 1);
    assert_int_equal(counts.results, 1);
    assert_true(counts.bytes > 7);
    spool_settle(spool, next_is(0, "a", "{\"a\":1}"), true);
    counts = spool_counts(spool);
    assert_int_equal(counts.results, 0);
    assert_int_equal(counts.bytes, 0);
    assert_int_equal(counts.remembered, 1);
}

static void one_without_a_result_gets_one_that_says_why(void **state) {
    struct record begun = record_of("a", "");

    (void)state;
    assert_int_equal(spool_accept(spool, &begun), 0);
    task_begin("a");
    assert_int_equal(spool_finish(spool, SLICE("a"), "its process died"), 0);
    (void)next_is(
        0, "a",
        "{\"task_id\":\"a\",\"source_instance_id\":\"source\",\"success\":false,\"error\":\"its process died\"}");
    assert_false(place_has(spool_place, "a.begun"));
}

static void one_that_is_refused_has_a_result_at_once(void **state) {
    struct record begun = record_of("a", "");

    (void)state;
    assert_int_equal(spool_refuse(spool, &begun, "unknown operation: X"), 0);
    (void)next_is(
        0, "a",
        "{\"task_id\":\"a\",\"source_instance_id\":\"source\",\"success\":false,\"error\":\"unknown operation: X\"}");
    assert_int_equal(spool_refuse(spool, &begun, "again"), -EEXIST);
}

static uint64_t first_number(void) {
    struct spool_entry entry;

    assert_true(spool_next(spool, 0, &entry));
    return entry.number;
}

/* Of one that never began nothing is remembered: not by the same runner, nor by the next. */
static void one_that_is_refused_is_forgotten_when_settled(void **state) {
    struct record begun = record_of("a", ""), waiting = record_of("b", "");

    (void)state;
    assert_int_equal(spool_refuse(spool, &begun, "runner is busy"), 0);
    spool_settle(spool, first_number(), false);
    assert_int_equal(spool_find(spool, SLICE("a")), SPOOL_UNKNOWN);
    assert_int_equal(spool_accept(spool, &waiting), 0);
    assert_int_equal(spool_refuse_accepted(spool, SLICE("b"), "runner is stopping"), 0);
    spool_restart();
    spool_settle(spool, first_number(), true);
    assert_int_equal(spool_find(spool, SLICE("b")), SPOOL_UNKNOWN);
    assert_false(place_has(spool_place, "a.sent") || place_has(spool_place, "b.sent"));
    assert_false(place_has(spool_place, "a.result") || place_has(spool_place, "b.result"));
    nothing_is_next(0);
    assert_int_equal(spool_accept(spool, &begun), 0);
}

/* Its hub may have asked before it said that it has the first. */
static void a_refusal_that_waits_answers_again(void **state) {
    struct record begun = record_of("a", "");
    uint64_t number;

    (void)state;
    assert_int_equal(spool_refuse(spool, &begun, "runner is busy"), 0);
    number = first_number();
    assert_int_equal(spool_again(spool, SLICE("a")), 0);
    assert_true(first_number() > number);
    spool_settle(spool, number, true);
    assert_int_equal(spool_find(spool, SLICE("a")), SPOOL_RESULT);
    spool_settle(spool, first_number(), true);
    assert_int_equal(spool_find(spool, SLICE("a")), SPOOL_UNKNOWN);
}

#define DAMAGED                                                                                                        \
    "{\"task_id\":\"a\",\"source_instance_id\":\"source\",\"success\":false,\"error\":\"the task's result was "        \
    "damaged in "                                                                                                      \
    "the spool\"}"

static void put_nothing(void) {
    place_write(spool_place, "a.result", SLICE_EMPTY);
}

static void put_junk(void) {
    place_write(spool_place, "a.result", SLICE("junk"));
}

static void put_link(void) {
    place_write(spool_place, "elsewhere", SLICE("junk"));
    assert_int_equal(symlinkat("elsewhere", spool_place, "a.result"), 0);
}

static void put_fifo(void) {
    assert_int_equal(mkfifoat(spool_place, "a.result", 0600), 0);
}

static void put_directory(void) {
    place_mkdir(spool_place, "a.result");
}

static void put_too_much(void) {
    int fd = openat(spool_place, "a.result", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_int_equal(ftruncate(fd, LIMIT_RECORD + 1), 0);
    (void)close(fd);
}

/* A sound record, but of another task, or without a result. */
static void put_another(void) {
    task_end("b", "{}", 1);
    assert_int_equal(renameat(spool_place, "b.result", spool_place, "a.result"), 0);
}

static void put_begun(void) {
    assert_int_equal(linkat(spool_place, "a.begun", spool_place, "a.result", 0), 0);
}

static void what_is_no_result_is_set_aside(void **state) {
    static void (*const put[])(void) = {put_nothing,   put_junk,     put_link,    put_fifo,
                                        put_directory, put_too_much, put_another, put_begun};
    struct record begun = record_of("a", "");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(put); i++) {
        assert_int_equal(spool_accept(spool, &begun), 0);
        task_begin("a");
        put[i]();
        assert_int_equal(spool_finish(spool, SLICE("a"), "other"), 0);
        spool_settle(spool, next_is(0, "a", DAMAGED), true);
        assert_true(place_has(spool_place, "a.damaged"));
        assert_int_equal(spool_counts(spool).damaged, 1);
        (void)spool_teardown(NULL);
        (void)spool_setup(NULL);
    }
}

static void one_that_is_damaged_while_it_waits_is_told_so(void **state) {
    uint64_t first, last;

    (void)state;
    task_run("a", "{\"a\":1}");
    task_run("b", "{\"b\":1}");
    put_junk();
    first = next_is(0, "a", DAMAGED);
    last = next_is(first, "b", "{\"b\":1}");
    assert_int_equal(unlinkat(spool_place, "a.result", 0), 0);
    assert_int_equal(next_is(0, "a", DAMAGED), first);
    assert_true(last > first);
}

static void what_the_disk_does_not_take_is_kept_and_sent(void **state) {
    struct record begun = record_of("a", ""), result = record_of("a", "{\"a\":1}");
    int memory = memfd_create("record", MFD_CLOEXEC);
    uint64_t number;

    (void)state;
    assert_int_equal(record_write(memory, &result), 0);
    assert_int_equal(spool_accept(spool, &begun), 0);
    task_begin("a");
    place_mkdir(spool_place, "a.new"); /* in its way */
    assert_true(spool_keep(spool, SLICE("a"), memory) < 0);
    assert_true(spool_is_full(spool));
    assert_false(spool_retry(spool));
    number = next_is(0, "a", "{\"a\":1}");
    assert_int_equal(unlinkat(spool_place, "a.new", AT_REMOVEDIR), 0);
    assert_true(spool_retry(spool));
    assert_false(spool_is_full(spool));
    assert_true(place_has(spool_place, "a.result"));
    assert_false(place_has(spool_place, "a.begun"));
    assert_int_equal(next_is(0, "a", "{\"a\":1}"), number);
}

static void what_was_only_in_memory_is_settled_too(void **state) {
    struct record begun = record_of("a", "");

    (void)state;
    task_begin("a");
    place_mkdir(spool_place, "a.new");
    assert_int_equal(spool_accept(spool, &begun), 0);
    assert_true(spool_finish(spool, SLICE("a"), "no") < 0);
    spool_settle(spool, 1, false);
    assert_int_equal(spool_find(spool, SLICE("a")), SPOOL_SENT);
    assert_true(spool_retry(spool));
    assert_false(place_has(spool_place, "a.begun"));
    spool_restart();
    assert_int_equal(spool_find(spool, SLICE("a")), SPOOL_SENT);
}

static void what_is_handed_over_is_looked_at(void **state) {
    struct record begun = record_of("a", ""), other = record_of("b", "{}");
    int memory = memfd_create("record", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(record_write(memory, &other), 0);
    assert_int_equal(spool_accept(spool, &begun), 0);
    assert_int_equal(spool_keep(spool, SLICE("a"), memory), 0);
    (void)next_is(0, "a", DAMAGED);
}

static void one_that_was_sent_is_sent_again(void **state) {
    (void)state;
    task_run("a", "{\"a\":1}");
    spool_settle(spool, next_is(0, "a", "{\"a\":1}"), false);
    task_run("b", "{\"b\":1}");
    assert_int_equal(spool_again(spool, SLICE("a")), 0);
    (void)next_is(next_is(0, "b", "{\"b\":1}"), "a", "{\"a\":1}");
    assert_int_equal(spool_again(spool, SLICE("a")), -ENOENT); /* it is on its way */
    assert_int_equal(spool_again(spool, SLICE("none")), -ENOENT);
}

static void one_that_was_acknowledged_is_remembered_empty(void **state) {
    struct stat st;

    (void)state;
    task_run("a", "{\"a\":1}");
    spool_settle(spool, next_is(0, "a", "{\"a\":1}"), true);
    assert_int_equal(fstatat(spool_place, "a.sent", &st, 0), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(spool_again(spool, SLICE("a")), -ENOENT);
    assert_int_equal(spool_find(spool, SLICE("a")), SPOOL_SENT);
}

/* As many as are remembered and two more, of which one is younger than the next. */
static void the_oldest_are_forgotten_first(void **state) {
    char name[32];

    (void)state;
    for (int i = 0; i < LIMIT_REMEMBERED + 2; i++) {
        const struct timespec times[] = {{.tv_sec = i}, {.tv_sec = i == 0 ? LIMIT_REMEMBERED + 10 : i}};

        (void)snprintf(name, sizeof(name), "t%d.sent", i);
        place_write(spool_place, name, SLICE_EMPTY);
        assert_int_equal(utimensat(spool_place, name, times, 0), 0);
    }
    spool_restart();
    assert_int_equal(spool_counts(spool).remembered, LIMIT_REMEMBERED);
    assert_int_equal(spool_find(spool, SLICE("t2")), SPOOL_UNKNOWN);
    assert_int_equal(spool_find(spool, SLICE("t3")), SPOOL_SENT);
    assert_int_equal(spool_find(spool, SLICE("t0")), SPOOL_SENT);
    assert_false(place_has(spool_place, "t1.sent"));
    assert_true(place_has(spool_place, "t3.sent"));
    task_run("new", "{}");
    spool_settle(spool, next_is(0, "new", "{}"), true);
    assert_int_equal(spool_counts(spool).remembered, LIMIT_REMEMBERED);
    assert_int_equal(spool_find(spool, SLICE("t3")), SPOOL_UNKNOWN);
    assert_int_equal(spool_find(spool, SLICE("new")), SPOOL_SENT);
    assert_false(place_has(spool_place, "t3.sent"));
}

static void so_many_bytes_are_remembered(void **state) {
    static const struct timespec times[] = {{.tv_sec = 1}, {.tv_sec = 1}};
    int fd = openat(spool_place, "old.sent", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    assert_int_equal(ftruncate(fd, LIMIT_REMEMBERED_BYTES), 0);
    assert_int_equal(futimens(fd, times), 0);
    (void)close(fd);
    spool_restart();
    assert_int_equal(spool_find(spool, SLICE("old")), SPOOL_SENT);
    task_run("new", "{}");
    spool_settle(spool, next_is(0, "new", "{}"), false);
    assert_int_equal(spool_find(spool, SLICE("old")), SPOOL_UNKNOWN);
    assert_int_equal(spool_find(spool, SLICE("new")), SPOOL_SENT);
}

static void it_is_full_with_so_many_bytes(void **state) {
    char *payload = calloc(1, SPOOL_BYTES + 1);

    (void)state;
    memset(payload, ' ', SPOOL_BYTES);
    assert_false(spool_is_full(spool));
    task_run("a", payload);
    assert_true(spool_is_full(spool));
    spool_settle(spool, 1, true);
    assert_false(spool_is_full(spool));
    free(payload);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_task_goes_from_begun_to_sent, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(results_are_sent_in_the_order_in_which_they_came, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(counts_are_those_of_what_is_there, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(one_that_is_refused_is_forgotten_when_settled, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(a_refusal_that_waits_answers_again, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(one_without_a_result_gets_one_that_says_why, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(one_that_is_refused_has_a_result_at_once, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_result_is_set_aside, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(one_that_is_damaged_while_it_waits_is_told_so, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(what_the_disk_does_not_take_is_kept_and_sent, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(what_was_only_in_memory_is_settled_too, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(what_is_handed_over_is_looked_at, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(one_that_was_sent_is_sent_again, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(one_that_was_acknowledged_is_remembered_empty, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(the_oldest_are_forgotten_first, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(so_many_bytes_are_remembered, spool_setup, spool_teardown),
        cmocka_unit_test_setup_teardown(it_is_full_with_so_many_bytes, spool_setup, spool_teardown),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no openat2(2)");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
