/*
 * Whether instances are up: asks each at its recipe's health path, or whether it accepts a connection, a few at a time,
 * and tells the supervisor. It is shown to people; nothing is ever started, stopped or hidden by it.
 */
#pragma once

#include "ingress/table/table.h"

/* From now on those of `table`, which is borrowed until the next call. What is under way ends. */
void health_set_table(const struct table *table);

/* Where instances of the recipe `number` are asked; NULL: a connection will do. 0 or -ENOMEM. */
int health_set_path(uint8_t number, const char *path);

/* Asks all of them by itself so often; 0: only by health_ask. */
void health_set_period(uint64_t ms);

/* Somebody looks. Not again while they are being asked, or have been just now. */
void health_ask(void);
