#include "fleet/desk/runner_metrics.h"

#include <errno.h>

#include "base/limits.h"
#include "unit.h"

static void every_number_is_told_under_its_name(void **state) {
    static const char *const lines[] = {
        "\ncredfd_runner_tasks_total{outcome=\"ran\"} 7\n",
        "\ncredfd_runner_tasks_total{outcome=\"timed_out\"} 2\n",
        "\ncredfd_runner_tasks_total{outcome=\"refused\"} 3\n",
        "\ncredfd_runner_task_seconds_total 12.034\n",
        "\ncredfd_runner_tasks_running 4\n",
        "\ncredfd_runner_link_up 1\n",
        "\ncredfd_runner_spool_bytes 4096\n",
        "\ncredfd_runner_output_dropped_total 5\n",
        "\ncredfd_runner_role_restarts_total{role=\"link\"} 6\n",
        "\ncredfd_runner_role_restarts_total{role=\"resolver\"} 0\n",
    };
    const struct runner_metrics metrics = {
        .outcomes = {[TASK_RAN] = 7, [TASK_TIMED_OUT] = 2},
        .refused = 3,
        .task_ms = 12034,
        .running = 4,
        .is_up = 1,
        .spool_bytes = 4096,
        .outputs_dropped = 5,
        .restarts = {[RUNNER_LINK] = 6},
    };
    struct buf text;

    (void)state;
    buf_init(&text, LIMIT_METRICS);
    assert_int_equal(runner_metrics_write(&metrics, &text), 0);
    assert_int_equal(buf_append(&text, slice_of("", 1)), 0);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_row(slice_of_string(lines[i]), strstr(buf_slice(&text).p, lines[i]) != NULL);
    buf_release(&text);
}

static void without_room_it_says_so(void **state) {
    const struct runner_metrics metrics = {0};
    struct buf text;

    (void)state;
    buf_init(&text, 100);
    assert_int_equal(runner_metrics_write(&metrics, &text), -ENOBUFS);
    buf_release(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_told_under_its_name),
        cmocka_unit_test(without_room_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
