#include "wire/websocket_cutter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

/* A frame's head, in the shortest form that holds its length. Returns its size. */
static size_t put_head(char *to, unsigned first, uint64_t length) {
    size_t n_bytes = length > UINT16_MAX ? 8 : length > WEBSOCKET_CONTROL_MAX ? 2 : 0, n = 0;

    to[n++] = (char)first;
    to[n++] = (char)(n_bytes == 8 ? 127 : n_bytes == 2 ? 126 : length);
    for (size_t i = n_bytes; i > 0; i--)
        to[n++] = (char)(length >> 8 * (i - 1));
    return n;
}

/* Cuts all of `bytes`, given in pieces of `step`; says of each frame how long it was. */
static void cut(struct slice bytes, size_t step, char *story, size_t size) {
    struct websocket_cutter c = {0};
    struct websocket_piece piece;
    uint64_t length = 0;
    size_t n = 0;
    int r = 0;

    story[0] = '\0';
    for (size_t at = 0; r == 0 && at < bytes.n; at += step) {
        struct slice rest = slice_first(slice_from(bytes, at), step);

        while ((r = websocket_cut(&c, &rest, &piece)) == 1) {
            length += piece.payload.n;
            if (!piece.is_frame_end)
                continue;
            n += (size_t)snprintf(story + n, size - n, "%x:%llu%s ", piece.opcode, (unsigned long long)length,
                                  piece.is_message_end ? "!" : "");
            length = 0;
        }
    }
    if (r < 0)
        (void)snprintf(story + n, size - n, "%s", c.fault);
}

static void frames_of_every_length_are_cut_however_they_come(void **state) {
    static const uint64_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, 70000};
    static char bytes[300000];
    char story[256], expected[256];
    size_t n = 0, n_expected = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        n += put_head(bytes + n, 0x82, lengths[i]);
        memset(bytes + n, 'x', lengths[i]);
        n += lengths[i];
        n_expected += (size_t)snprintf(expected + n_expected, sizeof(expected) - n_expected, "2:%llu! ",
                                       (unsigned long long)lengths[i]);
    }
    for (size_t step = 1; step <= n; step = step * 3 + 1) {
        cut(slice_of(bytes, n), step, story, sizeof(story));
        assert_string_equal(story, expected);
    }
}

static void a_message_ends_with_its_last_fragment(void **state) {
    const struct slice bytes = SLICE("\x01\x01"
                                     "a"
                                     "\x89\x02"
                                     "pi"
                                     "\x00\x00"
                                     "\x80\x01"
                                     "b"
                                     "\x81\x00");
    char story[256];

    (void)state;
    for (size_t step = 1; step <= bytes.n; step++) {
        cut(bytes, step, story, sizeof(story));
        assert_string_equal(story, "1:1 9:2 0:0 0:1! 1:0! ");
    }
}

static void a_close_frame_is_the_last(void **state) {
    char story[256];

    (void)state;
    cut(SLICE("\x88\x02\x03\xe8\x81\x01xgarbage"), 3, story, sizeof(story));
    assert_string_equal(story, "8:2 ");
}

static void a_border_is_between_two_frames(void **state) {
    struct slice bytes = SLICE("\x81\x02hi");
    struct websocket_cutter c = {0};
    struct websocket_piece piece;

    (void)state;
    assert_true(websocket_cutter_is_at_border(&c));
    for (size_t i = 0; i < bytes.n; i++) {
        struct slice one = slice_first(slice_from(bytes, i), 1);

        while (websocket_cut(&c, &one, &piece) == 1) {
        }
        assert_int_equal(websocket_cutter_is_at_border(&c), i + 1 == bytes.n);
    }
}

/* A fault stays one: nothing behind it is taken for a frame. */
static void after_a_fault_nothing_is_cut(void **state) {
    struct slice bad = SLICE("\xff\xff"), good = SLICE("\x81\x00");
    struct websocket_cutter c = {0};
    struct websocket_piece piece;

    (void)state;
    assert_int_equal(websocket_cut(&c, &bad, &piece), -EPROTO);
    assert_int_equal(websocket_cut(&c, &good, &piece), -EPROTO);
    assert_false(websocket_cutter_is_at_border(&c));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_every_length_are_cut_however_they_come),
        cmocka_unit_test(a_message_ends_with_its_last_fragment),
        cmocka_unit_test(a_close_frame_is_the_last),
        cmocka_unit_test(a_border_is_between_two_frames),
        cmocka_unit_test(after_a_fault_nothing_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
