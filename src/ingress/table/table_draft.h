/*
 * A table while it is put together: instances and routes are added, each looked up at once among those that are there,
 * and then all of it is sealed into memory (table_format.h). Checks nothing but clashes: its user has checked the rest.
 * In the supervisor alone; after a failure it is good for nothing but draft_free.
 */
#pragma once

#include <stddef.h>

#include "base/macros.h"
#include "ingress/table/table.h"

struct draft;

int draft_new(struct draft **ret);
void draft_free(struct draft *draft); /* NULL is fine */
void draft_free_pointer(struct draft **draft);
#define _cleanup_draft_ _cleanup_(draft_free_pointer)

struct draft_instance {
    struct slice os_user, unit, recipe_name;
    enum instance_place place;
    struct address address;
    struct slice path;
    struct slice host; /* of INSTANCE_ADDRESS: as inet_ntop(3) writes it */
    uint16_t port;
    uint8_t recipe;
    size_t line;
};

/*
 * `*ret` is its number, that of an equal one if there is one. 0; -EEXIST when that one has another unit, with its line
 * in `*ret_line`; -E2BIG, -ENOMEM.
 */
int draft_add_instance(struct draft *draft, const struct draft_instance *from, uint32_t *ret, size_t *ret_line);

struct draft_route {
    struct slice name;
    uint32_t owner; /* the entry that the name stands in: in no second one may it stand */
    uint32_t instance;
    struct slice host, prefix;
    size_t line;
};

/*
 * 0; -EEXIST: the name stands in another entry, -EALREADY: it has that route, both with the line of the other in
 * `*ret_line`; -E2BIG: too many routes of a name, or names; -ENOMEM.
 */
int draft_add_route(struct draft *draft, const struct draft_route *from, size_t *ret_line);

/* 0 with `*ret_fd` the caller's, or -errno. */
int draft_seal(const struct draft *draft, uint64_t number, int *ret_fd);
