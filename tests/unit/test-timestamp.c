#include "wire/timestamp.h"

#include <errno.h>

#include "unit.h"

static void reads_what_rfc_3339_writes(void **state) {
    static const struct {
        struct slice text;
        uint64_t ms;
    } rows[] = {
        {{"1970-01-01T00:00:00Z", 20}, 0},
        {{"1970-01-01T00:00:00.001Z", 24}, 1},
        {{"1985-04-12T23:20:50.52Z", 23}, 482196050520},   /* §5.8 */
        {{"1996-12-19T16:39:57-08:00", 25}, 851042397000}, /* §5.8 */
        {{"1990-12-31T23:59:60Z", 20}, 662688000000},      /* §5.8: a leap second */
        {{"1990-12-31T15:59:60-08:00", 25}, 662688000000}, /* §5.8 */
        {{"2000-02-29T00:00:00Z", 20}, 951782400000},      /* a leap year, although it ends a century */
        {{"2000-03-01T00:00:00Z", 20}, 951868800000},
        {{"2024-12-31T23:59:59Z", 20}, 1735689599000},
        {{"2030-01-31t12:00:00z", 20}, 1896091200000},
        {{"2030-01-31 12:00:00Z", 20}, 1896091200000},
        {{"2030-01-31T12:00:00.123456789Z", 30}, 1896091200123},
        {{"2030-01-31T12:00:00+23:59", 25}, 1896004860000},
        {{"2100-03-01T00:00:00Z", 20}, 4107542400000}, /* 2100 has no 29th of February */
        {{"9999-12-31T23:59:59Z", 20}, TIMESTAMP_MAX_S * 1000ULL},
        {{"1970-01-01T01:00:00+01:00", 25}, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice text = exact_copy(rows[i].text);
        uint64_t ms = 7;

        assert_row(rows[i].text, timestamp_parse(text, &ms) == 0);
        assert_row(rows[i].text, ms == rows[i].ms);
    }
}

static void refuses_everything_else(void **state) {
    static const char *const rows[] = {
        "",
        "2030",
        "2030-01-31",
        "2030-01-31T12:00:00",
        "2030-01-31T12:00Z",
        "2030-01-31T12:00:00Z ",
        " 2030-01-31T12:00:00Z",
        "2030-01-31T12:00:00ZZ",
        "2030-01-31T12:00:00.Z",
        "2030-01-31T12:00:00,5Z",
        "2030-01-31T12:00:00+0100",
        "2030-01-31T12:00:00+01",
        "2030-01-31T12:00:00+01:60",
        "2030-01-31T12:00:00+24:00",
        "2030-1-31T12:00:00Z",
        "2030-00-31T12:00:00Z",
        "2030-13-01T12:00:00Z",
        "2030-01-00T12:00:00Z",
        "2030-01-32T12:00:00Z",
        "2030-04-31T12:00:00Z",
        "2030-02-29T12:00:00Z",
        "2100-02-29T00:00:00Z",
        "2030-01-31T24:00:00Z",
        "2030-01-31T12:60:00Z",
        "2030-01-31T12:00:61Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "12030-01-31T12:00:00Z",
        "+2030-01-31T12:00:00Z",
        "2030/01/31T12:00:00Z",
        "20300131T120000Z",
        "2030-01-31T12:00:00 Z",
        "2030-W05-4T12:00:00Z",
        "2030-01-31T-2:00:00Z",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice text = exact_copy(slice_of_string(rows[i]));
        uint64_t ms = 7;

        assert_row(text, timestamp_parse(text, &ms) == -EINVAL);
        assert_row(text, ms == 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_rfc_3339_writes),
        cmocka_unit_test(refuses_everything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
