#include "ingress/visit/visitor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ingress/desk/tally.h"
#include "ingress/visit/key_hash.h"
#include "ingress/visit/world.h"
#include "proc/role.h"

#define BUCKETS 4096 /* a power of two */

static struct visitor *buckets[BUCKETS];
static struct visitor *seen;

static struct visitor **bucket_of(struct slice name) {
    return &buckets[key_hash(name) & (BUCKETS - 1)];
}

struct visitor *visitor_ref(struct slice name) {
    struct visitor **bucket = bucket_of(name), *visitor = *bucket;

    while (visitor && !slice_equals(visitor_name(visitor), name))
        visitor = visitor->next;
    if (!visitor) {
        visitor = calloc(1, sizeof(*visitor) + name.n + 1);
        if (!visitor)
            return NULL;
        visitor->n = name.n;
        memcpy(visitor->name, name.p, name.n);
        visitor->next = *bucket;
        *bucket = visitor;
    }
    visitor->refs++;
    return visitor;
}

static void forget(struct visitor *visitor) {
    struct visitor **at = bucket_of(visitor_name(visitor));

    while (*at != visitor)
        at = &(*at)->next;
    *at = visitor->next;
    free(visitor);
}

void visitor_unref(struct visitor *visitor) {
    if (visitor && --visitor->refs == 0 && !visitor->is_seen)
        forget(visitor);
}

void visitor_seen(struct visitor *visitor) {
    (void)world_count();
    if (visitor->is_seen)
        return;
    visitor->is_seen = true;
    visitor->next_seen = seen;
    seen = visitor;
}

void visitors_tell(void) {
    while (seen) {
        struct visitor *visitor = seen;
        struct seen what = {.name = visitor_name(visitor),
                            .requests = visitor->requests,
                            .bytes_in = visitor->bytes_in,
                            .bytes_out = visitor->bytes_out,
                            .tunnels = visitor->tunnels};
        struct ipc_writer w = seen_encode(&what);

        role_send(&w, -EBADF);
        seen = visitor->next_seen;
        visitor->is_seen = false;
        visitor->requests = visitor->bytes_in = visitor->bytes_out = 0;
        if (visitor->refs == 0)
            forget(visitor);
    }
}
