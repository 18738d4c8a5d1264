#include "sandbox/init_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "unit_child.h"

static int line[2]; /* ours, and the first process's */

static void block_all(void) {
    sigset_t all;

    sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
}

/* As the first process: `of` is what its command does. */
static int be_first(const void *of) {
    int (*const *body)(void) = of;
    pid_t first = getpid(), command;

    block_all();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    fd_close(&line[0]);
    command = fork();
    if (command == 0) {
        /* a namespace's processes end with its first one; here there is no namespace */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != first)
            _exit(1);
        _exit((*body)());
    }
    init_process_run(command, line[1]);
}

static int exits(void) {
    return 42;
}

static int is_killed(void) {
    (void)kill(getpid(), SIGKILL);
    return 0;
}

/* Stops; goes on when it is continued. */
static int stops(void) {
    (void)kill(getpid(), SIGSTOP);
    return 7;
}

static int leaves_an_orphan(void) {
    if (fork() == 0)
        _exit(0);
    return 3;
}

static int (*const exit_body)(void) = exits, (*const kill_body)(void) = is_killed, (*const stop_body)(void) = stops,
                   (*const orphan_body)(void) = leaves_an_orphan;

static void ends_as_its_command(void **state) {
    (void)state;
    assert_int_equal(WEXITSTATUS(status_of_child(be_first, &exit_body)), 42);
    assert_int_equal(WEXITSTATUS(status_of_child(be_first, &kill_body)), 128 + SIGKILL);
    assert_int_equal(WEXITSTATUS(status_of_child(be_first, &orphan_body)), 3);
}

static pid_t start_first(const void *of) {
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(be_first(of));
    return pid;
}

static int status_of(pid_t pid) {
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void tells_of_stops(void **state) {
    pid_t first = start_first(&stop_body);
    unsigned char stop = 0;

    (void)state;
    assert_int_equal(recv(line[0], &stop, 1, 0), 1);
    assert_int_equal(stop, SIGSTOP);
    assert_int_equal(kill(first, SIGKILL), 0);
    assert_int_equal(waitpid(first, NULL, 0), first);
}

static void ends_with_the_line(void **state) {
    pid_t first;

    (void)state;
    first = start_first(&stop_body);
    assert_int_equal(shutdown(line[0], SHUT_WR), 0);
    assert_int_equal(status_of(first), 125);
}

static int set_up(void **state) {
    (void)state;
    return fd_pair(SOCK_STREAM, line);
}

static int tear_down(void **state) {
    (void)state;
    fd_close(&line[0]);
    fd_close(&line[1]);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ends_as_its_command, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_of_stops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ends_with_the_line, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
