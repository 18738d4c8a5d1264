/*
 * How a table lies in memory, for the one that writes it (table_draft.c) and the one that reads it (table.c): a header,
 * then buckets, routes, instances and texts, one behind the other, so that their sizes follow from the header. Numbers
 * are this machine's: a table never leaves it, and a table of another version of credfd is refused.
 */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/slice.h"

#define TABLE_MAGIC UINT64_C(0x31656c6261744643) /* "CFtable1" */

struct table_header {
    uint64_t magic;
    uint64_t number;
    uint64_t seed[2];   /* of the hash: random, so that nobody can choose names that collide */
    uint32_t n_buckets; /* a power of two, at least twice n_names */
    uint32_t n_names;
    uint32_t n_routes;
    uint32_t n_instances;
    uint32_t n_texts; /* bytes */
    uint32_t reserved;
};

/* A part of the texts. */
struct table_text {
    uint32_t at, n;
};

/* A name, in the bucket of its hash or one of those behind it, up to an empty one (n_routes is 0). */
struct table_bucket {
    uint32_t hash;
    uint32_t name; /* at, in the texts */
    uint16_t name_length;
    uint16_t n_routes; /* in the order in which they are tried */
    uint32_t route;    /* the first */
};

struct table_route {
    uint32_t instance;
    struct table_text host;   /* in lower case; empty for any */
    struct table_text prefix; /* empty for any */
};

struct table_instance {
    struct table_text key, name, os_user, place, unit, prefix;
    uint8_t address[16];
    uint16_t port;
    uint8_t kind;           /* enum instance_place */
    uint8_t address_length; /* 4 or 16 of INSTANCE_ADDRESS, else 0 */
    uint8_t recipe;
    uint8_t reserved[3];
};

static inline uint64_t table_mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Eight bytes at a time, each folded in by a multiplication with secret factors. */
static inline uint32_t table_hash(const uint64_t seed[static 2], struct slice text) {
    const uint64_t odd = seed[1] | 1;
    uint64_t hash = seed[0] ^ text.n, word;

    for (; text.n >= sizeof(word); text = slice_from(text, sizeof(word))) {
        memcpy(&word, text.p, sizeof(word));
        hash = table_mix(hash ^ word, odd);
    }
    word = 0;
    memcpy(&word, text.p, text.n);
    hash = table_mix(hash ^ word, odd);
    return (uint32_t)table_mix(hash, UINT64_C(0x9e3779b97f4a7c15));
}
