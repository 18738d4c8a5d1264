#include "base/json_line.h"

#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "unit.h"

static char memory[4096];

static struct slice text_of(struct slice text, size_t max) {
    struct json_line line = {.p = memory};

    json_put_text(&line, text, max);
    return slice_of(memory, (size_t)(line.p - memory));
}

struct row {
    struct slice text;
    const char *json;
};

static void whatever_is_no_plain_byte_is_escaped(void **state) {
    static const struct row rows[] = {
        {SLICE(""), "\"\""},
        {SLICE("a"), "\"a\""},
        {SLICE("12345678"), "\"12345678\""},
        {SLICE("12345678\""), "\"12345678\\\"\""},
        {SLICE("1234567\\8"), "\"1234567\\\\8\""},
        {SLICE("\n\r\t\0\x1b\x7f"), "\"\\u000a\\u000d\\u0009\\u0000\\u001b\\u007f\""},
        {SLICE("\xC3\xBC\xE2\x82\xAC"), "\"\\u00fc\\u20ac\""},
        {SLICE("\xF0\x9F\x94\x91"), "\"\\ud83d\\udd11\""},
        {SLICE("\xFF\xC3"), "\"??\""},
        {SLICE("~ !#[]"), "\"~ !#[]\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_slice(text_of(rows[i].text, 100), rows[i].json);
}

/* The words of eight bytes, and what is left behind them: each byte in each place. */
static void every_byte_is_judged_alike_wherever_it_stands(void **state) {
    (void)state;
    for (unsigned byte = 0; byte < 0x80; byte++)
        for (size_t at = 0; at < 20; at++) {
            char raw[20];
            struct slice got;
            json_t *value;

            memset(raw, 'x', sizeof(raw));
            raw[at] = (char)byte;
            got = text_of(slice_of(raw, sizeof(raw)), 100);
            for (size_t i = 0; i < got.n; i++)
                assert_in_range(got.p[i], 0x20, 0x7e);
            value = json_loadb(got.p, got.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
            assert_non_null(value);
            assert_int_equal(json_string_length(value), sizeof(raw));
            assert_memory_equal(json_string_value(value), raw, sizeof(raw));
            json_decref(value);
        }
}

static void no_byte_beyond_the_text_is_read(void **state) {
    (void)state;
    for (size_t n = 0; n < 40; n++) {
        _cleanup_slice_ struct slice text = exact_copy(slice_of("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", n));

        assert_int_equal(text_of(text, 100).n, n + 2);
    }
}

static void what_is_too_long_is_cut(void **state) {
    (void)state;
    assert_slice(text_of(SLICE("abcdef"), 3), "\"abc\"");
}

static void microseconds_are_told_as_milliseconds(void **state) {
    static const struct {
        uint64_t us;
        const char *text;
    } rows[] = {{0, "0.000"},    {7, "0.007"},      {999, "0.999"},
                {1000, "1.000"}, {12345, "12.345"}, {60000010, "60000.010"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_line line = {.p = memory};

        json_put_milliseconds(&line, rows[i].us);
        assert_slice(slice_of(memory, (size_t)(line.p - memory)), rows[i].text);
    }
}

/* Against the C library, for days around each leap of the calendar and far away from it. */
static void times_are_those_of_the_calendar(void **state) {
    char text[JSON_TIME];

    (void)state;
    for (time_t s = 0; s < 253402300800; s += 86400 * 31 + 3599) {
        struct tm utc;
        char wanted[64];

        assert_non_null(gmtime_r(&s, &utc));
        (void)snprintf(wanted, sizeof(wanted), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                       utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (int)(s % 1000));
        json_format_time(text, (uint64_t)s * 1000 + (uint64_t)(s % 1000));
        assert_slice(slice_of(text, sizeof(text)), wanted);
    }
    json_format_time(text, UINT64_C(951782399999));
    assert_slice(slice_of(text, sizeof(text)), "2000-02-28T23:59:59.999Z");
    json_format_time(text, UINT64_C(951782400000));
    assert_slice(slice_of(text, sizeof(text)), "2000-02-29T00:00:00.000Z");
    json_format_time(text, UINT64_C(4107542400000));
    assert_slice(slice_of(text, sizeof(text)), "2100-03-01T00:00:00.000Z");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_no_plain_byte_is_escaped),
        cmocka_unit_test(every_byte_is_judged_alike_wherever_it_stands),
        cmocka_unit_test(no_byte_beyond_the_text_is_read),
        cmocka_unit_test(what_is_too_long_is_cut),
        cmocka_unit_test(microseconds_are_told_as_milliseconds),
        cmocka_unit_test(times_are_those_of_the_calendar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
