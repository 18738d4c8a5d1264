#include "egress/lease_door.h"

#include <errno.h>
#include <sys/socket.h>

#include "unit_fd.h"
#include "unit_loop.h"

#define DIAL "\x01"
#define REFUSED 0xFF

static struct lease_door door;
static int workload = -EBADF; /* its end of the lease channel */

/* What the door was asked, and what it is to say. */
static struct {
    unsigned times;
    pid_t pid;
    bool is_taken;  /* on_dial's answer */
    bool is_served; /* and a stream is handed out at once */
} dials;

static bool on_dial(struct lease_door *asked, pid_t pid, int pidfd) {
    int ends[2];

    fd_close(&pidfd);
    dials.times++;
    dials.pid = pid;
    if (dials.is_served && fd_pair(SOCK_STREAM, ends) == 0) {
        fd_close(&ends[0]);
        lease_door_answer(asked, ends[1]);
    }
    return dials.is_taken;
}

static int open_door(void **state) {
    int ends[2], one = 1;

    (void)state;
    memset(&dials, 0, sizeof(dials));
    memset(&door, 0, sizeof(door));
    dials.is_taken = true;
    if (fd_pair(SOCK_SEQPACKET, ends) < 0 || setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0)
        return -1;
    workload = ends[1];
    return lease_door_init(&door, ends[0], on_dial);
}

static int close_door(void **state) {
    (void)state;
    lease_door_done(&door);
    fd_close(&workload);
    return loop_run();
}

/* What a workload sends, well or ill. */
static void ask_with(struct slice bytes, size_t n_fds) {
    char copy[16];
    struct iovec part = {.iov_base = copy, .iov_len = bytes.n};
    static union {
        char bytes[CMSG_SPACE(253 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    memcpy(copy, bytes.p, bytes.n);
    if (n_fds > 0) {
        int fds[253];

        for (size_t i = 0; i < n_fds; i++)
            fds[i] = STDERR_FILENO;
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
    }
    assert_int_equal(sendmsg(workload, &message, MSG_DONTWAIT), bytes.n);
}

static void ask(void) {
    ask_with(SLICE(DIAL), 0);
}

/* The answer's byte, or -1 when there is none yet; with the one descriptor that came with it. */
static int answer(int *ret_fd) {
    unsigned char bytes[2] = {0};
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    union {
        char bytes[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(workload, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *c;

    *ret_fd = -EBADF;
    if (n < 0)
        return -1;
    assert_int_equal(n, 1);
    c = CMSG_FIRSTHDR(&message);
    if (c) {
        assert_int_equal(c->cmsg_type, SCM_RIGHTS);
        assert_int_equal(c->cmsg_len, CMSG_LEN(sizeof(int))); /* one, exactly */
        memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
    }
    return bytes[0];
}

static void assert_refused(struct slice row) {
    int fd;

    loop_settle();
    assert_row(row, answer(&fd) == REFUSED);
    assert_row(row, fd < 0);
    assert_row(row, answer(&fd) == -1);
}

static void a_dial_is_answered_with_a_stream(void **state) {
    int before = next_number(), fd, type = 0;
    socklen_t size = sizeof(type);

    (void)state;
    dials.is_served = true;
    ask();
    loop_settle();
    assert_int_equal(dials.times, 1);
    assert_int_equal(dials.pid, getpid());
    assert_int_equal(answer(&fd), 1);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size), 0);
    assert_int_equal(type, SOCK_STREAM);
    assert_int_equal(fd, before); /* the door kept no copy */
    fd_close(&fd);
    assert_int_equal(answer(&fd), -1);
}

static void a_dial_is_answered_later(void **state) {
    int ends[2], fd;

    (void)state;
    ask();
    ask();
    loop_settle();
    assert_int_equal(dials.times, 2);
    assert_int_equal(answer(&fd), -1);
    assert_int_equal(fd_pair(SOCK_STREAM, ends), 0);
    lease_door_answer(&door, fd_steal(&ends[1]));
    lease_door_answer(&door, -EBADF);
    assert_int_equal(answer(&fd), 1);
    assert_true(fd >= 0);
    fd_close(&fd);
    assert_int_equal(answer(&fd), REFUSED);
    assert_true(fd < 0);
    fd_close(&ends[0]);
}

static void a_dial_that_is_not_taken(void **state) {
    (void)state;
    dials.is_taken = false;
    ask();
    assert_refused(SLICE("not taken"));
    assert_int_equal(dials.times, 1);
}

/* No stream is made for any of these, no descriptor stays, and the channel goes on. */
static void what_is_no_dial(void **state) {
    static const struct {
        struct slice name, bytes;
        size_t n_fds;
    } rows[] = {
        {SLICE("nothing"), SLICE(""), 0},
        {SLICE("another byte"), SLICE("\x02"), 0},
        {SLICE("zero"), SLICE("\0"), 0},
        {SLICE("the refusal"), SLICE("\xff"), 0},
        {SLICE("two bytes"), SLICE(DIAL DIAL), 0},
        {SLICE("three bytes"), SLICE(DIAL DIAL DIAL), 0},
        {SLICE("a dial with a descriptor"), SLICE(DIAL), 1},
        {SLICE("a dial with two"), SLICE(DIAL), 2},
        {SLICE("a dial with all that fit"), SLICE(DIAL), 253},
        {SLICE("a descriptor alone"), SLICE(""), 1},
        {SLICE("two bytes and a descriptor"), SLICE(DIAL DIAL), 1},
    };
    int before = next_number(), fd;

    (void)state;
    dials.is_served = true;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask_with(rows[i].bytes, rows[i].n_fds);
        assert_refused(rows[i].name);
        assert_row(rows[i].name, next_number() == before);
        assert_row(rows[i].name, dials.times == 0);
    }
    ask();
    loop_settle();
    assert_int_equal(answer(&fd), 1);
    fd_close(&fd);
}

static void as_many_streams_as_one_lease_may_have(void **state) {
    int fd;

    (void)state;
    dials.is_served = true;
    door.n_streams = LIMIT_STREAMS;
    ask();
    assert_refused(SLICE("one too many"));
    assert_int_equal(dials.times, 0);
    door.n_streams = LIMIT_STREAMS - 1;
    ask();
    loop_settle();
    assert_int_equal(answer(&fd), 1);
    fd_close(&fd);
}

/* A workload that asks and does not read its answers makes nobody hold more than one of them; none is lost. */
static void the_queue_of_answers(void **state) {
    enum { MANY = 200 };
    int small = 1, before = next_number(), fd;
    unsigned answered = 0;

    (void)state;
    assert_int_equal(setsockopt(door.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    dials.is_served = true;
    for (unsigned i = 0; i < MANY; i++)
        ask();
    loop_settle();
    assert_true(dials.times < MANY);
    assert_int_equal(door.n_answers, 1);
    for (unsigned idle = 0; answered < MANY && idle < 100; idle++) {
        while (answer(&fd) == 1) {
            assert_true(fd >= 0);
            fd_close(&fd);
            answered++;
            idle = 0;
        }
        loop_settle();
    }
    assert_int_equal(answered, MANY);
    assert_int_equal(dials.times, MANY);
    assert_int_equal(door.n_answers, 0);
    assert_int_equal(next_number(), before);
}

/* Every stream that one lease may have can be asked for and answered while nobody reads. */
static void every_answer_waits(void **state) {
    int small = 1, before = next_number(), fd;
    unsigned answered = 0;

    (void)state;
    assert_int_equal(setsockopt(door.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    for (unsigned i = 0; i < LIMIT_STREAMS; i++) {
        ask();
        loop_settle();
        door.n_streams++;
    }
    assert_int_equal(dials.times, LIMIT_STREAMS);
    ask(); /* one more than there may be: refused, and its answer stands with the others */
    loop_settle();
    for (unsigned i = 0; i < LIMIT_STREAMS; i++)
        lease_door_answer(&door, fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    assert_true(door.n_answers > 0);
    for (unsigned idle = 0; answered < LIMIT_STREAMS + 1 && idle < 100; idle++) {
        while (answer(&fd) > 0) {
            fd_close(&fd);
            answered++;
            idle = 0;
        }
        loop_settle();
    }
    assert_int_equal(answered, LIMIT_STREAMS + 1);
    assert_int_equal(next_number(), before);
}

static void answers_that_wait_are_closed_with_the_door(void **state) {
    int small = 1, before = next_number();

    (void)state;
    assert_int_equal(setsockopt(door.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    for (unsigned i = 0; i < 100; i++)
        lease_door_answer(&door, fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    assert_true(door.n_answers > 0);
    lease_door_done(&door);
    lease_door_done(&door); /* harmless */
    fd_close(&workload);
    assert_true(next_number() < before); /* the pair itself is gone, too */
}

/* The last copy of the workload's end is closed: the door closes, and an answer that comes late is for nobody. */
static void no_one_can_dial_any_more(void **state) {
    int before, fd;

    (void)state;
    ask();
    fd_close(&workload);
    loop_settle();
    assert_int_equal(dials.times, 1); /* what was asked before is still heard */
    assert_int_equal(door.fd, -EBADF);
    before = next_number();
    fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    lease_door_answer(&door, fd);
    assert_int_equal(next_number(), before);
}

static void a_descriptor_that_cannot_be_watched(void **state) {
    static struct lease_door other;
    int before = next_number();

    (void)state;
    assert_int_equal(lease_door_init(&other, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), on_dial), -EPERM);
    assert_int_equal(next_number(), before);
}

#define door_test(name) cmocka_unit_test_setup_teardown(name, open_door, close_door)

int main(void) {
    const struct CMUnitTest tests[] = {
        door_test(a_dial_is_answered_with_a_stream),
        door_test(a_dial_is_answered_later),
        door_test(a_dial_that_is_not_taken),
        door_test(what_is_no_dial),
        door_test(as_many_streams_as_one_lease_may_have),
        door_test(the_queue_of_answers),
        door_test(every_answer_waits),
        door_test(answers_that_wait_are_closed_with_the_door),
        door_test(no_one_can_dial_any_more),
        door_test(a_descriptor_that_cannot_be_watched),
    };

    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
