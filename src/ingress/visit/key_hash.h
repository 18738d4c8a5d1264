/*
 * Where a record stands in a table of buckets: FNV-1a over its key. Keys are names of the administrator's table, which
 * nobody outside chooses, so it needs no secret.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

static inline uint64_t key_hash(struct slice key) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < key.n; i++)
        hash = (hash ^ (unsigned char)key.p[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}
