#include "base/num.h"

#include <errno.h>

#include "base/macros.h"

#define SAFE_DIGITS 19 /* any number of so many fits into 64 bits */

int num_parse(struct slice text, uint64_t max, uint64_t *ret) {
    uint64_t value = 0;

    if (text.n == 0)
        return -EINVAL;
    for (size_t i = 0; i < text.n; i++) {
        unsigned digit = (unsigned char)text.p[i] - (unsigned)'0';
        if (digit > 9)
            return -EINVAL;
        if (i >= SAFE_DIGITS && value > (UINT64_MAX - digit) / 10)
            return -ERANGE;
        value = value * 10 + digit;
    }
    if (value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}

int num_hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int num_parse_hex(struct slice text, uint64_t max, uint64_t *ret) {
    uint64_t value = 0;

    if (text.n == 0)
        return -EINVAL;
    for (size_t i = 0; i < text.n; i++) {
        int digit = num_hex_digit(text.p[i]);
        if (digit < 0)
            return -EINVAL;
        if (i >= 16)
            return -ERANGE;
        value = value << 4 | (uint64_t)digit;
    }
    if (value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}

struct unit {
    struct slice name;
    uint64_t worth;
};

/* Digits and one of the units: the first that the text ends with, so a longer name stands before a shorter one. */
static int parse_count(struct slice text, const struct unit *units, size_t n_units, uint64_t max, uint64_t *ret_count,
                       uint64_t *ret_worth) {
    for (size_t i = 0; i < n_units; i++) {
        int r;

        if (!slice_ends_with(text, units[i].name))
            continue;
        r = num_parse(slice_first(text, text.n - units[i].name.n), max / units[i].worth, ret_count);
        if (r == 0)
            *ret_worth = units[i].worth;
        return r;
    }
    return -EINVAL;
}

int num_parse_duration(struct slice text, uint64_t max_ms, uint64_t *ret_ms) {
    static const struct unit units[] = {
        {{"ms", 2}, 1}, {{"s", 1}, 1000}, {{"m", 1}, 60000}, {{"h", 1}, 3600000}, {{"d", 1}, 86400000},
    };
    uint64_t count, worth;
    int r = parse_count(text, units, ARRAY_LEN(units), max_ms, &count, &worth);

    if (r == 0)
        *ret_ms = count * worth;
    return r;
}

int num_parse_size(struct slice text, uint64_t max, uint64_t *ret) {
    static const struct unit units[] = {
        {{"KiB", 3}, 1 << 10}, {{"MiB", 3}, 1 << 20},   {{"GiB", 3}, 1 << 30}, {{"KB", 2}, 1000},
        {{"MB", 2}, 1000000},  {{"GB", 2}, 1000000000}, {{"B", 1}, 1},
    };
    uint64_t count, worth;
    int r = parse_count(text, units, ARRAY_LEN(units), max, &count, &worth);

    if (r == 0)
        *ret = count * worth;
    return r;
}

int num_parse_rate(struct slice text, uint64_t max, uint64_t *ret_count, uint64_t *ret_ms) {
    static const struct {
        struct slice name;
        uint64_t ms;
    } units[] = {{{"s", 1}, 1000}, {{"min", 3}, 60000}, {{"h", 1}, 3600000}};
    struct slice unit = text, digits = slice_cut(&unit, '/');

    for (size_t i = 0; unit.p && i < ARRAY_LEN(units); i++) {
        int r;

        if (!slice_equals(unit, units[i].name))
            continue;
        r = num_parse(digits, max, ret_count);
        if (r == 0)
            *ret_ms = units[i].ms;
        return r;
    }
    return -EINVAL;
}

struct slice num_format(uint64_t value, char digits[static NUM_DIGITS]) {
    size_t at = NUM_DIGITS;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return slice_of(digits + at, NUM_DIGITS - at);
}
