/*
 * libcredfd against a broker that is played here, rightly and wrongly. Most answers are queued before the question is
 * asked: a channel is a queue, and so nothing here depends on time.
 */
#include <credfd.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define PATIENCE_S 60 /* before a test that hangs is ended */
#define THREADS 8
#define DIALS 50

struct channel_pair {
    int near, far; /* the library's end and the broker's */
};

static int open_pair(void **state) {
    static struct channel_pair pair;
    int ends[2];

    (void)alarm(PATIENCE_S);
    assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), errno);
    pair = (struct channel_pair){.near = ends[0], .far = ends[1]};
    *state = &pair;
    return 0;
}

static int close_pair(void **state) {
    struct channel_pair *pair = *state;

    (void)close(pair->near);
    if (pair->far >= 0)
        (void)close(pair->far);
    (void)unsetenv("CREDFD");
    (void)alarm(0);
    return 0;
}

static unsigned count_descriptors(void) {
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    (void)closedir(dir);
    return count;
}

/* One datagram with `count` copies of `fd`. */
static void answer(int far, const void *bytes, size_t n, int fd, size_t count) {
    union {
        struct cmsghdr alignment;
        unsigned char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    assert_true(count <= 4);
    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof(int));
        for (size_t i = 0; i < count; i++)
            memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
    }
    assert_int_equal(sendmsg(far, &message, MSG_NOSIGNAL), n);
}

/* A good answer; the stream's other end is returned. */
static int answer_with_stream(int far) {
    int ends[2];

    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), errno);
    answer(far, "\x01", 1, ends[1], 1);
    (void)close(ends[1]);
    return ends[0];
}

static void expect_question(int far) {
    unsigned char bytes[8];

    assert_int_equal(recv(far, bytes, sizeof(bytes), 0), 1);
    assert_int_equal(bytes[0], 0x01);
}

static void check_joined(int stream, int other_end) {
    char byte = 0;

    assert_int_equal(write(other_end, "q", 1), 1);
    assert_int_equal(read(stream, &byte, 1), 1);
    assert_int_equal(byte, 'q');
}

static void set_lease(const char *name, int fd) {
    char value[128];

    (void)snprintf(value, sizeof(value), "%s=%d", name, fd);
    assert_return_code(setenv("CREDFD", value, 1), errno);
}

static void test_connect(void **state) {
    struct channel_pair *pair = *state;
    int other_end = answer_with_stream(pair->far), stream;

    set_lease("github", pair->near);
    stream = credfd_connect("github");
    assert_true(stream >= 0);
    assert_int_equal(fcntl(stream, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(stream, F_GETFL) & O_NONBLOCK, 0);
    check_joined(stream, other_end);
    expect_question(pair->far);
    (void)close(stream);
    (void)close(other_end);
}

static void test_connect_to_the_only_lease(void **state) {
    struct channel_pair *pair = *state;
    int other_end = answer_with_stream(pair->far), stream;

    set_lease("github", pair->near);
    assert_int_equal(credfd_lease(NULL), pair->near);
    stream = credfd_connect(NULL);
    assert_true(stream >= 0);
    check_joined(stream, other_end);
    (void)close(stream);
    (void)close(other_end);
}

/* Somebody who shares the channel may have asked for credentials with each message: they come before the stream. */
static void test_connect_with_credentials_beside(void **state) {
    struct channel_pair *pair = *state;
    int on = 1, other_end, stream;

    assert_return_code(setsockopt(pair->near, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), errno);
    other_end = answer_with_stream(pair->far);
    stream = credfd_connect_fd(pair->near);
    assert_true(stream >= 0);
    check_joined(stream, other_end);
    (void)close(stream);
    (void)close(other_end);
}

static void test_bad_answers(void **state) {
    struct channel_pair *pair = *state;
    int pipe_ends[2], stream_ends[2], datagrams = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_return_code(pipe2(pipe_ends, O_CLOEXEC), errno);
    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream_ends), errno);
    const struct {
        const char *bytes;
        size_t n;
        int fd;
        size_t count;
        int expected;
    } rows[] = {
        {"\xff", 1, -1, 0, -ECONNREFUSED},
        {"\xff", 1, stream_ends[0], 1, -EPROTO},     /* refused, and a stream all the same */
        {"\x01", 1, -1, 0, -EPROTO},                 /* granted, and no stream */
        {"\x01", 1, stream_ends[0], 2, -EPROTO},
        {"\x01", 1, stream_ends[0], 4, -EPROTO},
        {"\x01", 1, pipe_ends[0], 1, -EPROTO},       /* no socket */
        {"\x01", 1, datagrams, 1, -EPROTO},          /* a socket of another type */
        {"\x01", 1, pair->far, 1, -EPROTO},
        {"\x02", 1, stream_ends[0], 1, -EPROTO},
        {"\x00", 1, -1, 0, -EPROTO},
        {"\x01\x01", 2, stream_ends[0], 1, -EPROTO}, /* longer than an answer is */
        {"\xff\xff", 2, -1, 0, -EPROTO},
        {"", 0, -1, 0, -EPIPE},                      /* cannot be told from the end */
        {"", 0, stream_ends[0], 1, -EPROTO},
    };
    unsigned before = count_descriptors();

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        answer(pair->far, rows[i].bytes, rows[i].n, rows[i].fd, rows[i].count);
        int r = credfd_connect_fd(pair->near);
        if (r != rows[i].expected)
            fail_msg("answer %zu: %d, not %d", i, r, rows[i].expected);
        expect_question(pair->far);
        assert_int_equal(count_descriptors(), before); /* nothing that came stays open */
    }
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
    (void)close(stream_ends[0]);
    (void)close(stream_ends[1]);
    (void)close(datagrams);
}

static void test_channel_works_after_refusal(void **state) {
    struct channel_pair *pair = *state;
    int other_end, stream;

    answer(pair->far, "\xff", 1, -1, 0);
    other_end = answer_with_stream(pair->far);
    assert_int_equal(credfd_connect_fd(pair->near), -ECONNREFUSED);
    stream = credfd_connect_fd(pair->near);
    assert_true(stream >= 0);
    (void)close(stream);
    (void)close(other_end);
}

/* valgrind only pretends to set this limit; what the kernel goes by stands in /proc. */
static bool kernel_limits_descriptors_to(int number) {
    FILE *file = fopen("/proc/self/limits", "re");
    char line[256], expected[64];
    bool found = false;

    assert_non_null(file);
    (void)snprintf(expected, sizeof(expected), "%-25s %-20d ", "Max open files", number);
    while (!found && fgets(line, sizeof(line), file))
        found = strncmp(line, expected, strlen(expected)) == 0;
    (void)fclose(file);
    return found;
}

static void test_no_descriptor_left(void **state) {
    struct channel_pair *pair = *state;
    int other_end = answer_with_stream(pair->far), free_number, stream;
    struct rlimit before, now;
    bool is_real;

    assert_return_code(getrlimit(RLIMIT_NOFILE, &before), errno);
    now = before;
    free_number = dup(pair->near);
    now.rlim_cur = (rlim_t)free_number + 1;
    assert_return_code(setrlimit(RLIMIT_NOFILE, &now), errno);
    (void)close(free_number);
    is_real = kernel_limits_descriptors_to(free_number + 1);
    assert_int_equal(dup(pair->near), free_number); /* the last there is */
    stream = credfd_connect_fd(pair->near);
    assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
    (void)close(free_number);
    (void)close(other_end);
    if (!is_real)
        skip();
    assert_int_equal(stream, -EMFILE);
}

static void test_ended(void **state) {
    struct channel_pair *pair = *state;

    /* the question still goes out, the end comes in its answer's place */
    assert_return_code(shutdown(pair->far, SHUT_WR), errno);
    assert_int_equal(credfd_connect_fd(pair->near), -EPIPE);
    /* the question does not go out; no SIGPIPE either, which would end this program */
    (void)close(pair->far);
    pair->far = -1;
    assert_int_equal(credfd_connect_fd(pair->near), -EPIPE);
    assert_int_equal(credfd_connect_fd(pair->near), -EPIPE);
}

static void test_not_a_channel(void **state) {
    struct channel_pair *pair = *state;
    int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int closed = dup(pair->near);

    (void)close(closed);
    assert_int_equal(credfd_connect_fd(stream), -ENOTSOCK);
    assert_int_equal(credfd_connect_fd(null), -ENOTSOCK);
    assert_int_equal(credfd_connect_fd(closed), -EBADF);
    assert_int_equal(credfd_connect_fd(-1), -EBADF);
    set_lease("a", stream);
    assert_int_equal(credfd_lease("a"), -ENOTSOCK);
    set_lease("a", closed);
    assert_int_equal(credfd_connect("a"), -EBADF);
    (void)close(stream);
    (void)close(null);
}

static void test_environment_refused(void **state) {
    static const char *const rows[] = {
        "=3", "a", "a=", "a=x", "a=3x", "a=3 ", " a=3", "a =3", "a= 3", "a=+3", "a=-3", "a=03", "a=0x3", "a=0", "a=1",
        "a=2", "a=2147483648", "a=99999999999999999999", ",", "a=3,", ",a=3", "a=3,,b=4", "a=3;b=4", "a=3,b", "a=3,b=2",
        "a=3,a=4", "a=3,b=4,a=3", "a/b=3", "\xc3\xa4=3", "a=3\n",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=3", /* 65 */
    };
    char name[CREDFD_NAME_MAX + 1] = "untouched";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_return_code(setenv("CREDFD", rows[i], 1), errno);
        if (credfd_lease_at(0, name) != -EINVAL || credfd_lease("a") != -EINVAL || credfd_connect(NULL) != -EINVAL)
            fail_msg("taken for good: CREDFD=%s", rows[i]);
        assert_string_equal(name, "untouched");
    }
}

static void test_environment_read(void **state) {
    static const char longest[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=2147483647";
    struct channel_pair *pair = *state;
    char name[CREDFD_NAME_MAX + 1] = "", value[128];

    assert_int_equal(credfd_lease_at(0, name), -ENODATA);
    assert_int_equal(credfd_connect("a"), -ENODATA);
    assert_return_code(setenv("CREDFD", "", 1), errno);
    assert_int_equal(credfd_connect(NULL), -ENODATA);

    (void)snprintf(value, sizeof(value), "Git-Hub_1.0=%d,b=2000,c=2001", pair->near);
    assert_return_code(setenv("CREDFD", value, 1), errno);
    assert_int_equal(credfd_lease("Git-Hub_1.0"), pair->near);
    assert_int_equal(credfd_lease_at(0, name), pair->near);
    assert_string_equal(name, "Git-Hub_1.0");
    assert_int_equal(credfd_lease_at(2, name), 2001);
    assert_string_equal(name, "c");
    assert_int_equal(credfd_lease_at(3, name), -ENOENT);
    assert_int_equal(credfd_lease(NULL), -ENOTUNIQ);
    assert_int_equal(credfd_lease("git-hub_1.0"), -ENOENT);
    assert_int_equal(credfd_lease("Git-Hub_1."), -ENOENT);
    assert_int_equal(credfd_lease(""), -ENOENT);

    assert_return_code(setenv("CREDFD", longest, 1), errno);
    assert_int_equal(credfd_lease_at(0, name), 2147483647);
    assert_int_equal(strlen(name), CREDFD_NAME_MAX);
}

static void test_every_code_has_words(void **state) {
    static const int codes[] = {-ENODATA, -ENOENT, -ENOTUNIQ, -EINVAL, -EBADF, -ENOTSOCK, -ECONNREFUSED, -EPIPE,
                                -EPROTO, -EMFILE};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(credfd_strerror(codes[i]), credfd_strerror(codes[j]));
    assert_string_equal(credfd_strerror(-ENOBUFS), "No buffer space available");
    assert_string_equal(credfd_strerror(0), "unknown error");
    assert_string_equal(credfd_strerror(-1000000), "unknown error");
    assert_string_equal(credfd_strerror(INT32_MIN), "unknown error");
}

/* Serves until the channel ends; each stream begins with a byte of its own. Counts what should never be. */
struct broker {
    int far;
    unsigned served, overlapping;
};

static void *broker_serve(void *argument) {
    struct broker *broker = argument;
    unsigned char question[8];

    while (recv(broker->far, question, sizeof(question), 0) == 1) {
        unsigned char second;
        int other_end;

        broker->overlapping += recv(broker->far, &second, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
        other_end = answer_with_stream(broker->far);
        broker->served++;
        if (write(other_end, &broker->served, sizeof(broker->served)) < 0)
            broker->overlapping++;
        (void)close(other_end);
    }
    return NULL;
}

struct dialer {
    int channel;
    unsigned numbers[DIALS];
    int failure;
};

static void *dial_many(void *argument) {
    struct dialer *dialer = argument;

    for (unsigned i = 0; i < DIALS && dialer->failure == 0; i++) {
        int stream = credfd_connect_fd(dialer->channel);
        if (stream < 0)
            dialer->failure = stream;
        else if (read(stream, &dialer->numbers[i], sizeof(dialer->numbers[i])) != sizeof(dialer->numbers[i]))
            dialer->failure = -EIO;
        if (stream >= 0)
            (void)close(stream);
    }
    return NULL;
}

/* On a channel that is non-blocking, as another process that shares it may have made it. */
static void test_threads(void **state) {
    struct channel_pair *pair = *state;
    struct broker broker = {.far = pair->far};
    static struct dialer dialers[THREADS];
    bool seen[THREADS * DIALS + 1] = {false};
    pthread_t threads[THREADS], server;

    assert_return_code(fcntl(pair->near, F_SETFL, O_NONBLOCK), errno);
    assert_int_equal(pthread_create(&server, NULL, broker_serve, &broker), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        dialers[i] = (struct dialer){.channel = pair->near};
        assert_int_equal(pthread_create(&threads[i], NULL, dial_many, &dialers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_return_code(shutdown(pair->near, SHUT_WR), errno);
    assert_int_equal(pthread_join(server, NULL), 0);

    assert_int_equal(broker.served, THREADS * DIALS);
    assert_int_equal(broker.overlapping, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(dialers[i].failure, 0);
        for (unsigned j = 0; j < DIALS; j++) {
            unsigned number = dialers[i].numbers[j];
            assert_in_range(number, 1, THREADS * DIALS);
            assert_false(seen[number]);
            seen[number] = true;
        }
    }
}

static void *dial_once(void *argument) {
    struct dialer *dialer = argument;

    dialer->failure = credfd_connect_fd(dialer->channel);
    return NULL;
}

/* A child that was forked while a thread of its parent was dialling can dial itself. */
static void test_fork_while_dialling(void **state) {
    struct channel_pair *pair = *state;
    struct dialer dialer = {.channel = pair->near};
    int others[2], status = -1;
    pthread_t thread;
    pid_t child;

    assert_int_equal(pthread_create(&thread, NULL, dial_once, &dialer), 0);
    expect_question(pair->far); /* the thread is now between question and answer */
    child = fork();
    assert_return_code(child, errno);
    if (child == 0) {
        (void)alarm(PATIENCE_S / 2);
        _exit(credfd_connect_fd(pair->near) >= 0 ? 0 : 1);
    }
    expect_question(pair->far);
    others[0] = answer_with_stream(pair->far);
    others[1] = answer_with_stream(pair->far);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(dialer.failure >= 0);
    (void)close(dialer.failure);
    (void)close(others[0]);
    (void)close(others[1]);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)
    const struct CMUnitTest tests[] = {
        TEST(test_connect),
        TEST(test_connect_to_the_only_lease),
        TEST(test_connect_with_credentials_beside),
        TEST(test_bad_answers),
        TEST(test_channel_works_after_refusal),
        TEST(test_no_descriptor_left),
        TEST(test_ended),
        TEST(test_not_a_channel),
        TEST(test_environment_refused),
        TEST(test_environment_read),
        TEST(test_every_code_has_words),
        TEST(test_threads),
        TEST(test_fork_while_dialling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
