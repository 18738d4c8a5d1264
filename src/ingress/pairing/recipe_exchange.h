/*
 * The part of a recipe's file that says how a credential becomes a session, and what other parts read in the same way.
 * Part of pairing/recipe_file.c: handlers of config/schema.h.
 */
#pragma once

#include "config/document.h"
#include "ingress/pairing/recipe.h"

/* A string of the recipe's own, of `max` bytes at most. */
int recipe_read_text(const struct node *node, size_t max, char **ret);

/* `field` is a char * that becomes the target of a request, without a place for a credential. */
int recipe_read_path(const struct node *node, void *field);

/* A list of statuses between the two. */
int recipe_read_statuses(const struct node *node, uint64_t min, uint64_t max, uint16_t *statuses, size_t *n);

/* `field` is the recipe. */
int recipe_read_exchanges(const struct node *node, void *field);
