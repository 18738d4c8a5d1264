#include "fleet/json_write.h"

#include <errno.h>
#include <jansson.h>

#include "unit.h"

static struct buf out;

static int setup(void **state) {
    (void)state;
    buf_init(&out, 64 * 1024);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    buf_release(&out);
    return 0;
}

static void commas_stand_between_values(void **state) {
    struct json_write w = json_write_begin(&out);

    (void)state;
    json_write_open(&w, '{');
    json_write_text_member(&w, SLICE("a"), SLICE("x"));
    json_write_name(&w, SLICE("b"));
    json_write_open(&w, '[');
    json_write_number(&w, 1);
    json_write_signed(&w, -9223372036854775807 - 1);
    json_write_open(&w, '{');
    json_write_close(&w, '}');
    json_write_open(&w, '[');
    json_write_close(&w, ']');
    json_write_close(&w, ']');
    json_write_bool_member(&w, SLICE("c"), false);
    json_write_number_member(&w, SLICE("d"), UINT64_MAX);
    json_write_name(&w, SLICE("e"));
    json_write_value(&w, SLICE("null"));
    json_write_close(&w, '}');
    assert_int_equal(w.error, 0);
    assert_slice(buf_slice(&out), "{\"a\":\"x\",\"b\":[1,-9223372036854775808,{},[]],\"c\":false,"
                                  "\"d\":18446744073709551615,\"e\":null}");
}

static void text_is_escaped_and_stays_utf8(void **state) {
    static const struct {
        struct slice text, json;
    } rows[] = {
        {SLICE(""), SLICE("\"\"")},
        {SLICE("a\"b\\c/"), SLICE("\"a\\\"b\\\\c/\"")},
        {SLICE("\n\r\t\b\f"), SLICE("\"\\n\\r\\t\\b\\f\"")},
        {SLICE("\0\x01\x1f\x7f"), SLICE("\"\\u0000\\u0001\\u001f\x7f\"")},
        {SLICE("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\xBB"), SLICE("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\xBB\"")},
        {SLICE("a\xFF"), SLICE("\"a\xEF\xBF\xBD\"")},
        {SLICE("\xC3"), SLICE("\"\xEF\xBF\xBD\"")},
        {SLICE("\xED\xA0\x80"), SLICE("\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"")}, /* a surrogate */
        {SLICE("\xE2\x82x"), SLICE("\"\xEF\xBF\xBD\xEF\xBF\xBDx\"")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_write w = json_write_begin(&out);

        json_write_text(&w, rows[i].text);
        assert_row(rows[i].json, slice_equals(buf_slice(&out), rows[i].json));
        assert_row(rows[i].json, json_write_text_length(rows[i].text) == rows[i].json.n);
        buf_consume(&out, buf_length(&out));
    }
}

/* Every pair of bytes, which a reader of JSON takes back as what it was or as a replacement. */
static void any_bytes_make_json(void **state) {
    (void)state;
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        const char bytes[] = {(char)(pair >> 8), (char)pair};
        struct json_write w = json_write_begin(&out);
        json_t *back;

        json_write_text(&w, slice_of(bytes, 2));
        back = json_loadb(buf_slice(&out).p, buf_length(&out), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_true(json_is_string(back));
        if (pair >> 8 < 0x80 && (pair & 0xFF) < 0x80) {
            assert_int_equal(json_string_length(back), 2);
            assert_memory_equal(json_string_value(back), bytes, 2);
        }
        json_decref(back);
        buf_consume(&out, buf_length(&out));
    }
}

static void base64_and_pieces(void **state) {
    struct json_write w = json_write_begin(&out);

    (void)state;
    json_write_open(&w, '[');
    json_write_base64(&w, SLICE("any\xFF"));
    json_write_base64(&w, SLICE_EMPTY);
    json_write_open_text(&w);
    json_write_text_piece(&w, SLICE("a\n"));
    json_write_text_piece(&w, SLICE("b"));
    json_write_close_text(&w);
    json_write_close(&w, ']');
    assert_int_equal(w.error, 0);
    assert_slice(buf_slice(&out), "[\"YW55/w==\",\"\",\"a\\nb\"]");
}

static void the_cap_is_an_error_that_stays(void **state) {
    struct json_write w;
    struct buf small;

    (void)state;
    buf_init(&small, 8);
    w = json_write_begin(&small);
    json_write_text(&w, SLICE("0123456"));
    assert_int_equal(w.error, -ENOBUFS);
    json_write_number(&w, 1);
    assert_int_equal(w.error, -ENOBUFS);
    assert_true(buf_length(&small) <= 8);
    w = json_write_begin(&small);
    json_write_base64(&w, SLICE("0123456789"));
    assert_int_equal(w.error, -ENOBUFS);
    buf_release(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commas_stand_between_values, setup, teardown),
        cmocka_unit_test_setup_teardown(text_is_escaped_and_stays_utf8, setup, teardown),
        cmocka_unit_test_setup_teardown(any_bytes_make_json, setup, teardown),
        cmocka_unit_test_setup_teardown(base64_and_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(the_cap_is_an_error_that_stays, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
