#include "secrets/source_output.h"

#include <stdio.h>

#include "unit.h"

#define NOW_MS 1700000000000ULL /* 2023-11-14T22:13:20Z */

static struct source_output output;

static enum source_fault parse(enum source_form form, struct slice bytes) {
    _cleanup_slice_ struct slice exact = exact_copy(bytes);

    memset(&output, 0x5a, sizeof(output));
    return source_output_parse(form, exact, NOW_MS, &output);
}

struct row {
    const char *bytes;
    const char *secret; /* NULL: a fault */
    enum source_fault fault;
};

static void check_rows(enum source_form form, const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct slice bytes = slice_of_string(rows[i].bytes);

        assert_row(bytes, parse(form, bytes) == rows[i].fault);
        if (!rows[i].secret)
            continue;
        assert_row(bytes, slice_equals(slice_of(output.secret, output.n), slice_of_string(rows[i].secret)));
        assert_row(bytes, output.expires_in_ms == 0);
    }
}

/* What holds for a file holds for what a command prints plainly. */
static const struct row lines[] = {
    {"key", "key", SOURCE_SOUND},
    {"key\n", "key", SOURCE_SOUND},
    {"key\r\n", "key", SOURCE_SOUND},
    {" key ", " key ", SOURCE_SOUND},
    {"k\xc3\xa9y", "k\xc3\xa9y", SOURCE_SOUND},
    {"one\ntwo", NULL, SOURCE_HAS_NEWLINE},
    {"one\n\n", NULL, SOURCE_HAS_NEWLINE},
    {"\nkey\n", NULL, SOURCE_HAS_NEWLINE},
    {"one\rtwo", NULL, SOURCE_HAS_NEWLINE},
    {"a\tb", NULL, SOURCE_HAS_CONTROL},
    {"a\x7f", NULL, SOURCE_HAS_CONTROL},
    {"\x1b[1mkey", NULL, SOURCE_HAS_CONTROL},
    {"[\"key\"]", "[\"key\"]", SOURCE_SOUND},
};

static void a_line_is_the_secret(void **state) {
    static const struct row more[] = {
        {"", NULL, SOURCE_EMPTY},
        {"\n", NULL, SOURCE_EMPTY},
        {"{\"secret\":\"key\"}", "{\"secret\":\"key\"}", SOURCE_SOUND}, /* in a file, JSON is nothing special */
    };

    (void)state;
    check_rows(SOURCE_LINE, lines, ARRAY_LEN(lines));
    check_rows(SOURCE_LINE, more, ARRAY_LEN(more));
}

static void a_command_may_print_a_line(void **state) {
    static const struct row more[] = {
        {"", NULL, SOURCE_NO_OUTPUT},
        {"\n", NULL, SOURCE_NO_OUTPUT},
    };

    (void)state;
    check_rows(SOURCE_OUTPUT, lines, ARRAY_LEN(lines));
    check_rows(SOURCE_OUTPUT, more, ARRAY_LEN(more));
}

static void a_nul_is_a_control_byte(void **state) {
    (void)state;
    assert_int_equal(parse(SOURCE_LINE, SLICE("a\0b")), SOURCE_HAS_CONTROL);
    assert_int_equal(parse(SOURCE_OUTPUT, SLICE("\0{\"secret\":\"key\"}")), SOURCE_HAS_CONTROL);
}

static void sizes_are_bounded(void **state) {
    static char bytes[SOURCE_OUTPUT_MAX];

    (void)state;
    memset(bytes, 'k', sizeof(bytes));
    for (enum source_form form = SOURCE_LINE; form < SOURCE_FORMS; form++) {
        assert_int_equal(parse(form, slice_of(bytes, LIMIT_SECRET)), SOURCE_SOUND);
        assert_int_equal(output.n, LIMIT_SECRET);
        assert_int_equal(parse(form, slice_of(bytes, LIMIT_SECRET + 1)), SOURCE_TOO_LONG);
    }
    assert_int_equal(parse(SOURCE_OUTPUT, slice_of(bytes, LIMIT_COMMAND_OUTPUT)), SOURCE_TOO_LONG);
    assert_int_equal(parse(SOURCE_OUTPUT, slice_of(bytes, sizeof(bytes))), SOURCE_TOO_MUCH_OUTPUT);
    assert_int_equal(parse(SOURCE_LINE, slice_of(bytes, sizeof(bytes))), SOURCE_TOO_LONG);
}

static void json_holds_the_secret(void **state) {
    static const struct row rows[] = {
        {"{\"secret\":\"key\"}", "key", SOURCE_SOUND},
        {" \t\r\n{ \"secret\" : \"key\" }\n\n", "key", SOURCE_SOUND},
        {"{\"secret\":\"k\\u0065y\",\"lease_id\":\"x\",\"data\":{\"secret\":1}}", "key", SOURCE_SOUND},
        {"{\"secret\":\"\\u00e9\"}", "\xc3\xa9", SOURCE_SOUND},
        {"{\"secret\":\"\"}", NULL, SOURCE_EMPTY},
        {"{\"secret\":\"a\\nb\"}", NULL, SOURCE_HAS_NEWLINE},
        {"{\"secret\":\"key\\n\"}", NULL, SOURCE_HAS_NEWLINE},
        {"{\"secret\":\"a\\tb\"}", NULL, SOURCE_HAS_CONTROL},
        {"{}", NULL, SOURCE_BAD_SECRET},
        {"{\"secret\":1}", NULL, SOURCE_BAD_SECRET},
        {"{\"secret\":null}", NULL, SOURCE_BAD_SECRET},
        {"{\"secret\":[\"key\"]}", NULL, SOURCE_BAD_SECRET},
        {"{\"Secret\":\"key\"}", NULL, SOURCE_BAD_SECRET},
        {"{", NULL, SOURCE_BAD_JSON},
        {"{\"secret\":\"key\"", NULL, SOURCE_BAD_JSON},
        {"{\"secret\":\"key\"}x", NULL, SOURCE_BAD_JSON},
        {"{\"secret\":\"key\"}{}", NULL, SOURCE_BAD_JSON},
        {"{\"secret\":\"key\",}", NULL, SOURCE_BAD_JSON},
        {"{\"secret\":\"one\",\"secret\":\"two\"}", NULL, SOURCE_BAD_JSON},
        {"{\"secret\":\"one\",\"s\\u0065cret\":\"two\"}", NULL, SOURCE_BAD_JSON},
        {"{\"secret\":\"a\\u0000b\"}", NULL, SOURCE_BAD_JSON},
        {"{\"secret\":\"\\ud800\"}", NULL, SOURCE_BAD_JSON},
        {"{\"secret\":\"\xff\"}", NULL, SOURCE_BAD_JSON},
        {"{'secret':'key'}", NULL, SOURCE_BAD_JSON},
    };

    (void)state;
    check_rows(SOURCE_OUTPUT, rows, ARRAY_LEN(rows));
}

static void an_expiry_becomes_a_span(void **state) {
    static const struct {
        const char *expiry;
        uint64_t in_ms; /* 0: a fault */
        enum source_fault fault;
    } rows[] = {
        {"1700000001", 1000, SOURCE_SOUND},
        {"1700000001.5", 1500, SOURCE_SOUND},
        {"1.7000036e9", 3600000, SOURCE_SOUND},
        {"\"2023-11-14T23:13:20Z\"", 3600000, SOURCE_SOUND},
        {"\"2023-11-15T00:13:20.25+01:00\"", 3600250, SOURCE_SOUND},
        {"253402300799", 253402300799000 - NOW_MS, SOURCE_SOUND},
        {"1700000000", 0, SOURCE_EXPIRED},
        {"1699999999", 0, SOURCE_EXPIRED},
        {"0", 0, SOURCE_EXPIRED},
        {"-5", 0, SOURCE_EXPIRED},
        {"-1e300", 0, SOURCE_EXPIRED},
        {"\"2023-11-14T22:13:20Z\"", 0, SOURCE_EXPIRED},
        {"\"1970-01-01T00:00:00Z\"", 0, SOURCE_EXPIRED},
        {"1700000001000", 0, SOURCE_BAD_EXPIRY}, /* milliseconds */
        {"9223372036854775807", 0, SOURCE_BAD_EXPIRY},
        {"1e300", 0, SOURCE_BAD_EXPIRY},
        {"\"1700000001\"", 0, SOURCE_BAD_EXPIRY},
        {"\"tomorrow\"", 0, SOURCE_BAD_EXPIRY},
        {"\"\"", 0, SOURCE_BAD_EXPIRY},
        {"null", 0, SOURCE_BAD_EXPIRY},
        {"true", 0, SOURCE_BAD_EXPIRY},
        {"[1700000001]", 0, SOURCE_BAD_EXPIRY},
        {"9223372036854775808", 0, SOURCE_BAD_JSON}, /* no integer that a program could take */
    };
    char bytes[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice row = slice_of_string(rows[i].expiry);
        int n = snprintf(bytes, sizeof(bytes), "{\"expires_at\":%s,\"secret\":\"key\"}", rows[i].expiry);

        assert_row(row, parse(SOURCE_OUTPUT, slice_of(bytes, (size_t)n)) == rows[i].fault);
        assert_row(row, rows[i].fault != SOURCE_SOUND || output.expires_in_ms == rows[i].in_ms);
    }
}

static void deep_json_is_refused(void **state) {
    static char bytes[LIMIT_COMMAND_OUTPUT];

    (void)state;
    memset(bytes, '[', sizeof(bytes));
    memcpy(bytes, "{\"a\":", 5);
    assert_int_equal(parse(SOURCE_OUTPUT, slice_of(bytes, sizeof(bytes))), SOURCE_BAD_JSON);
}

static void every_fault_has_words(void **state) {
    (void)state;
    for (unsigned fault = SOURCE_SOUND + 1; fault < SOURCE_FAULTS; fault++) {
        assert_string_not_equal(source_fault_text((enum source_fault)fault), source_fault_text(SOURCE_FAULTS));
        assert_non_null(strchr(source_fault_text((enum source_fault)fault), ';')); /* the mend */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_the_secret),    cmocka_unit_test(a_command_may_print_a_line),
        cmocka_unit_test(a_nul_is_a_control_byte), cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(json_holds_the_secret),   cmocka_unit_test(an_expiry_becomes_a_span),
        cmocka_unit_test(deep_json_is_refused),    cmocka_unit_test(every_fault_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
