#include "fleet/link/frames.h"

#include <errno.h>
#include <stdio.h>

#include "base/limits.h"
#include "unit_fd.h"
#include "unit_hub.h"

enum { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 };

static struct frames *frames;
static char text[65536], pong[128], why[256];
static unsigned texts, pongs, clears;
static bool is_over;

static void on_text(void *owner, struct slice message) {
    assert_ptr_equal(owner, &frames);
    (void)snprintf(text, sizeof(text), "%.*s", SLICE_ARG(message));
    texts++;
}

static void on_pong(void *owner, struct slice payload) {
    (void)owner;
    (void)snprintf(pong, sizeof(pong), "%.*s", SLICE_ARG(payload));
    pongs++;
}

static void on_clear(void *owner) {
    (void)owner;
    clears++;
}

static void on_over(void *owner, const char *reason) {
    (void)owner;
    (void)snprintf(why, sizeof(why), "%s", reason);
    is_over = true;
    frames = NULL;
}

static const struct frames_events events = {.text = on_text, .pong = on_pong, .clear = on_clear, .over = on_over};

static void nothing(struct watch *watch) {
    (void)watch;
}

static void open_with(struct slice early) {
    struct stream stream;
    int ends[2];

    assert_int_equal(fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends), 0);
    assert_int_equal(stream_init(&stream, ends[0], nothing), 0);
    assert_int_equal(frames_open(&stream, early, &events, &frames, &frames), 0);
    hub_take(ends[1]);
}

static int begin(void **state) {
    (void)state;
    text[0] = pong[0] = why[0] = '\0';
    texts = pongs = clears = 0;
    is_over = false;
    open_with(SLICE_EMPTY);
    return 0;
}

static int end(void **state) {
    (void)state;
    frames_free(frames);
    frames = NULL;
    hub_drop();
    return 0;
}

static int make_loop(void **state) {
    (void)state;
    return loop_init();
}

static bool has_texts(const void *n) {
    return texts == *(const unsigned *)n;
}

static void await_texts(unsigned n) {
    loop_until(has_texts, &n);
}

static void messages_are_heard(void **state) {
    (void)state;
    hub_text("{\"a\":1}");
    await_texts(1);
    assert_string_equal(text, "{\"a\":1}");
    hub_text("");
    hub_text("two");
    await_texts(3);
    assert_string_equal(text, "two");
    assert_false(is_over);
}

static void fragments_are_one_message(void **state) {
    (void)state;
    hub_frame(0x01, SLICE("on"));
    hub_frame(0x89, SLICE("between"));
    hub_frame(0x00, SLICE(""));
    hub_frame(0x80, SLICE("e\xc3\xa9"));
    await_texts(1);
    assert_string_equal(text, "one\xc3\xa9");
    assert_slice(hub_await(PONG).payload, "between");
}

static void a_byte_at_a_time(void **state) {
    static const char bytes[] = "\x01\x02{\"\x80\x03x\"}";

    (void)state;
    for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
        hub_write(slice_of(&bytes[i], 1));
        loop_settle();
    }
    await_texts(1);
    assert_string_equal(text, "{\"x\"}");
}

static void what_came_early_is_heard_first(void **state) {
    (void)state;
    end(state);
    open_with(SLICE("\x81\x05"
                    "early\x81\x04la"));
    hub_write(SLICE("te"));
    await_texts(2);
    assert_string_equal(text, "late");
}

static void what_is_said_is_masked_and_whole(void **state) {
    static char much[200000];
    struct slice parts[] = {SLICE("{\"payload\":"), slice_of(much, sizeof(much)), SLICE("}")};
    struct hub_heard heard;

    (void)state;
    memset(much, 'x', sizeof(much));
    assert_int_equal(frames_send(frames, parts, 3), 0);
    assert_true(frames_waiting(frames) > sizeof(much));
    heard = hub_await(TEXT);
    assert_int_equal(heard.payload.n, sizeof(much) + 12);
    assert_true(slice_starts_with(heard.payload, SLICE("{\"payload\":xxx")) &&
                slice_ends_with(heard.payload, SLICE("x}")));
    assert_int_equal(frames_waiting(frames), 0);
    assert_int_equal(clears, 1);
    parts[1] = slice_of(much, (size_t)LIMIT_FRAME);
    assert_int_equal(frames_send(frames, parts, 2), -EMSGSIZE);
    parts[0] = SLICE_EMPTY;
    assert_int_equal(frames_send(frames, parts, 1), 0);
    assert_int_equal(hub_await(TEXT).payload.n, 0);
}

static void pings_are_answered_and_pongs_told(void **state) {
    (void)state;
    hub_frame(0x89, SLICE("are you there"));
    assert_slice(hub_await(PONG).payload, "are you there");
    assert_int_equal(frames_ping(frames, SLICE("17")), 0);
    assert_slice(hub_await(PING).payload, "17");
    hub_frame(0x8a, SLICE("17"));
    hub_text("x");
    await_texts(1);
    assert_int_equal(pongs, 1);
    assert_string_equal(pong, "17");
    assert_int_equal(frames_ping(frames, SLICE_EMPTY), 0);
    assert_int_equal(hub_await(PING).payload.n, 0);
}

/* What is wrong is told with its code; then nothing is heard any more. */
static void what_is_wrong_is_refused(void **state) {
    static const struct {
        struct slice bytes;
        unsigned code;
    } rows[] = {
        {SLICE("\x82\x02"
               "ab"),
         1003},
        {SLICE("\x81\x02\xff\xfe"), 1007},
        {SLICE("\x81\x01\xc3"), 1007},
        {SLICE("\xc1\x02{}"), 1002},
        {SLICE("\x81\x82\0\0\0\0{}"), 1002},
        {SLICE("\x09\x02"
               "ab"),
         1002},
        {SLICE("\x89\x7e\x00\x80"), 1002},
        {SLICE("\x81\x7f\x00\x00\x00\x00\x01\x10\x00\x00"), 1009},
        {SLICE("\x01\x01{\x80\x7f\x00\x00\x00\x00\x01\x00\x00\x00"), 1009},
        {SLICE("\x81\x7f\xff\x00\x00\x00\x00\x00\x00\x00"), 1002},
        {SLICE("\x81\x7e\x00\x01x"), 1002},
        {SLICE("\x01\x01{\x81\x01}"), 1002},
        {SLICE("\x80\x01x"), 1002},
        {SLICE("\x83\x00"), 1002},
        {SLICE("\x8b\x00"), 1002},
        {SLICE("\x88\x01x"), 1002},
        {SLICE("\x88\x02\x03\xed"), 1002},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct hub_heard heard;
        char digits[8];

        begin(state);
        hub_write(rows[i].bytes);
        heard = hub_await(CLOSE);
        hub_text("never heard");
        assert_row(rows[i].bytes, heard.payload.n >= 2);
        assert_int_equal((unsigned char)heard.payload.p[0] << 8 | (unsigned char)heard.payload.p[1], rows[i].code);
        hub_drop();
        loop_until_set(&is_over);
        (void)snprintf(digits, sizeof(digits), "(%u)", rows[i].code);
        assert_row(rows[i].bytes, strstr(why, digits) != NULL);
        assert_int_equal(texts, 0);
    }
}

static void a_close_is_answered_and_told(void **state) {
    static const struct {
        struct slice payload, answer;
        const char *why;
    } rows[] = {
        {SLICE("\x03\xe9"
               "going"),
         SLICE("\x03\xe9"), "the hub closed it: 1001, going"},
        {SLICE("\x03\xf4"), SLICE("\x03\xf4"), "the hub closed it: 1012"}, /* a service that is started again */
        {SLICE("\x0f\xa1"), SLICE("\x0f\xa1"), "the hub closed it: 4001"},
        {SLICE(""), SLICE("\x03\xe8"), "the hub closed it"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(state);
        hub_frame(0x88, rows[i].payload);
        assert_row(rows[i].payload, slice_equals(hub_await(CLOSE).payload, rows[i].answer));
        hub_drop();
        loop_until_set(&is_over);
        assert_string_equal(why, rows[i].why);
    }
}

static void a_close_of_ours_is_the_last_of_it(void **state) {
    struct hub_heard heard;

    (void)state;
    frames_close(frames, 1001, "enough");
    assert_int_equal(frames_send(frames, &(struct slice){"x", 1}, 1), -EPIPE);
    heard = hub_await(CLOSE);
    assert_true(slice_equals(heard.payload, SLICE("\x03\xe9")));
    hub_text("never heard");
    hub_drop();
    loop_until_set(&is_over);
    assert_string_equal(why, "enough");
    assert_int_equal(texts, 0);
}

static void an_end_without_a_word_is_told(void **state) {
    (void)state;
    hub_write(SLICE("\x81\x05"
                    "ha"));
    hub_drop();
    loop_until_set(&is_over);
    assert_string_equal(why, "the hub ended the connection without a word");
}

/* A hub that asks and asks and never takes an answer is no longer read, and costs a bounded memory. */
static void a_flood_of_pings_is_bounded(void **state) {
    static char pings[65536];
    bool was_taken;
    ssize_t sent;

    (void)state;
    if (is_in_valgrind())
        skip(); /* it takes longer than a hub may take nothing */
    watch_remove(&hub_peer.watch); /* it reads nothing */
    for (size_t i = 0; i < sizeof(pings); i += 2)
        pings[i] = (char)0x89;
    do {
        was_taken = false;
        while ((sent = send(hub_peer.fd, pings, sizeof(pings), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) {
            assert_int_equal(sent % 2, 0);
            was_taken = true;
        }
        loop_settle();
        assert_true(frames_waiting(frames) <= LIMIT_LINK_OUT);
    } while (was_taken);
    assert_true(frames_waiting(frames) > LIMIT_FRAME); /* as much as it may be, and no more */
    assert_false(is_over);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_are_heard, begin, end),
        cmocka_unit_test_setup_teardown(fragments_are_one_message, begin, end),
        cmocka_unit_test_setup_teardown(a_byte_at_a_time, begin, end),
        cmocka_unit_test_setup_teardown(what_came_early_is_heard_first, begin, end),
        cmocka_unit_test_setup_teardown(what_is_said_is_masked_and_whole, begin, end),
        cmocka_unit_test_setup_teardown(pings_are_answered_and_pongs_told, begin, end),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(a_close_is_answered_and_told),
        cmocka_unit_test_setup_teardown(a_close_of_ours_is_the_last_of_it, begin, end),
        cmocka_unit_test_setup_teardown(an_end_without_a_word_is_told, begin, end),
        cmocka_unit_test_setup_teardown(a_flood_of_pings_is_bounded, begin, end),
    };

    return cmocka_run_group_tests(tests, make_loop, NULL);
}
