#include "ingress/visit/visitor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "ingress/desk/tally.h"
#include "ingress/visit/world.h"
#include "proc/role.h"

#define MESSAGES_AT_ONCE 4 /* each of SEEN_AT_ONCE people */

static struct name_index visitors;
static struct visitor *seen;

static struct visitor *make(struct slice name) {
    struct visitor *visitor = calloc(1, sizeof(*visitor) + name.n + 1);

    if (!visitor)
        return NULL;
    visitor->n = name.n;
    memcpy(visitor->name, name.p, name.n);
    if (name_index_add(&visitors, &visitor->place, visitor_name(visitor)) == 0)
        return visitor;
    free(visitor);
    return NULL;
}

struct visitor *visitor_ref(struct slice name) {
    struct name_place *place = name_index_find(&visitors, name);
    struct visitor *visitor = place ? container_of(place, struct visitor, place) : make(name);

    if (visitor)
        visitor->refs++;
    return visitor;
}

static void forget(struct visitor *visitor) {
    name_index_remove(&visitors, &visitor->place);
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

static struct seen told_of(const struct visitor *visitor) {
    return (struct seen){.name = visitor_name(visitor),
                         .requests = visitor->requests,
                         .bytes_in = visitor->bytes_in,
                         .bytes_out = visitor->bytes_out,
                         .tunnels = visitor->tunnels};
}

/* What is told of the first of those who were seen begins anew. */
static void drop_first(void) {
    struct visitor *visitor = seen;

    seen = visitor->next_seen;
    visitor->is_seen = false;
    visitor->requests = visitor->bytes_in = visitor->bytes_out = 0;
    if (visitor->refs == 0)
        forget(visitor);
}

/* One message's worth. False: the supervisor is busy. */
static bool tell_some(bool may_wait) {
    struct ipc_writer w = seen_begin();
    unsigned n = 0;

    for (const struct visitor *visitor = seen; visitor && n < SEEN_AT_ONCE; visitor = visitor->next_seen, n++) {
        struct seen one = told_of(visitor);

        seen_put(&w, &one);
    }
    if (may_wait)
        role_send(&w, -EBADF);
    else if (role_offer(&w) < 0)
        return false;
    while (n-- > 0)
        drop_first();
    return true;
}

bool visitors_tell(void) {
    for (unsigned i = 0; i < MESSAGES_AT_ONCE && seen; i++)
        if (!tell_some(false))
            break;
    return seen != NULL;
}

void visitors_tell_all(void) {
    while (seen)
        (void)tell_some(true);
}
