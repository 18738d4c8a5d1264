/* The gate with a CLI of the test's own, and a probe that the test answers for. */
#include "fleet/desk/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "unit.h"

static char directory[64], cli[96], other[96];
static struct gate gate;
static struct probe *running; /* NULL: none is */
static char probed[PATH_MAX];
static unsigned n_probes, n_answers, n_quiet;
static bool last_answer;
static int start_error;

int probe_start(struct probe *probe, const char *path, probe_done *done, void *owner) {
    if (start_error < 0)
        return start_error;
    *probe = (struct probe){.done = done, .owner = owner, .role.pid = 1};
    running = probe;
    (void)snprintf(probed, sizeof(probed), "%s", path);
    n_probes++;
    return 0;
}

static void finish_probe(const char *why_not) {
    struct probe *probe = running;

    assert_non_null(probe);
    running = NULL;
    probe->role.pid = 0;
    probe->done(probe, why_not);
}

void probe_kill(struct probe *probe) {
    (void)probe;
}

static void answered(void *owner, bool can_broker) {
    assert_ptr_equal(owner, &gate);
    last_answer = can_broker;
    n_answers++;
}

static void quiet(void *owner) {
    (void)owner;
    n_quiet++;
}

static void make_cli(const char *path, const char *content, mode_t mode) {
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, content, strlen(content)), 0);
    assert_int_equal(fchmod(fd, mode), 0);
}

static void open_gate(bool can_broker) {
    const struct runner_ability ability = {.can_broker = can_broker, .why_not = can_broker ? NULL : "no pidfd here"};

    gate_init(&gate, &ability);
    gate.answered = answered;
    gate.quiet = quiet;
    gate.owner = &gate;
}

static int begin(void **state) {
    (void)state;
    (void)snprintf(directory, sizeof(directory), "/tmp/test-gate-XXXXXX");
    assert_non_null(mkdtemp(directory));
    (void)snprintf(cli, sizeof(cli), "%s/fduty", directory);
    (void)snprintf(other, sizeof(other), "%s/other", directory);
    make_cli(cli, "one", 0755);
    running = NULL;
    n_probes = n_answers = n_quiet = 0;
    start_error = 0;
    open_gate(true);
    return 0;
}

static int end(void **state) {
    (void)state;
    (void)unlink(cli);
    (void)unlink(other);
    return rmdir(directory);
}

static void assert_no(const char *why) {
    assert_false(last_answer);
    assert_non_null(strstr(gate.why_not, why));
}

static void a_cli_that_knows_leases_opens_it_and_is_asked_once(void **state) {
    (void)state;
    gate_ask(&gate, cli);
    assert_int_equal(n_answers, 0);
    assert_string_equal(probed, cli);
    finish_probe(NULL);
    assert_true(last_answer);
    assert_string_equal(gate.why_not, "");
    gate_ask(&gate, cli);
    assert_int_equal(n_probes, 1);
    assert_int_equal(n_answers, 2);
    assert_true(last_answer);
}

static void one_that_does_not_keeps_it_shut_and_is_asked_once(void **state) {
    (void)state;
    gate_ask(&gate, cli);
    finish_probe("it says nothing of broker_egress");
    assert_no("it says nothing of broker_egress");
    gate_ask(&gate, cli);
    assert_int_equal(n_probes, 1);
    assert_no("it says nothing of broker_egress");
}

static void one_that_has_become_another_is_asked_again(void **state) {
    (void)state;
    gate_ask(&gate, cli);
    finish_probe("too old");
    make_cli(other, "two", 0755);
    assert_int_equal(rename(other, cli), 0); /* another file, of the same size */
    gate_ask(&gate, cli);
    assert_int_equal(n_probes, 2);
    finish_probe(NULL);
    assert_true(last_answer);
    make_cli(cli, "three", 0755); /* the same file, with something else in it */
    gate_ask(&gate, cli);
    assert_int_equal(n_probes, 3);
    finish_probe("too old");
    assert_no("too old");
}

static void nothing_that_can_be_executed_is_no_cli(void **state) {
    (void)state;
    gate_ask(&gate, NULL);
    assert_no("no runner.cli is configured");
    gate_ask(&gate, other);
    assert_no("No such file");
    make_cli(cli, "one", 0644);
    if (geteuid() != 0 || access(cli, X_OK) < 0) {
        gate_ask(&gate, cli);
        assert_no("Permission denied");
    }
    gate_ask(&gate, directory);
    assert_no("Permission denied");
    assert_int_equal(n_probes, 0);
}

static void what_was_known_does_not_outlive_a_cli_that_is_gone(void **state) {
    (void)state;
    gate_ask(&gate, cli);
    finish_probe(NULL);
    gate_ask(&gate, NULL);
    assert_false(last_answer);
    gate_ask(&gate, cli);
    assert_int_equal(n_probes, 2);
    finish_probe(NULL);
    assert_true(last_answer);
}

static void a_machine_that_cannot_is_not_asked_about_its_cli(void **state) {
    (void)state;
    open_gate(false);
    gate_ask(&gate, cli);
    assert_no("no pidfd here");
    assert_int_equal(n_probes, 0);
}

static void a_probe_that_cannot_start_is_a_no_for_now(void **state) {
    (void)state;
    start_error = -EAGAIN;
    gate_ask(&gate, cli);
    assert_false(last_answer);
    start_error = 0;
    gate_ask(&gate, cli);
    finish_probe(NULL);
    assert_true(last_answer);
}

static void asked_twice_at_once_it_answers_once(void **state) {
    (void)state;
    gate_ask(&gate, cli);
    gate_ask(&gate, cli);
    assert_int_equal(n_probes, 1);
    finish_probe(NULL);
    assert_int_equal(n_answers, 1);
}

static void one_that_is_stopped_answers_no_more(void **state) {
    (void)state;
    gate_ask(&gate, cli);
    gate_stop(&gate);
    assert_false(gate_is_quiet(&gate));
    finish_probe(NULL);
    assert_int_equal(n_answers, 0);
    assert_int_equal(n_quiet, 1);
    assert_true(gate_is_quiet(&gate));
}

static void a_name_is_sought_in_absolute_directories_in_their_order(void **state) {
    char path[512];
    struct cli_look found;

    (void)state;
    (void)snprintf(path, sizeof(path), ".::relative:/nowhere:%s:/bin", directory);
    assert_int_equal(cli_find("fduty", path, &found), 0);
    assert_string_equal(found.path, cli);
    assert_int_equal(cli_find("sh", path, &found), 0);
    assert_string_equal(found.path, "/bin/sh");
    assert_int_equal(cli_find("no-such-cli", path, &found), -ENOENT);
    assert_int_equal(cli_find("sh", NULL, &found), -ENOENT);
    assert_int_equal(cli_find("sh", "", &found), -ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cli_that_knows_leases_opens_it_and_is_asked_once, begin, end),
        cmocka_unit_test_setup_teardown(one_that_does_not_keeps_it_shut_and_is_asked_once, begin, end),
        cmocka_unit_test_setup_teardown(one_that_has_become_another_is_asked_again, begin, end),
        cmocka_unit_test_setup_teardown(nothing_that_can_be_executed_is_no_cli, begin, end),
        cmocka_unit_test_setup_teardown(what_was_known_does_not_outlive_a_cli_that_is_gone, begin, end),
        cmocka_unit_test_setup_teardown(a_machine_that_cannot_is_not_asked_about_its_cli, begin, end),
        cmocka_unit_test_setup_teardown(a_probe_that_cannot_start_is_a_no_for_now, begin, end),
        cmocka_unit_test_setup_teardown(asked_twice_at_once_it_answers_once, begin, end),
        cmocka_unit_test_setup_teardown(one_that_is_stopped_answers_no_more, begin, end),
        cmocka_unit_test_setup_teardown(a_name_is_sought_in_absolute_directories_in_their_order, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
