/*
 * Reads the value of a node as what it must be: text, a truth, a number, a duration, a path, ... Each returns 0, or
 * complains through node_fail and returns -errno; `*ret` is untouched then. No value is ever shown in a complaint.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "config/document.h"

/* A scalar that is not empty, not `null`, and has no control character. Valid until document_free; NUL-terminated. */
int value_text(const struct node *node, struct slice *ret);

/* The same, as a string of the caller's own. */
int value_string(const struct node *node, char **ret);

/* `true` or `false`, without quotes. YAML's older `yes` and `on` are not taken. */
int value_bool(const struct node *node, bool *ret);

/* Decimal digits, at most `max`. */
int value_integer(const struct node *node, uint64_t max, uint64_t *ret);

/* The same, and 1 at least. */
int value_count(const struct node *node, uint64_t max, uint64_t *ret);

/* One of two words or more, letter by letter. `*ret` is its index. */
int value_word(const struct node *node, const char *const *words, size_t n_words, size_t *ret);

/* Digits and one of `ms`, `s`, `m`, `h`, `d`; more than nothing and at most `max_ms`. */
int value_duration(const struct node *node, uint64_t max_ms, uint64_t *ret_ms);

/* Digits and one of `B`, `KB`, `MB`, `GB`, `KiB`, `MiB`, `GiB`; at least `min`, 1 or more, and at most `max`. */
int value_size(const struct node *node, uint64_t min, uint64_t max, uint64_t *ret);

/* Digits and one of `/s`, `/min`, `/h`; more than nothing and at most `max` in that time. */
int value_rate(const struct node *node, uint64_t max, uint64_t *ret_count, uint64_t *ret_ms);

/* A file's path, the caller's own; a relative one is made absolute from the document's directory. */
int value_path(const struct node *node, char **ret);

/*
 * `text` as a path, the caller's own; a relative one starts from `directory`. 0; -EINVAL when it starts with `~`, which
 * no shell has replaced; -ENOMEM.
 */
int value_absolute_path(struct slice text, const char *directory, char **ret);

/* A list of `min` to `max` texts, as strings of the caller's own, freed by value_strings_free; NULL stands behind. */
int value_strings(const struct node *node, size_t min, size_t max, char ***ret, size_t *ret_n);
void value_strings_free(char **strings);

/* A list of `min` to `max` items, for a loop over node_first and node_next. `*ret_n` is how many. */
int value_list(const struct node *node, size_t min, size_t max, size_t *ret_n);

/* A mapping of any keys, for the same loop. `*ret_n` is how many. */
int value_mapping(const struct node *node, size_t *ret_n);
