/*
 * One YAML file as a tree of nodes (config/node.h) that know where they stand, so that whoever finds a fault in a
 * value, even long after the syntax was read, can name the line and the key. Knows no key's meaning: config/schema.h
 * walks the keys, config/value.h reads the values, egress/settings/settings.h says what they are.
 *
 * Takes less than YAML: one document, a mapping at its root, no anchor, alias or tag, no key twice, bounded depth and
 * number of values. So it is a tree, every node has one path, and nothing that is written twice can be read two ways.
 */
#pragma once

#include "base/macros.h"
#include "base/slice.h"
#include "config/node.h"

struct document;

/*
 * Reads and parses the file: at most LIMIT_CONFIG bytes of UTF-8. On success `*ret` is the caller's, freed by
 * document_free. On failure returns -errno (-EINVAL for bad content) and in `*ret_error` the complaint, freed by the
 * caller; NULL when there was no memory even for that.
 */
int document_load(const char *path, struct document **ret, char **ret_error);

/* As document_load, of bytes that the caller has read; `path` is what complaints call them. */
int document_parse(const char *path, struct slice bytes, struct document **ret, char **ret_error);

/* Every node goes with it. NULL is fine. */
void document_free(struct document *document);
void document_free_pointer(struct document **document);
#define _cleanup_document_ _cleanup_(document_free_pointer)

/* The mapping at the root. */
const struct node *document_root(const struct document *document);

const char *document_path(const struct document *document);

/* The first complaint that was made about a node, the caller's from now on; NULL when there is none. */
char *document_take_error(struct document *document);
