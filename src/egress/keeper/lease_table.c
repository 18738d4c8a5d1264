#include "egress/keeper/lease_table.h"

#include <errno.h>

#include "egress/keeper/lease.h"

/* An identity is the list of its leases: few, and most of the time one. */
struct lease *lease_table_first(const struct lease_table *table, uint32_t identity) {
    return number_table_find(&table->identities, identity);
}

struct lease *lease_table_find(const struct lease_table *table, uint32_t credential, uint32_t identity) {
    struct lease *lease = lease_table_first(table, identity);

    while (lease && lease->credential != credential)
        lease = lease->next;
    return lease;
}

int lease_table_add(struct lease_table *table, struct lease *lease) {
    struct lease *first = number_table_find(&table->identities, lease->identity);

    if (!first)
        return number_table_put(&table->identities, lease->identity, lease);
    lease->next = first->next;
    first->next = lease;
    return 0;
}

void lease_table_drop(struct lease_table *table, uint32_t identity) {
    struct lease *lease = number_table_find(&table->identities, identity), *next;

    number_table_remove(&table->identities, identity);
    for (; lease; lease = next) {
        next = lease->next;
        lease_drop(lease);
    }
}
