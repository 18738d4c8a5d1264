/*
 * One value of a configuration file, and the complaints about it. Handlers see nodes and nothing else of a document.
 *
 * A complaint is one line, "FILE:LINE: KEY: what is wrong; how to mend it". Only the first is kept, by the document.
 * KEY is the dotted path, as `credentials.flashduty.allow`: a list's item goes by its `name` if it has one, else by its
 * index, from 0. What stands below a key called `secret` is never shown, neither keys nor values: people put the key
 * itself there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/slice.h"

struct node;

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAPPING };

enum node_kind node_kind(const struct node *node);

/* The text of a scalar, after YAML's own unescaping: any bytes of UTF-8. Valid until document_free; NUL-terminated. */
struct slice node_scalar(const struct node *node);

/* Whether a scalar was written without quotes, so that `true` or `null` means what YAML says. */
bool node_is_plain(const struct node *node);

/* Whether it stands below a key called `secret`, or is the value of one: nothing of it may be shown. */
bool node_is_secret(const struct node *node);

/* The key that a mapping's value stands under; empty for a list's item and for the root. */
struct slice node_key(const struct node *node);

/* The line of its key; of a list's item and of the root, the line where it starts. From 1. */
size_t node_line(const struct node *node);

/* The values of a mapping or list in the order of the file; NULL at the end, and for a scalar. */
const struct node *node_first(const struct node *node);
const struct node *node_next(const struct node *node);
size_t node_count(const struct node *node);

/* The value under `key` of a mapping, or NULL. */
const struct node *node_find(const struct node *mapping, const char *key);

/* The file that relative paths in this document start from: its directory, absolute. */
const char *node_directory(const struct node *node);

/* "FILE:LINE: KEY", the start of a complaint made later. 0 with `*ret` the caller's, or -ENOMEM. */
int node_where(const struct node *node, char **ret);

/*
 * Complains about the node and returns -EINVAL, so that a check reads `return node_fail(node, "what; mend")`. Bytes
 * that are not printable ASCII come out as \xNN, wherever they came from. -ENOMEM without memory for the line.
 */
int node_fail(const struct node *node, const char *format, ...) _printf_(2, 3);

/* Complains that a mapping lacks `key`; `mend` says what to write. Returns as node_fail. */
int node_fail_missing(const struct node *mapping, const char *key, const char *mend);
