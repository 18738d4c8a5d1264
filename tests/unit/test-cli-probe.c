/* With the role itself, as it was built, and programs that are shell scripts. */
#include "fleet/probe/probe.h"

#include "base/limits.h"
#include "proc/place.h"
#include "unit_loop.h"
#include "unit_place.h"

static struct probe probe;
static bool is_done;
static char told[256];
static int place;

/* The role lies in the build's folder, and this test does not. */
int place_find(const char *installed, char *path, size_t size) {
    (void)installed;
    (void)snprintf(path, size, "%s", ROLES);
    return 0;
}

static void done(struct probe *of, const char *why_not) {
    assert_ptr_equal(of, &probe);
    assert_false(is_done);
    (void)snprintf(told, sizeof(told), "%s", why_not ? why_not : "yes");
    is_done = true;
}

static int setup(void **state) {
    (void)state;
    place = place_begin();
    is_done = false;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    place_end(place);
    return 0;
}

/* Starts a probe of `#!/bin/sh` and `script`. */
static void start(const char *script) {
    char path[128], text[512];

    (void)snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
    place_write(place, "cli", slice_of_string(text));
    assert_int_equal(fchmodat(place, "cli", 0755, 0), 0);
    (void)snprintf(path, sizeof(path), "%s/cli", place_path);
    assert_int_equal(probe_start(&probe, path, done, NULL), 0);
    assert_true(probe_is_running(&probe));
}

static void answers(const char *script, const char *expected) {
    start(script);
    loop_until_set(&is_done);
    assert_false(probe_is_running(&probe));
    if (strcmp(told, expected) != 0)
        fail_msg("%s: %s", script, told);
    is_done = false;
}

static void clis_of_every_kind(void **state) {
    static const struct {
        const char *script, *answer;
    } rows[] = {
        {"[ \"$*\" = 'version --json' ] && echo '{\"broker_egress\":true}'", "yes"},
        {"echo '{\"broker_egress\":false}'", "does not say \"broker_egress\": true"},
        {"echo fduty 1.0", "prints no object of JSON"},
        {"exit 0", "prints nothing"},
        {"echo '{\"broker_egress\":true}'; exit 3", "exit status 3"},
        {"echo '{\"broker_egress\":true}'; kill -9 $$", "was ended by signal 9"},
        {"head -c 200000 /dev/zero", "prints more than 64 KiB"},
        {"read x && echo '{\"broker_egress\":true}'; echo '{}'", "does not say \"broker_egress\": true"},
        {"echo noise >&2; echo '{\"broker_egress\":true}'", "yes"},
        /* what it leaves behind holds the pipe, and ends with it */
        {"sleep 1000 & echo '{\"broker_egress\":true}'", "yes"},
        {"exec >&-; exit 0", "prints nothing"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        answers(rows[i].script, rows[i].answer);
}

static void it_is_told_nothing_of_our_environment(void **state) {
    (void)state;
    assert_int_equal(setenv("CREDFD_TEST_TOKEN", "x", 1), 0);
    answers("[ -z \"$CREDFD_TEST_TOKEN\" ] && [ -n \"$PATH\" ] && echo '{\"broker_egress\":true}'", "yes");
}

static void one_that_cannot_be_run_says_why(void **state) {
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/absent", place_path);
    assert_int_equal(probe_start(&probe, path, done, NULL), 0);
    loop_until_set(&is_done);
    assert_string_equal(told, "cannot be run: No such file or directory");
}

static void one_that_takes_too_long_is_ended(void **state) {
    (void)state;
    start("sleep 1000");
    timer_set(&probe.timer, 50); /* its own time would be TIMEOUT_CLI_PROBE */
    loop_until_set(&is_done);
    assert_string_equal(told, "took longer than 5 s");
    assert_false(probe_is_running(&probe));
}

static void it_can_be_ended(void **state) {
    (void)state;
    start("sleep 1000");
    probe_kill(&probe);
    assert_false(is_done);
    loop_until_set(&is_done);
    assert_false(probe_is_running(&probe));
    probe_kill(&probe);
    assert_string_not_equal(told, "yes");
}

static void a_role_that_dies_is_no_answer(void **state) {
    (void)state;
    start("sleep 1000");
    child_kill(&probe.role);
    loop_until_set(&is_done);
    assert_string_not_equal(told, "yes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clis_of_every_kind, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_told_nothing_of_our_environment, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_cannot_be_run_says_why, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_takes_too_long_is_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(it_can_be_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(a_role_that_dies_is_no_answer, setup, teardown),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no pidfd_open(2)");
    if (loop_init() < 0 || child_find_programs() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
