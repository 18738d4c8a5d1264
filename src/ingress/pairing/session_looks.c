#include "ingress/pairing/session_looks.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"
#include "ingress/pairing/recipe_request.h"
#include "net/loop.h"

/* One request that is under way. It goes on when nobody waits any more: the next who comes is spared it. */
struct look {
    struct look *next;
    struct session_looks *looks;
    struct session_digest digest;
    struct target *target;
    bool is_bare; /* without cookies, for the name alone */
    struct instance_call *call;
    struct look_waiter *waiters;
};

struct session_looks {
    struct session_cache *cache;
    struct call_times times;
    struct look *under_way;
    size_t n;
};

struct session_looks *session_looks_new(void) {
    struct session_looks *looks = calloc(1, sizeof(*looks));
    struct session_cache *cache = session_cache_new();

    if (!looks || !cache) {
        session_cache_free(cache);
        free(looks);
        return NULL;
    }
    *looks = (struct session_looks){.cache = cache, .times = {TIMEOUT_LOOK, TIMEOUT_LOOK}};
    return looks;
}

static void look_free(struct look *look) {
    for (struct look_waiter *w = look->waiters; w; w = w->next)
        w->look = NULL;
    instance_call_cancel(look->call);
    target_unref(look->target);
    free(look);
}

void session_looks_free(struct session_looks *looks) {
    if (!looks)
        return;
    while (looks->under_way) {
        struct look *look = looks->under_way;

        looks->under_way = look->next;
        look_free(look);
    }
    session_cache_free(looks->cache);
    free(looks);
}

void session_looks_set_times(struct session_looks *looks, struct call_times times) {
    looks->times.connect_ms = MIN_OF(times.connect_ms, (uint64_t)TIMEOUT_LOOK);
    looks->times.response_ms = MIN_OF(times.response_ms, (uint64_t)TIMEOUT_LOOK);
}

static void forget(struct look *look) {
    struct session_looks *looks = look->looks;

    for (struct look **at = &looks->under_way; *at; at = &(*at)->next)
        if (*at == look) {
            *at = look->next;
            looks->n--;
            return;
        }
}

static void remember(const struct look *look, const struct session_report *report) {
    struct slice name = slice_of_string(report->cookie_name);

    if (look->target->recipe->cookie_field && (look->is_bare || name.n > 0))
        session_cache_put_name(look->looks->cache, look->target, name, loop_now_ms());
    /* what is not known is not asked again at once either: an instance that hangs would hold up each request */
    session_cache_put(look->looks->cache, &look->digest, report->verdict, loop_now_ms());
}

static void answered(void *owner, const struct call_answer *answer) {
    struct look *look = owner;
    struct session_report report = {.verdict = VERDICT_UNKNOWN};

    look->call = NULL;
    if (answer->end == CALL_ANSWERED)
        session_report_read(look->target->recipe, answer->status, answer->body, &report);
    remember(look, &report);
    forget(look);
    while (look->waiters) {
        struct look_waiter *waiter = look->waiters;

        look->waiters = waiter->next;
        waiter->look = NULL;
        waiter->on_answer(waiter, report.verdict);
    }
    look_free(look);
}

static int call(struct look *look, struct slice cookies) {
    struct buf request;
    int r;

    buf_init_secret(&request, RECIPE_REQUEST_MAX);
    r = recipe_write_get(look->target, look->target->recipe->session_path, cookies, &request);
    if (r == 0)
        r = instance_call_start(&look->target->instance, buf_slice(&request), look->looks->times, answered, look,
                                &look->call);
    buf_release(&request);
    return r;
}

/* The same question under way; and how many others are, at that instance. */
static struct look *find(struct session_looks *looks, const struct session_digest *digest, const struct target *target,
                         size_t *ret_n_others) {
    *ret_n_others = 0;
    for (struct look *look = looks->under_way; look; look = look->next) {
        if (session_digest_equals(&look->digest, digest))
            return look;
        *ret_n_others += slice_equals(look->target->instance.key, target->instance.key);
    }
    return NULL;
}

static int begin(struct session_looks *looks, struct target *target, struct slice cookies,
                 const struct session_digest *digest, struct look **ret) {
    struct look *look = calloc(1, sizeof(*look));
    int r;

    if (!look)
        return -ENOMEM;
    *look = (struct look){.looks = looks,
                          .digest = *digest,
                          .target = target_ref(target),
                          .is_bare = cookies.n == 0,
                          .next = looks->under_way};
    r = call(look, cookies);
    if (r < 0) {
        look_free(look);
        return r;
    }
    looks->under_way = look;
    looks->n++;
    *ret = look;
    return 0;
}

int look_start(struct session_looks *looks, struct target *target, struct slice cookies, struct look_waiter *waiter,
               enum session_verdict *ret_verdict) {
    struct session_digest digest = session_digest_of(target, cookies);
    struct look *look;
    size_t n_others;
    int r;

    if (cookies.n > 0 && session_cache_find(looks->cache, &digest, loop_now_ms(), ret_verdict))
        return 1;
    look = find(looks, &digest, target, &n_others);
    if (!look && (looks->n >= LIMIT_LOOKS || n_others >= LIMIT_INSTANCE_LOOKS))
        return -EBUSY;
    r = look ? 0 : begin(looks, target, cookies, &digest, &look);
    if (r < 0)
        return r;
    waiter->look = look;
    waiter->next = look->waiters;
    look->waiters = waiter;
    return 0;
}

void look_cancel(struct look_waiter *waiter) {
    if (!waiter->look)
        return;
    for (struct look_waiter **at = &waiter->look->waiters; *at; at = &(*at)->next)
        if (*at == waiter) {
            *at = waiter->next;
            break;
        }
    waiter->look = NULL;
}

bool session_looks_name(struct session_looks *looks, const struct target *target, struct slice *ret) {
    return session_cache_name(looks->cache, target, loop_now_ms(), ret);
}
