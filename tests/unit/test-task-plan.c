#include "fleet/task_plan.h"

#include <errno.h>

#include "base/limits.h"
#include "unit.h"

static struct task_plan plan;

static int setup(void **state) {
    (void)state;
    plan = (struct task_plan){
        .task_id = SLICE("t-1"),
        .trace_id = SLICE("trace"),
        .source_id = SLICE("source"),
        .operation = OPERATION_GREP,
        .workspace = SLICE("/work/space"),
        .base_url = SLICE("https://api.example"),
        .user = {.name = "somebody", .uid = 1000, .gid = 100, .groups = {100, 27}, .n_groups = 2},
        .limits = {.timeout_ms = 1,
                   .grace_ms = 2,
                   .memory = 3,
                   .cpu_milli = 4,
                   .processes = 5,
                   .output = 6,
                   .output_rate = 7},
    };
    return 0;
}

/* Through the codec and back; `cut` bytes at the end are lost on the way. */
static int travel(size_t cut, struct task_plan *ret) {
    struct ipc_writer w = task_plan_encode(&plan);
    struct slice bytes = ipc_writer_bytes(&w);
    struct ipc_message m = ipc_message_of(slice_first(bytes, bytes.n - cut));

    assert_false(w.is_failed);
    return task_plan_decode(&m, ret);
}

static void arrives_as_it_was_sent(void **state) {
    struct task_plan got;

    (void)state;
    assert_int_equal(travel(0, &got), 0);
    assert_slice(got.task_id, "t-1");
    assert_slice(got.trace_id, "trace");
    assert_slice(got.source_id, "source");
    assert_int_equal(got.operation, OPERATION_GREP);
    assert_slice(got.workspace, "/work/space");
    assert_slice(got.base_url, "https://api.example");
    assert_memory_equal(&got.limits, &plan.limits, sizeof(plan.limits));
    assert_string_equal(got.user.name, "somebody");
    assert_int_equal(got.user.uid, 1000);
    assert_int_equal(got.user.gid, 100);
    assert_int_equal(got.user.n_groups, 2);
    assert_int_equal(got.user.groups[1], 27);
}

static void without_its_end_it_is_malformed(void **state) {
    struct ipc_writer w = task_plan_encode(&plan);
    size_t n = ipc_writer_bytes(&w).n;
    struct task_plan got;

    (void)state;
    for (size_t cut = 1; cut < n; cut++)
        assert_int_equal(travel(cut, &got), -EPROTO);
}

static void refuses_what_no_supervisor_says(void **state) {
    static char long_id[LIMIT_TASK_ID + 1];
    struct task_plan got, good = plan;

    (void)state;
    memset(long_id, 'x', sizeof(long_id));
#define REFUSES(change)                                                                                                \
    do {                                                                                                               \
        plan = good;                                                                                                   \
        change;                                                                                                        \
        assert_int_equal(travel(0, &got), -EPROTO);                                                                    \
    } while (0)
    REFUSES(plan.task_id = SLICE(""));
    REFUSES(plan.task_id = slice_of(long_id, sizeof(long_id)));
    REFUSES(plan.operation = OPERATION_UNKNOWN);
    REFUSES(plan.workspace = SLICE("relative"));
    REFUSES(plan.workspace = SLICE("/a\0b"));
    REFUSES(plan.base_url = SLICE("https://a\0b"));
    REFUSES(plan.limits.timeout_ms = 0);
    REFUSES(plan.limits.timeout_ms = TIMEOUT_TASK_MAX + 1);
    REFUSES(plan.user.uid = UINT32_MAX);
    REFUSES(plan.user.gid = UINT32_MAX);
    REFUSES(plan.user.n_groups = 0);
}

static void rules_arrive_in_their_order(void **state) {
    struct command_rule list[] = {{.pattern = (char[]){"*"}, .line = 3},
                                  {.pattern = (char[]){"ls *"}, .allows = true, .line = 4}};
    struct command_rules rules = {.rules = list, .n = 2}, got;
    struct ipc_writer w = command_rules_encode(&rules);
    struct ipc_message m = ipc_message_of(ipc_writer_bytes(&w));

    (void)state;
    assert_int_equal(command_rules_decode(&m, &got), 0);
    assert_false(got.allows_all);
    assert_int_equal(got.n, 2);
    assert_string_equal(got.rules[0].pattern, "*");
    assert_false(got.rules[0].allows);
    assert_string_equal(got.rules[1].pattern, "ls *");
    assert_true(got.rules[1].allows);
    assert_int_equal(got.rules[1].line, 4);
    command_rules_done(&got);
}

static void the_largest_rules_fit_into_a_datagram(void **state) {
    static char pattern[LIMIT_COMMAND_RULES_TEXT / LIMIT_COMMAND_RULES + 1];
    static struct command_rule list[LIMIT_COMMAND_RULES];
    struct command_rules rules = {.rules = list, .n = LIMIT_COMMAND_RULES};
    struct ipc_writer w;

    (void)state;
    memset(pattern, 'x', sizeof(pattern) - 1);
    for (size_t i = 0; i < LIMIT_COMMAND_RULES; i++)
        list[i].pattern = pattern;
    w = command_rules_encode(&rules);
    assert_false(w.is_failed);
}

static void malformed_rules_leave_nothing(void **state) {
    struct command_rule list[] = {{.pattern = (char[]){"one"}}, {.pattern = (char[]){"two"}}};
    struct command_rules rules = {.rules = list, .n = 2}, got;
    struct ipc_writer w = command_rules_encode(&rules);
    struct slice bytes = ipc_writer_bytes(&w);

    (void)state;
    for (size_t n = 1; n < bytes.n; n++) {
        struct ipc_message m = ipc_message_of(slice_first(bytes, n));

        assert_int_equal(command_rules_decode(&m, &got), -EPROTO);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(arrives_as_it_was_sent, setup),
        cmocka_unit_test_setup(without_its_end_it_is_malformed, setup),
        cmocka_unit_test_setup(refuses_what_no_supervisor_says, setup),
        cmocka_unit_test(rules_arrive_in_their_order),
        cmocka_unit_test(the_largest_rules_fit_into_a_datagram),
        cmocka_unit_test(malformed_rules_leave_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
