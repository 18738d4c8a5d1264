/*
 * JSON of the hub's, before anybody looks at what it means: parsed by jansson, in memory that is wiped when it is given
 * back, because any message could hold a key. Judged before that for what parsing would cost. Used by hub_message.c and
 * hub_order.c.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Has jansson wipe, and seeds its hashes. Once for the process, before the sandbox closes. */
void hub_json_init(size_t seed);

/*
 * The object that `text` is, the caller's; or NULL with `*ret_fault`: it is no JSON, has a name twice, is deeper than
 * LIMIT_HUB_DEPTH, has more than LIMIT_HUB_VALUES values, or is no object. The words hold nothing of it.
 */
json_t *hub_json_parse(struct slice text, const char **ret_fault);

/* Whether jansson may see it: how deep it is, and how many values it has, found without taking it apart. */
bool hub_json_is_tame(struct slice text);

/* The member, or NULL where there is none: null is none. */
json_t *hub_json_member(const json_t *object, const char *name);

/* A string's bytes, for as long as it lives. Empty, with a NULL in `p`, for what is no string. */
struct slice hub_json_text(const json_t *value);
