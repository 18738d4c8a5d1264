#include "egress/settings/profile_file.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/document.h"
#include "config/schema.h"
#include "config/settings_text.h"
#include "config/value.h"
#include "egress/settings/settings_credential.h"
#include "egress/settings/settings_egress.h"

static int read_description(const struct node *node, void *field) {
    struct slice text;
    int r = value_text(node, &text);

    if (r == 0 && text.n > LIMIT_DESCRIPTION)
        return node_fail(node, "too long; use at most %d characters", LIMIT_DESCRIPTION);
    return r == 0 ? settings_copy(text, field) : r;
}

static int read_credentials(const struct node *node, void *field) {
    struct profile_file *file = field;
    size_t n;
    int r = value_list(node, 1, LIMIT_LEASES, &n);

    if (r < 0)
        return r;
    file->many = calloc(n, sizeof(file->many[0]));
    if (!file->many)
        return -ENOMEM;
    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item)) {
        r = credential_read_profile(item, false, NULL, 0, &file->many[file->n_many++]);
        if (r == 0)
            r = credential_check_unique(node, item);
    }
    return r;
}

_Static_assert(offsetof(struct profile_file, one) == 0, "keys beside a credential's are found from its start");

#define DESCRIPTION                                                                                                    \
    {                                                                                                                  \
        "description", read_description, offsetof(struct profile_file, description),                                   \
            "add description: and what the profile is for"                                                             \
    }
#define EGRESS                                                                                                         \
    { "egress", settings_read_egress, offsetof(struct profile_file, egress) }

static const struct schema_key keys_beside_one[] = {DESCRIPTION, EGRESS};
static const struct schema_key keys_of_many[] = {DESCRIPTION, {"credentials", read_credentials}, EGRESS};

static int read_root(const struct node *root, const char *name, struct profile_file *file) {
    int r;

    if (node_kind(root) == NODE_MAPPING && node_find(root, "credentials"))
        return schema_read(keys_of_many, ARRAY_LEN(keys_of_many), root, file);
    r = credential_read_profile(root, true, keys_beside_one, ARRAY_LEN(keys_beside_one), &file->one);
    return r == 0 && !file->one.name ? settings_copy(slice_of_string(name), &file->one.name) : r;
}

int profile_file_read(const char *path, const char *name, struct profile_file *file, char **ret_error) {
    _cleanup_document_ struct document *document = NULL;
    int r = document_load(path, &document, ret_error);

    if (r < 0)
        return r;
    r = read_root(document_root(document), name, file);
    if (r < 0)
        *ret_error = document_take_error(document);
    return r;
}

struct credential *profile_file_credentials(struct profile_file *file, size_t *ret_n) {
    *ret_n = file->many ? file->n_many : 1;
    return file->many ? file->many : &file->one;
}

void profile_file_done(struct profile_file *file) {
    credential_done(&file->one);
    for (size_t i = 0; i < file->n_many; i++)
        credential_done(&file->many[i]);
    free(file->many);
    free(file->description);
    egress_settings_done(&file->egress);
    *file = (struct profile_file){0};
}
