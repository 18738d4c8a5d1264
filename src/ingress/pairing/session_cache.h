/*
 * What instances have said a moment ago: of a session, whether it lives; of themselves, what their cookie is called. Of
 * a bounded size, whatever is asked: the entry that was used longest ago goes. It holds digests, never a cookie. Pure:
 * the time is given. The pairer's.
 */
#pragma once

#include "base/limits.h"
#include "ingress/pairing/session_report.h"
#include "ingress/pairing/target.h"

struct session_cache;

struct session_digest {
    unsigned char bytes[32];
};

struct session_cache *session_cache_new(void); /* NULL without memory */
void session_cache_free(struct session_cache *cache);

/* Of a question at that instance: from that host, with those cookies. */
struct session_digest session_digest_of(const struct target *target, struct slice cookies);
bool session_digest_equals(const struct session_digest *a, const struct session_digest *b);

/* False when it is not known, or was known too long ago. */
bool session_cache_find(struct session_cache *cache, const struct session_digest *digest, uint64_t now_ms,
                        enum session_verdict *ret);
void session_cache_put(struct session_cache *cache, const struct session_digest *digest, enum session_verdict verdict,
                       uint64_t now_ms);

/*
 * The name of the instance's cookie as told last, "" where it never was; it stays in the cache. True while it is good:
 * until then nobody needs to ask. `*ret` is valid until the next session_cache_put_name.
 */
bool session_cache_name(struct session_cache *cache, const struct target *target, uint64_t now_ms, struct slice *ret);

/* What it told now; an empty name when it told none: the one before stays, and is not asked for again for a moment. */
void session_cache_put_name(struct session_cache *cache, const struct target *target, struct slice name,
                            uint64_t now_ms);
