#include "egress/door/socket_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "egress/exchange_codec.h"
#include "unit_loop.h"
#include "unit_stream.h"

static struct socket_stream stream;
static struct keeper_link to_keeper;
static struct connection connection;
static const struct connection_timeouts timeouts = {.write_ms = 60000};
static const struct connection_owner owner = {.timeouts = &timeouts};
static int client = -EBADF, keeper = -EBADF; /* the far ends */
static bool is_closed, is_accepted;

static void link_answered(struct keeper_link *of, bool is_good) {
    (void)of;
    is_accepted = is_good;
}

static void stream_over(struct socket_stream *s) {
    (void)s;
    is_closed = true;
}

static void tell(const struct ipc_writer *w) {
    assert_int_equal(ipc_send(keeper, w, -EBADF), 0);
}

static void tell_data(struct slice data, bool is_end) {
    struct ipc_writer w = data_encode(data, is_end);

    tell(&w);
}

/* A connection on which `early` has come behind the request, and that is switched now. */
static void begin(struct slice early) {
    struct ipc_writer accepted = ipc_begin(IPC_ACCEPTED);
    int clients[2], pair[2];

    is_closed = is_accepted = false;
    assert_int_equal(fd_pair(SOCK_STREAM, clients), 0);
    assert_int_equal(fd_pair(SOCK_SEQPACKET, pair), 0);
    client = clients[1];
    keeper = pair[1];
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK) | fcntl(clients[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(keeper_link_init(&to_keeper, pair[0], link_answered, NULL), 0);
    tell(&accepted);
    loop_until_set(&is_accepted);
    assert_int_equal(connection_init(&connection, clients[0], &to_keeper.upstream, &owner), 0);
    assert_int_equal(buf_append(&connection.in, early), 0);
    to_keeper.is_active = true;
    assert_int_equal(socket_stream_begin(&stream, &connection, &to_keeper, timeouts.write_ms, stream_over), 0);
}

static int end(void **state) {
    (void)state;
    socket_stream_done(&stream);
    keeper_link_done(&to_keeper);
    fd_close(&client);
    fd_close(&keeper);
    return 0;
}

/* What the keeper is told next; the type, 0 when there is nothing. */
static unsigned hear_message(char *to, size_t size, bool *ret_end) {
    struct ipc_message m;
    struct slice data = SLICE_EMPTY;
    unsigned type;

    *ret_end = false;
    to[0] = '\0';
    if (ipc_receive(keeper, &m) != 1)
        return 0;
    type = m.type;
    if (type == IPC_DATA) {
        assert_int_equal(data_decode(&m, &data, ret_end), 0);
        assert_true(data.n < size);
        if (data.n > 0)
            memcpy(to, data.p, data.n);
        to[data.n] = '\0';
    }
    return type;
}

static void require_heard(const char *expected, bool expected_end) {
    char data[256];
    bool is_end;

    assert_int_equal(hear_message(data, sizeof(data), &is_end), IPC_DATA);
    assert_string_equal(data, expected);
    assert_int_equal(is_end, expected_end);
}

static void bytes_pass_both_ways(void **state) {
    char got[256];

    (void)state;
    begin(SLICE("early"));
    loop_settle();
    require_heard("early", false);
    say(client, SLICE("up"));
    loop_settle();
    require_heard("up", false);
    tell_data(SLICE("down"), false);
    loop_settle();
    (void)hear(client, got, 0, sizeof(got));
    assert_string_equal(got, "down");
    assert_false(is_closed);
    assert_null(stream.up.memory); /* with nothing on its way it holds nothing */
    assert_null(stream.down.memory);
}

static void the_keeper_s_end_reaches_the_client_whole(void **state) {
    char got[256];

    (void)state;
    begin(SLICE_EMPTY);
    say(client, SLICE("nobody reads this"));
    tell_data(SLICE("goodbye"), true);
    loop_settle();
    (void)hear(client, got, 0, sizeof(got));
    assert_string_equal(got, "goodbye");
    assert_int_equal(recv(client, got, sizeof(got), MSG_DONTWAIT), 0);
    assert_false(is_closed);
    fd_close(&client);
    loop_until_set(&is_closed);
}

static void a_client_that_is_done_is_told_of_once_and_still_hears(void **state) {
    char got[256];
    bool is_end;

    (void)state;
    begin(SLICE_EMPTY);
    say(client, SLICE("last"));
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    loop_settle();
    require_heard("last", false);
    require_heard("", true);
    assert_int_equal(hear_message(got, sizeof(got), &is_end), 0);
    tell_data(SLICE("answer"), true);
    loop_until_set(&is_closed);
    (void)hear(client, got, 0, sizeof(got));
    assert_string_equal(got, "answer");
}

static void a_client_that_is_gone_is_told_of(void **state) {
    char got[256];
    bool is_end;
    unsigned type;

    (void)state;
    begin(SLICE_EMPTY);
    fd_close(&client);
    tell_data(SLICE("x"), false);
    loop_until_set(&is_closed);
    do
        type = hear_message(got, sizeof(got), &is_end);
    while (type == IPC_DATA);
    assert_int_equal(type, IPC_ABORT);
}

static void a_keeper_that_breaks_off_ends_it(void **state) {
    struct ipc_writer w;

    (void)state;
    begin(SLICE_EMPTY);
    w = abort_encode(502, SLICE("the upstream broke the connection off"));
    tell(&w);
    loop_until_set(&is_closed);
}

static void a_keeper_that_dies_ends_it(void **state) {
    (void)state;
    begin(SLICE_EMPTY);
    fd_close(&keeper);
    loop_until_set(&is_closed);
}

static bool is_full(const void *unused) {
    (void)unused;
    return !buf_is_empty(&stream.down);
}

/* Of what the keeper says one piece is here at a time: the rest waits with him. */
static void a_client_that_reads_nothing_stops_the_keeper(void **state) {
    static char piece[32768], got[1 << 20];
    size_t sent = 0, heard = 0;

    (void)state;
    memset(piece, 'x', sizeof(piece));
    begin(SLICE_EMPTY);
    for (bool is_stuck = false; !is_stuck;) {
        struct ipc_writer w = data_encode(slice_of(piece, sizeof(piece)), false);
        int r = ipc_send(keeper, &w, -EBADF);

        if (r == -EAGAIN) {
            is_stuck = is_full(NULL);
            loop_settle();
            continue;
        }
        assert_int_equal(r, 0);
        sent += sizeof(piece);
        assert_true(sent < 64 * sizeof(got));
    }
    assert_true(buf_length(&stream.down) <= sizeof(piece));
    while (heard < sent) {
        ssize_t n = recv(client, got, sizeof(got), MSG_DONTWAIT);

        if (n > 0)
            heard += (size_t)n;
        else
            loop_settle();
    }
    assert_int_equal(heard, sent);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(bytes_pass_both_ways, end),
        cmocka_unit_test_teardown(the_keeper_s_end_reaches_the_client_whole, end),
        cmocka_unit_test_teardown(a_client_that_is_done_is_told_of_once_and_still_hears, end),
        cmocka_unit_test_teardown(a_client_that_is_gone_is_told_of, end),
        cmocka_unit_test_teardown(a_keeper_that_breaks_off_ends_it, end),
        cmocka_unit_test_teardown(a_keeper_that_dies_ends_it, end),
        cmocka_unit_test_teardown(a_client_that_reads_nothing_stops_the_keeper, end),
    };

    if (loop_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
