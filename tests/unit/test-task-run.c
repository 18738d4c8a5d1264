/* What a command gets, and what comes back of it: with the real credfd-task and credfd-exec. */

#include "unit_fd.h"
#include "unit_task.h"

static void bash(const char *command) {
    given.order.command = slice_of_string(command);
    task_order();
}

static json_t *result_of(const char *command) {
    bash(command);
    return task_result();
}

static void tells_what_it_prints_and_how_it_exits(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    given.plan.source_id = SLICE("instance-1");
    result = result_of("echo out; echo err >&2; exit 3");
    assert_true(json_is_true(json_object_get(result, "success")));
    assert_string_equal(text_at(result, "source_instance_id"), "instance-1");
    assert_string_equal(text_at(result, "stdout"), "out\n");
    assert_string_equal(text_at(result, "stderr"), "err\n");
    assert_int_equal(number_at(result, "exit_code"), 3);
    assert_int_equal(json_object_size(json_object_get(result, "result")), 3);
    assert_int_equal(desk.outcome, TASK_RAN);
    assert_int_equal(desk.exit_status, 3);
    assert_int_equal(desk.printed, 8);
    assert_true(desk.has_begun && desk.kept < 0);
    assert_int_equal(desk.n_said[TASK_STDOUT], 4);
    assert_memory_equal(desk.said[TASK_STDOUT], "out\n", 4);
}

static size_t entries_of(const char *path) {
    DIR *directory = opendir(path);
    const struct dirent *entry;
    size_t n = 0;

    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL)
        n += entry->d_name[0] != '.';
    (void)closedir(directory);
    return n;
}

static void leaves_no_begun_behind(void **state) {
    _cleanup_json_ json_t *result = result_of("ls ../spool");

    (void)state;
    assert_string_equal(text_at(result, "stdout"), TASK_ID ".begun\n");
    assert_int_equal(entries_of(desk.spool), 1); /* the result */
}

static void a_signal_is_an_exit_status(void **state) {
    _cleanup_json_ json_t *result = result_of("kill -KILL $$");

    (void)state;
    assert_int_equal(number_at(result, "exit_code"), 137);
    assert_true(json_is_true(json_object_get(result, "success")));
}

static void nothing_is_inherited(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    result =
        result_of("readlink /proc/self/fd/0; ls -l /proc/self/fd | tail -n +2 | wc -l; umask; ulimit -c; ulimit -Sn; "
                  "for each in SigBlk SigIgn; do /usr/bin/awk \"/$each/ { print \\$2 }\" /proc/self/status; done | "
                  "while read -r bits; do echo $((0x$bits & 0x7fffffff)); done"); /* 32 and 33 are the C library's */
    assert_string_equal(text_at(result, "stdout"), "/dev/null\n4\n0022\n0\n1024\n0\n0\n");
}

static void a_lease_is_number_three(void **state) {
    _cleanup_json_ json_t *result = NULL;
    int ends[2];

    (void)state;
    assert_int_equal(fd_pair(SOCK_SEQPACKET, ends), 0);
    given.lease = ends[1];
    given.lease_variables = SLICE("FLASHDUTY_CRED_FD=3\0");
    result = result_of("echo $FLASHDUTY_CRED_FD; printf x >&3; [ -S /proc/self/fd/3 ]; ls /proc/self/fd | wc -l");
    fd_close(&ends[0]);
    assert_string_equal(text_at(result, "stdout"), "3\n5\n");
}

static void the_environment_is_clean_and_the_lease_has_the_last_word(void **state) {
    struct order_variable variables[] = {
        {SLICE("MINE"), SLICE("a b")}, {SLICE("HOME"), SLICE("/tmp")}, {SLICE("CRED"), SLICE("9")}};
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    assert_int_equal(setenv("OF_THE_TEST", "1", 1), 0);
    given.order.variables = variables;
    given.order.n_variables = ARRAY_LEN(variables);
    given.lease_variables = SLICE("CRED=3\0");
    result = result_of("env -u PWD -u SHLVL -u _ | sort");
    assert_string_equal(text_at(result, "stdout"), "CRED=3\nHOME=/tmp\nMINE=a b\nPATH=/usr/local/bin:/usr/bin:/bin\n");
}

static void a_key_without_a_lease_is_masked_wherever_it_is_printed(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    given.key = "kkkkEY-0123456789";
    given.plan.base_url = SLICE("https://api.example");
    result =
        result_of("echo \"$FLASHDUTY_APP_KEY $FLASHDUTY_BASE_URL\"; printf kkkkEY- ; sleep 0.1; echo 0123456789 >&1; "
                  "echo x$FLASHDUTY_APP_KEY >&2; echo ${#FLASHDUTY_APP_KEY}");
    assert_string_equal(text_at(result, "stdout"), "***************** https://api.example\n*****************\n17\n");
    assert_string_equal(text_at(result, "stderr"), "x*****************\n");
    assert_null(memmem(desk.said, sizeof(desk.said), "kkkkEY", 6));
}

static void a_variable_that_holds_a_key_is_masked(void **state) {
    struct order_variable variables[] = {{SLICE("TOKEN"), SLICE("s3cr3t-value")},
                                         {SLICE("PLAIN"), SLICE("plain-value")}};
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    given.order.variables = variables;
    given.order.n_variables = ARRAY_LEN(variables);
    given.names = SLICE("OTHER\0TOKEN\0");
    result = result_of("echo $TOKEN $PLAIN");
    assert_string_equal(text_at(result, "stdout"), "************ plain-value\n");
}

static void it_runs_where_it_is_told(void **state) {
    char below[128];
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    (void)snprintf(below, sizeof(below), "%s/sub", desk.workspace);
    assert_int_equal(mkdir(below, 0755), 0);
    given.order.workdir = SLICE("sub");
    result = result_of("pwd");
    assert_int_equal(strncmp(text_at(result, "stdout"), below, strlen(below)), 0);
}

static void an_absolute_workdir_in_the_workspace_is_fine(void **state) {
    _cleanup_json_ json_t *result = NULL;
    char below[128];

    (void)state;
    (void)snprintf(below, sizeof(below), "%s//sub/", desk.workspace);
    assert_int_equal(mkdir(below, 0755), 0);
    given.order.workdir = slice_of_string(below);
    result = result_of("basename $PWD");
    assert_string_equal(text_at(result, "stdout"), "sub\n");
}

static void a_workdir_outside_is_refused(void **state) {
    char link[128];
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    (void)snprintf(link, sizeof(link), "%s/out", desk.workspace);
    assert_int_equal(symlink("/etc", link), 0);
    given.order.workdir = SLICE("out");
    result = result_of("pwd");
    assert_true(json_is_false(json_object_get(result, "success")));
    assert_string_equal(text_at(result, "error"), "workdir 'out': it leads out of the workspace");
    assert_null(json_object_get(result, "result"));
    assert_int_equal(desk.outcome, TASK_FAILED);
}

static void characters_stay_whole_and_others_are_replaced(void **state) {
    _cleanup_json_ json_t *result = NULL;
    const json_t *out;

    (void)state;
    result = result_of("printf '\\xe2'; sleep 0.2; printf '\\x82\\xac|\\xff|a\\x00b|\\xe2\\x82'");
    out = json_object_get(json_object_get(result, "result"), "stdout");
    assert_slice(slice_of(json_string_value(out), 3), "\xE2\x82\xAC");
    assert_int_equal(json_string_length(out), 3 + 1 + 3 + 1 + 3 + 1 + 6);
    assert_memory_equal(json_string_value(out), "\xE2\x82\xAC|\xEF\xBF\xBD|a\0b|\xEF\xBF\xBD\xEF\xBF\xBD", 18);
    assert_memory_equal(desk.said[TASK_STDOUT], json_string_value(out), 18);
    assert_int_equal(desk.n_said[TASK_STDOUT], 18);
}

static void a_large_output_is_in_a_file(void **state) {
    _cleanup_json_ json_t *result = result_of("seq 1 20000; seq 1 20000 >&2");
    char path[256];
    struct stat st;

    (void)state;
    assert_true(json_is_true(json_object_get(json_object_get(result, "result"), "truncated")));
    assert_int_equal(number_at(result, "total_size"), 108894);
    (void)snprintf(path, sizeof(path), "%s/%s", desk.workspace, text_at(result, "file_path"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 108894);
    assert_non_null(strstr(text_at(result, "stdout"), text_at(result, "file_path")));
    assert_non_null(strstr(text_at(result, "stderr"), ".work/outputs/"));
    assert_null(strstr(text_at(result, "stderr"), text_at(result, "file_path")));
    assert_int_equal(desk.printed, 2 * 108894);
}

static void what_is_kept_of_an_output_is_bounded(void **state) {
    _cleanup_json_ json_t *result = NULL;
    char path[256];
    struct stat st;

    (void)state;
    given.plan.limits.output = 100000;
    given.plan.limits.output_rate = 1000;
    result = result_of("head -c 20000000 /dev/zero | tr '\\0' x");
    assert_int_equal(number_at(result, "total_size"), 20000000);
    (void)snprintf(path, sizeof(path), "%s/%s", desk.workspace, text_at(result, "file_path"));
    assert_int_equal(stat(path, &st), 0);
    assert_in_range(st.st_size, 100000, 100200);
    assert_true(desk.n_said[TASK_STDOUT] < 100000);
}

static void a_large_command_runs_as_a_small_one(void **state) {
    static const char begin[] = "exec 2>&1; x='", end[] = "'; echo ${#x} $0 $#; echo $-; false";
    size_t n = 1 << 20;
    _cleanup_free_ char *command = malloc(n + sizeof(begin) + sizeof(end));
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    (void)snprintf(command, n, "%s", begin);
    memset(command + sizeof(begin) - 1, 'x', n);
    memcpy(command + sizeof(begin) - 1 + n, end, sizeof(end));
    result = result_of(command);
    assert_string_equal(text_at(result, "stdout"), "1048576 bash 0\nhBc\n");
    assert_int_equal(number_at(result, "exit_code"), 1);
}

static void what_no_rule_allows_is_not_run(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    given.rules.allows_all = false;
    result = result_of("touch ran");
    assert_string_equal(text_at(result, "error"), "command denied (no matching allow rule): touch ran");
    assert_int_equal(desk.outcome, TASK_DENIED);
    assert_false(desk.has_begun);
}

static void no_rule_is_bent_by_a_variable(void **state) {
    struct order_variable variables[] = {{SLICE("BASH_FUNC_echo%%"), SLICE("() { id; }")}};
    struct command_rule rule = {.pattern = (char[]){"echo *"}, .allows = true};
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    given.rules = (struct command_rules){.rules = &rule, .n = 1};
    given.order.variables = variables;
    given.order.n_variables = 1;
    result = result_of("echo fine");
    assert_string_equal(text_at(result, "error"), "command denied (its env sets BASH_FUNC_echo%%): echo fine");
    assert_int_equal(desk.outcome, TASK_DENIED);
}

static void a_file_is_written_and_read(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    given.plan.operation = given.order.operation = OPERATION_WRITE;
    given.order.path = SLICE("a/b");
    given.order.content = SLICE("content");
    task_order();
    result = task_result();
    assert_true(json_is_true(json_object_get(result, "success")));
    assert_int_equal(desk.outcome, TASK_RAN);
}

static void a_result_that_cannot_be_written_is_handed_over(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    if (geteuid() == 0)
        given.plan.user =
            (struct task_user){.name = "nobody", .uid = 65534, .gid = 65534, .groups = {65534}, .n_groups = 1};
    else
        assert_int_equal(chmod(desk.spool, 0500), 0);
    result = result_of("true");
    assert_true(desk.kept >= 0);
    assert_int_equal(strncmp(text_at(result, "error"), "task failed: the spool: ", 24), 0);
}

static void runs_as_its_user_and_writes_the_spool(void **state) {
    _cleanup_json_ json_t *result = NULL;

    (void)state;
    if (geteuid() != 0)
        skip();
    given.plan.user =
        (struct task_user){.name = "nobody", .uid = 65534, .gid = 65534, .groups = {65534}, .n_groups = 1};
    assert_int_equal(chmod(desk.spool, 0770), 0);
    assert_int_equal(chown(desk.workspace, 65534, 65534), 0);
    result = result_of("id -u; id -G; cat /proc/self/status | grep -E 'Cap(Eff|Prm)'; ls ../spool 2>&1 | tail -c 18; "
                       "touch made; stat -c %u made");
    assert_string_equal(text_at(result, "stdout"),
                        "65534\n65534\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
                        "Permission denied\n65534\n");
    assert_true(desk.kept < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_what_it_prints_and_how_it_exits, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(leaves_no_begun_behind, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(a_signal_is_an_exit_status, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_inherited, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(a_lease_is_number_three, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(the_environment_is_clean_and_the_lease_has_the_last_word, task_setup,
                                        task_teardown),
        cmocka_unit_test_setup_teardown(a_key_without_a_lease_is_masked_wherever_it_is_printed, task_setup,
                                        task_teardown),
        cmocka_unit_test_setup_teardown(a_variable_that_holds_a_key_is_masked, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(it_runs_where_it_is_told, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(an_absolute_workdir_in_the_workspace_is_fine, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(a_workdir_outside_is_refused, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(characters_stay_whole_and_others_are_replaced, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(a_large_output_is_in_a_file, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(what_is_kept_of_an_output_is_bounded, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(a_large_command_runs_as_a_small_one, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(what_no_rule_allows_is_not_run, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(no_rule_is_bent_by_a_variable, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(a_file_is_written_and_read, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(a_result_that_cannot_be_written_is_handed_over, task_setup, task_teardown),
        cmocka_unit_test_setup_teardown(runs_as_its_user_and_writes_the_spool, task_setup, task_teardown),
    };

    if (is_in_valgrind())
        return leave_out("valgrind does not follow roles into their copies");
    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
