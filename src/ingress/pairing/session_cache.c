#include "ingress/pairing/session_cache.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

#define SETS 1024
#define WAYS 4

struct verdict {
    struct session_digest digest;
    uint64_t until_ms; /* 0: nothing stands here */
    enum session_verdict verdict;
};

struct name {
    struct session_digest digest;
    uint64_t until_ms, used_ms; /* `used_ms` 0: nothing stands here */
    char text[LIMIT_COOKIE_NAME + 1];
};

struct session_cache {
    struct verdict verdicts[SETS][WAYS];
    struct name names[SETS][WAYS];
};

struct session_cache *session_cache_new(void) {
    return calloc(1, sizeof(struct session_cache));
}

void session_cache_free(struct session_cache *cache) {
    free(cache);
}

/* Each part with its length before it: no two questions are the same bytes. */
static void update(struct sha256_ctx *context, struct slice part) {
    uint64_t n = part.n;

    sha256_update(context, sizeof(n), (const uint8_t *)&n);
    sha256_update(context, part.n, (const uint8_t *)part.p);
}

static struct session_digest digest_of(const struct slice *parts, size_t n) {
    struct session_digest digest;
    struct sha256_ctx context;

    sha256_init(&context);
    for (size_t i = 0; i < n; i++)
        update(&context, parts[i]);
    sha256_digest(&context, SHA256_DIGEST_SIZE, digest.bytes);
    explicit_bzero(&context, sizeof(context));
    return digest;
}

struct session_digest session_digest_of(const struct target *target, struct slice cookies) {
    const struct slice parts[] = {target->instance.key, slice_of_string(target->host),
                                  target->is_https ? SLICE("https") : SLICE("http"), cookies};

    return digest_of(parts, ARRAY_LEN(parts));
}

bool session_digest_equals(const struct session_digest *a, const struct session_digest *b) {
    return memcmp(a, b, sizeof(*a)) == 0;
}

static size_t set_of(const struct session_digest *digest) {
    return (digest->bytes[0] | (size_t)digest->bytes[1] << 8) % SETS;
}

static struct verdict *find_verdict(struct session_cache *cache, const struct session_digest *digest) {
    struct verdict *set = cache->verdicts[set_of(digest)];

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].until_ms > 0 && session_digest_equals(&set[i].digest, digest))
            return &set[i];
    return NULL;
}

bool session_cache_find(struct session_cache *cache, const struct session_digest *digest, uint64_t now_ms,
                        enum session_verdict *ret) {
    const struct verdict *v = find_verdict(cache, digest);

    if (!v || v->until_ms <= now_ms)
        return false;
    *ret = v->verdict;
    return true;
}

void session_cache_put(struct session_cache *cache, const struct session_digest *digest, enum session_verdict verdict,
                       uint64_t now_ms) {
    struct verdict *set = cache->verdicts[set_of(digest)], *v = find_verdict(cache, digest);

    if (!v) {
        /* all are good for equally long: the one that ends first is the one that was learnt first */
        v = &set[0];
        for (size_t i = 1; i < WAYS; i++)
            if (set[i].until_ms < v->until_ms)
                v = &set[i];
    }
    *v = (struct verdict){.digest = *digest, .until_ms = now_ms + LIFE_LOOK, .verdict = verdict};
}

static struct name *find_name(struct session_cache *cache, const struct session_digest *digest) {
    struct name *set = cache->names[set_of(digest)];

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].used_ms > 0 && session_digest_equals(&set[i].digest, digest))
            return &set[i];
    return NULL;
}

bool session_cache_name(struct session_cache *cache, const struct target *target, uint64_t now_ms, struct slice *ret) {
    struct session_digest digest = digest_of(&target->instance.key, 1);
    struct name *name = find_name(cache, &digest);

    *ret = name ? slice_of_string(name->text) : SLICE_EMPTY;
    if (name)
        name->used_ms = now_ms + 1;
    return name && name->until_ms > now_ms;
}

void session_cache_put_name(struct session_cache *cache, const struct target *target, struct slice name,
                            uint64_t now_ms) {
    struct session_digest digest = digest_of(&target->instance.key, 1);
    struct name *set = cache->names[set_of(&digest)], *to = find_name(cache, &digest);

    if (!to) {
        to = &set[0];
        for (size_t i = 1; i < WAYS; i++)
            if (set[i].used_ms < to->used_ms)
                to = &set[i];
        *to = (struct name){.digest = digest};
    }
    to->used_ms = now_ms + 1;
    to->until_ms = now_ms + (name.n > 0 ? LIFE_COOKIE_NAME : LIFE_LOOK);
    if (name.n == 0 || name.n > LIMIT_COOKIE_NAME)
        return;
    memcpy(to->text, name.p, name.n);
    to->text[name.n] = '\0';
}
