/*
 * Where a record stands in a table of buckets: eight bytes of its key at a time. Keys are names of the administrator's
 * table, which nobody outside chooses, so it needs no secret.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

static inline uint64_t key_hash(struct slice key) {
    uint64_t hash = key.n, word;

    for (; key.n >= sizeof(word); key = slice_from(key, sizeof(word))) {
        memcpy(&word, key.p, sizeof(word));
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    for (size_t i = 0; i < key.n; i++)
        hash = (hash ^ (unsigned char)key.p[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}
