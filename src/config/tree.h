/*
 * What node.c and document.c share: the tree itself. Nobody else includes it.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"
#include "config/node.h"

struct document {
    char *path;
    char *directory;
    struct node *root;
    struct node *newest; /* of all nodes, each of which knows the one made before it */
    size_t n_nodes;
    char *error;
};

struct node {
    struct document *document;
    struct node *made_before;
    struct node *parent, *first, *last, *next;
    size_t n_children;
    size_t index; /* in the parent */
    enum node_kind kind;
    bool is_plain;
    size_t line;
    char *key;
    size_t key_length;
    char *text;
    size_t text_length;
};

/*
 * Makes the document's complaint, unless it has one: about `line` (0: the file as a whole), about `node` (NULL: no key
 * is named), or about a key that `node` does not have (empty: about the node itself). Returns as node_fail.
 */
_printf_(5, 0) int tree_complain(struct document *document, size_t line, const struct node *node, struct slice key,
                                 const char *format, va_list args);
