#include "fleet/link/outbox.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/log.h"
#include "fleet/link/hub_json.h"
#include "fleet/spool/record.h"
#include "unit_hub.h"
#include "unit_tell.h"

enum { TEXT = 1, PING = 9 };

static struct frames *frames;
static struct outbox outbox;

static void on_text(void *owner, struct slice message) {
    (void)owner;
    (void)message;
}

static void on_pong(void *owner, struct slice payload) {
    (void)owner;
    outbox_take_pong(&outbox, payload);
    assert_int_equal(outbox_send(&outbox, frames), 0);
}

static void on_clear(void *owner) {
    (void)owner;
    assert_int_equal(outbox_send(&outbox, frames), 0);
}

static void on_over(void *owner, const char *why) {
    (void)owner;
    (void)why;
    frames = NULL;
}

static const struct frames_events events = {.text = on_text, .pong = on_pong, .clear = on_clear, .over = on_over};

static void nothing(struct watch *watch) {
    (void)watch;
}

static int begin(void **state) {
    struct stream stream;
    int ends[2];

    (void)state;
    memset(&told, 0, sizeof(told));
    outbox_init(&outbox);
    assert_int_equal(fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends), 0);
    assert_int_equal(stream_init(&stream, ends[0], nothing), 0);
    assert_int_equal(frames_open(&stream, SLICE_EMPTY, &events, NULL, &frames), 0);
    hub_take(ends[1]);
    return 0;
}

static int end(void **state) {
    (void)state;
    outbox_reset(&outbox);
    frames_free(frames);
    frames = NULL;
    hub_drop();
    return 0;
}

static int make_all(void **state) {
    (void)state;
    log_set_level(LOG_ERROR);
    hub_json_init(1);
    return loop_init();
}

static int record_of(const char *task_id, struct slice payload) {
    const struct record record = {.at_ms = 1234,
                                  .operation = OPERATION_BASH,
                                  .task_id = slice_of_string(task_id),
                                  .trace_id = SLICE_EMPTY,
                                  .source_id = SLICE_EMPTY,
                                  .payload = payload};
    int fd = memfd_create("record", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(record_write(fd, &record), 0);
    return fd;
}

static void add(uint64_t number, const char *task_id) {
    char payload[128];

    (void)snprintf(payload, sizeof(payload), "{\"task_id\":\"%s\",\"success\":true}", task_id);
    assert_int_equal(
        outbox_add_result(&outbox, number, slice_of_string(task_id), record_of(task_id, slice_of_string(payload))), 0);
}

static void send_all(void) {
    assert_int_equal(outbox_send(&outbox, frames), 0);
}

static struct hub_message welcome(const char *payload) {
    struct hub_message message;
    const char *fault;
    char text[1024];

    (void)snprintf(text, sizeof(text), "{\"type\":\"welcome\",\"payload\":%s}", payload);
    assert_int_equal(hub_message_parse(slice_of_string(text), &message, &fault), 0);
    return message;
}

static void be_welcomed(const char *payload) {
    struct hub_message message = welcome(payload);

    outbox_welcome(&outbox, &message);
    hub_message_done(&message);
}

static void a_result_goes_out_as_it_lies_there(void **state) {
    struct hub_heard heard;

    (void)state;
    add(1, "ab");
    send_all();
    heard = hub_await(TEXT);
    assert_slice(heard.payload,
                 "{\"id\":\"msg_6162\",\"type\":\"task.result\",\"payload\":{\"task_id\":\"ab\",\"success\":true},"
                 "\"timestamp\":1234}");
}

static void what_came_first_goes_first(void **state) {
    (void)state;
    outbox_add_output(&outbox, SLICE("a"), TASK_STDOUT, SLICE("one \"\n\xc3\xa9"));
    add(1, "a");
    outbox_add_output(&outbox, SLICE("b"), TASK_STDERR, SLICE("two"));
    send_all();
    assert_true(
        hub_says(hub_await(TEXT), "{\"task_id\":\"a\",\"stream\":\"stdout\",\"data\":\"one \\\"\\n\xc3\xa9\"}"));
    assert_true(hub_says(hub_await(TEXT), "task.result"));
    assert_true(hub_says(hub_await(TEXT), "{\"task_id\":\"b\",\"stream\":\"stderr\",\"data\":\"two\"}"));
}

/* A hub without acknowledgements: its pong says that it has read what was sent before the ping. */
static void a_pong_settles_what_went_before(void **state) {
    (void)state;
    add(7, "a");
    add(8, "b");
    send_all();
    (void)hub_await(TEXT);
    (void)hub_await(TEXT);
    assert_slice(hub_await(PING).payload, "2");
    add(9, "c");
    send_all();
    (void)hub_await(TEXT);
    hub_frame(0x8a, SLICE("x"));
    hub_frame(0x8a, SLICE("3"));
    hub_frame(0x8a, SLICE("1"));
    hub_frame(0x8a, SLICE(""));
    loop_settle();
    assert_int_equal(told.n_settled, 0); /* none of these was asked for */
    hub_frame(0x8a, SLICE("2"));
    await_told(n_settled, 2);
    assert_true(told.settled[0].number == 7 && !told.settled[0].is_acknowledged);
    assert_true(told.settled[1].number == 8);
    assert_slice(hub_await(PING).payload, "3"); /* for the one that came later */
    hub_frame(0x8a, SLICE("2"));
    loop_settle();
    assert_int_equal(told.n_settled, 2);
    hub_frame(0x8a, SLICE("3"));
    await_told(n_settled, 3);
    assert_int_equal(outbox.n_results, 0);
}

static void where_the_hub_acknowledges_only_its_word_counts(void **state) {
    struct hub_heard heard;

    (void)state;
    be_welcomed("{\"acks\":true}");
    add(1, "a");
    add(2, "b");
    send_all();
    (void)hub_await(TEXT);
    (void)hub_await(TEXT);
    loop_settle();
    assert_false(hub_next(&heard)); /* no ping */
    hub_frame(0x8a, SLICE("2"));
    loop_settle();
    assert_int_equal(told.n_settled, 0);
    outbox_acknowledge(&outbox, SLICE("b"));
    assert_true(told.n_settled == 1 && told.settled[0].number == 2 && told.settled[0].is_acknowledged);
    outbox_acknowledge(&outbox, SLICE("b"));
    outbox_acknowledge(&outbox, SLICE("nobody"));
    assert_int_equal(told.n_settled, 1);
    outbox_acknowledge(&outbox, SLICE("a"));
    assert_int_equal(outbox.n_results, 0);
}

static void what_the_hub_has_is_not_sent(void **state) {
    struct hub_heard heard;

    (void)state;
    be_welcomed("{\"acks\":true,\"received\":[\"a\",\"c\"]}");
    add(1, "a");
    add(2, "b");
    add(3, "c");
    send_all();
    assert_true(hub_says(hub_await(TEXT), "\"b\""));
    loop_settle();
    assert_false(hub_next(&heard));
    assert_true(told.n_settled == 2 && told.settled[0].number == 1 && told.settled[1].number == 3);
}

/* The welcome was late, and results are there already: sent, or about to be. */
static void a_late_welcome_settles_what_waits(void **state) {
    (void)state;
    add(1, "a");
    send_all();
    (void)hub_await(TEXT);
    (void)hub_await(PING);
    add(2, "b");
    be_welcomed("{\"acks\":true,\"received\":[\"a\",\"b\"]}");
    assert_true(told.n_settled == 2 && told.settled[0].number == 1 && told.settled[1].number == 2);
    assert_null(outbox.first);
    hub_frame(0x8a, SLICE("1"));
    loop_settle();
    assert_int_equal(told.n_settled, 2);
}

static void a_damaged_record_is_given_up(void **state) {
    _cleanup_close_ int fd = record_of("a", SLICE("{}"));

    (void)state;
    log_set_level(LOG_ERROR);
    assert_int_equal(pwrite(fd, "!!!!", 4, 10), 4);
    assert_int_equal(outbox_add_result(&outbox, 5, SLICE("a"), fd_steal(&fd)), 0);
    assert_int_equal(outbox_add_result(&outbox, 6, SLICE("b"), record_of("other", SLICE("{}"))), 0);
    add(7, "c");
    send_all();
    assert_true(hub_says(hub_await(TEXT), "\"c\""));
    assert_true(told.n_settled == 2 && told.settled[0].number == 5 && told.settled[1].number == 6);
}

static void no_more_results_than_were_agreed(void **state) {
    (void)state;
    for (unsigned i = 0; i < LIMIT_UNSETTLED; i++)
        add(i + 1, "x");
    assert_int_equal(outbox_add_result(&outbox, 99, SLICE("y"), record_of("y", SLICE("{}"))), -EPROTO);
    outbox_reset(&outbox);
    add(1, "x");
}

/* A hub that takes nothing costs a bounded memory; results are kept. */
static void output_is_dropped_and_results_are_not(void **state) {
    static char much[LIMIT_TASK_OUTPUT];
    unsigned taken = 0;

    (void)state;
    memset(much, 'x', sizeof(much));
    for (unsigned i = 0; i < 1000; i++)
        outbox_add_output(&outbox, SLICE("a"), TASK_STDOUT, slice_of(much, sizeof(much)));
    assert_true(outbox.lost > 0 && outbox.lost + LIMIT_LINK_BACKLOG / LIMIT_TASK_OUTPUT + 1 >= 1000);
    assert_true(outbox.backlog <= LIMIT_LINK_BACKLOG + 2 * LIMIT_TASK_OUTPUT);
    add(1, "a");
    send_all();
    for (;;) {
        struct hub_heard heard = hub_await(TEXT);

        if (hub_says(heard, "task.result"))
            break;
        taken++;
    }
    assert_int_equal(taken + outbox.lost, 1000);
    assert_int_equal(outbox.backlog, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_result_goes_out_as_it_lies_there, begin, end),
        cmocka_unit_test_setup_teardown(what_came_first_goes_first, begin, end),
        cmocka_unit_test_setup_teardown(a_pong_settles_what_went_before, begin, end),
        cmocka_unit_test_setup_teardown(where_the_hub_acknowledges_only_its_word_counts, begin, end),
        cmocka_unit_test_setup_teardown(what_the_hub_has_is_not_sent, begin, end),
        cmocka_unit_test_setup_teardown(a_late_welcome_settles_what_waits, begin, end),
        cmocka_unit_test_setup_teardown(a_damaged_record_is_given_up, begin, end),
        cmocka_unit_test_setup_teardown(no_more_results_than_were_agreed, begin, end),
        cmocka_unit_test_setup_teardown(output_is_dropped_and_results_are_not, begin, end),
    };

    return cmocka_run_group_tests(tests, make_all, NULL);
}
