#include "wire/timestamp.h"

#include <errno.h>
#include <stdbool.h>

#include "base/macros.h"
#include "base/num.h"

/* Takes `n` digits of a value from `min` to `max` off the front of `*rest`. */
static bool take_number(struct slice *rest, size_t n, uint64_t min, uint64_t max, uint64_t *ret) {
    if (rest->n < n || num_parse(slice_first(*rest, n), max, ret) < 0 || *ret < min)
        return false;
    *rest = slice_from(*rest, n);
    return true;
}

/* Takes one byte of `any` off the front of `*rest`. */
static bool take_byte(struct slice *rest, const char *any) {
    if (rest->n == 0 || !slice_has(slice_of_string(any), rest->p[0]))
        return false;
    *rest = slice_from(*rest, 1);
    return true;
}

static bool is_leap(uint64_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static uint64_t days_of_month(uint64_t year, uint64_t month) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* The leap days of all years before this one. */
static uint64_t leap_days_before(uint64_t year) {
    uint64_t last = year - 1;

    return last / 4 - last / 100 + last / 400;
}

/* full-date, as days since 1970. */
static bool take_date(struct slice *rest, uint64_t *ret_days) {
    uint64_t year, month, day, days;

    if (!take_number(rest, 4, 1970, 9999, &year) || !take_byte(rest, "-") || !take_number(rest, 2, 1, 12, &month) ||
        !take_byte(rest, "-") || !take_number(rest, 2, 1, days_of_month(year, month), &day))
        return false;
    days = (year - 1970) * 365 + leap_days_before(year) - leap_days_before(1970) + day - 1;
    for (uint64_t before = 1; before < month; before++)
        days += days_of_month(year, before);
    *ret_days = days;
    return true;
}

/* A fraction of a second, if there is one: its first three digits count. */
static bool take_fraction(struct slice *rest, uint64_t *ret_ms) {
    uint64_t ms = 0, weight = 100, digit;

    if (take_byte(rest, ".")) {
        if (!take_number(rest, 1, 0, 9, &digit))
            return false;
        do {
            ms += digit * weight;
            weight /= 10;
        } while (take_number(rest, 1, 0, 9, &digit));
    }
    *ret_ms = ms;
    return true;
}

/* partial-time, as milliseconds of the day. A leap second is the 60th (§5.7). */
static bool take_time(struct slice *rest, uint64_t *ret_ms) {
    uint64_t hour, minute, second, ms;

    if (!take_number(rest, 2, 0, 23, &hour) || !take_byte(rest, ":") || !take_number(rest, 2, 0, 59, &minute) ||
        !take_byte(rest, ":") || !take_number(rest, 2, 0, 60, &second) || !take_fraction(rest, &ms))
        return false;
    *ret_ms = ((hour * 60 + minute) * 60 + second) * 1000 + ms;
    return true;
}

/* time-offset: how far the local time is ahead of UTC. */
static bool take_offset(struct slice *rest, int64_t *ret_ms) {
    uint64_t hours, minutes;
    bool is_ahead;

    if (take_byte(rest, "Zz")) {
        *ret_ms = 0;
        return true;
    }
    is_ahead = take_byte(rest, "+");
    if ((!is_ahead && !take_byte(rest, "-")) || !take_number(rest, 2, 0, 23, &hours) || !take_byte(rest, ":") ||
        !take_number(rest, 2, 0, 59, &minutes))
        return false;
    *ret_ms = (int64_t)(hours * 60 + minutes) * 60000 * (is_ahead ? 1 : -1);
    return true;
}

int timestamp_parse(struct slice text, uint64_t *ret_unix_ms) {
    struct slice rest = text;
    uint64_t days, ms;
    int64_t offset, unix_ms;

    /* a blank instead of the T is what many programs print, and what §5.6 names for readability */
    if (!take_date(&rest, &days) || !take_byte(&rest, "Tt ") || !take_time(&rest, &ms) ||
        !take_offset(&rest, &offset) || rest.n > 0)
        return -EINVAL;
    unix_ms = (int64_t)(days * 86400000 + ms) - offset;
    if (unix_ms < 0)
        return -EINVAL;
    *ret_unix_ms = (uint64_t)unix_ms;
    return 0;
}
