#include "ingress/desk/people.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"

struct people {
    struct shelf persons, instances;
    struct table *table; /* NULL: there was none yet, and so there is nobody */
    uint64_t forgotten;
};

static struct person *person_of(struct shelf_item *item) {
    return item ? container_of(item, struct person, item) : NULL;
}

static struct instance_health *health_of(struct shelf_item *item) {
    return item ? container_of(item, struct instance_health, item) : NULL;
}

int people_new(struct people **ret) {
    struct people *people = calloc(1, sizeof(*people));

    if (!people)
        return -ENOMEM;
    if (shelf_init(&people->persons, LIMIT_PEOPLE) < 0 || shelf_init(&people->instances, LIMIT_PEOPLE) < 0) {
        people_free(people);
        return -ENOMEM;
    }
    *ret = people;
    return 0;
}

static void forget_person(struct people *people, struct person *person) {
    shelf_remove(&people->persons, &person->item);
    free(person);
}

static void forget_instance(struct people *people, struct instance_health *instance) {
    shelf_remove(&people->instances, &instance->item);
    free(instance->key);
    free(instance);
}

void people_free(struct people *people) {
    if (!people)
        return;
    while (people->persons.oldest)
        forget_person(people, person_of(people->persons.oldest));
    while (people->instances.oldest)
        forget_instance(people, health_of(people->instances.oldest));
    shelf_done(&people->persons);
    shelf_done(&people->instances);
    table_unref(people->table);
    free(people);
}

static void copy_text(char *to, size_t size, struct slice text) {
    text = slice_first(text, size - 1);
    memcpy(to, text.p, text.n);
    to[text.n] = '\0';
}

uint64_t person_tunnels(const struct person *person) {
    uint64_t n = 0;

    for (size_t i = 0; i < LIMIT_WORKERS; i++)
        n += person->tunnels[i];
    return n;
}

/* Whoever was seen longest ago gives way; who has a tunnel open is here, and does not. */
static bool make_room(struct people *people) {
    struct person *person = person_of(people->persons.oldest);

    if (people->persons.n < LIMIT_PEOPLE)
        return true;
    people->forgotten++;
    while (person && person_tunnels(person) > 0)
        person = person_of(person->item.newer);
    if (person)
        forget_person(people, person);
    return person != NULL;
}

/* The record of that name as the newest, made where there is none. NULL: nobody has that name; no room, no memory. */
static struct person *note_person(struct people *people, struct slice name) {
    struct person *person;

    name = slice_first(name, LIMIT_PERSON);
    person = person_of(shelf_find(&people->persons, name));
    if (person) {
        shelf_touch(&people->persons, &person->item);
        return person;
    }
    if (!people->table || !table_has(people->table, name))
        return NULL;
    person = make_room(people) ? calloc(1, sizeof(*person)) : NULL;
    if (!person)
        return NULL;
    copy_text(person->name, sizeof(person->name), name);
    person->item.key = slice_of(person->name, name.n);
    shelf_add(&people->persons, &person->item);
    return person;
}

void people_seen(struct people *people, unsigned dispatcher, const struct seen *seen, uint64_t now_ms) {
    struct person *person = note_person(people, seen->name);

    if (!person || dispatcher >= LIMIT_WORKERS)
        return;
    person->requests += seen->requests;
    person->bytes_in += seen->bytes_in;
    person->bytes_out += seen->bytes_out;
    person->tunnels[dispatcher] = seen->tunnels;
    person->seen_ms = now_ms;
}

void people_dispatcher_ended(struct people *people, unsigned dispatcher) {
    if (dispatcher >= LIMIT_WORKERS)
        return;
    for (struct person *p = person_of(people->persons.oldest); p; p = person_of(p->item.newer))
        p->tunnels[dispatcher] = 0;
}

void people_paired(struct people *people, struct slice name, enum pairing_fault fault, struct slice reason,
                   uint64_t now_ms) {
    struct person *person = note_person(people, name);

    if (!person)
        return;
    if (fault == PAIRING_WORKED) {
        person->pairings++;
        person->paired_ms = now_ms;
        person->has_trouble = false;
        return;
    }
    person->pairing_failures++;
    person->failed_ms = now_ms;
    person->has_trouble = true;
    person->fault = fault;
    copy_text(person->reason, sizeof(person->reason), reason);
}

/* As note_person. A health that is forgotten is asked for again. */
static struct instance_health *note_instance(struct people *people, const struct instance *instance) {
    struct instance_health *health = health_of(shelf_find(&people->instances, instance->key));

    if (health) {
        shelf_touch(&people->instances, &health->item);
        return health;
    }
    if (people->instances.n == LIMIT_PEOPLE)
        forget_instance(people, health_of(people->instances.oldest));
    health = calloc(1, sizeof(*health));
    if (!health)
        return NULL;
    health->key = malloc(instance->key.n + 1);
    if (!health->key) {
        free(health);
        return NULL;
    }
    copy_text(health->key, instance->key.n + 1, instance->key);
    health->item.key = slice_of(health->key, instance->key.n);
    shelf_add(&people->instances, &health->item);
    return health;
}

void people_health(struct people *people, const struct instance *instance, enum health health, uint32_t answer_ms,
                   uint64_t now_ms) {
    struct instance_health *known = note_instance(people, instance);

    if (!known)
        return;
    if (known->since_ms == 0 || known->health != health)
        known->since_ms = now_ms;
    known->health = health;
    known->asked_ms = now_ms;
    known->answer_ms = answer_ms;
    copy_text(known->name, sizeof(known->name), instance->name);
    copy_text(known->os_user, sizeof(known->os_user), instance->os_user);
}

static void mark_instances(struct people *people) {
    struct instance instance;

    for (struct instance_health *h = health_of(people->instances.oldest); h; h = health_of(h->item.newer))
        h->is_there = false;
    for (uint32_t i = 0; table_instance(people->table, i, &instance); i++) {
        struct instance_health *known = health_of(shelf_find(&people->instances, instance.key));

        if (known)
            known->is_there = true;
    }
}

void people_table(struct people *people, struct table *table) {
    struct table *old = people->table;
    struct instance_health *next;

    people->table = table_ref(table);
    table_unref(old);
    for (struct person *p = person_of(people->persons.oldest); p; p = person_of(p->item.newer))
        p->is_gone = !table_has(table, p->item.key);
    mark_instances(people);
    for (struct instance_health *h = health_of(people->instances.oldest); h; h = next) {
        next = health_of(h->item.newer);
        if (!h->is_there)
            forget_instance(people, h);
    }
}

size_t people_count(const struct people *people) {
    return people->persons.n;
}

void people_list(const struct people *people, const struct person **ret) {
    for (struct person *p = person_of(people->persons.oldest); p; p = person_of(p->item.newer))
        *ret++ = p;
}

size_t people_count_instances(const struct people *people) {
    return people->instances.n;
}

void people_list_instances(const struct people *people, const struct instance_health **ret) {
    for (struct instance_health *h = health_of(people->instances.oldest); h; h = health_of(h->item.newer))
        *ret++ = h;
}

const struct instance_health *people_find_instance(const struct people *people, struct slice key) {
    return health_of(shelf_find(&people->instances, key));
}

void people_count_health(const struct people *people, size_t ret[static HEALTHS]) {
    memset(ret, 0, HEALTHS * sizeof(*ret));
    for (struct instance_health *h = health_of(people->instances.oldest); h; h = health_of(h->item.newer))
        ret[h->health]++;
}

uint64_t people_forgotten(const struct people *people) {
    return people->forgotten;
}
