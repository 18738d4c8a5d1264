#include "ingress/visit/probe.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/limits.h"
#include "unit_fd.h"
#include "unit_loop.h"
#include "unit_stream.h"

/* The clock of the loop goes on when a test says so: nobody waits for ninety seconds. */
static long skipped_s;

int clock_gettime(clockid_t clock, struct timespec *ret) {
    int r = (int)syscall(SYS_clock_gettime, clock, ret);

    if (r == 0)
        ret->tv_sec += skipped_s;
    return r;
}

static void stop_now(struct timer *timer) {
    (void)timer;
    loop_stop();
}

static void skip_time(long s) {
    struct timer timer = {.on_expiry = stop_now};

    skipped_s += s;
    timer_set(&timer, 0);
    assert_int_equal(loop_run(), 0);
}

static int browser = -EBADF;
static bool has_ended;

static void on_done(void) {
    has_ended = true;
}

static void nothing(struct watch *watch) {
    (void)watch;
}

/* What stands in the dispatcher's place before the probe has it. */
static int start(struct slice early) {
    struct stream client;
    int ends[2], r;

    has_ended = false;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    browser = ends[0];
    assert_int_equal(stream_init(&client, ends[1], nothing), 0);
    r = probe_start(&client, early, on_done);
    return r;
}

static int begin(void **state) {
    (void)state;
    return start(SLICE_EMPTY);
}

static int end(void **state) {
    (void)state;
    (void)close(browser);
    if (!has_ended)
        loop_until_set(&has_ended);
    assert_int_equal(probe_count(), 0);
    return 0;
}

#define FIN 0x80
enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

/* A client's frame (RFC 6455 §5.2), masked with a key that is not zero. */
static size_t frame(unsigned char *to, unsigned first, struct slice payload) {
    static const unsigned char key[4] = {1, 2, 3, 4};
    size_t n = 0;

    to[n++] = (unsigned char)first;
    if (payload.n < 126) {
        to[n++] = (unsigned char)(0x80 | payload.n);
    } else {
        to[n++] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            to[n++] = (unsigned char)((uint64_t)payload.n >> shift);
    }
    memcpy(to + n, key, sizeof(key));
    n += sizeof(key);
    for (size_t i = 0; i < payload.n; i++)
        to[n++] = (unsigned char)(payload.p[i] ^ key[i % 4]);
    return n;
}

static unsigned char sent[2 * LIMIT_PROBE_MESSAGE + 64];

static void send_frame(unsigned first, struct slice payload) {
    say(browser, slice_of(sent, frame(sent, first, payload)));
}

static char got[4 * LIMIT_PROBE_MESSAGE];
static size_t n_got;

static bool has_come(const void *of) {
    n_got = hear(browser, got, n_got, sizeof(got));
    return n_got >= *(const size_t *)of;
}

/* Exactly these bytes come, and nothing behind them. */
static void expect(struct slice bytes) {
    n_got = 0;
    loop_until(has_come, &bytes.n);
    assert_int_equal(n_got, bytes.n);
    assert_memory_equal(got, bytes.p, bytes.n);
}

static bool is_at_end(const void *unused) {
    char byte;

    (void)unused;
    return recv(browser, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* A close frame of that code comes, whatever it says behind it; then the stream ends. */
static void expect_close(unsigned code) {
    static const size_t at_least = 4;

    n_got = 0;
    loop_until(has_come, &at_least);
    assert_int_equal((unsigned char)got[0], FIN | CLOSE);
    assert_int_equal((unsigned char)got[2] << 8 | (unsigned char)got[3], code);
    loop_until(is_at_end, NULL);
}

static void a_text_and_bytes_come_back(void **state) {
    (void)state;
    send_frame(FIN | TEXT, SLICE("hello"));
    expect(SLICE("\x81\x05hello"));
    send_frame(FIN | BINARY, SLICE("\0\xFF"));
    expect(SLICE("\x82\x02\0\xFF"));
    send_frame(FIN | TEXT, SLICE_EMPTY);
    expect(SLICE("\x81\0"));
}

static void what_came_early_is_answered(void **state) {
    (void)state;
    (void)close(browser);
    loop_until_set(&has_ended);
    assert_int_equal(start(slice_of(sent, frame(sent, FIN | TEXT, SLICE("early")))), 0);
    expect(SLICE("\x81\x05"
                 "early"));
}

static void a_message_in_parts_comes_back_whole(void **state) {
    (void)state;
    send_frame(TEXT, SLICE("ab"));
    send_frame(FIN | PING, SLICE("p"));
    expect(SLICE("\x8a\x01p"));
    send_frame(FIN | CONTINUATION, SLICE("cd"));
    expect(SLICE("\x81\x04"
                 "abcd"));
}

static void it_comes_byte_by_byte_too(void **state) {
    size_t n = frame(sent, FIN | TEXT, SLICE("slow"));

    (void)state;
    for (size_t i = 0; i < n; i++) {
        say(browser, slice_of(sent + i, 1));
        loop_settle();
    }
    expect(SLICE("\x81\x04slow"));
}

static void the_longest_message_comes_back(void **state) {
    static char message[LIMIT_PROBE_MESSAGE];
    static const size_t all = 10 + LIMIT_PROBE_MESSAGE;

    (void)state;
    memset(message, 'x', sizeof(message));
    send_frame(FIN | BINARY, slice_of(message, sizeof(message)));
    n_got = 0;
    loop_until(has_come, &all);
    assert_int_equal(n_got, all);
    assert_memory_equal(got + 10, message, sizeof(message));
}

static void a_longer_one_is_refused(void **state) {
    static char message[LIMIT_PROBE_MESSAGE + 1];

    (void)state;
    send_frame(FIN | BINARY, slice_of(message, sizeof(message)));
    expect_close(1009);
}

static void a_close_is_answered_with_its_code(void **state) {
    (void)state;
    send_frame(FIN | CLOSE, SLICE("\x03\xE8"));
    expect_close(1000);
    (void)shutdown(browser, SHUT_WR);
    loop_until_set(&has_ended);
}

static void what_is_no_websocket_is_closed_with_1002(void **state) {
    static const struct slice bad[] = {
        SLICE("\x81\x05hello"),                 /* not masked */
        SLICE("\xC1\x80\1\2\3\4"),              /* a reserved bit */
        SLICE("\x83\x80\1\2\3\4"),              /* a reserved opcode */
        SLICE("\x09\x80\1\2\3\4"),              /* a ping in parts */
        SLICE("\x80\x80\1\2\3\4"),              /* nothing to continue */
        SLICE("\x89\xFE\0\x7E\1\2\3\4"),        /* a ping of 126 bytes */
        SLICE("GET / HTTP/1.1\r\nHost: a\r\n"), /* as its first byte reads */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        say(browser, bad[i]);
        expect_close(1002);
        (void)close(browser);
        loop_until_set(&has_ended);
        assert_int_equal(start(SLICE_EMPTY), 0);
    }
    send_frame(FIN | TEXT, SLICE("\xFF")); /* no UTF-8 */
    expect_close(1007);
}

static void silence_ends_it_and_frames_keep_it(void **state) {
    (void)state;
    loop_settle();
    skip_time(TIMEOUT_PROBE_SILENCE / 1000 - 1);
    send_frame(FIN | PING, SLICE_EMPTY);
    expect(SLICE("\x8a\0"));
    skip_time(TIMEOUT_PROBE_SILENCE / 1000 - 1);
    loop_settle();
    assert_false(has_ended);
    say(browser, SLICE("\x89")); /* half a frame is none */
    loop_settle();
    skip_time(2);
    expect_close(1001);
    loop_settle();
    assert_false(has_ended);
    skip_time(TIMEOUT_LINGER / 1000 + 1); /* nor is one waited for who does not close */
    assert_true(has_ended);
}

static void at_the_end_everyone_is_told(void **state) {
    (void)state;
    loop_settle();
    probe_end_all();
    probe_end_all();
    expect_close(1001);
    assert_int_equal(probe_count(), 1);
}

/* Who takes nothing can send no more than fits, whatever he sends: then he is not read, and in the end he is dropped. */
static void who_takes_nothing_is_not_read(void **state) {
    static char message[LIMIT_PROBE_MESSAGE];
    size_t taken = 0, n = frame(sent, FIN | BINARY, slice_of(message, sizeof(message))), at = 0;
    unsigned idle = 0;

    (void)state;
    while (idle < 3) {
        ssize_t wrote = send(browser, sent + at, n - at, MSG_DONTWAIT | MSG_NOSIGNAL);

        assert_true(taken < 8 * 1024 * 1024);
        if (wrote > 0) {
            taken += (size_t)wrote;
            at = (at + (size_t)wrote) % n;
            idle = 0;
        } else {
            idle++;
            loop_settle();
        }
    }
    skip_time(TIMEOUT_PROBE_SILENCE / 1000 + 1);
    assert_false(has_ended);
    skip_time(TIMEOUT_LINGER / 1000 + 1);
    assert_true(has_ended);
}

static void there_are_so_many_and_no_more(void **state) {
    int others[LIMIT_PROBES];

    (void)state;
    others[0] = browser;
    for (size_t i = 1; i < LIMIT_PROBES; i++) {
        assert_int_equal(start(SLICE_EMPTY), 0);
        others[i] = browser;
    }
    assert_int_equal(probe_count(), LIMIT_PROBES);
    assert_int_equal(start(SLICE_EMPTY), -EBUSY);
    assert_true(is_at_end(NULL));
    (void)close(browser);
    for (size_t i = 0; i < LIMIT_PROBES; i++)
        (void)close(others[i]);
    while (probe_count() > 0)
        loop_settle();
    has_ended = true;
    browser = -EBADF;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_text_and_bytes_come_back),          TEST(what_came_early_is_answered),
        TEST(a_message_in_parts_comes_back_whole), TEST(it_comes_byte_by_byte_too),
        TEST(the_longest_message_comes_back),      TEST(a_longer_one_is_refused),
        TEST(a_close_is_answered_with_its_code),   TEST(what_is_no_websocket_is_closed_with_1002),
        TEST(silence_ends_it_and_frames_keep_it),  TEST(at_the_end_everyone_is_told),
        TEST(who_takes_nothing_is_not_read),       TEST(there_are_so_many_and_no_more),
    };

    if (loop_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
