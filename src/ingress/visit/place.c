#include "ingress/visit/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ingress/visit/key_hash.h"
#include "ingress/visit/links.h"
#include "ingress/visit/pool.h"
#include "ingress/visit/world.h"
#include "net/loop.h"

#define BUCKETS 4096 /* a power of two */

static struct place *buckets[BUCKETS];

static struct place **bucket_of(struct slice key) {
    return &buckets[key_hash(key) & (BUCKETS - 1)];
}

static struct place *find(struct slice key) {
    struct place *place = *bucket_of(key);

    while (place && !slice_equals(place->key, key))
        place = place->next;
    return place;
}

/* Copies `text` with a NUL behind it to `*at`, and goes on behind that. */
static struct slice put(char **at, struct slice text) {
    char *to = *at;

    if (text.n > 0)
        memcpy(to, text.p, text.n);
    to[text.n] = '\0';
    *at += text.n + 1;
    return slice_of(to, text.n);
}

static struct place *make(const struct instance *instance) {
    struct place *place = calloc(1, sizeof(*place) + instance->key.n + instance->path.n + instance->host.n + 3);
    struct place **bucket = bucket_of(instance->key);
    char *at;

    if (!place)
        return NULL;
    at = (char *)(place + 1);
    place->key = put(&at, instance->key);
    place->path = put(&at, instance->path);
    place->host = put(&at, instance->host);
    place->kind = instance->place;
    place->address = instance->address;
    place->port = instance->port;
    place->is_led = true;
    place->next = *bucket;
    *bucket = place;
    return place;
}

struct place *place_ref(const struct instance *instance) {
    struct place *place = find(instance->key);

    if (!place)
        place = make(instance);
    if (!place)
        return NULL;
    place->refs++;
    place->table = table_number(world.table);
    place->number = instance->number;
    return place;
}

/* Forgets `*at` when there is nothing that anybody could miss. */
static bool forget_unused(struct place **at) {
    struct place *place = *at;

    if (place->refs > 0 || place->idle || place->is_busy || place->requests > 0 ||
        (place->is_led && place->names_until_ms > loop_now_ms()))
        return false;
    *at = place->next;
    free(place->cookie_names);
    free(place);
    return true;
}

void place_unref(struct place *place) {
    if (place)
        place->refs--; /* it stays until places_look: the next one is on the way */
}

void place_open(struct place *place) {
    place->open++;
    place->requests++;
}

void place_close(struct place *place) {
    place->open--;
}

void place_set_names(struct place *place, struct slice patterns) {
    char *names = malloc(patterns.n + 1);

    if (!names)
        return;
    memcpy(names, patterns.p, patterns.n);
    names[patterns.n] = '\0';
    free(place->cookie_names);
    place->cookie_names = names;
    place->names_until_ms = loop_now_ms() + COOKIE_NAMES_LIFE;
}

void place_asks_names(struct place *place) {
    if (place->cookie_names)
        place->names_until_ms = loop_now_ms() + world.front.connect_ms;
}

struct slice place_names(const struct place *place, bool *ret_is_fresh) {
    *ret_is_fresh = place->names_until_ms > loop_now_ms();
    return place->cookie_names ? slice_of_string(place->cookie_names) : SLICE_EMPTY;
}

static void for_each(void (*what)(struct place **at)) {
    for (size_t i = 0; i < BUCKETS; i++) {
        struct place **at = &buckets[i];

        while (*at) {
            struct place *place = *at;

            what(at);
            if (*at == place)
                at = &place->next;
        }
    }
}

static void lead_nowhere(struct place **at) {
    (*at)->is_led = false;
    (*at)->names_until_ms = 0;
}

static void drop_unled(struct place **at) {
    if ((*at)->is_led)
        return;
    pool_prune(*at, UINT64_MAX);
    (*at)->is_busy = false; /* the steward forgets it, too */
    (*at)->requests = 0;
    (void)forget_unused(at);
}

void places_table(const struct table *table) {
    struct instance instance;

    for_each(lead_nowhere);
    for (uint32_t i = 0; table_instance(table, i, &instance); i++) {
        struct place *place = find(instance.key);

        if (!place)
            continue;
        place->is_led = true;
        place->table = table_number(table);
        place->number = i;
    }
    for_each(drop_unled);
}

static void look_at(struct place **at) {
    pool_prune(*at, loop_now_ms() - TIMEOUT_WARM);
    (void)forget_unused(at);
}

void places_look(void) {
    for_each(look_at);
}

static bool was_warm;

static void cool(struct place **at) {
    was_warm = was_warm || (*at)->n_idle > 0;
    pool_prune(*at, UINT64_MAX);
}

bool places_cool(void) {
    was_warm = false;
    for_each(cool);
    return was_warm;
}

static void tell_of(struct place **at) {
    struct place *place = *at;
    bool is_busy = place->open > 0 || place->requests > 0;

    if (!place->is_led || (!is_busy && !place->is_busy))
        return;
    steward_tell(place->table, place->number, place->requests, place->open);
    place->requests = 0;
    place->is_busy = is_busy;
}

void places_tell(void) {
    for_each(tell_of);
}
