#include "ipc/message.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "unit_fd.h"

struct pair {
    int near, far;
};

static int make_pair(void **state) {
    static struct pair pair;
    int ends[2];

    if (fd_pair(SOCK_SEQPACKET, ends) < 0)
        return -1;
    pair = (struct pair){ends[0], ends[1]};
    *state = &pair;
    return 0;
}

static int close_pair(void **state) {
    struct pair *pair = *state;

    fd_close(&pair->near);
    fd_close(&pair->far);
    return 0;
}

/* Sends bytes and descriptors as no writer of ours would. */
static void send_raw(int socket, struct slice bytes, const int *fds, size_t n_fds) {
    char copy[64];
    struct iovec part = {.iov_base = copy, .iov_len = bytes.n};
    union {
        char bytes[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    assert_true(bytes.n <= sizeof(copy) && n_fds <= 8);
    memcpy(copy, bytes.p, bytes.n);
    if (n_fds > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
    }
    assert_int_equal(sendmsg(socket, &message, 0), bytes.n);
}

static void every_part_comes_back(void **state) {
    struct ipc_writer w = ipc_begin(IPC_STREAM);
    struct ipc_message m;

    (void)state;
    ipc_put_u8(&w, 0xfe);
    ipc_put_u16(&w, 0xfedc);
    ipc_put_u32(&w, 0xfedcba98);
    ipc_put_u64(&w, 0xfedcba9876543210);
    ipc_put_bytes(&w, SLICE("a\0b"));
    ipc_put_bytes(&w, SLICE_EMPTY);
    ipc_put_raw(&w, SLICE("\x01"));
    assert_false(w.is_failed);

    m = ipc_message_of(ipc_writer_bytes(&w));
    assert_int_equal(m.type, IPC_STREAM);
    assert_int_equal(ipc_get_u8(&m), 0xfe);
    assert_int_equal(ipc_get_u16(&m), 0xfedc);
    assert_int_equal(ipc_get_u32(&m), 0xfedcba98);
    assert_true(ipc_get_u64(&m) == 0xfedcba9876543210);
    assert_true(slice_equals(ipc_get_bytes(&m, 3), SLICE("a\0b")));
    assert_int_equal(ipc_get_bytes(&m, 0).n, 0);
    assert_int_equal(ipc_get_u8(&m), 1);
    assert_false(ipc_has_fd(&m));
    assert_int_equal(ipc_end(&m), 0);
}

static void integers_are_little_endian(void **state) {
    struct ipc_writer w = ipc_begin(IPC_LOG);

    (void)state;
    ipc_put_u16(&w, 0x0102);
    ipc_put_u32(&w, 0x01020304);
    ipc_put_bytes(&w, SLICE("x"));
    assert_true(slice_equals(ipc_writer_bytes(&w), SLICE("\x02\x02\x01\x04\x03\x02\x01\x01\0\0\0x")));
}

static uint64_t get_u8(struct ipc_message *m) {
    return ipc_get_u8(m);
}

static uint64_t get_u16(struct ipc_message *m) {
    return ipc_get_u16(m);
}

static uint64_t get_u32(struct ipc_message *m) {
    return ipc_get_u32(m);
}

static uint64_t get_u64(struct ipc_message *m) {
    return ipc_get_u64(m);
}

static uint64_t get_bytes(struct ipc_message *m) {
    return ipc_get_bytes(m, 4).n;
}

/* Each getter over a message that is one byte too short for it, one that fits, and one with a byte left over. */
static void bounds_of_every_getter(void **state) {
    static const struct {
        struct slice name;
        uint64_t (*get)(struct ipc_message *m);
        struct slice bytes; /* behind the type: just enough */
        uint64_t value;
    } rows[] = {
        {SLICE("u8"), get_u8, SLICE("\x07"), 7},
        {SLICE("u16"), get_u16, SLICE("\x07\0"), 7},
        {SLICE("u32"), get_u32, SLICE("\x07\0\0\0"), 7},
        {SLICE("u64"), get_u64, SLICE("\x07\0\0\0\0\0\0\0"), 7},
        {SLICE("bytes"), get_bytes, SLICE("\x04\0\0\0abcd"), 4},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t n = 0; n <= rows[i].bytes.n + 1; n++) {
            char whole[16] = {IPC_LOG};
            _cleanup_slice_ struct slice bytes = {0};
            struct ipc_message m;
            uint64_t value;

            memcpy(whole + 1, rows[i].bytes.p, rows[i].bytes.n);
            bytes = exact_copy(slice_of(whole, 1 + n));
            m = ipc_message_of(bytes);
            value = rows[i].get(&m);
            assert_row(rows[i].name, m.is_failed == (n < rows[i].bytes.n));
            assert_row(rows[i].name, value == (n < rows[i].bytes.n ? 0 : rows[i].value));
            assert_row(rows[i].name, ipc_end(&m) == (n == rows[i].bytes.n ? 0 : -EPROTO));
        }
    }
}

static void a_length_is_never_believed(void **state) {
    static const struct {
        struct slice bytes;
        size_t max;
    } rows[] = {
        {SLICE("\x02\x05\0\0\0abcd"), 100},         /* one more than there is */
        {SLICE("\x02\xff\xff\xff\xff" "abcd"), SIZE_MAX},
        {SLICE("\x02\x04\0\0\0abcd"), 3},           /* there, but more than the reader wants */
        {SLICE("\x02\x01\0\0\0a"), 0},
        {SLICE("\x02\x01\0\0"), 100},               /* the length itself is cut */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice bytes = exact_copy(rows[i].bytes);
        struct ipc_message m = ipc_message_of(bytes);
        struct slice got = ipc_get_bytes(&m, rows[i].max);

        assert_int_equal(got.n, 0);
        assert_non_null(got.p);
        assert_true(m.is_failed);
        assert_int_equal(ipc_end(&m), -EPROTO);
    }
}

static void failure_sticks(void **state) {
    struct ipc_message m = ipc_message_of(SLICE("\x02\xff\xff\xff\xff\x01\x02\x03\x04\x05\x06\x07\x08"));

    (void)state;
    assert_int_equal(ipc_get_bytes(&m, 4).n, 0);
    assert_int_equal(ipc_get_u8(&m), 0);
    assert_int_equal(ipc_get_u16(&m), 0);
    assert_int_equal(ipc_get_u32(&m), 0);
    assert_true(ipc_get_u64(&m) == 0);
    assert_int_equal(ipc_get_bytes(&m, SIZE_MAX).n, 0);
    assert_int_equal(ipc_end(&m), -EPROTO);

    m = ipc_message_of(SLICE("\x02\x01"));
    ipc_fail(&m);
    assert_int_equal(ipc_get_u8(&m), 0);
    assert_int_equal(ipc_end(&m), -EPROTO);
}

static void an_empty_message_is_malformed(void **state) {
    struct ipc_message m = ipc_message_of(SLICE_EMPTY);

    (void)state;
    assert_int_equal(m.type, IPC_INVALID);
    assert_int_equal(ipc_end(&m), -EPROTO);
    m = ipc_message_of(SLICE("\x01"));
    assert_int_equal(m.type, IPC_HELLO);
    assert_int_equal(ipc_end(&m), 0);
}

static void every_type_has_a_name(void **state) {
    (void)state;
    for (unsigned type = 0; type < IPC_TYPES; type++)
        assert_non_null(ipc_type_name(type));
    assert_string_equal(ipc_type_name(IPC_TYPES), "UNKNOWN");
    assert_string_equal(ipc_type_name(255), "UNKNOWN");
}

static void a_writer_that_overflows_sends_nothing(void **state) {
    static char much[LIMIT_DATAGRAM];
    const struct pair *pair = *state;
    struct ipc_message m;
    struct ipc_writer w = ipc_begin(IPC_LOG);

    ipc_put_bytes(&w, slice_of(much, sizeof(much) - 4)); /* one byte beyond: the type and the length stand before it */
    assert_true(w.is_failed);
    ipc_put_u8(&w, 1); /* it would fit, and changes nothing */
    assert_int_equal(ipc_send(pair->near, &w, -EBADF), -EMSGSIZE);
    assert_int_equal(ipc_receive(pair->far, &m), -EAGAIN);

    w = ipc_begin(IPC_LOG);
    ipc_put_tail(&w, slice_of(much, sizeof(much) - 4));
    assert_int_equal(ipc_send(pair->near, &w, -EBADF), -EMSGSIZE);
    assert_int_equal(ipc_receive(pair->far, &m), -EAGAIN);
}

/* Whatever may be sent can be received. */
static void the_largest_message(void **state) {
    static char much[LIMIT_DATAGRAM];
    const struct pair *pair = *state;

    for (size_t less = 0; less < 10; less++) {
        for (unsigned as_tail = 0; as_tail < 2; as_tail++) {
            struct ipc_writer w = ipc_begin(IPC_LOG);
            struct slice bytes = slice_of(much, sizeof(much) - less), got;
            struct ipc_message m;

            if (as_tail)
                ipc_put_tail(&w, bytes);
            else
                ipc_put_bytes(&w, bytes);
            assert_int_equal(ipc_send(pair->near, &w, -EBADF), less < 5 ? -EMSGSIZE : 0);
            if (less < 5)
                continue;
            assert_int_equal(ipc_receive(pair->far, &m), 1);
            got = ipc_get_bytes(&m, SIZE_MAX);
            assert_int_equal(got.n, bytes.n);
            assert_int_equal(ipc_end(&m), 0);
        }
    }
}

static void a_tail_goes_out_last(void **state) {
    const struct pair *pair = *state;
    struct ipc_writer w = ipc_begin(IPC_DATA);
    struct ipc_message m;

    ipc_put_u8(&w, 1);
    ipc_put_tail(&w, SLICE("tail"));
    assert_int_equal(ipc_send(pair->near, &w, -EBADF), 0);
    w = ipc_begin(IPC_HELLO); /* the tail was the last message's */
    assert_int_equal(ipc_send(pair->near, &w, -EBADF), 0);
    assert_int_equal(ipc_receive(pair->far, &m), 1);
    assert_int_equal(m.type, IPC_DATA);
    assert_int_equal(ipc_get_u8(&m), 1);
    assert_slice(ipc_get_bytes(&m, 4), "tail");
    assert_int_equal(ipc_end(&m), 0);
    assert_int_equal(ipc_receive(pair->far, &m), 1);
    assert_int_equal(m.type, IPC_HELLO);
    assert_int_equal(ipc_end(&m), 0);
}

static void the_end_of_a_channel(void **state) {
    struct pair *pair = *state;
    struct ipc_writer w = ipc_begin(IPC_HELLO);
    struct ipc_message m;

    assert_int_equal(ipc_receive(pair->near, &m), -EAGAIN);
    assert_int_equal(ipc_send(pair->far, &w, -EBADF), 0);
    fd_close(&pair->far);
    assert_int_equal(ipc_receive(pair->near, &m), 1); /* last words are heard */
    assert_int_equal(ipc_end(&m), 0);
    assert_int_equal(ipc_receive(pair->near, &m), 0);
    assert_int_equal(ipc_send(pair->near, &w, -EBADF), -EPIPE);
}

static void one_descriptor(void **state) {
    const struct pair *pair = *state;
    struct ipc_writer w = ipc_begin(IPC_SOURCE);
    int before = next_number(), fd;
    struct ipc_message m;

    assert_int_equal(ipc_send(pair->near, &w, STDERR_FILENO), 0);
    assert_true(is_open(STDERR_FILENO));
    assert_int_equal(ipc_receive(pair->far, &m), 1);
    assert_true(ipc_has_fd(&m) && !m.is_fd_lost);
    fd = ipc_get_fd(&m);
    assert_true(fd >= 3 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
    assert_false(ipc_has_fd(&m));
    assert_int_equal(ipc_end(&m), 0);
    assert_true(is_open(fd)); /* it is the reader's now */
    fd_close(&fd);
    assert_int_equal(next_number(), before);
}

static void no_descriptor(void **state) {
    const struct pair *pair = *state;
    struct ipc_writer w = ipc_begin(IPC_SOURCE);
    struct ipc_message m;

    assert_int_equal(ipc_send(pair->near, &w, -EBADF), 0);
    assert_int_equal(ipc_receive(pair->far, &m), 1);
    assert_false(ipc_has_fd(&m) || m.is_fd_lost);
    assert_int_equal(ipc_get_fd(&m), -EBADF);
    assert_true(m.is_failed);
    assert_int_equal(ipc_end(&m), -EPROTO);
}

static void a_descriptor_that_nobody_takes_is_closed(void **state) {
    const struct pair *pair = *state;
    struct ipc_writer w = ipc_begin(IPC_HELLO);
    int before = next_number();
    struct ipc_message m;

    assert_int_equal(ipc_send(pair->near, &w, STDERR_FILENO), 0);
    assert_int_equal(ipc_receive(pair->far, &m), 1);
    assert_int_equal(ipc_end(&m), -EPROTO);
    assert_int_equal(m.fd, -EBADF);
    assert_int_equal(next_number(), before);
}

static void more_than_one_descriptor(void **state) {
    const struct pair *pair = *state;
    const int fds[8] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO, STDERR_FILENO,
                        STDERR_FILENO, STDERR_FILENO, STDERR_FILENO, STDERR_FILENO};
    int before = next_number();

    for (size_t n = 2; n <= 8; n++) {
        struct ipc_message m;

        send_raw(pair->near, SLICE("\x01"), fds, n);
        assert_int_equal(ipc_receive(pair->far, &m), -EPROTO);
        assert_int_equal(next_number(), before);
    }
}

static void a_message_beyond_every_limit(void **state) {
    static char much[LIMIT_DATAGRAM + 1];
    const struct pair *pair = *state;
    int before = next_number();
    struct ipc_message m;

    assert_int_equal(send(pair->near, much, sizeof(much), 0), sizeof(much));
    assert_int_equal(ipc_receive(pair->far, &m), -EPROTO);
    assert_int_equal(next_number(), before);
}

static void an_empty_datagram_with_a_descriptor_leaks_nothing(void **state) {
    const struct pair *pair = *state;
    const int fds[] = {STDERR_FILENO};
    int before = next_number();
    struct ipc_message m;

    send_raw(pair->near, SLICE_EMPTY, fds, 1);
    assert_true(ipc_receive(pair->far, &m) <= 0);
    assert_int_equal(next_number(), before);
}

/* A process without a number left must know that there was a descriptor: it is not the peer's fault. */
static void a_descriptor_that_finds_no_number(void **state) {
    const struct pair *pair = *state;
    struct ipc_writer w = ipc_begin(IPC_SOURCE);
    struct rlimit before, now;
    struct ipc_message m;
    int r;

    if (is_in_valgrind()) {
        print_message("valgrind only pretends to set RLIMIT_NOFILE\n");
        skip();
    }
    assert_int_equal(ipc_send(pair->near, &w, STDERR_FILENO), 0);
    assert_return_code(getrlimit(RLIMIT_NOFILE, &before), errno);
    now = before;
    now.rlim_cur = (rlim_t)next_number();
    assert_return_code(setrlimit(RLIMIT_NOFILE, &now), errno);
    r = ipc_receive(pair->far, &m);
    assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
    assert_int_equal(r, 1);
    assert_true(m.is_fd_lost && !ipc_has_fd(&m));
    assert_int_equal(ipc_end(&m), 0); /* whoever looked at is_fd_lost can take the rest as it is */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_comes_back),
        cmocka_unit_test(integers_are_little_endian),
        cmocka_unit_test(bounds_of_every_getter),
        cmocka_unit_test(a_length_is_never_believed),
        cmocka_unit_test(failure_sticks),
        cmocka_unit_test(an_empty_message_is_malformed),
        cmocka_unit_test(every_type_has_a_name),
        cmocka_unit_test_setup_teardown(a_writer_that_overflows_sends_nothing, make_pair, close_pair),
        cmocka_unit_test_setup_teardown(the_largest_message, make_pair, close_pair),
        cmocka_unit_test_setup_teardown(a_tail_goes_out_last, make_pair, close_pair),
        cmocka_unit_test_setup_teardown(the_end_of_a_channel, make_pair, close_pair),
        cmocka_unit_test_setup_teardown(one_descriptor, make_pair, close_pair),
        cmocka_unit_test_setup_teardown(no_descriptor, make_pair, close_pair),
        cmocka_unit_test_setup_teardown(a_descriptor_that_nobody_takes_is_closed, make_pair, close_pair),
        cmocka_unit_test_setup_teardown(more_than_one_descriptor, make_pair, close_pair),
        cmocka_unit_test_setup_teardown(a_message_beyond_every_limit, make_pair, close_pair),
        cmocka_unit_test_setup_teardown(an_empty_datagram_with_a_descriptor_leaks_nothing, make_pair, close_pair),
        cmocka_unit_test_setup_teardown(a_descriptor_that_finds_no_number, make_pair, close_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
