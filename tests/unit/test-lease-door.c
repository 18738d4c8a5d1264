#include "egress/door/lease_door.h"

#include <errno.h>
#include <sys/socket.h>

#include "unit_fd.h"
#include "unit_loop.h"

#define DIAL "\x01"
#define REFUSED 0xFF

static struct lease_door door;
static int workload = -EBADF; /* its end of the lease channel */

/* What the door was asked, and whether a stream is to be handed out, or refused, at once. */
static struct {
    unsigned times;
    uint32_t numbers[LIMIT_STREAMS + LIMIT_DIALS];
    pid_t pid;
    bool is_served, is_refused;
} dials;

static int stream(void) {
    int ends[2];

    assert_int_equal(fd_pair(SOCK_STREAM, ends), 0);
    fd_close(&ends[0]);
    return ends[1];
}

static void on_dial(struct lease_door *asked, uint32_t dial, pid_t pid, int pidfd) {
    fd_close(&pidfd);
    assert_true(dials.times < ARRAY_LEN(dials.numbers));
    dials.numbers[dials.times++] = dial;
    dials.pid = pid;
    if (dials.is_served || dials.is_refused)
        lease_door_answer(asked, dial, dials.is_served ? stream() : -EBADF);
}

static int open_door(void **state) {
    int ends[2], one = 1;

    (void)state;
    memset(&dials, 0, sizeof(dials));
    memset(&door, 0, sizeof(door));
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
    int fd;

    (void)state;
    ask();
    loop_settle();
    assert_int_equal(dials.times, 1);
    assert_true(lease_door_is_waiting(&door, dials.numbers[0]));
    assert_int_equal(answer(&fd), -1);
    lease_door_answer(&door, dials.numbers[0], stream());
    assert_false(lease_door_is_waiting(&door, dials.numbers[0]));
    assert_int_equal(answer(&fd), 1);
    fd_close(&fd);
}

/* A workload that asked three times takes the second answer for the second question's. */
static void answers_leave_in_the_order_of_asking(void **state) {
    int fd;

    (void)state;
    ask();
    ask();
    ask();
    loop_settle();
    assert_int_equal(dials.times, 3);
    lease_door_answer(&door, dials.numbers[2], stream());
    lease_door_answer(&door, dials.numbers[1], -EBADF);
    assert_int_equal(answer(&fd), -1); /* the first has none yet */
    assert_true(lease_door_is_waiting(&door, dials.numbers[0]));
    assert_false(lease_door_is_waiting(&door, dials.numbers[1]) || lease_door_is_waiting(&door, dials.numbers[2]));
    assert_false(lease_door_is_waiting(&door, dials.numbers[2] + 1) || lease_door_is_waiting(&door, UINT32_MAX));
    ask_with(SLICE("?"), 0); /* known at once, and yet it comes last */
    loop_settle();
    lease_door_answer(&door, dials.numbers[0], stream());
    assert_int_equal(answer(&fd), 1);
    fd_close(&fd);
    assert_int_equal(answer(&fd), REFUSED);
    assert_int_equal(answer(&fd), 1);
    fd_close(&fd);
    assert_int_equal(answer(&fd), REFUSED);
    assert_int_equal(answer(&fd), -1);
    assert_false(lease_door_is_waiting(&door, dials.numbers[0]));
}

static void a_dial_that_is_refused(void **state) {
    (void)state;
    dials.is_refused = true;
    ask();
    assert_refused(SLICE("refused"));
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

static void let_answers_through_slowly(void) {
    int small = 1;

    assert_int_equal(setsockopt(door.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
}

/* Reads answers until there are `wanted`; how many came. */
static unsigned read_answers(unsigned wanted, int byte) {
    unsigned answered = 0;

    for (unsigned idle = 0; answered < wanted && idle < 100; idle++) {
        int fd, got;

        while ((got = answer(&fd)) >= 0) {
            assert_int_equal(got, byte);
            assert_int_equal(fd >= 0, byte == 1);
            fd_close(&fd);
            answered++;
            idle = 0;
        }
        loop_settle();
    }
    return answered;
}

/* A workload that asks and does not read its answers is not asked on for ever; and when it reads, none is lost. */
static void a_workload_that_does_not_read(void **state) {
    enum { MANY = 2 * LIMIT_DIALS };
    int before = open_descriptors();
    unsigned asked = 0;

    (void)state;
    let_answers_through_slowly();
    dials.is_served = true;
    while (asked < MANY && send(workload, DIAL, 1, MSG_DONTWAIT) == 1)
        asked++;
    loop_settle();
    assert_true(dials.times < asked && dials.times >= LIMIT_DIALS);
    assert_int_equal(open_descriptors(), before + LIMIT_DIALS); /* and it makes us hold no more than these */
    assert_int_equal(read_answers(asked, 1), asked);
    assert_int_equal(dials.times, asked);
    assert_int_equal(open_descriptors(), before);
}

/* The ring is full of dials that wait: what is asked meanwhile is heard when one of them has its answer. */
static void as_many_dials_as_may_wait(void **state) {
    (void)state;
    for (unsigned i = 0; i < LIMIT_DIALS + 5; i++) {
        ask();
        loop_settle();
    }
    assert_int_equal(dials.times, LIMIT_DIALS);
    lease_door_answer(&door, dials.numbers[1], -EBADF); /* not the first: there is still no room */
    loop_settle();
    assert_int_equal(dials.times, LIMIT_DIALS);
    lease_door_answer(&door, dials.numbers[0], -EBADF); /* two leave */
    loop_settle();
    assert_int_equal(dials.times, LIMIT_DIALS + 2);
    for (unsigned i = 2; i < LIMIT_DIALS + 5; i++) {
        loop_settle();
        lease_door_answer(&door, dials.numbers[i], -EBADF);
    }
    assert_int_equal(read_answers(LIMIT_DIALS + 5, REFUSED), LIMIT_DIALS + 5);
}

/* Dial numbers go round: what was answered before must not be taken for what waits now. */
static void numbers_go_round(void **state) {
    int fd;

    (void)state;
    door.first_dial = door.next_dial = UINT32_MAX - 1;
    for (unsigned i = 0; i < 4; i++) {
        ask();
        loop_settle();
        assert_true(lease_door_is_waiting(&door, dials.numbers[i]));
        lease_door_answer(&door, dials.numbers[i], -EBADF);
        assert_false(lease_door_is_waiting(&door, dials.numbers[i]));
        assert_int_equal(answer(&fd), REFUSED);
    }
    assert_int_equal(dials.numbers[3], 1);
}

static void answers_that_wait_are_closed_with_the_door(void **state) {
    int before = open_descriptors();

    (void)state;
    let_answers_through_slowly();
    dials.is_served = true;
    for (unsigned i = 0; i < 100; i++)
        ask();
    loop_settle();
    assert_true(open_descriptors() > before);
    lease_door_done(&door);
    lease_door_done(&door); /* harmless */
    assert_int_equal(open_descriptors(), before - 1);
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
    lease_door_answer(&door, dials.numbers[0], fd);
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
        door_test(answers_leave_in_the_order_of_asking),
        door_test(a_dial_that_is_refused),
        door_test(what_is_no_dial),
        door_test(as_many_streams_as_one_lease_may_have),
        door_test(a_workload_that_does_not_read),
        door_test(as_many_dials_as_may_wait),
        door_test(numbers_go_round),
        door_test(answers_that_wait_are_closed_with_the_door),
        door_test(no_one_can_dial_any_more),
        door_test(a_descriptor_that_cannot_be_watched),
    };

    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
