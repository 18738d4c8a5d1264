#include "egress/keeper/warm.h"

#include <sys/socket.h>

#include "proc/rest.h"
#include "unit_loop.h"
#include "unit_stream.h"

#define CONNECTIONS 8
#define NEVER 1000000 /* ms: no test lives so long */

static struct warm warm[CONNECTIONS];
static int upstream[CONNECTIONS];
static bool is_closed[CONNECTIONS];
static size_t order[CONNECTIONS], n_closed;
static struct warm_shelf shelf;
static unsigned rests;

void rest_soon(void) {
    rests++;
}

static void give_up(struct warm *which) {
    size_t i = (size_t)(which - warm);

    assert_false(is_closed[i]);
    warm_take(which);
    client_done(&which->client);
    is_closed[i] = true;
    order[n_closed++] = i;
}

static void ignore(struct watch *watch) {
    (void)watch;
}

static void connect_one(size_t i) {
    struct stream stream;
    int ends[2];

    assert_int_equal(fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends), 0);
    upstream[i] = ends[1];
    assert_int_equal(stream_init(&stream, ends[0], ignore), 0);
    assert_int_equal(warm_init(&warm[i], &shelf, &stream), 0);
    is_closed[i] = false;
}

static void begin(uint64_t sleep_ms, uint64_t close_ms, size_t max) {
    shelf = (struct warm_shelf){.sleep_ms = sleep_ms, .close_ms = close_ms, .max = max, .give_up = give_up};
    n_closed = rests = 0;
    for (size_t i = 0; i < CONNECTIONS; i++)
        connect_one(i);
}

/* What an exchange leaves behind for the next one. */
static void exchange(size_t i) {
    struct client *client = &warm[i].client;
    struct upstream_event event;

    stream_look(&client->stream);
    assert_int_equal(
        client_begin(client, SLICE("GET / HTTP/1.1\r\n\r\n"), false, (struct http_framing){HTTP_BODY_NONE, 0}, true),
        0);
    say(upstream[i], SLICE("HTTP/1.1 204 No Content\r\n\r\n"));
    stream_look(&client->stream);
    assert_int_equal(client_receive(client, &event), 1);
    assert_true(client_is_reusable(client));
}

static int end(void **state) {
    (void)state;
    while (shelf.oldest)
        give_up(shelf.oldest);
    timer_cancel(&shelf.timer);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (!is_closed[i])
            client_done(&warm[i].client);
        fd_close(&upstream[i]);
    }
    return loop_run();
}

static bool are_all_asleep(const void *unused) {
    (void)unused;
    for (const struct warm *one = shelf.oldest; one; one = one->newer)
        if (!one->is_asleep)
            return false;
    return true;
}

static bool is_shelf_empty(const void *unused) {
    (void)unused;
    return shelf.n == 0;
}

static void closes_what_nobody_has_used_for_long(void **state) {
    (void)state;
    begin(1, 5, CONNECTIONS);
    for (size_t i = 0; i < 3; i++)
        warm_put(&warm[i]);
    loop_until(is_shelf_empty, NULL);
    assert_int_equal(n_closed, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(order[i], i);
    assert_null(shelf.oldest);
    assert_null(shelf.newest);
}

static void closes_nothing_that_is_used_again(void **state) {
    (void)state;
    begin(1, 5, CONNECTIONS);
    for (size_t i = 0; i < 4; i++)
        warm_put(&warm[i]);
    warm_take(&warm[0]);
    warm_take(&warm[2]);
    loop_until(is_shelf_empty, NULL);
    assert_false(is_closed[0] || is_closed[2]);
    assert_true(is_closed[1] && is_closed[3]);
}

/* Its time begins anew when it is put back. */
static void counts_from_the_last_use(void **state) {
    (void)state;
    begin(1, NEVER, CONNECTIONS);
    warm_put(&warm[0]);
    warm_put(&warm[1]);
    warm_take(&warm[0]);
    warm_put(&warm[0]);
    assert_ptr_equal(shelf.oldest, &warm[1]);
    assert_ptr_equal(shelf.newest, &warm[0]);
}

static void closes_the_one_used_longest_ago_when_there_are_too_many(void **state) {
    (void)state;
    begin(NEVER, NEVER, 3);
    for (size_t i = 0; i < 3; i++)
        warm_put(&warm[i]);
    assert_int_equal(n_closed, 0);
    warm_put(&warm[3]);
    warm_put(&warm[4]);
    assert_int_equal(shelf.n, 3);
    assert_int_equal(n_closed, 2);
    assert_int_equal(order[0], 0);
    assert_int_equal(order[1], 1);
}

static void gives_back_memory_after_a_moment(void **state) {
    (void)state;
    begin(1, NEVER, CONNECTIONS);
    exchange(0);
    warm_put(&warm[0]);
    assert_non_null(warm[0].client.response); /* the next exchange may come at once */
    loop_until(are_all_asleep, NULL);
    assert_null(warm[0].client.response);
    assert_int_equal(rests, 1);
}

static void a_sleeper_serves_again(void **state) {
    (void)state;
    begin(1, NEVER, CONNECTIONS);
    exchange(0);
    warm_put(&warm[0]);
    loop_until(are_all_asleep, NULL);
    warm_take(&warm[0]);
    assert_false(warm_is_stale(&warm[0]));
    exchange(0);
    warm_put(&warm[0]);
    assert_false(warm[0].is_asleep);
    loop_until(are_all_asleep, NULL);
}

static bool is_second_closed(const void *unused) {
    (void)unused;
    return is_closed[1];
}

static void closes_one_that_ends_or_speaks(void **state) {
    (void)state;
    begin(NEVER, NEVER, CONNECTIONS);
    warm_put(&warm[0]);
    warm_put(&warm[1]);
    warm_put(&warm[2]);
    fd_close(&upstream[0]);
    loop_settle();
    say(upstream[1], SLICE("HTTP/1.1 408 Request Timeout\r\n\r\n"));
    loop_until(is_second_closed, NULL);
    assert_true(is_closed[0]);
    assert_false(is_closed[2]);
    assert_int_equal(shelf.n, 1);
}

static void one_that_ended_unheard_is_stale(void **state) {
    (void)state;
    begin(NEVER, NEVER, CONNECTIONS);
    warm_put(&warm[0]);
    warm_put(&warm[1]);
    fd_close(&upstream[0]);
    warm_take(&warm[0]);
    warm_take(&warm[1]);
    stream_look(&warm[0].client.stream);
    stream_look(&warm[1].client.stream);
    assert_true(warm_is_stale(&warm[0]));
    assert_false(warm_is_stale(&warm[1]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(closes_what_nobody_has_used_for_long, end),
        cmocka_unit_test_teardown(closes_nothing_that_is_used_again, end),
        cmocka_unit_test_teardown(counts_from_the_last_use, end),
        cmocka_unit_test_teardown(closes_the_one_used_longest_ago_when_there_are_too_many, end),
        cmocka_unit_test_teardown(gives_back_memory_after_a_moment, end),
        cmocka_unit_test_teardown(a_sleeper_serves_again, end),
        cmocka_unit_test_teardown(closes_one_that_ends_or_speaks, end),
        cmocka_unit_test_teardown(one_that_ended_unheard_is_stale, end),
    };

    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
