#include "ingress/desk/errands.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "unit_fd.h"
#include "unit_loop.h"

static struct {
    unsigned n;
    enum errand_kind kind;
    uint32_t number;
    enum command_end end;
    int wait_status;
    bool is_quiet;
} told;

static void ended(void *owner, enum errand_kind kind, uint32_t number, enum command_end end, int wait_status) {
    (void)owner;
    told.n++;
    told.kind = kind;
    told.number = number;
    told.end = end;
    told.wait_status = wait_status;
}

static void quiet(void *owner) {
    (void)owner;
    told.is_quiet = true;
}

static struct errands errands = {.ended = ended, .quiet = quiet};

static int begin(void **state) {
    (void)state;
    memset(&told, 0, sizeof(told));
    return 0;
}

/* What stands in the log while a test listens: as bytes, since that is what somebody else would forge. */
static struct {
    int fd, before;
    char text[64 * 1024];
} heard;

static int listen_to_log(void **state) {
    heard.fd = memfd_create("log", MFD_CLOEXEC);
    heard.before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    log_set_level(LOG_INFO);
    return heard.fd >= 0 && heard.before >= 0 && dup2(heard.fd, STDERR_FILENO) >= 0 ? begin(state) : -1;
}

static int stop_listening(void **state) {
    (void)state;
    log_set_level(LOG_WARNING);
    fd_close(&heard.fd);
    return dup2(heard.before, STDERR_FILENO) >= 0 ? (fd_close(&heard.before), 0) : -1;
}

static const char *logged(void) {
    ssize_t n = pread(heard.fd, heard.text, sizeof(heard.text) - 1, 0);

    heard.text[n > 0 ? n : 0] = '\0';
    return heard.text;
}

static struct instance instance_of(const char *os_user, const char *name) {
    return (struct instance){.os_user = slice_of_string(os_user), .name = slice_of_string(name)};
}

static int start(enum errand_kind kind, uint32_t number, const char *script, uint64_t timeout_ms, int *ret_output) {
    static char sh[] = "/bin/sh", c[] = "-c", zero[] = "sh", user[] = "{os_user}";
    char text[256];
    char *argv[] = {sh, c, text, zero, user, NULL};
    struct command_settings settings = {.argv = argv, .timeout_ms = timeout_ms};
    struct instance instance = instance_of("alice", "a");

    (void)snprintf(text, sizeof(text), "%s", script);
    return errand_start(&errands, kind, number, &settings, &instance, "t3", ret_output);
}

static void fills_in_whom_it_is_for(void **state) {
    char one[] = "x", two[] = "{os_user}", three[] = "-{name}-{recipe}-{os_user}", four[] = "";
    char *argv[] = {one, two, three, four, NULL};
    struct instance instance = instance_of("alice", "al; $(x)");
    char **filled = errand_argv(argv, &instance, "t3");

    (void)state;
    assert_string_equal(filled[0], "x");
    assert_string_equal(filled[1], "alice");
    assert_string_equal(filled[2], "-al; $(x)-t3-alice"); /* no shell reads it */
    assert_string_equal(filled[3], "");
    assert_null(filled[4]);
    errand_argv_free(filled);
}

static void hands_the_output_of_a_mint_over(void **state) {
    _cleanup_close_ int output = -EBADF;
    char text[64] = "";

    (void)state;
    assert_int_equal(start(ERRAND_MINT, 7, "echo \"for $1\"; exit 3", 10000, &output), 0);
    loop_until_set(&told.is_quiet);
    assert_true(read(output, text, sizeof(text) - 1) > 0);
    assert_string_equal(text, "for alice\n");
    assert_int_equal(told.n, 1);
    assert_int_equal(told.number, 7);
    assert_int_equal(told.end, COMMAND_EXITED);
    assert_int_equal(WEXITSTATUS(told.wait_status), 3);
}

static void does_not_end_a_starter_for_having_spoken(void **state) {
    int none = -EBADF;

    (void)state;
    assert_int_equal(start(ERRAND_STEWARD, 1, "head -c 300000 /dev/zero", 10000, &none), 0);
    loop_until_set(&told.is_quiet);
    assert_int_equal(none, -EBADF);
    assert_int_equal(told.end, COMMAND_EXITED);
    assert_int_equal(told.wait_status, 0);
}

static void tells_what_it_says_by_lines_with_what_ran_for_whom(void **state) {
    _cleanup_close_ int output = -EBADF;

    (void)state;
    assert_int_equal(start(ERRAND_MINT, 1, "echo key; printf 'no such\\n\\n \\033[2Juser\\r\\n' >&2", 10000, &output),
                     0);
    loop_until_set(&told.is_quiet);
    assert_string_equal(logged(), "credfd: /bin/sh for alice says: no such\n"
                                  "credfd: /bin/sh for alice says: \\x1b[2Juser\\x0d\n");
}

static void tells_what_a_failed_one_says_as_a_warning(void **state) {
    int none = -EBADF;

    (void)state;
    assert_int_equal(start(ERRAND_STEWARD, 1, "printf last >&2; exit 1", 10000, &none), 0);
    loop_until_set(&told.is_quiet);
    assert_string_equal(logged(), "credfd: warning: /bin/sh for alice says: last\n"
                                  "credfd: warning: /bin/sh for alice ended with 1\n");
}

static size_t count_lines(const char *text) {
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void tells_no_more_than_a_bound_of_it(void **state) {
    static const char *const floods[] = {
        "head -c 1000000 /dev/zero >&2", "head -c 1000000 /dev/zero | tr '\\0' '\\033' >&2",
        "head -c 1000000 /dev/zero | tr '\\0' '\\n' >&2", "yes credfd: forged | head -n 100000 >&2"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
        int none = -EBADF;

        told.is_quiet = false;
        assert_int_equal(ftruncate(heard.fd, 0), 0);
        assert_true(lseek(heard.fd, 0, SEEK_SET) == 0);
        assert_int_equal(start(ERRAND_STEWARD, 1, floods[i], 20000, &none), 0);
        loop_until_set(&told.is_quiet);
        assert_int_equal(told.wait_status, 0); /* nothing blocked, and nothing was ended for having spoken */
        assert_true(strlen(logged()) < 4 * LIMIT_SAID + 1024);
        assert_true(count_lines(heard.text) <= LIMIT_SAID_LINES + 1);
        assert_true(strspn(heard.text, "\n") == 0 && !strstr(heard.text, "\ncredfd: forged"));
        assert_null(strchr(heard.text, '\033'));
        assert_non_null(strstr(heard.text, "credfd: /bin/sh for alice said more, which is not kept\n"));
    }
}

static void a_log_that_is_a_file_is_out_of_its_reach(void **state) {
    int none = -EBADF;

    (void)state;
    log_error("before");
    assert_int_equal(start(ERRAND_STEWARD, 1,
                           "truncate -s 0 /proc/self/fd/2; dd if=/dev/zero of=/dev/fd/2 count=1 "
                           "oflag=append conv=notrunc; exit 0",
                           10000, &none),
                     0);
    loop_until_set(&told.is_quiet);
    assert_int_equal(strncmp(logged(), "credfd: before\n", strlen("credfd: before\n")), 0);
    assert_null(memchr(heard.text, '\0', strlen("credfd: before\n") + 1));
}

static void tells_at_the_deadline_what_one_out_of_reach_has_said(void **state) {
    _cleanup_close_ int output = -EBADF;

    (void)state;
    assert_int_equal(start(ERRAND_MINT, 3, "echo waiting for a password >&2; sleep 1000", 300, &output), 0);
    loop_until_set(&told.is_quiet);
    assert_string_equal(logged(), "credfd: /bin/sh for alice did not end in time and is killed\n"
                                  "credfd: warning: /bin/sh for alice says: waiting for a password\n");
}

static void ends_what_takes_too_long_with_all_that_it_started(void **state) {
    _cleanup_close_ int output = -EBADF;
    char text[8];

    (void)state;
    assert_int_equal(start(ERRAND_MINT, 2, "sleep 1000 & sleep 1000", 20, &output), 0);
    loop_until_set(&told.is_quiet);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.end, COMMAND_TIMED_OUT);
    /* the pipe has no writer left: neither of the two sleeps on */
    assert_int_equal(fcntl(output, F_SETFL, 0), 0);
    assert_int_equal(read(output, text, sizeof(text)), 0);
}

static void says_when_it_never_was_the_command(void **state) {
    char program[] = "/nowhere/at/all";
    char *argv[] = {program, NULL};
    struct command_settings settings = {.argv = argv, .timeout_ms = 10000}, none = {.timeout_ms = 1};
    struct instance instance = instance_of("alice", "a");
    _cleanup_close_ int output = -EBADF;

    (void)state;
    assert_int_equal(errand_start(&errands, ERRAND_MINT, 1, &none, &instance, "t3", &output), -ENOENT);
    assert_int_equal(errand_start(&errands, ERRAND_MINT, 1, &settings, &instance, "t3", &output), 0);
    loop_until_set(&told.is_quiet);
    assert_int_equal(told.end, COMMAND_NOT_STARTED);
}

static void ends_what_is_no_use_and_tells_when_it_is_gone(void **state) {
    _cleanup_close_ int output = -EBADF, again = -EBADF;

    (void)state;
    assert_int_equal(start(ERRAND_MINT, 5, "sleep 1000", 100000, &output), 0);
    assert_int_equal(start(ERRAND_MINT, 5, "true", 100000, &again), -EEXIST);
    errand_kill(&errands, ERRAND_STEWARD, 5); /* of the other kind: another */
    assert_int_equal(start(ERRAND_MINT, 5, "true", 100000, &again), -EEXIST);
    errand_kill(&errands, ERRAND_MINT, 5);
    loop_until_set(&told.is_quiet);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.end, COMMAND_EXITED);
}

static void lets_a_start_go_on_whose_steward_has_died(void **state) {
    int none = -EBADF;
    char name[64];

    (void)state;
    (void)snprintf(name, sizeof(name), "/tmp/credfd-test-errand-%d", (int)getpid());
    assert_int_equal(setenv("MARK", name, 1), 0);
    assert_int_equal(start(ERRAND_STEWARD, 5, "sleep 0.1; : >$MARK", 100000, &none), 0);
    errands_drop_kind(&errands, ERRAND_STEWARD);
    loop_until_set(&told.is_quiet);
    assert_int_equal(told.n, 0);
    assert_int_equal(unlink(name), 0); /* it came to its end */
}

static void runs_so_many_at_once_and_no_more(void **state) {
    static int outputs[LIMIT_COMMANDS];
    int more = -EBADF;

    (void)state;
    for (uint32_t i = 0; i < LIMIT_COMMANDS; i++)
        assert_int_equal(start(ERRAND_MINT, i, "exec sleep 1000", 100000, &outputs[i]), 0);
    assert_int_equal(start(ERRAND_MINT, LIMIT_COMMANDS, "true", 100000, &more), -E2BIG);
    errands_stop(&errands);
    loop_until_set(&told.is_quiet);
    assert_true(errands_are_quiet(&errands));
    assert_int_equal(told.n, 0);
    for (size_t i = 0; i < LIMIT_COMMANDS; i++)
        fd_close(&outputs[i]);
}

#define LISTENING(name) cmocka_unit_test_setup_teardown(name, listen_to_log, stop_listening)

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(fills_in_whom_it_is_for, begin),
        cmocka_unit_test_setup(hands_the_output_of_a_mint_over, begin),
        cmocka_unit_test_setup(does_not_end_a_starter_for_having_spoken, begin),
        LISTENING(tells_what_it_says_by_lines_with_what_ran_for_whom),
        LISTENING(tells_what_a_failed_one_says_as_a_warning),
        LISTENING(tells_no_more_than_a_bound_of_it),
        LISTENING(a_log_that_is_a_file_is_out_of_its_reach),
        LISTENING(tells_at_the_deadline_what_one_out_of_reach_has_said),
        cmocka_unit_test_setup(ends_what_takes_too_long_with_all_that_it_started, begin),
        cmocka_unit_test_setup(says_when_it_never_was_the_command, begin),
        cmocka_unit_test_setup(ends_what_is_no_use_and_tells_when_it_is_gone, begin),
        cmocka_unit_test_setup(lets_a_start_go_on_whose_steward_has_died, begin),
        cmocka_unit_test_setup(runs_so_many_at_once_and_no_more, begin),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no pidfd_open(2)");
    assert_int_equal(loop_init(), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
