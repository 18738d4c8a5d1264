/*
 * Who has which instance: the table, compiled into one piece of sealed memory that the supervisor makes
 * (table/table_build.h) and every role maps. Reading it allocates nothing and takes one look at a hash, however many
 * names there are. Nothing from outside is ever compared but by length and bytes.
 *
 * A name leads to one instance or more: among the routes whose host and path prefix match, one that asks for a host
 * goes before those that ask for none, then the longest prefix. "/a" is a prefix of "/a" and "/a/b", not of "/ab".
 * Entries with the same user, place and recipe are one instance, whoever's they are.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "net/address.h"

struct table;

enum instance_place { INSTANCE_ADDRESS, INSTANCE_UNIX, INSTANCE_NAME };

/* Every slice looks into the table: valid until its table_unref. */
struct instance {
    uint32_t number;   /* in this table */
    struct slice key;  /* what makes it the same instance in another table: os_user, place and recipe, in one text */
    struct slice name; /* the first of those who have it */
    struct slice os_user;
    enum instance_place place;
    struct address address; /* of INSTANCE_ADDRESS */
    struct slice path;      /* of INSTANCE_UNIX; NUL-terminated */
    struct slice host;      /* of INSTANCE_NAME: to be looked up */
    uint16_t port;
    uint8_t recipe;      /* number of its kind: pairing/recipe.h */
    struct slice unit;   /* of systemd, to be started when it does not answer; empty: the default, or none */
    struct slice prefix; /* of the paths that lead to it, as "/a"; empty for all. By number: the first route's */
};

/* Takes `fd`, sealed memory, over. 0; -EPROTO when it is not what table_build makes; -errno. */
int table_open(int fd, struct table **ret);

/*
 * The same in pieces, for who has others waiting: table_begin, then table_look, which looks at `rows` more, until it
 * says 0. 1 when there are more, -EPROTO when something is wrong. Before its 0 nothing else may be asked of the table,
 * which table_unref gives back.
 */
int table_begin(int fd, struct table **ret);
int table_look(struct table *table, uint64_t rows);
struct table *table_ref(struct table *table);
void table_unref(struct table *table); /* NULL is fine */

uint64_t table_number(const struct table *table); /* a later one has a higher number */
uint32_t table_count(const struct table *table);  /* of instances */
uint32_t table_names(const struct table *table);

/*
 * The instance that `name` is led to for that host (a Host field's value, port and case do not count) and path. False
 * when there is none.
 */
bool table_find(const struct table *table, struct slice name, struct slice host, struct slice path,
                struct instance *ret);

/* Whether the table has that name at all. */
bool table_has(const struct table *table, struct slice name);

/* By number, 0 to table_count - 1. False beyond. */
bool table_instance(const struct table *table, uint32_t number, struct instance *ret);
