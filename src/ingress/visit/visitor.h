/*
 * People as this process knows them: one record for each who has something under way, or was here since the supervisor
 * was last told (IPC_SEEN). Names are those of the table, never what a stranger has sent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/name_index.h"

struct visitor {
    struct name_place place;
    struct visitor *next_seen; /* of whom the supervisor is to be told */
    bool is_seen;
    unsigned refs;
    uint32_t tunnels;
    uint64_t requests, bytes_in, bytes_out; /* since it was told */
    size_t n;
    char name[];
};

/* A reference of the caller's; NULL without memory. */
struct visitor *visitor_ref(struct slice name);
void visitor_unref(struct visitor *visitor); /* NULL is fine */

static inline struct slice visitor_name(const struct visitor *visitor) {
    return slice_of(visitor->name, visitor->n);
}

/* Something changed that the supervisor is to be told. */
void visitor_seen(struct visitor *visitor);

/* Tells it, of so many that nobody waits for long meanwhile, and of none while it is busy. Whether there are more. */
bool visitors_tell(void);

/* Tells it of everybody, and waits for it: before the end. */
void visitors_tell_all(void);
