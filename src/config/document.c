#include "config/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/limits.h"
#include "config/tree.h"
#include "config/yaml_fault.h"

/* What stands between one event of the parser and the next. */
struct builder {
    yaml_parser_t parser;
    struct document *document;
    struct slice bytes;
    struct node *at; /* the mapping or list that is open */
    size_t depth;
    char *key; /* read, and waiting for its value */
    size_t key_length;
    size_t key_line;
};

static char *copy_bytes(const void *p, size_t n) {
    char *copy = malloc(n + 1);

    if (!copy)
        return NULL;
    memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

/* About the file as a whole, or one of its lines. */
static _printf_(3, 4) int document_fail(struct document *document, size_t line, const char *format, ...) {
    va_list args;
    int r;

    va_start(args, format);
    r = tree_complain(document, line, NULL, SLICE_EMPTY, format, args);
    va_end(args);
    return r;
}

/* About what was just read: under the key that waits, or in what is open. */
static _printf_(3, 4) int builder_fail(const struct builder *b, size_t line, const char *format, ...) {
    va_list args;
    int r;

    va_start(args, format);
    r = tree_complain(b->document, line, b->at, b->key ? slice_of(b->key, b->key_length) : SLICE_EMPTY, format, args);
    va_end(args);
    return r;
}

/* Takes the waiting key over. `text` is empty but for a scalar. */
static int add_node(struct builder *b, enum node_kind kind, const yaml_event_t *event, struct slice text) {
    _cleanup_free_ char *copy = copy_bytes(text.p, text.n);
    struct node *node;

    if (!copy)
        return -ENOMEM;
    if (b->document->n_nodes >= LIMIT_CONFIG_NODES)
        return builder_fail(b, yaml_line(event->start_mark), "more than %d values; keep the file smaller",
                            LIMIT_CONFIG_NODES);
    node = calloc(1, sizeof(*node));
    if (!node)
        return -ENOMEM;
    node->document = b->document;
    node->made_before = b->document->newest;
    b->document->newest = node;
    b->document->n_nodes++;
    node->kind = kind;
    node->line = b->key ? b->key_line : yaml_line(event->start_mark);
    node->key = steal_pointer(&b->key);
    node->key_length = b->key_length;
    node->text = steal_pointer(&copy);
    node->text_length = text.n;
    node->parent = b->at;
    if (!b->at) {
        b->document->root = node;
        return 0;
    }
    node->index = b->at->n_children++;
    if (b->at->last)
        b->at->last->next = node;
    else
        b->at->first = node;
    b->at->last = node;
    return 0;
}

static int take_key(struct builder *b, const yaml_event_t *event) {
    const struct node *twin;

    if (event->type != YAML_SCALAR_EVENT)
        return builder_fail(b, yaml_line(event->start_mark), "a key must be a word; write `key: value`");
    b->key = copy_bytes(event->data.scalar.value, event->data.scalar.length);
    if (!b->key)
        return -ENOMEM;
    b->key_length = event->data.scalar.length;
    b->key_line = yaml_line(event->start_mark);
    for (twin = b->at->first; twin; twin = twin->next)
        if (slice_equals(node_key(twin), slice_of(b->key, b->key_length)))
            return builder_fail(b, b->key_line, "is written twice, first on line %zu; remove one", twin->line);
    return 0;
}

static int take_scalar(struct builder *b, const yaml_event_t *event) {
    struct slice text = slice_of(event->data.scalar.value, event->data.scalar.length);
    int r = add_node(b, NODE_SCALAR, event, text);

    if (r < 0)
        return r;
    b->document->newest->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return 0;
}

static int open_container(struct builder *b, enum node_kind kind, const yaml_event_t *event) {
    int r;

    if (b->depth >= LIMIT_CONFIG_DEPTH)
        return builder_fail(b, yaml_line(event->start_mark), "nested more than %d deep; flatten it",
                            LIMIT_CONFIG_DEPTH);
    r = add_node(b, kind, event, SLICE_EMPTY);
    if (r < 0)
        return r;
    b->at = b->document->newest;
    b->depth++;
    return 0;
}

static void close_container(struct builder *b) {
    b->at = b->at->parent;
    b->depth--;
}

/* A value or a key of any kind; `anchor` and `tag` are what its event carries. */
static int take_node(struct builder *b, enum node_kind kind, const yaml_event_t *event, const yaml_char_t *anchor,
                     const yaml_char_t *tag) {
    size_t line = yaml_line(event->start_mark);

    if (anchor)
        return builder_fail(b, line, "%s", YAML_NO_ANCHOR);
    if (tag)
        return builder_fail(b, line, "%s", YAML_NO_TAG);
    if (b->at && b->at->kind == NODE_MAPPING && !b->key)
        return take_key(b, event);
    if (!b->at && kind != NODE_MAPPING)
        return builder_fail(b, line, "the file must hold keys and their values; see credfd.yaml(5)");
    return kind == NODE_SCALAR ? take_scalar(b, event) : open_container(b, kind, event);
}

static int take_event(struct builder *b, const yaml_event_t *event) {
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return take_node(b, NODE_SCALAR, event, event->data.scalar.anchor, event->data.scalar.tag);
    case YAML_SEQUENCE_START_EVENT:
        return take_node(b, NODE_LIST, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return take_node(b, NODE_MAPPING, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_container(b);
        return 0;
    case YAML_ALIAS_EVENT:
        return builder_fail(b, yaml_line(event->start_mark), "%s", YAML_NO_ALIAS);
    case YAML_DOCUMENT_START_EVENT:
        if (b->document->root)
            return builder_fail(b, yaml_line(event->start_mark), "%s", YAML_NO_SECOND);
        return 0;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    return 0;
}

static int fail_syntax(const struct builder *b) {
    char words[YAML_FAULT_MAX];
    size_t line = 0;
    int r = yaml_fault(&b->parser, b->bytes, words, &line);

    return r == -EINVAL ? document_fail(b->document, line, "%s", words) : r;
}

static int build_tree(struct builder *b) {
    for (;;) {
        yaml_event_t event;
        bool is_end;
        int r;

        if (!yaml_parser_parse(&b->parser, &event))
            return fail_syntax(b);
        is_end = event.type == YAML_STREAM_END_EVENT;
        r = take_event(b, &event);
        yaml_event_delete(&event);
        if (r < 0 || is_end)
            return r;
    }
}

static int parse_bytes(struct document *document, struct slice bytes) {
    struct builder b = {.document = document, .bytes = yaml_skip_mark(bytes)};
    int r;

    if (!yaml_parser_initialize(&b.parser))
        return -ENOMEM;
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)b.bytes.p, b.bytes.n);
    r = build_tree(&b);
    yaml_parser_delete(&b.parser);
    free(b.key);
    if (r == 0 && !document->root)
        return document_fail(document, 0, "holds nothing; see credfd.yaml(5) for what to write");
    return r;
}

static struct document *document_new(const char *path) {
    struct document *document = calloc(1, sizeof(*document));

    if (!document)
        return NULL;
    document->path = strdup(path);
    if (!document->path) {
        free(document);
        return NULL;
    }
    return document;
}

/* Where the file is, links in its directory's path resolved: what is relative in it starts from there. */
static int find_directory(struct document *document) {
    const char *slash = strrchr(document->path, '/');
    _cleanup_free_ char *directory = NULL;

    if (!slash)
        directory = strdup(".");
    else
        directory = copy_bytes(document->path, slash == document->path ? 1 : (size_t)(slash - document->path));
    if (!directory)
        return -ENOMEM;
    document->directory = realpath(directory, NULL);
    if (!document->directory) {
        int error = errno;

        (void)document_fail(document, 0, "its directory cannot be found: %s; name the file with --config",
                            strerror(error));
        return -error;
    }
    return 0;
}

static int fail_read(struct document *document, int error) {
    (void)document_fail(document, 0, "cannot be read: %s; %s", strerror(error),
                        error == ENOENT   ? "create it, or name another file with --config"
                        : error == EACCES ? "let this user read it, or name another file with --config"
                                          : "name another file with --config");
    return -error;
}

/* One byte more than may be, so that what is too long shows. A pipe (`-c <(…)`) is read like a file. */
static int read_file(struct document *document, char **ret_bytes, size_t *ret_n) {
    _cleanup_free_ char *bytes = malloc(LIMIT_CONFIG + 1);
    _cleanup_close_ int fd = -EBADF;
    ssize_t n;

    if (!bytes)
        return -ENOMEM;
    fd = open(document->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fail_read(document, errno);
    n = fd_read_all(fd, bytes, LIMIT_CONFIG + 1);
    if (n < 0)
        return fail_read(document, (int)-n);
    if (n > LIMIT_CONFIG)
        return document_fail(document, 0, "larger than %d KiB; is it the right file?", LIMIT_CONFIG / 1024);
    *ret_bytes = steal_pointer(&bytes);
    *ret_n = (size_t)n;
    return 0;
}

/* Hands out the document, or the complaint that it made. */
static int finish(int r, struct document **document, struct document **ret, char **ret_error) {
    if (r < 0)
        *ret_error = document_take_error(*document);
    else
        *ret = steal_pointer(document);
    return r;
}

int document_load(const char *path, struct document **ret, char **ret_error) {
    _cleanup_document_ struct document *document = document_new(path);
    _cleanup_free_ char *bytes = NULL;
    size_t n = 0;
    int r;

    *ret_error = NULL;
    if (!document)
        return -ENOMEM;
    r = read_file(document, &bytes, &n);
    if (r == 0)
        r = find_directory(document);
    if (r == 0)
        r = parse_bytes(document, slice_of(bytes, n));
    return finish(r, &document, ret, ret_error);
}

int document_parse(const char *path, struct slice bytes, struct document **ret, char **ret_error) {
    _cleanup_document_ struct document *document = document_new(path);
    int r;

    *ret_error = NULL;
    if (!document)
        return -ENOMEM;
    r = find_directory(document);
    if (r == 0)
        r = parse_bytes(document, bytes);
    return finish(r, &document, ret, ret_error);
}

void document_free(struct document *document) {
    if (!document)
        return;
    while (document->newest) {
        struct node *node = document->newest;

        document->newest = node->made_before;
        free(node->key);
        free(node->text);
        free(node);
    }
    free(document->path);
    free(document->directory);
    free(document->error);
    free(document);
}

void document_free_pointer(struct document **document) {
    document_free(*document);
}

const struct node *document_root(const struct document *document) {
    return document->root;
}

const char *document_path(const struct document *document) {
    return document->path;
}

char *document_take_error(struct document *document) {
    return steal_pointer(&document->error);
}
