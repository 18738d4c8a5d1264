#include "egress/mask/frame_mask.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

#define KEY "sk-live-0123456789"
#define STARS "******************"

/* Of a server, with at most 125 bytes of payload. */
struct frame {
    unsigned char first;
    const char *payload;
};

#define LAST 0x80
#define PING (LAST | WEBSOCKET_PING)

static size_t put(char *to, const struct frame *frames, size_t n) {
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(frames[i].payload);

        to[at++] = (char)frames[i].first;
        to[at++] = (char)length;
        memcpy(to + at, frames[i].payload, length);
        at += length;
    }
    return at;
}

static struct mask *new_mask(void) {
    const struct slice key = SLICE(KEY);
    struct mask *mask;

    assert_int_equal(mask_new(&key, 1, &mask), 0);
    return mask;
}

/* What comes out of `in`, whatever the pieces are that it comes in. */
static void require_masked(const struct frame *in, size_t n, const struct frame *expected, size_t found) {
    char bytes[4096], copy[4096], out[4096];
    size_t n_bytes = put(bytes, in, n), n_out = put(out, expected, n);
    struct mask *mask = new_mask();

    for (size_t step = 1; step <= n_bytes; step++) {
        struct frame_mask f;
        struct buf to;

        memcpy(copy, bytes, n_bytes);
        frame_mask_begin(&f, mask);
        buf_init(&to, sizeof(out));
        for (size_t at = 0; at < n_bytes; at += step)
            assert_int_equal(frame_mask_pass(&f, copy + at, step < n_bytes - at ? step : n_bytes - at, &to), 0);
        assert_int_equal(buf_length(&to), n_out);
        assert_memory_equal(buf_slice(&to).p, out, n_out);
        assert_int_equal(frame_mask_found(&f), found);
        frame_mask_done(&f);
        buf_release(&to);
    }
    mask_free(mask);
}

#define REQUIRE_MASKED(in, expected, found) require_masked(in, sizeof(in) / sizeof((in)[0]), expected, found)

static void whole_messages_are_masked(void **state) {
    const struct frame in[] = {
        {LAST | WEBSOCKET_TEXT, "{\"key\":\"" KEY "\"}"}, {LAST | WEBSOCKET_BINARY, KEY}, {LAST | WEBSOCKET_TEXT, ""}};
    const struct frame out[] = {{LAST | WEBSOCKET_TEXT, "{\"key\":\"" STARS "\"}"},
                                {LAST | WEBSOCKET_BINARY, STARS},
                                {LAST | WEBSOCKET_TEXT, ""}};

    (void)state;
    REQUIRE_MASKED(in, out, 2);
}

static void a_key_over_fragments_is_found_and_lengths_stay(void **state) {
    const struct frame in[] = {{WEBSOCKET_TEXT, "a sk-live"},     {WEBSOCKET_CONTINUATION, "-01"},
                               {PING, "are you there"},           {WEBSOCKET_CONTINUATION, ""},
                               {WEBSOCKET_CONTINUATION, "23456"}, {LAST, "789 b"},
                               {LAST | WEBSOCKET_TEXT, "next"}};
    const struct frame out[] = {{WEBSOCKET_TEXT, "a *******"},     {WEBSOCKET_CONTINUATION, "***"},
                                {PING, "are you there"},           {WEBSOCKET_CONTINUATION, ""},
                                {WEBSOCKET_CONTINUATION, "*****"}, {LAST, "*** b"},
                                {LAST | WEBSOCKET_TEXT, "next"}};

    (void)state;
    REQUIRE_MASKED(in, out, 1);
}

static void a_beginning_that_comes_to_nothing_is_sent(void **state) {
    const struct frame in[] = {{WEBSOCKET_TEXT, "sk-live-01234"}, {LAST, ""}, {LAST | WEBSOCKET_TEXT, "56789"}};

    (void)state;
    REQUIRE_MASKED(in, in, 0);
}

static void what_is_said_in_control_frames_is_masked(void **state) {
    const struct frame in[] = {{PING, KEY},
                               {WEBSOCKET_TEXT, "a"},
                               {LAST | WEBSOCKET_CLOSE, "\x03\x10"
                                                        "bad " KEY}};
    const struct frame out[] = {{PING, STARS},
                                {WEBSOCKET_TEXT, "a"},
                                {LAST | WEBSOCKET_CLOSE, "\x03\x10"
                                                         "bad " STARS}};

    (void)state;
    REQUIRE_MASKED(in, out, 2);
}

static void nothing_passes_behind_a_close_frame(void **state) {
    char bytes[] = "\x88\x02\x03\xe8\x81\x12" KEY;
    struct mask *mask = new_mask();
    struct frame_mask f;
    struct buf out;

    (void)state;
    frame_mask_begin(&f, mask);
    buf_init(&out, 100);
    assert_int_equal(frame_mask_pass(&f, bytes, sizeof(bytes) - 1, &out), 0);
    assert_int_equal(buf_length(&out), 4);
    assert_false(frame_mask_is_at_border(&f));
    frame_mask_done(&f);
    buf_release(&out);
    mask_free(mask);
}

static void refuses(const char *bytes, size_t n, const char *why) {
    char copy[64];
    struct frame_mask f;
    struct buf out;

    memcpy(copy, bytes, n);
    frame_mask_begin(&f, NULL);
    buf_init(&out, 100);
    assert_int_equal(frame_mask_pass(&f, copy, n, &out), -EPROTO);
    assert_non_null(strstr(f.fault, why));
    frame_mask_done(&f);
    buf_release(&out);
}

#define REFUSES(bytes, why) refuses(bytes, sizeof(bytes) - 1, why)

static void refuses_what_no_server_may_send(void **state) {
    (void)state;
    REFUSES("\x81\x81mask!", "masked");
    REFUSES("\xc1\x01x", "extension");
    REFUSES("\xa1\x01x", "extension");
    REFUSES("\x83\x01x", "unknown");
    REFUSES("\x8b\x01x", "unknown");
    REFUSES("\x09\x01x", "in parts");
    REFUSES("\x89\x7e\x00\x7f", "too long");
    REFUSES("\x80\x01x", "continued no message");
    REFUSES("\x01\x01x\x81\x01y", "inside of another");
    REFUSES("\x81\x7e\x00\x7d", "ill-formed length");
    REFUSES("\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", "ill-formed length");
    REFUSES("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00", "ill-formed length");
}

static void a_border_is_where_nothing_is_held(void **state) {
    char text[] = "\x01\x07sk-live", rest[] = "\x80\x01!";
    struct mask *mask = new_mask();
    struct frame_mask f;
    struct buf out;

    (void)state;
    frame_mask_begin(&f, mask);
    buf_init(&out, 100);
    assert_true(frame_mask_is_at_border(&f));
    assert_int_equal(frame_mask_pass(&f, text, sizeof(text) - 1, &out), 0);
    assert_false(frame_mask_is_at_border(&f));
    assert_int_equal(frame_mask_pass(&f, rest, sizeof(rest) - 1, &out), 0);
    assert_true(frame_mask_is_at_border(&f));
    frame_mask_done(&f);
    buf_release(&out);
    mask_free(mask);
}

/* Heads that wait for a payload that never comes are no way to fill the keeper's memory. */
static void endless_empty_fragments_end(void **state) {
    char begin[] = "\x01\x07sk-live", empty[2];
    struct mask *mask = new_mask();
    struct frame_mask f;
    struct buf out;
    int r;

    (void)state;
    frame_mask_begin(&f, mask);
    buf_init(&out, 1 << 20);
    r = frame_mask_pass(&f, begin, sizeof(begin) - 1, &out);
    for (int i = 0; r == 0 && i < 100000; i++) {
        memcpy(empty, "\x00\x00", 2);
        r = frame_mask_pass(&f, empty, sizeof(empty), &out);
    }
    assert_int_equal(r, -ENOBUFS);
    frame_mask_done(&f);
    buf_release(&out);
    mask_free(mask);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_messages_are_masked),
        cmocka_unit_test(a_key_over_fragments_is_found_and_lengths_stay),
        cmocka_unit_test(a_beginning_that_comes_to_nothing_is_sent),
        cmocka_unit_test(what_is_said_in_control_frames_is_masked),
        cmocka_unit_test(nothing_passes_behind_a_close_frame),
        cmocka_unit_test(refuses_what_no_server_may_send),
        cmocka_unit_test(a_border_is_where_nothing_is_held),
        cmocka_unit_test(endless_empty_fragments_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
