/* The role is this very program, told so by its argument: it looks at what it was given, and says so by its status. */
#include "proc/child.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "proc/role.h"
#include "unit_fd.h"
#include "unit_loop.h"

#define SOUND 42
#define HELD 900
#define SMALL 256 /* descriptors a table has room for that was not copied from ours */

static const struct ipc_permit permits[] = {{IPC_HELLO, 1, child_on_hello}, {IPC_LOG, 1, child_on_log}};

static struct child child;
static bool has_exited;
static int status;

/* Of its table of descriptors, which never shrinks: as large as what was copied into it. */
static long room_for_descriptors(void) {
    char text[4096];
    _cleanup_close_ int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd_read_all(fd, text, sizeof(text) - 1);
    const char *line;

    text[n > 0 ? n : 0] = '\0';
    line = strstr(text, "\nFDSize:");
    return line ? strtol(line + strlen("\nFDSize:"), NULL, 10) : LONG_MAX;
}

/* SOUND, or the number of what is not as a role should find it. */
static int look_around(void) {
    sigset_t blocked;

    if (!is_open(ROLE_CHANNEL))
        return 1;
    for (int fd = ROLE_CHANNEL + 1; fd < 2 * HELD; fd++)
        if (is_open(fd))
            return 2;
    if (room_for_descriptors() > SMALL)
        return 3;
    if (sigprocmask(SIG_SETMASK, NULL, &blocked) < 0 || sigismember(&blocked, SIGUSR1) != 0)
        return 4;
    if (environ[0])
        return 5;
    return getsid(0) == getpid() ? SOUND : 6;
}

static int be_role(const char *how) {
    return strcmp(how, "look") == 0 ? look_around() : EXIT_SUCCESS;
}

static void on_exited(struct child *ended, int wait_status) {
    assert_ptr_equal(ended, &child);
    status = wait_status;
    has_exited = true;
}

static void run(const char *name, const char *how) {
    has_exited = false;
    assert_int_equal(child_start(&child, name, how, permits, ARRAY_LEN(permits), 1, on_exited, NULL), 0);
    assert_true(child_is_running(&child));
    loop_until_set(&has_exited);
    assert_false(child_is_running(&child));
}

static void it_gets_its_channel_and_nothing_else(void **state) {
    (void)state;
    run("test-child", "look");
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), SOUND);
}

/* Some are not close-on-exec, as those that somebody left open for us. None is copied, and none of ours is touched. */
static void nothing_of_many_descriptors_is_copied(void **state) {
    int held[HELD], before;
    struct stat is[2];
    sigset_t one;

    (void)state;
    for (size_t i = 0; i < HELD; i++)
        assert_true((held[i] = open("/dev/null", O_RDONLY | (i % 2 ? O_CLOEXEC : 0))) >= 0);
    before = open_descriptors();
    assert_int_equal(fstat(ROLE_CHANNEL, &is[0]), 0);
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    assert_int_equal(sigprocmask(SIG_BLOCK, &one, NULL), 0);
    it_gets_its_channel_and_nothing_else(NULL);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &one, NULL), 0);
    assert_int_equal(fstat(ROLE_CHANNEL, &is[1]), 0);
    assert_true(is[0].st_ino == is[1].st_ino && is[0].st_dev == is[1].st_dev);
    assert_int_equal(open_descriptors(), before);
    for (size_t i = 0; i < HELD; i++) {
        assert_int_equal(fcntl(held[i], F_GETFD), i % 2 ? FD_CLOEXEC : 0);
        fd_close(&held[i]);
    }
}

/* Its end is told by its channel alone, which we must not hold open ourselves. */
static void one_that_says_nothing_has_ended(void **state) {
    (void)state;
    run("test-child", "nothing");
    assert_int_equal(status, 0);
}

static void one_that_is_not_there_says_so(void **state) {
    (void)state;
    run("no-such-role", NULL);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

static void many_leave_nothing_behind(void **state) {
    int before = open_descriptors();

    (void)state;
    for (int i = 0; i < 20; i++)
        run("test-child", i % 2 ? "look" : "nothing");
    assert_int_equal(open_descriptors(), before);
}

static void one_for_which_no_number_is_left_is_not_started(void **state) {
    struct rlimit was, none;
    int before = open_descriptors();

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = (struct rlimit){(rlim_t)next_number(), was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(child_start(&child, "test-child", "look", permits, ARRAY_LEN(permits), 1, on_exited, NULL),
                     -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_false(child_is_running(&child));
    assert_int_equal(open_descriptors(), before);
    it_gets_its_channel_and_nothing_else(NULL);
}

int main(int argc, char *argv[]) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_gets_its_channel_and_nothing_else),
        cmocka_unit_test(nothing_of_many_descriptors_is_copied),
        cmocka_unit_test(one_that_says_nothing_has_ended),
        cmocka_unit_test(one_that_is_not_there_says_so),
        cmocka_unit_test(many_leave_nothing_behind),
        cmocka_unit_test(one_for_which_no_number_is_left_is_not_started),
    };

    if (argc > 1)
        return be_role(argv[1]);
    if (is_in_valgrind())
        return leave_out("valgrind knows no pidfd_open(2)");
    if (loop_init() < 0 || child_find_programs() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
