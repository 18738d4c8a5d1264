/*
 * One entry of a table's file, as its keys and values come: each value is judged by itself, and then all of them
 * together. Complaints are constants, "what is wrong; how to mend it"; where it stands, the caller knows.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "config/events.h"

enum entry_key {
    ENTRY_OS_USER,
    ENTRY_PORT,
    ENTRY_HOST,
    ENTRY_UNIX,
    ENTRY_START,
    ENTRY_PROFILE,
    ENTRY_NAMES,
    ENTRY_AT,
    ENTRY_KEYS
};

#define ENTRY_KEYS_LIST "os_user, port, host, unix, start, profile, names and at"

extern const char *const entry_key_names[ENTRY_KEYS];

struct entry_name {
    struct slice text;
    size_t line;
};

/* Slices look into `kept`. */
struct entry {
    struct slice text[ENTRY_KEYS]; /* of those that are texts; empty: not written */
    size_t line[ENTRY_KEYS];       /* 0: not written */
    uint16_t port;
    struct slice at_host, at_prefix; /* in lower case; without a slash at its end */
    struct entry_name names[LIMIT_ENTRY_NAMES];
    size_t n_names;
    size_t n_kept;
    char kept[LIMIT_ENTRY];
};

void entry_reset(struct entry *entry);

/* ENTRY_KEYS for a word that is none. */
enum entry_key entry_key_find(struct slice word);

/* The value of any key but ENTRY_NAMES, which is a list of names. NULL, or the complaint. */
const char *entry_take(struct entry *entry, enum entry_key key, const struct event *value);
const char *entry_take_name(struct entry *entry, const struct event *value);

/* Whether all that is there goes together. NULL, or the complaint, about the key `*ret`. */
const char *entry_check(const struct entry *entry, enum entry_key *ret);

/* NULL, or what is wrong with that as a person's name. */
const char *entry_check_name(struct slice name);
