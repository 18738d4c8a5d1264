#include "proc/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "unit_fd.h"
#include "unit_loop.h"

static struct command command;
static bool has_exited;
static char printed[4096], said[4096];

static void on_exited(struct command *ended) {
    assert_ptr_equal(ended, &command);
    has_exited = true;
}

static void start_with(const char *program, const char *script, int *ret_output, int *ret_words) {
    union {
        const char *given[4];
        char *taken[4]; /* execvp leaves them alone */
    } argv = {.given = {program, "-c", script, NULL}};

    has_exited = false;
    assert_int_equal(command_start(&command, argv.taken, on_exited, ret_output, ret_words), 0);
    assert_true(command_is_running(&command));
}

/* `sh -c script`; what the command printed is in `printed` when it has ended. */
static int start(const char *program, const char *script) {
    int output = -EBADF;

    start_with(program, script, &output, NULL);
    return output;
}

/* All of it stands in the pipe. */
static void read_text(int fd, char *text, size_t size) {
    ssize_t n = read(fd, text, size - 1);

    text[n > 0 ? n : 0] = '\0';
}

static void end(int output) {
    _cleanup_close_ int fd = output;

    loop_until_set(&has_exited);
    assert_false(command_is_running(&command));
    read_text(fd, printed, sizeof(printed));
}

static void run(const char *script) {
    end(start("sh", script));
}

static void what_it_prints_can_be_read(void **state) {
    (void)state;
    run("echo key");
    assert_string_equal(printed, "key\n");
    assert_int_equal(command.wait_status, 0);
    assert_int_equal(command.exec_error, 0);
}

static void how_it_ended_is_told(void **state) {
    (void)state;
    run("exit 3");
    assert_true(WIFEXITED(command.wait_status) && WEXITSTATUS(command.wait_status) == 3);
    run("kill -TERM $$");
    assert_true(WIFSIGNALED(command.wait_status) && WTERMSIG(command.wait_status) == SIGTERM);
    run("exit 127");
    assert_int_equal(command.exec_error, 0); /* not taken for a command that is not there */
}

static void why_it_never_ran_is_told(void **state) {
    (void)state;
    end(start("no-such-program-anywhere", ""));
    assert_int_equal(command.exec_error, -ENOENT);
    assert_int_not_equal(command.wait_status, 0);
    end(start("/etc/passwd", ""));
    assert_int_equal(command.exec_error, -EACCES);
    end(start("/etc/passwd/sh", ""));
    assert_int_equal(command.exec_error, -ENOTDIR);
}

static void it_has_three_descriptors_and_nothing_to_read(void **state) {
    _cleanup_close_ int inherited = fcntl(STDERR_FILENO, F_DUPFD, 50); /* not close-on-exec, as others may leave it */

    (void)state;
    assert_true(inherited >= 0);
    run("echo $(ls /proc/self/fd); cat; readlink /proc/self/fd/0");
    assert_string_equal(printed, "0 1 2 3\n/dev/null\n"); /* 3 is the listing's own */
}

/* As it is told by itself: what its descriptor leads to is ours, or the pipe that was asked for. */
static void its_standard_error_is_ours_unless_a_pipe_is_asked_for(void **state) {
    static const char script[] = "readlink /proc/self/fd/2; echo words >&2";
    _cleanup_close_ int ours = memfd_create("ours", MFD_CLOEXEC), before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    _cleanup_close_ int words = -EBADF;
    int output = -EBADF;

    (void)state;
    assert_true(dup2(ours, STDERR_FILENO) >= 0);
    run(script);
    start_with("sh", script, &output, &words);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    assert_int_equal(pread(ours, said, sizeof(said), 0), strlen("words\n")); /* of the first alone */
    assert_non_null(strstr(printed, "memfd:ours"));
    end(output);
    assert_int_equal(strncmp(printed, "pipe:", 5), 0);
    read_text(words, said, sizeof(said));
    assert_string_equal(said, "words\n");
    assert_int_equal(read(words, said, 1), 0);
}

static void its_output_goes_nowhere_when_nobody_wants_it(void **state) {
    _cleanup_close_ int words = -EBADF;

    (void)state;
    start_with("sh", "test /dev/fd/1 -ef /dev/null && echo nowhere >&2; head -c 300000 /dev/zero", NULL, &words);
    loop_until_set(&has_exited);
    read_text(words, said, sizeof(said));
    assert_string_equal(said, "nowhere\n");
    assert_int_equal(command.wait_status, 0);
}

static void it_has_the_environment(void **state) {
    (void)state;
    assert_int_equal(setenv("CREDFD_TEST", "here", 1), 0);
    run("echo $CREDFD_TEST");
    assert_string_equal(printed, "here\n");
}

static void its_signals_are_as_a_shell_would_leave_them(void **state) {
    unsigned long long blocked, ignored;
    sigset_t all, before;

    (void)state;
    sigfillset(&all);
    assert_int_equal(sigprocmask(SIG_BLOCK, &all, &before), 0);
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    run("exec grep -E '^Sig(Blk|Ign)' /proc/self/status");
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    assert_int_equal(sscanf(printed, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
    assert_int_equal(blocked, 0);
    assert_int_equal(ignored & 1ULL << (SIGPIPE - 1), 0); /* others it may have from whoever started the test */
}

static void it_leads_a_group_of_its_own(void **state) {
    int pid, group;

    (void)state;
    run("echo $$ $(cut -d' ' -f5 /proc/$$/stat)");
    assert_int_equal(sscanf(printed, "%d %d", &pid, &group), 2);
    assert_int_equal(pid, group);
}

static bool is_gone(const void *pid) {
    return kill(*(const pid_t *)pid, 0) < 0 && errno == ESRCH;
}

static void what_it_leaves_in_its_group_ends_with_it(void **state) {
    int left;

    (void)state;
    run("sleep 1000 & echo $!");
    assert_int_equal(command.wait_status, 0);
    assert_int_equal(sscanf(printed, "%d", &left), 1);
    loop_until(is_gone, &left); /* reaped by whoever takes orphans */
}

static bool can_read(const void *output) {
    ssize_t n = read(*(const int *)output, printed, sizeof(printed) - 1);

    printed[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static void it_can_be_ended_with_its_group(void **state) {
    _cleanup_close_ int output = start("sh", "sleep 1000 & echo $!; trap '' TERM; sleep 1000");
    int left;

    (void)state;
    loop_until(can_read, &output);
    assert_int_equal(sscanf(printed, "%d", &left), 1);
    command_kill(&command);
    loop_until_set(&has_exited);
    assert_true(WIFSIGNALED(command.wait_status) && WTERMSIG(command.wait_status) == SIGKILL);
    loop_until(is_gone, &left);
    command_kill(&command); /* harmless */
}

static void leaves_no_descriptor(void **state) {
    int before = open_descriptors(), words = -EBADF;

    (void)state;
    run("echo key");
    end(start("no-such-program-anywhere", ""));
    start_with("true", "", NULL, &words);
    loop_until_set(&has_exited);
    fd_close(&words);
    assert_int_equal(open_descriptors(), before);
}

static int start_loop(void **state) {
    (void)state;
    return loop_init();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_prints_can_be_read),
        cmocka_unit_test(how_it_ended_is_told),
        cmocka_unit_test(why_it_never_ran_is_told),
        cmocka_unit_test(it_has_three_descriptors_and_nothing_to_read),
        cmocka_unit_test(its_standard_error_is_ours_unless_a_pipe_is_asked_for),
        cmocka_unit_test(its_output_goes_nowhere_when_nobody_wants_it),
        cmocka_unit_test(it_has_the_environment),
        cmocka_unit_test(its_signals_are_as_a_shell_would_leave_them),
        cmocka_unit_test(it_leads_a_group_of_its_own),
        cmocka_unit_test(what_it_leaves_in_its_group_ends_with_it),
        cmocka_unit_test(it_can_be_ended_with_its_group),
        cmocka_unit_test(leaves_no_descriptor),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no pidfd_open(2)");
    return cmocka_run_group_tests(tests, start_loop, NULL);
}
