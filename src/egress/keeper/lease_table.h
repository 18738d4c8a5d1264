/*
 * The keeper's leases: by whose they are, and which credential's. An identity is there for as long as it has leases;
 * when it is dropped nothing of it stays.
 */
#pragma once

#include "egress/number_table.h"

struct lease;

/* All zero is an empty one. */
struct lease_table {
    struct number_table identities;
};

/* NULL when there is none. */
struct lease *lease_table_find(const struct lease_table *table, uint32_t credential, uint32_t identity);

/* The first of an identity's leases, the others behind it; NULL when it has none. */
struct lease *lease_table_first(const struct lease_table *table, uint32_t identity);

/* The table's from now on. There is none of that credential and identity yet. 0 or -ENOMEM. */
int lease_table_add(struct lease_table *table, struct lease *lease);

/* Nobody has leases in its name any more: lease_drop, for each. Harmless for one that has none. */
void lease_table_drop(struct lease_table *table, uint32_t identity);
