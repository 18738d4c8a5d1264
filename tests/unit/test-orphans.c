#include "proc/orphans.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/limits.h"
#include "unit_fd.h"
#include "unit_loop.h"

/* And reaps none itself. */
static bool has_no_children(const void *unused) {
    siginfo_t info = {0};

    (void)unused;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static bool has_no_zombie(const void *of) {
    siginfo_t info = {0};
    const pid_t *pid = of;

    return waitid(P_PID, (id_t)*pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0;
}

/* A process whose parent has ended; it lives until the pipe is closed. Its number. */
static pid_t make_orphan(int lives_by) {
    int ends[2];
    pid_t parent, orphan = 0;

    assert_int_equal(pipe(ends), 0);
    parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) {
        pid_t child = fork();
        char byte;

        if (child == 0) {
            (void)close(lives_by + 1); /* its writing end is ours alone */
            _exit(read(lives_by, &byte, 1) == 0 ? 0 : 1);
        }
        _exit(fd_write_all(ends[1], &child, sizeof(child)) == 0 ? 0 : 1);
    }
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &orphan, sizeof(orphan)), sizeof(orphan));
    (void)close(ends[0]);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    return orphan;
}

static void an_orphan_is_reaped(void **state) {
    siginfo_t info = {0};
    int life[2];
    pid_t orphan;

    (void)state;
    assert_int_equal(pipe(life), 0);
    assert_int_equal(life[1], life[0] + 1);
    assert_int_equal(orphans_adopt(), 0);
    orphan = make_orphan(life[0]);
    assert_int_equal(waitid(P_PID, (id_t)orphan, &info, WEXITED | WNOHANG | WNOWAIT), 0); /* it is ours now */
    (void)close(life[1]);
    (void)close(life[0]);
    assert_int_equal(waitid(P_PID, (id_t)orphan, &info, WEXITED | WNOWAIT), 0);
    orphans_look();
    loop_until(has_no_zombie, &orphan);
}

/* Whoever waits for a child of his is woken by its end. */
static struct {
    struct watch watch;
    pid_t pid;
    int fd, status;
    bool is_told;
} waiter;

static void child_ended(struct watch *watch) {
    siginfo_t info = {0};

    watch_remove(watch);
    assert_int_equal(waitid(P_PID, (id_t)waiter.pid, &info, WEXITED | WNOHANG), 0);
    waiter.status = info.si_status;
    waiter.is_told = true;
}

static void a_child_is_left_to_who_waits_for_it(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        waiter.is_told = false;
        waiter.pid = fork();
        assert_true(waiter.pid >= 0);
        if (waiter.pid == 0)
            _exit(7);
        waiter.fd = (int)syscall(SYS_pidfd_open, waiter.pid, 0);
        assert_int_equal(watch_add(&waiter.watch, waiter.fd, child_ended), 0);
        orphans_look();
        loop_until_set(&waiter.is_told);
        assert_int_equal(waiter.status, 7);
        fd_close(&waiter.fd);
    }
    loop_until(has_no_children, NULL);
}

/* All of them at the next look but one, however many have ended meanwhile. */
static void many_are_reaped_at_once(void **state) {
    uint64_t begin;
    int life[2];

    (void)state;
    assert_int_equal(pipe(life), 0);
    assert_int_equal(life[1], life[0] + 1);
    for (int i = 0; i < 200; i++)
        (void)make_orphan(life[0]);
    (void)close(life[1]);
    (void)close(life[0]);
    begin = clock_now_ms();
    orphans_look();
    loop_until(has_no_children, NULL);
    assert_true(clock_now_ms() - begin < 100 * REAP_AFTER);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_orphan_is_reaped),
                                       cmocka_unit_test(a_child_is_left_to_who_waits_for_it),
                                       cmocka_unit_test(many_are_reaped_at_once)};

    if (is_in_valgrind()) {
        print_message("valgrind knows no pidfd_open(2)\n");
        return 77;
    }
    assert_int_equal(loop_init(), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
