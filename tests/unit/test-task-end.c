/*
 * How a command ends, whoever ends it and whatever it has brought into being: with the real credfd-task and credfd-exec, in
 * each of the ways in which a command is held together that this machine allows.
 */

#include "base/num.h"
#include "unit_fd.h"
#include "unit_task.h"

/* A family that does not want to go: in a session of its own, deaf to SIGTERM, orphaned; and one that stands still. */
#define FAMILY                                                                                                         \
    "setsid sleep 7531 & (trap '' TERM; while :; do sleep 7531; done) & (nohup sleep 7531 >/dev/null 2>&1 &) ; "       \
    "(sleep 7531 & kill -STOP $!) ; "

/* A variable of its commands, so that another run of this file at the same time is no family of it. */
static char family[32];

static void bash(const char *command) {
    static struct order_variable variable = {.name = SLICE("FAMILY")};

    (void)snprintf(family, sizeof(family), "of %d", (int)getpid());
    variable.value = slice_of_string(family);
    given.order.variables = &variable;
    given.order.n_variables = 1;
    given.order.command = slice_of_string(command);
    task_order();
}

static bool has_said(const void *word) {
    return desk.n_said[TASK_STDOUT] >= strlen(word) &&
           memcmp(desk.said[TASK_STDOUT] + desk.n_said[TASK_STDOUT] - strlen(word), word, strlen(word)) == 0;
}

static void wait_for_word(const char *word) {
    loop_until(has_said, word);
}

static bool shows(pid_t pid, const char *name, const char *what) {
    char path[64], text[1024];
    _cleanup_close_ int fd = -EBADF;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? 0 : fd_read_all(fd, text, sizeof(text));
    return n > 0 && memmem(text, (size_t)n, what, strlen(what)) != NULL;
}

static bool is_of_family(pid_t pid) {
    return shows(pid, "cmdline", "7531") && shows(pid, "environ", family);
}

/* Those that a test of this file has begun: none else is called so. With a signal (0: none) for each. */
static size_t signal_family(int signal) {
    DIR *processes = opendir("/proc");
    const struct dirent *entry;
    uint64_t pid;
    size_t n = 0;

    assert_non_null(processes);
    while ((entry = readdir(processes)) != NULL)
        if (num_parse(slice_of_string(entry->d_name), INT32_MAX, &pid) == 0 && pid != (uint64_t)getpid() &&
            is_of_family((pid_t)pid))
            n += kill((pid_t)pid, signal) == 0;
    (void)closedir(processes);
    return n;
}

static size_t family_left(void) {
    return signal_family(0);
}

/* As a supervisor would, with a cgroup. */
static bool family_is_killed(const void *unused) {
    (void)unused;
    return signal_family(SIGKILL) == 0;
}

static bool family_is_gone(const void *unused) {
    (void)unused;
    return family_left() == 0;
}

static void its_time_is_bounded(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    given.order.timeout_ms = 1000;
    bash("echo before; sleep 7531");
    result = task_result();
    assert_true(json_is_false(json_object_get(result, "success")));
    assert_string_equal(text_at(result, "error"), "task timed out after 1 s");
    assert_string_equal(text_at(result, "stdout"), "before\n");
    assert_int_equal(number_at(result, "exit_code"), 143);
    assert_int_equal(desk.outcome, TASK_TIMED_OUT);
}

static void nobody_gets_more_time_than_there_is(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    given.order.timeout_ms = 3600000;
    given.plan.limits.timeout_ms = 300;
    bash("sleep 7531");
    result = task_result();
    assert_string_equal(text_at(result, "error"), "task timed out after 0.300 s");
}

static void who_is_cancelled_may_say_goodbye(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    bash("trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.05; done");
    wait_for_word("up\n");
    task_cancel(CANCEL_ASKED);
    result = task_result();
    assert_string_equal(text_at(result, "error"), "task cancelled");
    assert_string_equal(text_at(result, "stdout"), "up\nbye\n");
    assert_int_equal(number_at(result, "exit_code"), 9);
    assert_int_equal(desk.outcome, TASK_CANCELLED);
}

static void who_is_deaf_is_killed(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    bash(FAMILY "trap '' TERM; echo up; while :; do sleep 7531; done");
    wait_for_word("up\n");
    task_cancel(CANCEL_ENDING);
    result = task_result();
    assert_string_equal(text_at(result, "error"), "task cancelled: the runner is stopping");
    assert_int_equal(family_left(), 0);
}

static void now_is_at_once(void **state) {
    _cleanup_json_ json_t *result = NULL;
    uint64_t began;

    (void)state;
    bash(FAMILY "trap '' TERM; echo up; while :; do sleep 7531; done");
    wait_for_word("up\n");
    began = loop_now_ms();
    task_cancel(CANCEL_NOW);
    result = task_result();
    assert_true(loop_now_ms() - began < TIMEOUT_TASK_TERM);
    assert_int_equal(family_left(), 0);
}

static void what_it_leaves_behind_goes_too(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    bash(FAMILY "echo up");
    result = task_result();
    assert_true(json_is_true(json_object_get(result, "success")));
    assert_string_equal(text_at(result, "stdout"), "up\n");
    assert_int_equal(number_at(result, "exit_code"), 0);
    assert_int_equal(family_left(), 0);
}

static void what_outlives_the_shell_by_a_moment_is_heard(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    bash("echo late > >(sleep 0.05; cat)");
    result = task_result();
    assert_string_equal(text_at(result, "stdout"), "late\n");
}

static void without_its_supervisor_it_is_ended_and_its_result_written(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    bash(FAMILY "trap '' TERM; echo up; while :; do sleep 7531; done");
    wait_for_word("up\n");
    channel_finish(&desk.task.channel);
    channel_finish(&desk.exec.channel);
    reap_parts();
    assert_int_equal(family_left(), 0);
    result = spooled();
    assert_non_null(result);
    assert_string_equal(text_at(result, "error"), "task interrupted: the runner ended");
    assert_string_equal(text_at(result, "stdout"), "up\n");
}

static void an_executor_that_dies_takes_its_command_with_it(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    bash("(sleep 7531 & sleep 7531); echo up; sleep 7531");
    loop_until_set(&desk.has_begun);
    assert_int_equal(kill(desk.exec.pid, SIGKILL), 0);
    result = task_result();
    assert_string_equal(text_at(result, "error"), "task failed: its processes were lost");
    assert_int_equal(desk.outcome, TASK_FAILED);
    if (given.cgroup >= 0 || given.drops_privileges)
        loop_until(family_is_killed, NULL);
    else
        loop_until(family_is_gone, NULL);
}

static void a_task_that_dies_takes_its_command_with_it(void **state) {
    (void)state;
    bash(FAMILY "echo up; sleep 7531");
    wait_for_word("up\n");
    assert_int_equal(kill(desk.task.pid, SIGKILL), 0);
    reap_parts();
    assert_int_equal(family_left(), 0);
    assert_null(spooled());
}

static void who_wants_it_ended_too_late_gets_its_result(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    /* what it leaves behind says when the command is gone, and stays for a moment more */
    bash("(trap '' TERM; while kill -0 $$ 2>&-; do sleep 0.01; done; echo up; sleep 1) & true");
    wait_for_word("up\n");
    task_cancel(CANCEL_ASKED);
    result = task_result();
    assert_true(json_is_true(json_object_get(result, "success")));
    assert_int_equal(number_at(result, "exit_code"), 0);
}

/* Twenty who hand their place on before anybody can look at them; they stop by themselves, should nobody end them. */
static void who_flees_from_process_to_process_is_ended(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    bash("trap '' TERM; f() { [ $SECONDS -gt 15 ] || f 7531 & }; for i in {1..20}; do f; done; echo up; sleep 7531");
    wait_for_word("up\n");
    task_cancel(CANCEL_NOW);
    result = task_result();
    assert_int_equal(desk.outcome, TASK_CANCELLED);
    assert_int_equal(family_left(), 0);
}

static void its_memory_is_bounded(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    given.plan.limits.memory = 64 << 20;
    bash("head -c 300M /dev/zero | tail >/dev/null; echo ${PIPESTATUS[1]}");
    result = task_result();
    assert_string_not_equal(text_at(result, "stdout"), "0\n");
}

/* credfd-exec is not privileged enough for a namespace: what is left are its descendants. */
static int without_privileges(void **state) {
    given.drops_privileges = true;
    (void)state;
    return 0;
}

#define ALL(setup)                                                                                                     \
    cmocka_unit_test_setup_teardown(its_time_is_bounded, setup, task_teardown),                                        \
        cmocka_unit_test_setup_teardown(nobody_gets_more_time_than_there_is, setup, task_teardown),                    \
        cmocka_unit_test_setup_teardown(who_is_cancelled_may_say_goodbye, setup, task_teardown),                       \
        cmocka_unit_test_setup_teardown(who_is_deaf_is_killed, setup, task_teardown),                                  \
        cmocka_unit_test_setup_teardown(now_is_at_once, setup, task_teardown),                                         \
        cmocka_unit_test_setup_teardown(what_it_leaves_behind_goes_too, setup, task_teardown),                         \
        cmocka_unit_test_setup_teardown(what_outlives_the_shell_by_a_moment_is_heard, setup, task_teardown),           \
        cmocka_unit_test_setup_teardown(without_its_supervisor_it_is_ended_and_its_result_written, setup,              \
                                        task_teardown),                                                                \
        cmocka_unit_test_setup_teardown(an_executor_that_dies_takes_its_command_with_it, setup, task_teardown),        \
        cmocka_unit_test_setup_teardown(a_task_that_dies_takes_its_command_with_it, setup, task_teardown),             \
        cmocka_unit_test_setup_teardown(who_wants_it_ended_too_late_gets_its_result, setup, task_teardown),            \
        cmocka_unit_test_setup_teardown(who_flees_from_process_to_process_is_ended, setup, task_teardown),             \
        cmocka_unit_test_setup_teardown(its_memory_is_bounded, setup, task_teardown)

static int setup_descendants(void **state) {
    return task_setup(state) < 0 ? -1 : without_privileges(state);
}

static char cgroup_path[128];

/* As a system with systemd has it, or one of the first version beside it; none is made where that is not permitted. */
static bool find_cgroup(void) {
    static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        (void)snprintf(cgroup_path, sizeof(cgroup_path), "%s/cgroup.kill-test-%d", roots[i], (int)getpid());
        if (mkdir(cgroup_path, 0755) < 0)
            continue;
        {
            _cleanup_close_ int fd = open(cgroup_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

            if (faccessat(fd, "cgroup.kill", F_OK, 0) == 0)
                return true;
        }
        (void)rmdir(cgroup_path);
    }
    return false;
}

static int setup_cgroup(void **state) {
    int r = task_setup(state);

    given.cgroup = open(cgroup_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return given.cgroup < 0 ? -1 : r;
}

static void end_cgroup(void) {
    char path[256];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/cgroup.kill", cgroup_path);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    (void)fd_write_all(fd, "1", 1);
    (void)close(fd);
}

static bool is_meant(const char *way, const char *name) {
    return !way || strcmp(way, name) == 0;
}

/* argv[1]: the way that is meant; without one, all of them. */
int main(int argc, char **argv) {
    const struct CMUnitTest privileged[] = {ALL(task_setup)};
    const struct CMUnitTest plain[] = {ALL(setup_descendants)};
    const struct CMUnitTest grouped[] = {ALL(setup_cgroup)};
    const char *way = argc > 1 ? argv[1] : NULL;
    int failed = 0;

    if (is_in_valgrind())
        return leave_out("valgrind does not follow roles into their copies");
    if (loop_init() < 0)
        return EXIT_FAILURE;
    if (is_meant(way, "namespace") && geteuid() == 0)
        failed += cmocka_run_group_tests_name("in a namespace", privileged, NULL, NULL);
    if (is_meant(way, "descendants"))
        failed += cmocka_run_group_tests_name("by its descendants", plain, NULL, NULL);
    if (is_meant(way, "cgroup") && find_cgroup()) {
        failed += cmocka_run_group_tests_name("in a cgroup", grouped, NULL, NULL);
        end_cgroup();
        while (rmdir(cgroup_path) < 0 && errno == EBUSY) {
        }
    }
    return failed;
}
