/*
 * Instances as this process knows them: one record for each that is in use, by instance.key, so that it outlives the
 * table that named it. Its address, the warm connections to it (pool.h), how its session's cookie is called, and what is
 * told to the steward of its use. Bounded by the table: there is none for what was never in it.
 */
#pragma once

#include "ingress/table/table.h"

struct warm;

struct place {
    struct place *next; /* in its bucket */
    unsigned refs;
    struct slice key, path, host; /* behind the record; as in struct instance */
    enum instance_place kind;
    struct address address;
    uint16_t port;

    struct warm *idle; /* the one used last is first: the others may grow old and go */
    unsigned n_idle;

    char *cookie_names; /* patterns joined by "; "; NULL: not asked yet */
    uint64_t names_until_ms;

    uint64_t table; /* where it was found last, and its number there */
    uint32_t number;
    uint32_t requests; /* since the steward was told */
    uint32_t open;     /* exchanges and tunnels */
    bool is_busy;      /* the steward knows of it as one in use */
    bool is_led;       /* it is in the table */
};

/* The record of an instance of the present table, a reference of the caller's; NULL without memory. */
struct place *place_ref(const struct instance *instance);
void place_unref(struct place *place); /* NULL is fine */

/* An exchange or a tunnel begins there, and ends. */
void place_open(struct place *place);
void place_close(struct place *place);

/* How its cookies are called, as the instance says; empty: it does not. Kept for COOKIE_NAMES_LIFE. */
void place_set_names(struct place *place, struct slice patterns);

/* Somebody asks for them anew: until the answer comes, others go by what is known. */
void place_asks_names(struct place *place);

/* What is known; `*ret_is_fresh` tells whether it need not be asked again. Empty when nothing is. */
struct slice place_names(const struct place *place, bool *ret_is_fresh);

/* There is a new table: whatever it does not lead to is forgotten, cookies' names are asked anew. */
void places_table(const struct table *table);

/* Called from time to time: old warm connections are closed, what nobody uses is forgotten. */
void places_look(void);

/* No descriptor is left: every connection that is only kept warm is closed. Whether there was one. */
bool places_cool(void);

/* Tells the steward what was used since the last time; once more when it no longer is. */
void places_tell(void);
