#include "sandbox/landlock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "unit_child.h"
#include "unit_fd.h"

static char open_folder[] = "/tmp/credfd-test-landlock-XXXXXX", closed_folder[] = "/tmp/credfd-test-landlock-XXXXXX";
static char open_file[64], closed_file[64];
static struct sockaddr_in listener;

/* What one child tries behind its sandbox, one bit each: those that went well come back. */
enum attempt {
    READ_OPEN = 1 << 0,
    LIST_OPEN = 1 << 1,
    WRITE_OPEN = 1 << 2,
    MAKE_IN_OPEN = 1 << 3,
    READ_CLOSED = 1 << 4,
    LIST_CLOSED = 1 << 5,
    CONNECT = 1 << 6,
};

/* How a child says that the sandbox could not be closed: all bits, which no good run has. */
#define NOT_ENTERED 0xff

static bool opens(const char *path, int flags) {
    _cleanup_close_ int fd = open(path, flags | O_CLOEXEC, 0600);

    return fd >= 0;
}

static bool connects(void) {
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = listener;

    return connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static int try_all(const void *of) {
    char made[80];
    int done = 0;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_enter(of) < 0)
        return NOT_ENTERED;
    (void)snprintf(made, sizeof(made), "%s/made", open_folder);
    done |= opens(open_file, O_RDONLY) ? READ_OPEN : 0;
    done |= opens(open_folder, O_RDONLY | O_DIRECTORY) ? LIST_OPEN : 0;
    done |= opens(open_file, O_WRONLY) ? WRITE_OPEN : 0;
    done |= opens(made, O_WRONLY | O_CREAT) ? MAKE_IN_OPEN : 0;
    done |= opens(closed_file, O_RDONLY) ? READ_CLOSED : 0;
    done |= opens(closed_folder, O_RDONLY | O_DIRECTORY) ? LIST_CLOSED : 0;
    done |= connects() ? CONNECT : 0;
    return done;
}

static int tried(const struct landlock_want *want) {
    int status = status_of_child(try_all, want);

    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), NOT_ENTERED);
    return WEXITSTATUS(status);
}

static void skip_without(int abi, const char *what) {
    if (landlock_abi() >= abi)
        return;
    print_message("this kernel has no Landlock%s\n", what);
    skip();
}

static int files_of(int done) {
    return done & ~CONNECT;
}

static void nothing_is_wanted(void **state) {
    const struct landlock_want nothing = {.n_readable = 0};

    (void)state;
    skip_without(1, "");
    assert_int_equal(files_of(tried(&nothing)), 0);
}

static void a_folder_to_read(void **state) {
    const char *const paths[] = {"/there/is/no/such/folder", open_folder};
    const struct landlock_want one = {.readable = paths, .n_readable = 2};

    (void)state;
    skip_without(1, "");
    assert_int_equal(files_of(tried(&one)), READ_OPEN | LIST_OPEN);
}

static void a_file_to_read(void **state) {
    const char *const paths[] = {open_file};
    const struct landlock_want one = {.readable = paths, .n_readable = 1};

    (void)state;
    skip_without(1, "");
    assert_int_equal(files_of(tried(&one)), READ_OPEN);
}

static void a_folder_to_work_in(void **state) {
    const char *const paths[] = {open_folder, "/there/is/no/such/folder"};
    const struct landlock_want one = {.writable = paths, .n_writable = 2};
    char made[80];

    (void)state;
    skip_without(1, "");
    assert_int_equal(files_of(tried(&one)), READ_OPEN | LIST_OPEN | WRITE_OPEN | MAKE_IN_OPEN);
    (void)snprintf(made, sizeof(made), "%s/made", open_folder);
    assert_int_equal(unlink(made), 0);
}

static void connections(void **state) {
    const struct landlock_want without = {.may_connect = 0}, with = {.may_connect = 1};

    (void)state;
    skip_without(4, " for TCP");
    assert_int_equal(tried(&without), 0);
    assert_int_equal(tried(&with), CONNECT);
}

static int bind_behind_it(const void *of) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_enter(of) < 0)
        return NOT_ENTERED;
    return bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 ? 1 : 0;
}

static void nobody_may_bind(void **state) {
    const struct landlock_want with = {.may_connect = 1};

    (void)state;
    skip_without(4, " for TCP");
    assert_int_equal(WEXITSTATUS(status_of_child(bind_behind_it, &with)), 0);
}

static int signal_parent(const void *of) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_enter(of) < 0)
        return NOT_ENTERED;
    return kill(getppid(), 0) == 0 ? 1 : 0;
}

static void nobody_may_send_signals(void **state) {
    const struct landlock_want nothing = {.n_readable = 0};

    (void)state;
    skip_without(6, " for signals");
    assert_int_equal(WEXITSTATUS(status_of_child(signal_parent, &nothing)), 0);
}

/* A file is executed beneath what may be read, and a socket made where one may write; a closed folder is only listed. */
static int act_as_command(const void *of) {
    char made[80], *const words[] = {(char[]){"true"}, NULL};
    pid_t pid;
    int status, done = 0;

    if (landlock_enter_command(of) < 0)
        return NOT_ENTERED;
    (void)snprintf(made, sizeof(made), "%s/made", open_folder);
    done |= mknod(made, S_IFSOCK | 0600, 0) == 0 && unlink(made) == 0 ? MAKE_IN_OPEN : 0;
    done |= opens(closed_file, O_RDONLY) ? READ_CLOSED : 0;
    done |= opens(closed_folder, O_RDONLY | O_DIRECTORY) ? LIST_CLOSED : 0;
    done |= connects() ? CONNECT : 0;
    pid = fork();
    if (pid == 0) {
        (void)execv("/bin/true", words);
        _exit(1);
    }
    done |= waitpid(pid, &status, 0) == pid && status == 0 ? READ_OPEN : 0;
    return done;
}

static int act_without_privileges(const void *of) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? NOT_ENTERED : act_as_command(of);
}

static void a_command_has_its_places(void **state) {
    const char *const system[] = {"/usr", "/bin", "/lib", "/lib64", "/etc"}, *const work[] = {open_folder};
    const struct landlock_want want = {
        .readable = system, .n_readable = 5, .writable = work, .n_writable = 1, .may_list = 1};

    (void)state;
    skip_without(1, "");
    assert_int_equal(WEXITSTATUS(status_of_child(act_without_privileges, &want)),
                     READ_OPEN | MAKE_IN_OPEN | LIST_CLOSED | CONNECT);
}

static int abi_in_force(const void *of) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return NOT_ENTERED;
    return landlock_enter(of);
}

static void the_abi_comes_back(void **state) {
    const struct landlock_want nothing = {.n_readable = 0};

    (void)state;
    assert_int_equal(WEXITSTATUS(status_of_child(abi_in_force, &nothing)), landlock_abi());
}

static int make_file(const char *folder, char *path, size_t size) {
    (void)snprintf(path, size, "%s/file", folder);
    return opens(path, O_WRONLY | O_CREAT | O_EXCL) ? 0 : -1;
}

static int set_up(void **state) {
    static int listening;
    socklen_t size = sizeof(listener);

    *state = &listening;
    listener = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listening, (struct sockaddr *)&listener, sizeof(listener)) < 0 || listen(listening, 8) < 0 ||
        getsockname(listening, (struct sockaddr *)&listener, &size) < 0)
        return -1;
    if (!mkdtemp(open_folder) || !mkdtemp(closed_folder))
        return -1;
    return make_file(open_folder, open_file, sizeof(open_file)) < 0 ||
                   make_file(closed_folder, closed_file, sizeof(closed_file)) < 0
               ? -1
               : 0;
}

static int tear_down(void **state) {
    fd_close(*state);
    (void)unlink(open_file);
    (void)unlink(closed_file);
    (void)rmdir(open_folder);
    (void)rmdir(closed_folder);
    return 0;
}

/* One bit each, as above. */
enum scoped { CHILD_SIGNALLED = 1 << 0, PARENT_SIGNALLED = 1 << 1, FILE_WRITTEN = 1 << 2, CONNECTED = 1 << 3 };

static int try_scopes(const void *of) {
    pid_t child;
    int done = 0;

    (void)of;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_enter_scopes() < 0)
        return NOT_ENTERED;
    child = fork();
    if (child == 0)
        for (;;)
            (void)pause();
    done |= kill(getppid(), 0) == 0 ? PARENT_SIGNALLED : 0;
    done |= kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child ? CHILD_SIGNALLED : 0;
    done |= opens(closed_file, O_WRONLY) ? FILE_WRITTEN : 0;
    done |= connects() ? CONNECTED : 0;
    return done;
}

static void scopes_are_about_signals_and_no_file(void **state) {
    int expected = CHILD_SIGNALLED | FILE_WRITTEN | CONNECTED;

    (void)state;
    if (landlock_abi() < LANDLOCK_ABI_SCOPES)
        skip();
    assert_int_equal(WEXITSTATUS(status_of_child(try_scopes, NULL)), expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_wanted),        cmocka_unit_test(a_folder_to_read),
        cmocka_unit_test(a_file_to_read),           cmocka_unit_test(connections),
        cmocka_unit_test(nobody_may_bind),          cmocka_unit_test(nobody_may_send_signals),
        cmocka_unit_test(the_abi_comes_back),       cmocka_unit_test(a_folder_to_work_in),
        cmocka_unit_test(a_command_has_its_places), cmocka_unit_test(scopes_are_about_signals_and_no_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
