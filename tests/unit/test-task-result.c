#include "fleet/task/task_result.h"

#include <errno.h>

#include "base/limits.h"
#include "unit_place.h"

static struct output_means means;
static struct output outputs[TASK_STREAMS];
static struct task_facts facts;

static void print(unsigned stream, struct slice text) {
    char copy[64];

    memcpy(copy, text.p, text.n);
    assert_int_equal(output_take(&outputs[stream], copy, text.n, false), 0);
}

static void assert_written(const char *json) {
    struct buf made;

    buf_init(&made, LIMIT_RESULT);
    assert_int_equal(task_result_write(&made, &facts), 0);
    assert_slice(buf_slice(&made), json);
    buf_release(&made);
}

static void of_a_command(void **state) {
    (void)state;
    facts.source_id = SLICE("s");
    facts.outputs = outputs;
    facts.exit_code = 3;
    print(TASK_STDOUT, SLICE("\"a\"\n\u20ac\xFF"));
    print(TASK_STDERR, SLICE("\x1b\0"));
    assert_written(
        "{\"task_id\":\"t\",\"source_instance_id\":\"s\",\"success\":true,\"result\":{"
        "\"stdout\":\"\\\"a\\\"\\n\u20ac\uFFFD\",\"stderr\":\"\\u001b\\u0000\",\"exit_code\":3},\"exit_code\":3}");
}

static void of_a_command_that_was_ended(void **state) {
    (void)state;
    facts.error = SLICE("task cancelled");
    facts.outputs = outputs;
    facts.exit_code = -1;
    print(TASK_STDOUT, SLICE("so far"));
    assert_written("{\"task_id\":\"t\",\"success\":false,\"result\":{\"stdout\":\"so far\",\"stderr\":\"\"},"
                   "\"error\":\"task cancelled\"}");
}

static void of_a_task_that_did_not_begin(void **state) {
    (void)state;
    facts.error = SLICE("command denied (no matching allow rule): \"x\"");
    assert_written(
        "{\"task_id\":\"t\",\"success\":false,\"error\":\"command denied (no matching allow rule): \\\"x\\\"\"}");
}

static void of_files(void **state) {
    (void)state;
    facts.files = SLICE("{\"success\":true}");
    assert_written("{\"task_id\":\"t\",\"success\":true,\"result\":{\"success\":true}}");
}

static void what_is_too_large_is_told(void **state) {
    struct buf made;

    (void)state;
    facts.error = SLICE("a sentence that is longer than what there is room for");
    buf_init(&made, 64);
    assert_int_equal(task_result_write(&made, &facts), -ENOBUFS);
    buf_release(&made);
}

static void a_status_is_what_a_shell_says(void **state) {
    (void)state;
    assert_int_equal(task_exit_code(7 << 8), 7);
    assert_int_equal(task_exit_code(9), 137);
    assert_int_equal(task_exit_code(11 | 0x80), 139);
}

static int setup(void **state) {
    (void)state;
    facts = (struct task_facts){.task_id = SLICE("t"), .exit_code = -1};
    output_means_init(&means, -EBADF, NULL, 0, 0, 0);
    for (unsigned i = 0; i < TASK_STREAMS; i++)
        output_init(&outputs[i], &means);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (unsigned i = 0; i < TASK_STREAMS; i++)
        output_done(&outputs[i]);
    return 0;
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(of_a_command), TEST(of_a_command_that_was_ended), TEST(of_a_task_that_did_not_begin),
        TEST(of_files),     TEST(what_is_too_large_is_told),   TEST(a_status_is_what_a_shell_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
