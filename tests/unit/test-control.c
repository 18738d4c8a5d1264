#include "egress/desk/control.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/log.h"
#include "egress/desk/control_place.h"
#include "unit_child.h"
#include "unit_fd.h"
#include "unit_loop.h"

#define NOBODY 65534

/* An owner of leases with every number from 1 to `n`, but the one that is `gone`. */
static struct leases {
    uint32_t n, gone;
    uint32_t revoked;
    pid_t by;
    uid_t by_uid;
    int refuses;
} leases;

static bool next_lease(void *owner, uint32_t after, struct lease_info *ret) {
    const struct leases *all = owner;
    uint32_t number = after + 1 == all->gone ? after + 2 : after + 1;

    if (number > all->n)
        return false;
    *ret = (struct lease_info){
        .number = number, .lease = SLICE("api"), .identity = SLICE("somebody"), .left_ms = LEASE_FOREVER};
    return true;
}

static int revoke_lease(void *owner, uint32_t number, pid_t by, uid_t by_uid) {
    struct leases *all = owner;

    if (number > all->n)
        return -ENOENT;
    all->revoked = number;
    all->by = by;
    all->by_uid = by_uid;
    return all->refuses;
}

static size_t status_size;

static int write_status(void *of, struct buf *to) {
    assert_ptr_equal(of, &leases);
    for (size_t i = 0; i < status_size; i++) {
        char byte = (char)('a' + i % 26);

        assert_int_equal(buf_append(to, slice_of(&byte, 1)), 0);
    }
    return status_size > 0 ? 0 : -ENOMEM;
}

static const struct control_owner owner = {.next = next_lease, .revoke = revoke_lease, .owner = &leases};
static char folder[64];
static unsigned lines;
static char last_line[512];

static void note_line(enum log_level level, struct slice text) {
    (void)level;
    lines++;
    (void)snprintf(last_line, sizeof(last_line), "%.*s", SLICE_ARG(text));
}

static int begin(void **state) {
    (void)state;
    leases = (struct leases){.n = 3};
    lines = 0;
    (void)snprintf(folder, sizeof(folder), "/tmp/credfd-unit-XXXXXX");
    return mkdtemp(folder) && setenv("XDG_RUNTIME_DIR", folder, 1) == 0 ? 0 : -1;
}

/* What control_stop leaves is the empty directory. */
static int end(void **state) {
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/credfd", folder);
    if (rmdir(path) < 0 && errno != ENOENT)
        return -1;
    return rmdir(folder);
}

static struct sockaddr_un own_address(void) {
    struct control_place place;

    (void)snprintf(place.directory, sizeof(place.directory), "%s/credfd", folder);
    return control_place_socket(&place, getpid());
}

static int client_new(void) {
    const struct sockaddr_un address = own_address();
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void say(int fd, enum ipc_type type, uint32_t number) {
    struct ipc_writer w = control_request_encode(&(struct control_request){.type = type, .number = number});

    assert_int_equal(ipc_send(fd, &w, -EBADF), 0);
}

static bool has_something(const void *of) {
    char byte;

    return recv(*(const int *)of, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/* False when it was dropped instead. */
static bool hear(int fd, struct control_answer *ret) {
    struct ipc_message m;
    int r = ipc_receive(fd, &m);

    if (r == -EAGAIN) {
        loop_until(has_something, &fd);
        r = ipc_receive(fd, &m);
    }
    if (r != 1) {
        assert_true(r == 0 || r == -ECONNRESET);
        return false;
    }
    assert_int_equal(control_answer_decode(&m, ret), 0);
    return true;
}

static uint32_t hear_list(int fd) {
    struct control_answer answer;
    uint32_t n = 0;

    for (;; n++) {
        assert_true(hear(fd, &answer));
        if (answer.type == IPC_LEASE_END)
            return n;
        assert_int_equal(answer.type, IPC_LEASE);
    }
}

static void each_lease_is_told_and_then_the_end(void **state) {
    struct control *control = control_start(&owner);
    _cleanup_close_ int client = client_new();
    struct control_answer answer;

    (void)state;
    assert_non_null(control);
    say(client, IPC_LEASE_LIST, 0);
    for (uint32_t number = 1; number <= 3; number++) {
        assert_true(hear(client, &answer));
        assert_int_equal(answer.type, IPC_LEASE);
        assert_int_equal(answer.info.number, number);
        assert_slice(answer.info.identity, "somebody");
    }
    assert_true(hear(client, &answer));
    assert_int_equal(answer.type, IPC_LEASE_END);

    leases.n = 0; /* and again, on the same socket */
    say(client, IPC_LEASE_LIST, 0);
    assert_int_equal(hear_list(client), 0);
    assert_int_equal(lines, 0);
    control_stop(control);
}

static void a_revocation_names_who_asked(void **state) {
    struct control *control = control_start(&owner);
    _cleanup_close_ int client = client_new();
    struct control_answer answer;

    (void)state;
    say(client, IPC_LEASE_REVOKE, 2);
    assert_true(hear(client, &answer));
    assert_int_equal(answer.type, IPC_LEASE_REVOKED);
    assert_int_equal(answer.outcome, REVOCATION_DONE);
    assert_true(leases.revoked == 2 && leases.by == getpid() && leases.by_uid == geteuid());
    say(client, IPC_LEASE_REVOKE, 4);
    assert_true(hear(client, &answer));
    assert_int_equal(answer.outcome, REVOCATION_NO_SUCH_LEASE);
    leases.refuses = -ENOMEM;
    say(client, IPC_LEASE_REVOKE, 1);
    assert_true(hear(client, &answer));
    assert_int_equal(answer.outcome, REVOCATION_FAILED);
    control_stop(control);
}

/* Each byte at its place, in however many parts; and again, on the same socket. */
static void a_status_comes_in_parts(void **state) {
    static const size_t sizes[] = {1, LIMIT_READ - 1, LIMIT_READ, LIMIT_READ + 1, 8 * LIMIT_READ};
    const struct control_owner with_status = {
        .next = next_lease, .revoke = revoke_lease, .status = write_status, .owner = &leases};
    struct control *control = control_start(&with_status);
    _cleanup_close_ int client = client_new();
    struct control_answer answer;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t at = 0;

        status_size = sizes[i];
        say(client, IPC_RUNNER_ASK, 0);
        do {
            assert_true(hear(client, &answer));
            assert_int_equal(answer.type, IPC_RUNNER_STATUS);
            for (size_t j = 0; j < answer.status.n; j++)
                assert_int_equal(answer.status.p[j], 'a' + (char)((at + j) % 26));
            at += answer.status.n;
        } while (!answer.is_end);
        assert_int_equal(at, status_size);
    }
    control_stop(control);
}

static void whoever_has_no_status_says_so(void **state) {
    const struct control_owner failing = {
        .next = next_lease, .revoke = revoke_lease, .status = write_status, .owner = &leases};
    const struct control_owner *const owners[] = {&owner, &failing};

    (void)state;
    status_size = 0;
    for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
        struct control *control = control_start(owners[i]);
        _cleanup_close_ int client = client_new();
        struct control_answer answer;

        say(client, IPC_RUNNER_ASK, 0);
        assert_true(hear(client, &answer));
        assert_int_equal(answer.type, IPC_LEASE_END);
        say(client, IPC_LEASE_LIST, 0); /* the client is heard on */
        assert_int_equal(hear_list(client), 3);
        control_stop(control);
    }
}

/* More than a socket holds: the loop goes on meanwhile, and nothing is lost or told twice. */
static void a_slow_reader_is_waited_for_and_blocks_nobody(void **state) {
    struct control *control = control_start(&owner);
    _cleanup_close_ int slow = client_new(), other = client_new();
    struct control_answer answer;
    uint32_t last = 0;

    (void)state;
    leases.n = 20000;
    say(slow, IPC_LEASE_LIST, 0);
    loop_settle();
    say(other, IPC_LEASE_REVOKE, 5);
    assert_true(hear(other, &answer));
    assert_int_equal(answer.type, IPC_LEASE_REVOKED);
    leases.gone = 19000; /* while the list is on its way */
    for (uint32_t n = 1; n < 20000; n++) {
        assert_true(hear(slow, &answer));
        assert_int_equal(answer.type, IPC_LEASE);
        assert_true(answer.info.number > last && answer.info.number != 19000);
        last = answer.info.number;
    }
    assert_int_equal(last, 20000);
    assert_int_equal(hear_list(slow), 0);
    control_stop(control);
}

static void send_bytes(int fd, struct slice bytes) {
    assert_int_equal(send(fd, bytes.p, bytes.n, MSG_NOSIGNAL), (ssize_t)bytes.n);
}

static void garbage_drops_its_sender_alone_and_is_told_once(void **state) {
    static const struct slice garbage[] = {SLICE("\0"), SLICE("GET / HTTP/1.1\r\n\r\n"), SLICE("\x01"),
                                           SLICE("\xff\xff\xff\xff\xff\xff\xff\xff")};
    struct control *control = control_start(&owner);
    _cleanup_close_ int good = client_new();
    struct control_answer answer;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        _cleanup_close_ int bad = client_new();

        send_bytes(bad, garbage[i]);
        assert_false(hear(bad, &answer));
        assert_int_equal(lines, i + 1);
        assert_non_null(strstr(last_line, "is dropped"));
    }
    say(good, IPC_LEASE_LIST, 0);
    assert_int_equal(hear_list(good), 3);
    control_stop(control);
}

static void descriptors_that_come_along_are_closed(void **state) {
    struct control *control = control_start(&owner);
    struct ipc_writer w;
    struct control_answer answer;
    int before = open_descriptors(), client = client_new();

    (void)state;
    w = control_request_encode(&(struct control_request){.type = IPC_LEASE_LIST});
    assert_int_equal(ipc_send(client, &w, STDERR_FILENO), 0);
    assert_false(hear(client, &answer));
    fd_close(&client);
    assert_int_equal(open_descriptors(), before);
    control_stop(control);
}

/* The seventeenth waits; it is taken when one has gone. */
static void clients_beyond_the_bound_wait_for_a_place(void **state) {
    struct control *control = control_start(&owner);
    int clients[LIMIT_CONTROL_CLIENTS + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        clients[i] = client_new();
        loop_settle();
    }
    say(clients[LIMIT_CONTROL_CLIENTS], IPC_LEASE_LIST, 0);
    loop_settle();
    assert_false(has_something(&clients[LIMIT_CONTROL_CLIENTS]));
    fd_close(&clients[3]);
    assert_int_equal(hear_list(clients[LIMIT_CONTROL_CLIENTS]), 3);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        fd_close(&clients[i]);
    control_stop(control);
}

static void who_says_nothing_is_dropped(void **state) {
    struct control *control = control_start(&owner);
    _cleanup_close_ int client = client_new();
    struct control_answer answer;

    (void)state;
    assert_false(hear(client, &answer));
    assert_int_equal(lines, 0);
    control_stop(control);
}

/* In a child: connects as somebody else, and asks. Exits with 0 when it was dropped unheard. */
static int ask_as_nobody(const void *of) {
    const struct sockaddr_un *address = of;
    struct ipc_writer w = control_request_encode(&(struct control_request){.type = IPC_LEASE_REVOKE, .number = 1});
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    char byte;

    if (setresuid(NOBODY, NOBODY, NOBODY) < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return 1;
    (void)ipc_send(fd, &w, -EBADF);
    return recv(fd, &byte, 1, 0) > 0;
}

static struct {
    pid_t pid;
    int status;
} child;

static bool has_exited(const void *unused) {
    (void)unused;
    return waitpid(child.pid, &child.status, WNOHANG) == child.pid;
}

static void another_user_is_dropped_even_where_the_way_is_open(void **state) {
    struct sockaddr_un address = own_address();
    static struct control *control; /* static, so that no leak check in the child misses it */
    char path[128];

    (void)state;
    if (geteuid() != 0)
        skip();
    control = control_start(&owner);
    (void)snprintf(path, sizeof(path), "%s/credfd", folder);
    assert_true(chmod(folder, 0755) == 0 && chmod(path, 0755) == 0 && chmod(address.sun_path, 0666) == 0);
    child.pid = fork();
    if (child.pid == 0)
        _exit(ask_as_nobody(&address));
    loop_until(has_exited, NULL);
    assert_int_equal(child.status, 0);
    assert_int_equal(leases.revoked, 0);
    assert_int_equal(lines, 1);
    assert_non_null(strstr(last_line, "uid 65534"));
    control_stop(control);
}

static void modes_are_right_under_any_umask(void **state) {
    static const mode_t masks[] = {0, 0777, 022};
    struct sockaddr_un address = own_address();
    mode_t before = umask(0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
        struct control *control;
        char path[128];
        struct stat directory, made;

        (void)umask(masks[i]);
        control = control_start(&owner);
        assert_non_null(control);
        assert_int_equal(umask(masks[i]), masks[i]); /* as it was */
        (void)snprintf(path, sizeof(path), "%s/credfd", folder);
        assert_int_equal(stat(path, &directory), 0);
        assert_int_equal(stat(address.sun_path, &made), 0);
        assert_int_equal(directory.st_mode & 07777, 0700);
        assert_int_equal(made.st_mode & 07777, 0600);
        control_stop(control);
        assert_int_equal(access(address.sun_path, F_OK), -1);
        assert_int_equal(rmdir(path), 0);
    }
    (void)umask(before);
}

static void a_directory_that_is_not_safe_is_not_used(void **state) {
    char path[128], other[128];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/credfd", folder);
    (void)snprintf(other, sizeof(other), "%s/other", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, 0720), 0);
    assert_null(control_start(&owner));
    assert_int_equal(lines, 1);
    assert_int_equal(chmod(path, 0702), 0);
    assert_null(control_start(&owner));
    assert_int_equal(lines, 2);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(chmod(other, 0700), 0);
    assert_int_equal(symlink("other", path), 0);
    assert_null(control_start(&owner));
    assert_int_equal(lines, 3);
    assert_non_null(strstr(last_line, path));
    assert_true(unlink(path) == 0 && rmdir(other) == 0);
}

static void somebody_elses_directory_is_not_used(void **state) {
    char path[128];

    (void)state;
    if (geteuid() != 0)
        skip();
    (void)snprintf(path, sizeof(path), "%s/credfd", folder);
    assert_true(mkdir(path, 0700) == 0 && chown(path, NOBODY, NOBODY) == 0);
    assert_null(control_start(&owner));
    assert_int_equal(lines, 1);
}

static void what_a_dead_supervisor_left_is_replaced(void **state) {
    struct sockaddr_un address = own_address();
    struct control *control = control_start(&owner);
    int left = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    (void)state;
    control_stop(control); /* the directory is there */
    assert_int_equal(bind(left, (const struct sockaddr *)&address, sizeof(address)), 0);
    fd_close(&left);
    control = control_start(&owner);
    assert_non_null(control);
    left = client_new();
    say(left, IPC_LEASE_LIST, 0);
    assert_int_equal(hear_list(left), 3);
    fd_close(&left);
    control_stop(control);
}

/* Its number is ours in another PID namespace: it was there first. */
static void a_living_supervisor_keeps_its_socket(void **state) {
    struct control *control = control_start(&owner);
    int client;

    (void)state;
    assert_null(control_start(&owner));
    assert_int_equal(lines, 1);
    client = client_new();
    say(client, IPC_LEASE_LIST, 0);
    assert_int_equal(hear_list(client), 3);
    fd_close(&client);
    control_stop(control);
}

static void nothing_is_left_behind(void **state) {
    int before = open_descriptors();
    struct control *control = control_start(&owner);
    int client = client_new();
    struct control_answer answer;

    (void)state;
    loop_settle();
    control_stop(control);
    assert_false(hear(client, &answer));
    fd_close(&client);
    assert_int_equal(open_descriptors(), before);
    control_stop(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_lease_is_told_and_then_the_end),
        TEST(a_revocation_names_who_asked),
        TEST(a_status_comes_in_parts),
        TEST(whoever_has_no_status_says_so),
        TEST(a_slow_reader_is_waited_for_and_blocks_nobody),
        TEST(garbage_drops_its_sender_alone_and_is_told_once),
        TEST(descriptors_that_come_along_are_closed),
        TEST(clients_beyond_the_bound_wait_for_a_place),
        TEST(who_says_nothing_is_dropped),
        TEST(another_user_is_dropped_even_where_the_way_is_open),
        TEST(modes_are_right_under_any_umask),
        TEST(a_directory_that_is_not_safe_is_not_used),
        TEST(somebody_elses_directory_is_not_used),
        TEST(what_a_dead_supervisor_left_is_replaced),
        TEST(a_living_supervisor_keeps_its_socket),
        TEST(nothing_is_left_behind),
    };

    log_set_sink(note_line);
    return loop_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
