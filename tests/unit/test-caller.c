#include "egress/desk/caller.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/address.h"
#include "net/listen.h"
#include "unit_fd.h"

static int diag = -EBADF, listener = -EBADF;
static uint16_t port;

static uint16_t port_of(int fd) {
    struct sockaddr_in6 at = {0};
    socklen_t n = sizeof(at);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    return ntohs(at.sin6_port); /* it stands at the same place in both families */
}

static int open_all(void **state) {
    struct address address;

    (void)state;
    if (address_parse(SLICE("127.0.0.1"), 0, &address) < 0 || listen_tcp(&address, 16, &listener) < 0)
        return -1;
    port = port_of(listener);
    return caller_open_diag(&diag);
}

static int close_all(void **state) {
    (void)state;
    fd_close(&diag);
    fd_close(&listener);
    return 0;
}

static int dial(void) {
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 ? fd : -1;
}

/* The same from a socket of IPv6, as some programs have no other. */
static int dial_mapped(void) {
    const struct sockaddr_in6 to = {.sin6_family = AF_INET6,
                                    .sin6_port = htons(port),
                                    .sin6_addr = {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}}}};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 ? fd : -1;
}

/* Some process that connects, tells from which port, and stays until it is killed. */
struct other {
    pid_t pid, top; /* it; and the child of ours that it descends from, or descended from */
    uint16_t from;
};

static void be_other(int to, int (*how)(void)) {
    struct other self = {.pid = getpid()};
    int fd = how();

    self.from = fd >= 0 ? port_of(fd) : 0;
    if (fd_write_all(to, &self, sizeof(self)) < 0)
        _exit(1);
    for (;;)
        (void)pause();
}

/* `depth` generations below us; the ones in between stay, or (is_orphan) end at once. */
static struct other start_other(unsigned depth, bool is_orphan, int (*how)(void)) {
    struct other other = {0};
    int ends[2];
    pid_t top;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    top = fork();
    assert_true(top >= 0);
    if (top == 0) {
        (void)setpgid(0, 0);
        for (unsigned i = 1; i < depth; i++)
            if (fork() > 0) {
                while (!is_orphan)
                    (void)pause();
                _exit(0);
            }
        be_other(ends[1], how);
    }
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &other, sizeof(other)), sizeof(other));
    (void)close(ends[0]);
    other.top = top;
    if (is_orphan)
        assert_int_equal(waitpid(top, NULL, 0), top);
    return other;
}

static void stop_other(const struct other *other) {
    (void)kill(other->pid, SIGKILL);
    (void)kill(-other->top, SIGKILL);
    while (waitpid(-other->top, NULL, 0) > 0)
        continue;
}

/* Whose connection it is, who is one of ours; 0 for nobody's. */
static pid_t found(uint16_t from, pid_t descends) {
    struct asker asker;
    enum caller_kind kind = caller_identify(&asker, diag, from, port, descends);

    assert_int_not_equal(kind, CALLER_STRANGER);
    assert_int_equal(kind == CALLER_OURS, asker.pid > 0);
    assert_int_equal(kind == CALLER_OURS, asker.executable[0] == '/');
    return asker.pid;
}

static void who_has_connected_is_found(void **state) {
    struct other child = start_other(1, false, dial), grandchild = start_other(4, false, dial);

    (void)state;
    assert_true(child.from > 0 && grandchild.from > 0);
    assert_int_equal(found(child.from, 0), child.pid);
    assert_int_equal(found(child.from, child.pid), child.pid);
    assert_int_equal(found(grandchild.from, 0), grandchild.pid);
    assert_int_equal(found(grandchild.from, grandchild.top), grandchild.pid);
    stop_other(&child);
    stop_other(&grandchild);
}

static void a_mapped_address_is_the_same(void **state) {
    struct other other = start_other(1, false, dial_mapped);

    (void)state;
    if (other.from > 0) /* the machine may have no IPv6 */
        assert_int_equal(found(other.from, other.pid), other.pid);
    stop_other(&other);
}

static void an_orphan_is_still_ours(void **state) {
    struct other other;

    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    other = start_other(3, true, dial);
    assert_int_equal(found(other.from, other.top), other.pid);
    stop_other(&other);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

/* Without that it is init's, or whose ever: a stranger. */
static void a_stranger_is_told_from_ours(void **state) {
    struct asker asker;
    struct other other;

    (void)state;
    if (getppid() <= 1 || getpid() == 1)
        skip();
    other = start_other(3, true, dial);
    assert_int_equal(caller_identify(&asker, diag, other.from, port, other.top), CALLER_STRANGER);
    assert_int_equal(asker.pid, other.pid);
    assert_int_equal(asker.executable[0], '/');
    assert_int_equal(found(other.from, 0), other.pid); /* where everybody is ours */
    stop_other(&other);
}

static void nobody_is_found_where_nobody_is(void **state) {
    struct other other = start_other(1, false, dial);

    (void)state;
    stop_other(&other);
    assert_int_equal(found(other.from, 0), 0); /* it has ended */
    assert_int_equal(found(port, 0), 0);       /* somebody listens there, and that is no connection */
    assert_int_equal(found(1, 0), 0);          /* there is nothing at all */
    assert_int_equal(found(other.from, getpid()), 0);
}

static void one_that_has_ended_descends_from_nobody(void **state) {
    struct other other = start_other(1, false, dial);
    _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, other.pid, 0);
    siginfo_t info = {0};

    (void)state;
    assert_true(pidfd >= 0);
    assert_true(caller_descends(other.pid, pidfd, getpid()));
    assert_false(caller_descends(getppid(), pidfd, other.pid));
    assert_int_equal(kill(other.pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)other.pid, &info, WEXITED | WNOWAIT), 0);
    assert_false(caller_descends(other.pid, pidfd, getpid()));
    stop_other(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_has_connected_is_found, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_mapped_address_is_the_same, open_all, close_all),
        cmocka_unit_test_setup_teardown(an_orphan_is_still_ours, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_stranger_is_told_from_ours, open_all, close_all),
        cmocka_unit_test_setup_teardown(nobody_is_found_where_nobody_is, open_all, close_all),
        cmocka_unit_test_setup_teardown(one_that_has_ended_descends_from_nobody, open_all, close_all),
    };

    if (is_in_valgrind())
        return 77; /* it knows no sock_diag, and its processes are not what they seem */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
