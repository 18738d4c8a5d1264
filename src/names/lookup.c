#include "names/lookup.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"
#include "proc/channel.h"

#define CACHE_SIZE LIMIT_LEASES
#define CACHE_MAX_MS 60000
#define REASON_MAX 128

struct name {
    char host[LIMIT_HOST + 1];
    bool is_asked, is_answering;
    uint64_t good_until_ms;
    size_t n;
    struct address addresses[LIMIT_ADDRESSES]; /* without a port */
    char failure[REASON_MAX];
};

struct lookup {
    struct lookup *next;
    struct name *name;
    uint16_t port;
    lookup_done *done;
    void *owner;
};

/* One row for each upstream's name: there are no more of them than credentials; of instances' names, those in use. */
static struct name names[CACHE_SIZE];
static size_t n_names;
static struct lookup *waiting;
static struct channel resolver;

static void answer(const struct name *name, uint16_t port, lookup_done *done, void *owner) {
    struct lookup_result result = {.n = name->n, .failure = name->failure};

    for (size_t i = 0; i < name->n; i++) {
        result.addresses[i] = name->addresses[i];
        /* the port stands at the same place in both forms (RFC 3493 §3.3) */
        result.addresses[i].in.sin_port = htons(port);
    }
    done(owner, &result);
}

static void answer_waiting(struct name *name) {
    struct lookup **at = &waiting;

    name->is_asked = false;
    name->is_answering = true;
    while (*at) {
        struct lookup *lookup = *at;

        if (lookup->name != name) {
            at = &lookup->next;
            continue;
        }
        *at = lookup->next;
        answer(name, lookup->port, lookup->done, lookup->owner);
        free(lookup);
        at = &waiting; /* whoever was called may have begun or cancelled others */
    }
    name->is_answering = false;
}

static void set_failure(struct name *name, struct slice reason) {
    reason = slice_first(reason, sizeof(name->failure) - 1);
    memcpy(name->failure, reason.p, reason.n);
    name->failure[reason.n] = '\0';
    name->n = 0;
    name->good_until_ms = 0;
}

static int on_addresses(void *owner, struct ipc_message *m) {
    uint32_t query = ipc_get_u32(m);
    bool is_ok = ipc_get_u8(m) == 1;
    uint64_t ttl_ms = (uint64_t)ipc_get_u32(m) * 1000;
    struct name *name = query < n_names ? &names[query] : NULL;
    size_t n = ipc_get_u8(m);

    (void)owner;
    if (!name || !name->is_asked || n > LIMIT_ADDRESSES || (is_ok && n == 0))
        return -EPROTO;
    name->n = 0;
    for (size_t i = 0; i < n; i++)
        if (address_from_bytes(ipc_get_bytes(m, 16), 0, &name->addresses[name->n++]) < 0)
            return -EPROTO;
    if (!is_ok)
        set_failure(name, ipc_get_bytes(m, REASON_MAX));
    if (ipc_end(m) < 0)
        return -EPROTO;
    if (is_ok)
        name->good_until_ms = loop_now_ms() + MIN_OF(ttl_ms, (uint64_t)CACHE_MAX_MS);
    answer_waiting(name);
    return 0;
}

static void resolver_closed(void *owner, int reason) {
    (void)owner;
    (void)reason;
    for (size_t i = 0; i < n_names; i++)
        if (names[i].is_asked) {
            set_failure(&names[i], SLICE("the resolver has ended"));
            answer_waiting(&names[i]);
        }
}

int lookup_init(int fd) {
    static const struct ipc_permit permits[] = {{IPC_ADDRESSES, 1, on_addresses}};
    int r;

    if (channel_is_open(&resolver)) {
        channel_done(&resolver);
        resolver_closed(NULL, 0);
    }
    r = channel_init(&resolver, fd, permits, ARRAY_LEN(permits), 1, NULL, resolver_closed);

    resolver.may_wait = true;
    return r;
}

/* Of those that nobody waits for, the one that is good for the shortest time makes room. */
static struct name *free_row(void) {
    struct name *oldest = NULL;

    if (n_names < CACHE_SIZE)
        return &names[n_names++];
    for (size_t i = 0; i < CACHE_SIZE; i++)
        if (!names[i].is_asked && !names[i].is_answering && (!oldest || names[i].good_until_ms < oldest->good_until_ms))
            oldest = &names[i];
    return oldest;
}

static struct name *name_of(struct slice host) {
    struct name *name;

    for (size_t i = 0; i < n_names; i++)
        if (slice_equals_nocase(slice_of_string(names[i].host), host))
            return &names[i];
    name = host.n <= LIMIT_HOST ? free_row() : NULL;
    if (!name)
        return NULL;
    *name = (struct name){0};
    memcpy(name->host, host.p, host.n);
    return name;
}

static int ask(struct name *name) {
    struct ipc_writer w = ipc_begin(IPC_LOOKUP);
    int r;

    ipc_put_u32(&w, (uint32_t)(name - names));
    ipc_put_bytes(&w, slice_of_string(name->host));
    r = channel_send(&resolver, &w, -EBADF);
    name->is_asked = r == 0;
    return r;
}

struct lookup *lookup_start(struct slice host, uint16_t port, lookup_done *done, void *owner) {
    static const struct lookup_result no_memory = {.failure = "too many names at once, or out of memory"};
    static const struct lookup_result no_resolver = {.failure = "the resolver is not there"};
    struct name *name = name_of(host);
    struct lookup *lookup;

    if (name && name->good_until_ms > loop_now_ms()) {
        answer(name, port, done, owner);
        return NULL;
    }
    lookup = name ? calloc(1, sizeof(*lookup)) : NULL;
    if (!lookup || (!name->is_asked && ask(name) < 0)) {
        done(owner, lookup ? &no_resolver : &no_memory);
        free(lookup);
        return NULL;
    }
    *lookup = (struct lookup){.next = waiting, .name = name, .port = port, .done = done, .owner = owner};
    waiting = lookup;
    return lookup;
}

void lookup_cancel(struct lookup *lookup) {
    for (struct lookup **at = &waiting; lookup && *at; at = &(*at)->next)
        if (*at == lookup) {
            *at = lookup->next;
            free(lookup);
            return;
        }
}
