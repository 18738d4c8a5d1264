#include "ingress/desk/tally.h"

#include <errno.h>

#include "unit.h"

/* Every counter another number. */
static struct tally numbered(void) {
    struct tally tally = {0};
    uint64_t n = 1;

    for (size_t i = 0; i < TALLY_STATUSES; i++)
        tally.requests[i] = n++;
    for (size_t i = 0; i < TALLY_BUCKETS; i++)
        tally.durations[i] = n++;
    tally.duration_us = n++;
    tally.bytes_in = n++;
    tally.bytes_out = n++;
    tally.connections = n++;
    tally.tunnels_opened = n++;
    for (size_t i = 0; i < TUNNEL_ENDS; i++)
        tally.tunnels_ended[i] = n++;
    for (size_t i = 0; i < TALLY_REFUSALS; i++)
        tally.refused[i] = n++;
    tally.limited = n++;
    tally.upstream_reused = n++;
    tally.upstream_opened = n++;
    tally.upstream_failed = n++;
    return tally;
}

static struct ipc_message message_of(const struct ipc_writer *w, char *memory, size_t size) {
    struct slice bytes = ipc_writer_bytes(w);

    assert_true(bytes.n <= size);
    memcpy(memory, bytes.p, bytes.n);
    return ipc_message_of(slice_of(memory, bytes.n));
}

static struct ipc_writer seen_of(const struct seen *seen) {
    struct ipc_writer w = seen_begin();

    seen_put(&w, seen);
    return w;
}

static void every_counter_arrives(void **state) {
    struct tally sent = numbered(), got = {0};
    char memory[1024];
    struct ipc_writer w;
    struct ipc_message m;

    (void)state;
    sent.open_connections = 7;
    sent.open_tunnels = 8;
    w = tally_encode(&sent);
    m = message_of(&w, memory, sizeof(memory));
    assert_int_equal(m.type, IPC_TALLY);
    assert_int_equal(tally_decode(&m, &got), 0);
    assert_memory_equal(&got, &sent, sizeof(sent));
}

static void a_gauge_is_never_negative(void **state) {
    struct tally sent = {.open_tunnels = -1}, got;
    char memory[1024];
    struct ipc_writer w = tally_encode(&sent);
    struct ipc_message m = message_of(&w, memory, sizeof(memory));
    struct slice bytes = ipc_writer_bytes(&w);

    (void)state;
    assert_int_equal(tally_decode(&m, &got), 0);
    assert_int_equal(got.open_tunnels, 0);
    memset(memory + bytes.n - 8, 0xff, 8); /* what no gauge of ours says */
    m = ipc_message_of(slice_of(memory, bytes.n));
    got.bytes_in = 99;
    assert_int_equal(tally_decode(&m, &got), -EPROTO);
    assert_int_equal(got.bytes_in, 99);
}

static void what_is_cut_short_is_refused(void **state) {
    struct tally sent = numbered(), got;
    struct seen seen = {.name = SLICE("alice")}, got_seen;
    char memory[1024];
    struct ipc_writer w = tally_encode(&sent);
    struct slice bytes = ipc_writer_bytes(&w);
    struct ipc_message m;

    (void)state;
    memcpy(memory, bytes.p, bytes.n);
    for (size_t n = 1; n < bytes.n; n++) {
        m = ipc_message_of(slice_of(memory, n));
        assert_int_equal(tally_decode(&m, &got), -EPROTO);
    }
    w = seen_of(&seen);
    bytes = ipc_writer_bytes(&w);
    memcpy(memory, bytes.p, bytes.n);
    for (size_t n = 1; n < bytes.n; n++) {
        m = ipc_message_of(slice_of(memory, n));
        assert_int_equal(seen_get(&m, &got_seen), -EPROTO);
    }
}

static void one_persons_doings_arrive(void **state) {
    struct seen sent = {.name = SLICE("alice"), .requests = 3, .bytes_in = 4, .bytes_out = 1ULL << 40, .tunnels = 2};
    struct seen got;
    char memory[1024];
    struct ipc_writer w = seen_of(&sent);
    struct ipc_message m = message_of(&w, memory, sizeof(memory));

    (void)state;
    assert_int_equal(m.type, IPC_SEEN);
    assert_int_equal(seen_get(&m, &got), 0);
    assert_int_equal(ipc_end(&m), 0);
    assert_slice(got.name, "alice");
    assert_int_equal(got.requests, 3);
    assert_int_equal(got.bytes_in, 4);
    assert_int_equal(got.bytes_out, 1ULL << 40);
    assert_int_equal(got.tunnels, 2);
}

static void people_arrive_one_behind_the_other(void **state) {
    const struct seen bob = {.name = SLICE("bob"), .requests = 5}, carol = {.name = SLICE("carol"), .tunnels = 1};
    struct seen got;
    char memory[1024];
    struct ipc_writer w = seen_of(&bob);
    struct ipc_message m;

    (void)state;
    seen_put(&w, &carol);
    m = message_of(&w, memory, sizeof(memory));
    assert_int_equal(seen_get(&m, &got), 0);
    assert_slice(got.name, "bob");
    assert_int_equal(got.requests, 5);
    assert_int_equal(seen_get(&m, &got), 0);
    assert_slice(got.name, "carol");
    assert_int_equal(got.tunnels, 1);
    assert_int_equal(ipc_end(&m), 0);
}

static void nobody_and_a_name_that_is_too_long_are_refused(void **state) {
    static char name[LIMIT_PERSON + 1];
    struct seen seen = {.name = slice_of(name, LIMIT_PERSON)}, got;
    char memory[1024];
    struct ipc_writer w;
    struct ipc_message m;

    (void)state;
    memset(name, 'x', sizeof(name));
    w = seen_of(&seen);
    m = message_of(&w, memory, sizeof(memory));
    assert_int_equal(seen_get(&m, &got), 0);
    seen.name.n++;
    w = seen_of(&seen);
    m = message_of(&w, memory, sizeof(memory));
    assert_int_equal(seen_get(&m, &got), -EPROTO);
    seen.name.n = 0;
    w = seen_of(&seen);
    m = message_of(&w, memory, sizeof(memory));
    assert_int_equal(seen_get(&m, &got), -EPROTO);
}

static void a_request_counts_in_its_class_and_in_its_bucket(void **state) {
    struct tally tally = {0};

    (void)state;
    tally_request(&tally, 200, 5000);
    tally_request(&tally, 204, 5001);
    tally_request(&tally, 0, 60000000);
    tally_request(&tally, 502, 60000001);
    tally_request(&tally, 999, 0);
    assert_int_equal(tally.requests[2], 2);
    assert_int_equal(tally.requests[5], 1);
    assert_int_equal(tally.requests[0], 2);
    assert_int_equal(tally.durations[0], 2);
    assert_int_equal(tally.durations[1], 1);
    assert_int_equal(tally.durations[TALLY_BUCKETS - 1], 1);
    assert_int_equal(tally.duration_us, 120010002);
}

static void counters_add_up_and_gauges_do_not(void **state) {
    struct tally sum = numbered(), more = numbered(), once = numbered();

    (void)state;
    more.open_tunnels = 5;
    tally_add(&sum, &more);
    assert_int_equal(sum.open_tunnels, 0);
    for (size_t i = 0; i < TALLY_STATUSES; i++)
        assert_int_equal(sum.requests[i], 2 * once.requests[i]);
    for (size_t i = 0; i < TUNNEL_ENDS; i++)
        assert_int_equal(sum.tunnels_ended[i], 2 * once.tunnels_ended[i]);
    assert_int_equal(sum.upstream_failed, 2 * once.upstream_failed);
    assert_int_equal(sum.limited, 2 * once.limited);
}

static void a_gauge_alone_is_nothing_to_tell(void **state) {
    struct tally tally = {.open_connections = 3};

    (void)state;
    assert_true(tally_is_empty(&tally));
    tally.upstream_failed = 1;
    assert_false(tally_is_empty(&tally));
    tally = (struct tally){.requests[0] = 1};
    assert_false(tally_is_empty(&tally));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_counter_arrives),
        cmocka_unit_test(a_gauge_is_never_negative),
        cmocka_unit_test(what_is_cut_short_is_refused),
        cmocka_unit_test(one_persons_doings_arrive),
        cmocka_unit_test(people_arrive_one_behind_the_other),
        cmocka_unit_test(nobody_and_a_name_that_is_too_long_are_refused),
        cmocka_unit_test(a_request_counts_in_its_class_and_in_its_bucket),
        cmocka_unit_test(counters_add_up_and_gauges_do_not),
        cmocka_unit_test(a_gauge_alone_is_nothing_to_tell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
