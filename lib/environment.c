#include "environment.h"

#include <credfd.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* 0, 1 and 2 are never a lease: a program that closed one of them may have another thing there. */
#define FIRST_NUMBER 3

/* No isalnum: it consults the locale. */
static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

static int name_parse(const char **text, struct credfd_entry *entry) {
    size_t n = 0;

    while (n <= CREDFD_NAME_MAX && is_name_byte((*text)[n]))
        n++;
    if (n == 0 || n > CREDFD_NAME_MAX || (*text)[n] != '=')
        return -EINVAL;
    entry->name = *text;
    entry->name_length = n;
    *text += n + 1;
    return 0;
}

static int number_parse(const char **text, struct credfd_entry *entry) {
    const char *p = *text;
    int number = 0;

    if (*p == '0')
        return -EINVAL;
    for (; *p >= '0' && *p <= '9'; p++) {
        int digit = *p - '0';
        if (number > (INT_MAX - digit) / 10)
            return -EINVAL;
        number = number * 10 + digit;
    }
    if (number < FIRST_NUMBER)
        return -EINVAL;
    entry->number = number;
    *text = p;
    return 0;
}

/*
 * Takes one lease from the front of `*text`. 1, or 0 at the end of the value, or -EINVAL. A comma must be followed by
 * another lease.
 */
static int entry_next(const char **text, struct credfd_entry *ret) {
    int r;

    if (**text == '\0')
        return 0;
    r = name_parse(text, ret);
    if (r < 0)
        return r;
    r = number_parse(text, ret);
    if (r < 0)
        return r;
    if (**text == '\0')
        return 1;
    if (**text != ',' || (*text)[1] == '\0')
        return -EINVAL;
    (*text)++;
    return 1;
}

static bool is_named(const struct credfd_entry *entry, const char *name, size_t length) {
    return entry->name_length == length && memcmp(entry->name, name, length) == 0;
}

/* How many leases of `entry`'s name stand in `text`; quadratic over one short list that our own parent wrote. */
static unsigned count_namesakes(const char *text, const struct credfd_entry *entry) {
    struct credfd_entry other;
    unsigned count = 0;

    while (entry_next(&text, &other) > 0)
        count += is_named(&other, entry->name, entry->name_length);
    return count;
}

/* The number of leases in `text`, all of it checked; or -EINVAL. */
static int value_check(const char *text) {
    const char *rest = text;
    struct credfd_entry entry;
    int count = 0, r;

    while ((r = entry_next(&rest, &entry)) > 0) {
        if (count_namesakes(text, &entry) > 1)
            return -EINVAL;
        count++;
    }
    return r < 0 ? r : count;
}

/* The value and how many leases it holds: at least one. */
static int value_open(const char **ret_text, unsigned *ret_count) {
    const char *text = secure_getenv("CREDFD");
    int count;

    if (!text || *text == '\0')
        return -ENODATA;
    count = value_check(text);
    if (count < 0)
        return count;
    *ret_text = text;
    *ret_count = (unsigned)count;
    return 0;
}

int credfd_environment_find(const char *name, struct credfd_entry *ret) {
    struct credfd_entry entry;
    const char *text;
    unsigned count;
    int r = value_open(&text, &count);

    if (r < 0)
        return r;
    if (!name && count > 1)
        return -ENOTUNIQ;
    while (entry_next(&text, &entry) > 0)
        if (!name || is_named(&entry, name, strlen(name))) {
            *ret = entry;
            return 0;
        }
    return -ENOENT;
}

int credfd_environment_at(unsigned index, struct credfd_entry *ret) {
    struct credfd_entry entry;
    const char *text;
    unsigned count;
    int r = value_open(&text, &count);

    if (r < 0)
        return r;
    for (unsigned i = 0; entry_next(&text, &entry) > 0; i++)
        if (i == index) {
            *ret = entry;
            return 0;
        }
    return -ENOENT;
}
