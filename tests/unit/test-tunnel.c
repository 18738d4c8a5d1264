#include "relay/tunnel.h"

#include <endian.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "unit_loop.h"
#include "unit_stream.h"

#define MASKED_HELLO "\x81\x85\x11\x22\x33\x44\x79\x47\x5f\x28\x7e"
#define HELLO "\x81\x05hello"
#define SMALL 4096 /* of what the kernel holds between the ends */

static int client = -EBADF, upstream = -EBADF; /* the far ends */
static struct tunnel *tunnel;
static struct tunnel_report report;
static bool is_ended;
static char heard[2][1 << 20]; /* by the client, by the upstream */
static size_t n_heard[2];

static void ended(void *owner, const struct tunnel_report *of) {
    assert_ptr_equal(owner, &tunnel);
    assert_false(is_ended);
    report = *of;
    is_ended = true;
    tunnel = NULL;
}

static struct tunnel_owner class = {.ended = ended, .write_timeout_ms = 60000};

static void nothing_is_ready(struct watch *watch) {
    (void)watch;
}

static void start(struct slice from_client, struct slice from_upstream) {
    struct stream streams[2];
    int ends[2][2];

    for (unsigned i = 0; i < 2; i++) {
        int size = SMALL;

        assert_int_equal(fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends[i]), 0);
        for (unsigned k = 0; k < 2; k++)
            assert_int_equal(setsockopt(ends[i][k], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
        assert_int_equal(stream_init(&streams[i], ends[i][0], nothing_is_ready), 0);
    }
    client = ends[0][1];
    upstream = ends[1][1];
    is_ended = false;
    n_heard[0] = n_heard[1] = 0;
    report = (struct tunnel_report){0};
    assert_int_equal(tunnel_new(&streams[0], from_client, &streams[1], from_upstream, &class, &tunnel, &tunnel), 0);
    assert_null(streams[0].ops); /* moved */
    assert_null(streams[1].ops);
}

static int open_tunnel(void **state) {
    (void)state;
    class.write_timeout_ms = 60000;
    start(SLICE_EMPTY, SLICE_EMPTY);
    return 0;
}

static int close_tunnel(void **state) {
    (void)state;
    if (tunnel)
        tunnel_end(tunnel, 0);
    fd_close(&client);
    fd_close(&upstream);
    return loop_run();
}

static void listen_to_both(void) {
    if (client >= 0)
        n_heard[0] = hear(client, heard[0], n_heard[0], sizeof(heard[0]));
    if (upstream >= 0)
        n_heard[1] = hear(upstream, heard[1], n_heard[1], sizeof(heard[1]));
}

static void settle(void) {
    loop_settle();
    listen_to_both();
}

#define assert_client_heard(text) assert_true(slice_equals(slice_of(heard[0], n_heard[0]), SLICE(text)))
#define assert_upstream_heard(text) assert_true(slice_equals(slice_of(heard[1], n_heard[1]), SLICE(text)))

static bool is_at_end(int fd) {
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void bytes_pass_both_ways(void **state) {
    (void)state;
    say(client, SLICE(MASKED_HELLO));
    say(upstream, SLICE(HELLO));
    settle();
    assert_upstream_heard(MASKED_HELLO);
    assert_client_heard(HELLO);
    tunnel_end(tunnel, 0);
    assert_true(is_ended);
    assert_int_equal(report.cause, TUNNEL_CAUSE_ENDED);
    assert_int_equal(report.bytes_up, sizeof(MASKED_HELLO) - 1);
    assert_int_equal(report.bytes_down, sizeof(HELLO) - 1);
    assert_true(is_at_end(client) && is_at_end(upstream));
}

static void early_bytes_come_first(void **state) {
    (void)state;
    start(SLICE(MASKED_HELLO), SLICE(HELLO));
    say(client, SLICE("\x81\x81"));
    say(upstream, SLICE("\x81\x01!"));
    settle();
    assert_upstream_heard(MASKED_HELLO "\x81\x81");
    assert_client_heard(HELLO "\x81\x01!");
    tunnel_end(tunnel, 0);
    assert_int_equal(report.bytes_up, sizeof(MASKED_HELLO) + 1);
    (void)close_tunnel(NULL);
}

/* Whatever it is: a tunnel is no judge. */
static void what_is_no_websocket_passes_untouched(void **state) {
    (void)state;
    say(client, SLICE("SSH-2.0-OpenSSH_9\r\n"));
    say(upstream, SLICE("\xff\xff\xff\xff\0\0\0"));
    settle();
    assert_upstream_heard("SSH-2.0-OpenSSH_9\r\n");
    assert_client_heard("\xff\xff\xff\xff\0\0\0");
    assert_false(is_ended);
}

/* One side sends all it can and the other reads now and then: nothing is lost, doubled or out of order. */
static void a_slow_reader(void **state) {
    enum { SIZE = 900000 };
    static char bytes[SIZE];
    const int ends[] = {client, upstream};

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    for (unsigned from = 0; from < 2; from++) {
        size_t sent = 0;

        while (n_heard[!from] < SIZE) {
            ssize_t n = send(ends[from], bytes + sent, SIZE - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

            sent += n > 0 ? (size_t)n : 0;
            loop_settle();
            n_heard[!from] = hear(ends[!from], heard[!from], n_heard[!from], MIN_OF(n_heard[!from] + 70001, SIZE + 1));
        }
        assert_int_equal(n_heard[!from], SIZE);
        assert_memory_equal(heard[!from], bytes, SIZE);
    }
    assert_false(is_ended);
    tunnel_end(tunnel, 0);
    assert_int_equal(report.bytes_up, SIZE);
    assert_int_equal(report.bytes_down, SIZE);
}

/* Frames of more than is read at once. */
enum { FRAME = 150000, FRAMES = 5 };

static void fill_frames(bool is_from_client, char *to) {
    static const char head[] = "\x82\x7f\0\0\0\0\0\x02\x49\xf0";
    size_t n_head = sizeof(head) - 1;

    for (size_t i = 0; i < FRAME * FRAMES; i++)
        to[i] = (char)(i * 13 + i / 257);
    for (size_t i = 0; i < FRAMES; i++) {
        char *at = to + i * FRAME;
        uint64_t left = htobe64(FRAME - n_head - (is_from_client ? 4 : 0));

        memcpy(at, head, n_head);
        memcpy(at + 2, &left, sizeof(left));
        if (is_from_client)
            at[1] = (char)0xff;
    }
}

static void large_frames_pass_whole(void **state) {
    static char bytes[FRAME * FRAMES];
    const int ends[] = {client, upstream};

    (void)state;
    for (unsigned from = 0; from < 2; from++) {
        size_t sent = 0;

        fill_frames(from == 0, bytes);
        while (n_heard[!from] < sizeof(bytes)) {
            ssize_t n = send(ends[from], bytes + sent, sizeof(bytes) - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

            sent += n > 0 ? (size_t)n : 0;
            loop_settle();
            n_heard[!from] = hear(ends[!from], heard[!from], n_heard[!from], sizeof(bytes) + 1);
        }
        assert_int_equal(n_heard[!from], sizeof(bytes));
        assert_memory_equal(heard[!from], bytes, sizeof(bytes));
    }
    /* the frames were followed: a goodbye may stand behind them */
    tunnel_end(tunnel, 1001);
    settle();
    assert_int_equal(n_heard[0], sizeof(bytes) + 4);
    assert_memory_equal(heard[0] + sizeof(bytes), "\x88\x02\x03\xe9", 4);
    assert_int_equal(report.bytes_up, 0); /* it has not ended */
}

/* While one direction waits, the other does not; and a bounded part of what was sent is held. */
static void directions_do_not_wait_for_each_other(void **state) {
    static char block[20000];
    size_t sent = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        ssize_t n = send(upstream, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);

        sent += n > 0 ? (size_t)n : 0;
        loop_settle(); /* the client reads nothing */
    }
    assert_true(sent < 4 * SMALL + 2 * LIMIT_READ);
    say(client, SLICE(MASKED_HELLO));
    loop_settle();
    n_heard[1] = hear(upstream, heard[1], 0, sizeof(heard[1]));
    assert_upstream_heard(MASKED_HELLO);
}

static void a_half_that_closes(void **state) {
    (void)state;
    say(client, SLICE("last words"));
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    settle();
    assert_upstream_heard("last words");
    assert_true(is_at_end(upstream));
    say(upstream, SLICE("and an answer"));
    settle();
    assert_client_heard("and an answer");
    assert_false(is_ended);
    assert_int_equal(shutdown(upstream, SHUT_WR), 0);
    loop_until_set(&is_ended);
    assert_true(is_at_end(client));
    assert_int_equal(report.cause, TUNNEL_CAUSE_CLOSED);
    assert_int_equal(report.side, TUNNEL_SIDE_CLIENT);
    assert_int_equal(report.close_code, 0);
}

static void the_upstream_closes(void **state) {
    (void)state;
    say(upstream, SLICE("bye"));
    fd_close(&upstream);
    loop_until_set(&is_ended);
    listen_to_both();
    assert_client_heard("bye");
    assert_true(is_at_end(client));
    assert_int_equal(report.cause, TUNNEL_CAUSE_CLOSED);
    assert_int_equal(report.side, TUNNEL_SIDE_UPSTREAM);
}

/* What was sent before the end arrives, however slowly it is read. */
static void last_words_to_a_slow_reader(void **state) {
    static char block[60000];
    ssize_t sent;

    (void)state;
    memset(block, 'x', sizeof(block));
    while ((sent = send(client, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) {
        loop_settle();
        n_heard[1] += (size_t)sent; /* so much must come */
    }
    fd_close(&client);
    loop_settle();
    assert_false(is_ended);
    for (size_t n = 0; n < n_heard[1];) {
        char piece[3000];
        ssize_t got = recv(upstream, piece, sizeof(piece), MSG_DONTWAIT);

        n += got > 0 ? (size_t)got : 0;
        assert_int_not_equal(got, 0);
        loop_settle();
    }
    loop_until_set(&is_ended);
    assert_true(is_at_end(upstream));
    assert_int_equal(report.cause, TUNNEL_CAUSE_CLOSED);
    assert_int_equal(report.side, TUNNEL_SIDE_CLIENT);
}

/* Whoever says a close frame first has closed, whoever hangs up first. */
static void who_closed_and_why(void **state) {
    static const struct {
        const char *name;
        bool upstream_first, client_hangs_up;
        unsigned code;
    } rows[] = {
        {"the client, the upstream hangs up", false, false, 1000},
        {"the client hangs up too", false, true, 1000},
        {"the upstream, the client hangs up", true, true, 4001},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        start(SLICE_EMPTY, SLICE_EMPTY);
        if (!rows[i].upstream_first)
            say(client, SLICE("\x88\x82\0\0\0\0\x03\xe8"));
        else
            say(upstream, SLICE("\x88\x02\x0f\xa1"));
        settle();
        if (rows[i].upstream_first)
            say(client, SLICE("\x88\x82\0\0\0\0\x03\xe8"));
        else
            say(upstream, SLICE("\x88\x02\x0f\xa1"));
        settle();
        assert_client_heard("\x88\x02\x0f\xa1");
        assert_upstream_heard("\x88\x82\0\0\0\0\x03\xe8");
        assert_false(is_ended);
        fd_close(rows[i].client_hangs_up ? &client : &upstream);
        loop_until_set(&is_ended);
        assert_int_equal(report.cause, TUNNEL_CAUSE_CLOSED);
        assert_int_equal(report.side, rows[i].upstream_first ? TUNNEL_SIDE_UPSTREAM : TUNNEL_SIDE_CLIENT);
        assert_int_equal(report.close_code, rows[i].code);
        (void)close_tunnel(NULL);
    }
}

/* Both have said goodbye and neither hangs up. */
static void a_close_without_an_end(void **state) {
    (void)state;
    class.write_timeout_ms = 20;
    start(SLICE("\x88\x80\0\0\0\0"), SLICE("\x88\x00"));
    loop_until_set(&is_ended);
    assert_int_equal(report.cause, TUNNEL_CAUSE_CLOSED);
    assert_int_equal(report.side, TUNNEL_SIDE_CLIENT);
    assert_int_equal(report.close_code, 1005);
    (void)close_tunnel(NULL);
}

static void half_a_tunnel_that_is_idle(void **state) {
    (void)state;
    class.write_timeout_ms = 20;
    assert_int_equal(shutdown(upstream, SHUT_WR), 0);
    loop_until_set(&is_ended);
    assert_int_equal(report.cause, TUNNEL_CAUSE_CLOSED);
    assert_int_equal(report.side, TUNNEL_SIDE_UPSTREAM);
}

static void a_side_that_takes_nothing(void **state) {
    static char block[300000];

    (void)state;
    class.write_timeout_ms = 20;
    for (unsigned i = 0; i < 10; i++) {
        (void)send(upstream, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (!is_ended)
            loop_settle();
    }
    if (!is_ended)
        loop_until_set(&is_ended);
    assert_int_equal(report.cause, TUNNEL_CAUSE_TIMEOUT);
    assert_int_equal(report.side, TUNNEL_SIDE_CLIENT);
}

/* An idle tunnel lasts: time runs only while somebody is waited for. */
static void an_idle_tunnel_has_no_timer(void **state) {
    (void)state;
    class.write_timeout_ms = 1;
    say(client, SLICE(MASKED_HELLO));
    settle();
    settle();
    assert_upstream_heard(MASKED_HELLO);
    assert_false(is_ended);
    class.write_timeout_ms = 60000;
}

/* Over TCP it is a reset; a unix socket tells the same of a peer that closed with bytes unread. */
static void a_side_that_breaks_off(void **state) {
    (void)state;
    say(upstream, SLICE("never read"));
    loop_settle();
    fd_close(&client);
    loop_until_set(&is_ended);
    assert_int_equal(report.cause, TUNNEL_CAUSE_RESET);
    assert_int_equal(report.side, TUNNEL_SIDE_CLIENT);
    listen_to_both();
    assert_true(is_at_end(upstream));
}

/* Who answers a close frame by breaking off has not begun it. */
static void a_close_that_is_answered_by_a_reset(void **state) {
    (void)state;
    say(upstream, SLICE("\x88\x02\x0f\xa1"));
    loop_settle();
    fd_close(&client);
    loop_until_set(&is_ended);
    assert_int_equal(report.cause, TUNNEL_CAUSE_CLOSED);
    assert_int_equal(report.side, TUNNEL_SIDE_UPSTREAM);
    assert_int_equal(report.close_code, 4001);
}

#define CLOSE_1001 "\x88\x02\x03\xe9"
#define MASKED_CLOSE_1001 "\x88\x82\0\0\0\0\x03\xe9"

static void goodbye_between_frames(void **state) {
    (void)state;
    say(client, SLICE(MASKED_HELLO));
    settle();
    tunnel_end(tunnel, 1001);
    tunnel_end(tunnel, 1001);
    assert_false(is_ended); /* it is told later */
    settle();
    assert_client_heard(CLOSE_1001);
    assert_upstream_heard(MASKED_HELLO MASKED_CLOSE_1001);
    assert_true(is_at_end(client) && is_at_end(upstream));
    assert_false(is_ended); /* the answers are waited for */
    say(client, SLICE(MASKED_CLOSE_1001));
    say(upstream, SLICE(CLOSE_1001));
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    assert_int_equal(shutdown(upstream, SHUT_WR), 0);
    loop_until_set(&is_ended);
    assert_int_equal(report.cause, TUNNEL_CAUSE_ENDED);
    assert_int_equal(report.close_code, 0); /* theirs were answers to ours */
}

/* Inside a frame it waits for the frame's end, and not a byte of the next one gets in front of the last. */
static void goodbye_inside_a_frame(void **state) {
    static char rest[246];

    (void)state;
    say(upstream, SLICE("\x82\x7e\x01\x00"
                        "0123456789"));
    settle();
    tunnel_end(tunnel, 1001);
    settle();
    assert_client_heard("\x82\x7e\x01\x00"
                        "0123456789");
    assert_upstream_heard(MASKED_CLOSE_1001);
    say(upstream, slice_of(rest, sizeof(rest)));
    say(upstream, SLICE(HELLO));
    settle();
    assert_int_equal(n_heard[0], 4 + 256 + 4);
    assert_memory_equal(heard[0] + 4 + 256, CLOSE_1001, 4);
    assert_true(is_at_end(client));
    assert_false(is_ended);
}

/* A frame that never ends is not waited for beyond TIMEOUT_TUNNEL_GOODBYE. */
static void goodbye_to_nobody(void **state) {
    uint64_t since = loop_now_ms();

    (void)state;
    say(upstream, SLICE("\x81\x05he"));
    settle();
    tunnel_end(tunnel, 1001);
    loop_until_set(&is_ended);
    assert_true(loop_now_ms() - since >= TIMEOUT_TUNNEL_GOODBYE);
    listen_to_both();
    assert_client_heard("\x81\x05he"); /* and no close frame in it */
    assert_int_equal(report.cause, TUNNEL_CAUSE_ENDED);
}

static void goodbye_to_what_is_no_websocket(void **state) {
    (void)state;
    say(client, SLICE("SSH-2.0-OpenSSH_9\r\n"));
    say(upstream, SLICE("SSH-2.0-OpenSSH_9\r\n"));
    settle();
    tunnel_end(tunnel, 1001);
    settle();
    assert_upstream_heard("SSH-2.0-OpenSSH_9\r\n");
    assert_client_heard("SSH-2.0-OpenSSH_9\r\n");
    assert_true(is_at_end(client) && is_at_end(upstream));
}

/* A close frame is the last one, also when it was not ours. */
static void goodbye_after_a_close(void **state) {
    (void)state;
    say(client, SLICE("\x88\x82\0\0\0\0\x03\xe8"));
    settle();
    tunnel_end(tunnel, 1001);
    settle();
    assert_upstream_heard("\x88\x82\0\0\0\0\x03\xe8");
    assert_client_heard(CLOSE_1001);
    assert_true(is_at_end(upstream));
}

/* Bytes that wait go first, and those of the frame that they belong to. */
static void goodbye_to_a_slow_reader(void **state) {
    static char frame[4 + 60000] = "\x82\x7e\xea\x60";
    size_t sent = 0;

    (void)state;
    for (unsigned i = 0; n_heard[0] < sizeof(frame) + 4; i++) {
        ssize_t n = send(upstream, frame + sent, sizeof(frame) - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        sent += n > 0 ? (size_t)n : 0;
        loop_settle();
        if (i == 8) {
            assert_true(sent < sizeof(frame)); /* the client has read nothing: it is stuck */
            tunnel_end(tunnel, 1001);
        }
        if (i >= 8)
            n_heard[0] = hear(client, heard[0], n_heard[0], n_heard[0] + 4001);
    }
    assert_memory_equal(heard[0], frame, sizeof(frame));
    assert_memory_equal(heard[0] + sizeof(frame), CLOSE_1001, 4);
    assert_true(is_at_end(client));
}

static void the_end_of_a_tunnel_takes_both_streams(void **state) {
    int number = next_number();

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        start(SLICE("x"), SLICE("y"));
        tunnel_end(tunnel, 0);
        assert_true(is_ended);
        (void)close_tunnel(NULL);
    }
    assert_int_equal(next_number(), number);
}

#define tunnel_test(name) cmocka_unit_test_setup_teardown(name, open_tunnel, close_tunnel)

/* Each byte begins the time anew; the time for a side that takes nothing is another one. */
static void a_tunnel_at_rest_has_a_time(void **state) {
    uint64_t began = loop_now_ms();

    (void)state;
    class.idle_timeout_ms = 150;
    class.is_opaque = true;
    start(SLICE_EMPTY, SLICE_EMPTY);
    settle(); /* some of the time is over */
    say(client, SLICE("a"));
    loop_until_set(&is_ended);
    class.idle_timeout_ms = 0;
    class.is_opaque = false;
    listen_to_both();
    assert_upstream_heard("a");
    assert_int_equal(report.cause, TUNNEL_CAUSE_TIMEOUT);
    assert_int_equal(report.bytes_up, 1);
    assert_true(loop_now_ms() - began >= 150);
    (void)close_tunnel(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tunnel_at_rest_has_a_time),
        tunnel_test(bytes_pass_both_ways),
        cmocka_unit_test(early_bytes_come_first),
        tunnel_test(large_frames_pass_whole),
        tunnel_test(what_is_no_websocket_passes_untouched),
        tunnel_test(a_slow_reader),
        tunnel_test(directions_do_not_wait_for_each_other),
        tunnel_test(a_half_that_closes),
        tunnel_test(the_upstream_closes),
        tunnel_test(last_words_to_a_slow_reader),
        cmocka_unit_test(who_closed_and_why),
        cmocka_unit_test(a_close_without_an_end),
        tunnel_test(half_a_tunnel_that_is_idle),
        tunnel_test(a_side_that_takes_nothing),
        tunnel_test(an_idle_tunnel_has_no_timer),
        tunnel_test(a_side_that_breaks_off),
        tunnel_test(a_close_that_is_answered_by_a_reset),
        tunnel_test(goodbye_between_frames),
        tunnel_test(goodbye_inside_a_frame),
        tunnel_test(goodbye_to_nobody),
        tunnel_test(goodbye_to_what_is_no_websocket),
        tunnel_test(goodbye_after_a_close),
        tunnel_test(goodbye_to_a_slow_reader),
        cmocka_unit_test(the_end_of_a_tunnel_takes_both_streams),
    };

    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
