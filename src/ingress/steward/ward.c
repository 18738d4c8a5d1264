#include "ingress/steward/ward.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

#define BUCKETS 16384

static struct ward *wards[BUCKETS];
static size_t n_wards;

/* FNV-1a. Keys are the administrator's: nobody gains by choosing them badly. */
static struct ward **bucket_of(struct slice key) {
    uint64_t hash = 0xcbf29ce484222325;

    for (size_t i = 0; i < key.n; i++)
        hash = (hash ^ (unsigned char)key.p[i]) * 0x100000001b3;
    return &wards[(hash ^ (hash >> 32)) % BUCKETS];
}

struct ward *ward_find(struct slice key) {
    for (struct ward *ward = *bucket_of(key); ward; ward = ward->next)
        if (slice_equals(ward->key, key))
            return ward;
    return NULL;
}

static struct ward *ward_new(struct slice key) {
    struct ward *ward = n_wards < LIMIT_WARDS ? malloc(sizeof(*ward) + key.n) : NULL;
    char *copy;

    if (!ward)
        return NULL;
    copy = (char *)(ward + 1);
    memcpy(copy, key.p, key.n);
    *ward = (struct ward){.key = slice_of(copy, key.n)};
    return ward;
}

struct ward *ward_get(const struct instance *instance, uint64_t table) {
    struct ward *ward = ward_find(instance->key), **bucket = bucket_of(instance->key);

    if (!ward) {
        ward = ward_new(instance->key);
        if (!ward)
            return NULL;
        ward->next = *bucket;
        *bucket = ward;
        n_wards++;
    }
    ward->instance = *instance;
    ward->table = table;
    return ward;
}

void ward_drop(struct ward *ward) {
    struct ward **at = bucket_of(ward->key);

    while (*at != ward)
        at = &(*at)->next;
    *at = ward->next;
    n_wards--;
    use_done(&ward->use);
    free(ward);
}

void ward_each(void (*visit)(struct ward *ward)) {
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct ward *ward = wards[i], *next; ward; ward = next) {
            next = ward->next;
            visit(ward);
        }
}
