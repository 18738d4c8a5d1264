/*
 * The supervisor's list of living streams: which lease each belongs to and who dialled it, so that a report about it
 * can be stamped with facts that no role could have forged.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "egress/desk/asker.h"

struct holder;
struct possession;
struct refusal_report;

struct stream_entry {
    uint64_t id;
    struct holder *holder; /* NULL once its relay has gone: the keeper may still report */
    char identity[LIMIT_IDENTITY + 1];
    uint32_t door;                 /* of its lease, in the relay */
    struct possession *possession; /* likewise; the entry's reference, or NULL */
    uint32_t lease_number;         /* of its id */
    bool is_called;                /* through a listening door, and not dialled */
    struct asker asker;
    uint32_t n_told;                /* exchanges that the keeper has told of */
    struct refusal_report *pending; /* the relay's of the next one, should the keeper not live to tell it; or NULL */
    bool is_keeper_done, is_relay_done;
};

struct stream_table {
    struct stream_entry **rows;
    uint32_t *spare; /* rows that are not used: the last of them is taken next */
    uint32_t n_rows;
    uint32_t n_used;
    uint32_t serial;
    void (*on_free)(struct stream_entry *entry); /* it goes; may be NULL */
};

/*
 * NULL without memory. The entry stays where it is until both sides are done with it. `identity` is a name of at most
 * LIMIT_IDENTITY bytes.
 */
struct stream_entry *stream_table_add(struct stream_table *table, struct holder *holder, const char *identity,
                                      uint32_t door);

/* NULL for an id that is not, or no longer, given out. */
struct stream_entry *stream_table_find(const struct stream_table *table, uint64_t id);

/* Frees the entry when the other side is done as well. */
void stream_table_keeper_done(struct stream_table *table, struct stream_entry *entry);
void stream_table_relay_done(struct stream_table *table, struct stream_entry *entry);

/* The next entry behind `row` that has a report pending, or NULL. `*row` starts at 0. */
struct stream_entry *stream_table_next_pending(const struct stream_table *table, uint32_t *row);

/* A whole side is gone: the keeper (holder NULL), or the relay of one holder. */
void stream_table_side_gone(struct stream_table *table, struct holder *holder);
void stream_table_done(struct stream_table *table);
