#include "egress/settings/settings_audit.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/schema.h"
#include "config/value.h"
#include "egress/settings/settings.h"

static int read_file(const struct node *node, void *field) {
    struct audit_settings *audit = field;
    int r = node_where(node, &audit->where);

    if (r < 0)
        return r;
    if (node_kind(node) == NODE_SCALAR && slice_equals(node_scalar(node), SLICE("-")))
        return value_string(node, &audit->file);
    return value_path(node, &audit->file);
}

static int read_journal(const struct node *node, void *field) {
    return value_bool(node, field);
}

static int read_on_error(const struct node *node, void *field) {
    static const char *const words[] = {"block", "continue"};
    bool *continues = field;
    size_t at;
    int r = value_word(node, words, ARRAY_LEN(words), &at);

    if (r == 0)
        *continues = at == 1;
    return r;
}

static int read_rotate(const struct node *node, void *field) {
    return value_size(node, LIMIT_AUDIT_ROTATE_LEAST, LIMIT_AUDIT_ROTATE, field);
}

static int read_keep(const struct node *node, void *field) {
    return value_count(node, LIMIT_AUDIT_KEEP, field);
}

#define AT(member) offsetof(struct audit_settings, member)

static const struct schema_key audit_keys[] = {
    {"file", read_file},
    {"journal", read_journal, AT(is_journal)},
    {"on_error", read_on_error, AT(continues_on_error)},
    {"rotate", read_rotate, AT(rotate_bytes)},
    {"keep", read_keep, AT(keep)},
};

int settings_read_audit(const struct node *node, void *field) {
    struct audit_settings *audit = field;
    const struct node *rotate = node_find(node, "rotate"), *keep = node_find(node, "keep");
    int r = schema_read(audit_keys, ARRAY_LEN(audit_keys), node, field);

    if (r < 0)
        return r;
    if (!audit->file && !audit->is_journal)
        return node_fail(node, "must say where it goes; add file: PATH, file: \"-\" for standard error, or journal: "
                               "true");
    if (rotate && (!audit->file || strcmp(audit->file, "-") == 0))
        return node_fail(rotate, "goes with a file only; add file: PATH, or remove it");
    if (keep && !rotate)
        return node_fail(keep, "goes with `rotate` only; add rotate: 100MiB, or remove it");
    return 0;
}
