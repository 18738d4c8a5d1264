#include "base/num.h"

#include <errno.h>

#include "unit.h"

#define UNTOUCHED 12345

struct row {
    struct slice text;
    uint64_t max;
    int r;
    uint64_t value; /* when r is 0 */
};

static void check(int parse(struct slice, uint64_t, uint64_t *), const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint64_t value = UNTOUCHED;
        int r = parse(rows[i].text, rows[i].max, &value);

        assert_row(rows[i].text, r == rows[i].r);
        assert_row(rows[i].text, value == (r == 0 ? rows[i].value : UNTOUCHED));
    }
}

static void decimal(void **state) {
    static const struct row rows[] = {
        {SLICE("0"), 0, 0, 0},
        {SLICE("007"), 9, 0, 7},
        {SLICE("65535"), 65535, 0, 65535},
        {SLICE("65536"), 65535, -ERANGE, 0},
        {SLICE("18446744073709551615"), UINT64_MAX, 0, UINT64_MAX},
        {SLICE("18446744073709551616"), UINT64_MAX, -ERANGE, 0},
        {SLICE("18446744073709551620"), UINT64_MAX, -ERANGE, 0},
        {SLICE("99999999999999999999999"), UINT64_MAX, -ERANGE, 0},
        {SLICE("000000000000000000000000000001"), 1, 0, 1},
        {SLICE(""), 9, -EINVAL, 0},
        {SLICE("+1"), 9, -EINVAL, 0},
        {SLICE("-1"), 9, -EINVAL, 0},
        {SLICE(" 1"), 9, -EINVAL, 0},
        {SLICE("1 "), 9, -EINVAL, 0},
        {SLICE("1,1"), 9, -EINVAL, 0},
        {SLICE("0x1"), 9, -EINVAL, 0},
        {SLICE("1\0"), 9, -EINVAL, 0},
        {SLICE("\xB2"), 9, -EINVAL, 0},
        {SLICE("/"), 9, -EINVAL, 0},
        {SLICE(":"), 9, -EINVAL, 0},
    };

    (void)state;
    check(num_parse, rows, ARRAY_LEN(rows));
}

static void hexadecimal(void **state) {
    static const struct row rows[] = {
        {SLICE("0"), 0, 0, 0},
        {SLICE("fF"), 255, 0, 255},
        {SLICE("100"), 255, -ERANGE, 0},
        {SLICE("FFFFFFFFFFFFFFFF"), UINT64_MAX, 0, UINT64_MAX},
        {SLICE("10000000000000000"), UINT64_MAX, -ERANGE, 0},
        {SLICE("00000000000000001"), UINT64_MAX, -ERANGE, 0},
        {SLICE(""), 255, -EINVAL, 0},
        {SLICE("0x1"), 255, -EINVAL, 0},
        {SLICE("g"), 255, -EINVAL, 0},
        {SLICE("-1"), 255, -EINVAL, 0},
        {SLICE("1 "), 255, -EINVAL, 0},
    };

    (void)state;
    check(num_parse_hex, rows, ARRAY_LEN(rows));
}

static void duration(void **state) {
    static const struct row rows[] = {
        {SLICE("0s"), 1000, 0, 0},          {SLICE("10ms"), 1000, 0, 10},
        {SLICE("1s"), 1000, 0, 1000},       {SLICE("2m"), 120000, 0, 120000},
        {SLICE("1h"), 3600000, 0, 3600000}, {SLICE("1d"), 86400000, 0, 86400000},
        {SLICE("2s"), 1999, -ERANGE, 0},    {SLICE("18446744073709551615d"), UINT64_MAX, -ERANGE, 0},
        {SLICE(""), 1000, -EINVAL, 0},      {SLICE("5"), 1000, -EINVAL, 0},
        {SLICE("s"), 1000, -EINVAL, 0},     {SLICE("1 s"), 1000, -EINVAL, 0},
        {SLICE("1.5s"), 1000, -EINVAL, 0},  {SLICE("-1s"), 1000, -EINVAL, 0},
        {SLICE("1S"), 1000, -EINVAL, 0},
    };

    (void)state;
    check(num_parse_duration, rows, ARRAY_LEN(rows));
}

static void size(void **state) {
    static const struct row rows[] = {
        {SLICE("0B"), 10, 0, 0},
        {SLICE("10B"), 10, 0, 10},
        {SLICE("11B"), 10, -ERANGE, 0},
        {SLICE("2KB"), 2000, 0, 2000},
        {SLICE("2KiB"), 2048, 0, 2048},
        {SLICE("2KiB"), 2047, -ERANGE, 0},
        {SLICE("3MB"), UINT64_MAX, 0, 3000000},
        {SLICE("3MiB"), UINT64_MAX, 0, 3 << 20},
        {SLICE("4GB"), UINT64_MAX, 0, UINT64_C(4000000000)},
        {SLICE("4GiB"), UINT64_MAX, 0, UINT64_C(4) << 30},
        {SLICE("18446744073709551615KiB"), UINT64_MAX, -ERANGE, 0},
        {SLICE(""), 10, -EINVAL, 0},
        {SLICE("10"), 10, -EINVAL, 0},
        {SLICE("B"), 10, -EINVAL, 0},
        {SLICE("KiB"), 10, -EINVAL, 0},
        {SLICE("1 KiB"), 2000, -EINVAL, 0},
        {SLICE("1k"), 2000, -EINVAL, 0},
        {SLICE("1kB"), 2000, -EINVAL, 0},
        {SLICE("1K"), 2000, -EINVAL, 0},
        {SLICE("1TiB"), UINT64_MAX, -EINVAL, 0},
        {SLICE("1.5MiB"), UINT64_MAX, -EINVAL, 0},
        {SLICE("-1B"), 10, -EINVAL, 0},
    };

    (void)state;
    check(num_parse_size, rows, ARRAY_LEN(rows));
}

static void rate(void **state) {
    static const struct {
        struct slice text;
        int r;
        uint64_t count, ms;
    } rows[] = {
        {SLICE("10/s"), 0, 10, 1000},        {SLICE("0/s"), 0, 0, 1000},
        {SLICE("1000/min"), 0, 1000, 60000}, {SLICE("5/h"), 0, 5, 3600000},
        {SLICE("1001/s"), -ERANGE, 0, 0},    {SLICE("18446744073709551616/h"), -ERANGE, 0, 0},
        {SLICE(""), -EINVAL, 0, 0},          {SLICE("10"), -EINVAL, 0, 0},
        {SLICE("10/"), -EINVAL, 0, 0},       {SLICE("/s"), -EINVAL, 0, 0},
        {SLICE("10/m"), -EINVAL, 0, 0},      {SLICE("10/S"), -EINVAL, 0, 0},
        {SLICE("10 /s"), -EINVAL, 0, 0},     {SLICE("10/ s"), -EINVAL, 0, 0},
        {SLICE("10/s/s"), -EINVAL, 0, 0},    {SLICE("-1/s"), -EINVAL, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t count = UNTOUCHED, ms = UNTOUCHED;
        int r = num_parse_rate(rows[i].text, 1000, &count, &ms);

        assert_row(rows[i].text, r == rows[i].r);
        assert_row(rows[i].text, count == (r == 0 ? rows[i].count : UNTOUCHED));
        assert_row(rows[i].text, ms == (r == 0 ? rows[i].ms : UNTOUCHED));
    }
}

static void hex_digit(void **state) {
    static const char digits[] = "0123456789abcdef";

    (void)state;
    for (int c = 0; c < 256; c++) {
        const char *at = c != 0 ? strchr(digits, c >= 'A' && c <= 'Z' ? c | 0x20 : c) : NULL;
        assert_int_equal(num_hex_digit((char)c), at ? (int)(at - digits) : -1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal), cmocka_unit_test(hexadecimal), cmocka_unit_test(duration),
        cmocka_unit_test(size),    cmocka_unit_test(rate),        cmocka_unit_test(hex_digit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
