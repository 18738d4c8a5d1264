#include "config/node.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "config/tree.h"

#define SHOWN_KEY 64 /* bytes of a key that a complaint shows */

static bool is_secret_key(struct slice key) {
    return slice_equals(key, SLICE("secret"));
}

enum node_kind node_kind(const struct node *node) {
    return node->kind;
}

struct slice node_scalar(const struct node *node) {
    return slice_of(node->text, node->text_length);
}

bool node_is_plain(const struct node *node) {
    return node->is_plain;
}

bool node_is_secret(const struct node *node) {
    for (; node; node = node->parent)
        if (is_secret_key(node_key(node)))
            return true;
    return false;
}

struct slice node_key(const struct node *node) {
    return node->key ? slice_of(node->key, node->key_length) : SLICE_EMPTY;
}

size_t node_line(const struct node *node) {
    return node->line;
}

const struct node *node_first(const struct node *node) {
    return node->first;
}

const struct node *node_next(const struct node *node) {
    return node->next;
}

size_t node_count(const struct node *node) {
    return node->n_children;
}

const struct node *node_find(const struct node *mapping, const char *key) {
    if (mapping->kind != NODE_MAPPING)
        return NULL;
    for (const struct node *node = mapping->first; node; node = node->next)
        if (slice_equals(node_key(node), slice_of_string(key)))
            return node;
    return NULL;
}

const char *node_directory(const struct node *node) {
    return node->document->directory;
}

static char *escape(struct slice text) {
    char *escaped = malloc(4 * text.n + 1);
    size_t n = 0;

    if (!escaped)
        return NULL;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c >= 0x20 && c < 0x7f)
            escaped[n++] = (char)c;
        else
            n += (size_t)snprintf(escaped + n, 5, "\\x%02x", c);
    }
    escaped[n] = '\0';
    return escaped;
}

/* What a list's item is called in paths; nothing when it has no name that reads well, or when `leaf` is that name. */
static struct slice item_name(const struct node *item, const struct node *leaf) {
    const struct node *name = node_find(item, "name");
    struct slice text;

    if (!name || name == leaf)
        return SLICE_EMPTY;
    text = node_scalar(name);
    if (text.n > LIMIT_NAME)
        return SLICE_EMPTY;
    for (size_t i = 0; i < text.n; i++) {
        char c = ascii_lower(text.p[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
            return SLICE_EMPTY;
    }
    return text;
}

static void write_key(FILE *out, struct slice key, bool is_first) {
    struct slice shown = slice_first(key, SHOWN_KEY);

    if (!is_first)
        fputc('.', out);
    fwrite(shown.p, 1, shown.n, out);
    if (shown.n < key.n)
        fputs("...", out);
}

/* From the root down to `node`, on the way to `leaf`. False when a key `secret` ended it: nothing below is shown. */
static bool write_path(FILE *out, const struct node *node, const struct node *leaf) {
    struct slice name;

    if (!node->parent)
        return true;
    if (!write_path(out, node->parent, leaf))
        return false;
    if (node->parent->kind == NODE_MAPPING) {
        write_key(out, node_key(node), !node->parent->parent);
        return !is_secret_key(node_key(node));
    }
    name = item_name(node, leaf);
    if (name.n > 0)
        write_key(out, name, false);
    else
        fprintf(out, "[%zu]", node->index);
    return true;
}

/* "FILE:LINE: KEY". No line when it is 0; no key when `node` is NULL; `key`, if any, is one that the node lacks. */
static void write_where(FILE *out, const struct document *document, size_t line, const struct node *node,
                        struct slice key) {
    fputs(document->path, out);
    if (line > 0)
        fprintf(out, ":%zu", line);
    if (!node || (!node->parent && key.n == 0))
        return;
    fputs(": ", out);
    if (write_path(out, node, node) && key.n > 0)
        write_key(out, key, !node->parent);
}

int tree_complain(struct document *document, size_t line, const struct node *node, struct slice key, const char *format,
                  va_list args) {
    _cleanup_free_ char *raw = NULL;
    size_t n = 0;
    FILE *out;

    if (document->error)
        return -EINVAL;
    out = open_memstream(&raw, &n);
    if (!out)
        return -ENOMEM;
    write_where(out, document, line, node, key);
    fputs(": ", out);
    vfprintf(out, format, args);
    if (fclose(out) != 0)
        return -ENOMEM;
    document->error = escape(slice_of(raw, n));
    return document->error ? -EINVAL : -ENOMEM;
}

int node_fail(const struct node *node, const char *format, ...) {
    va_list args;
    int r;

    va_start(args, format);
    r = tree_complain(node->document, node->line, node, SLICE_EMPTY, format, args);
    va_end(args);
    return r;
}

static _printf_(3, 4) int fail_at_key(const struct node *mapping, const char *key, const char *format, ...) {
    va_list args;
    int r;

    va_start(args, format);
    r = tree_complain(mapping->document, mapping->line, mapping, slice_of_string(key), format, args);
    va_end(args);
    return r;
}

int node_fail_missing(const struct node *mapping, const char *key, const char *mend) {
    return fail_at_key(mapping, key, "is missing; %s", mend);
}

int node_where(const struct node *node, char **ret) {
    _cleanup_free_ char *raw = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&raw, &n);
    char *where;

    if (!out)
        return -ENOMEM;
    write_where(out, node->document, node->line, node, SLICE_EMPTY);
    if (fclose(out) != 0)
        return -ENOMEM;
    where = escape(slice_of(raw, n));
    if (!where)
        return -ENOMEM;
    *ret = where;
    return 0;
}
