#include "egress/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/document.h"
#include "config/schema.h"
#include "config/value.h"
#include "egress/settings_credential.h"

/* The twin's line is told too: one of the two must change, and only their author knows which. */
static int check_unique(const struct node *list, const struct node *item) {
    const struct node *name = node_find(item, "name");

    for (const struct node *other = node_first(list); other != item; other = node_next(other)) {
        const struct node *twin = node_find(other, "name");

        if (slice_equals(node_scalar(twin), node_scalar(name)))
            return node_fail(name, "the credential on line %zu has the same name; give each its own", node_line(twin));
    }
    return 0;
}

static int read_credentials(const struct node *node, void *field) {
    struct settings *settings = field;
    size_t n;
    int r = value_list(node, 1, LIMIT_LEASES, &n);

    if (r < 0)
        return r;
    settings->credentials = calloc(n, sizeof(settings->credentials[0]));
    if (!settings->credentials)
        return -ENOMEM;
    for (const struct node *item = node_first(node); item; item = node_next(item)) {
        r = credential_read(item, &settings->credentials[settings->n_credentials++]);
        if (r == 0)
            r = check_unique(node, item);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_audit_file(const struct node *node, void *field) {
    struct settings *settings = field;
    int r = node_where(node, &settings->audit_where);

    if (r < 0)
        return r;
    if (node_kind(node) == NODE_SCALAR && slice_equals(node_scalar(node), SLICE("-")))
        return value_string(node, &settings->audit_file);
    return value_path(node, &settings->audit_file);
}

static int read_audit(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"file", read_audit_file, 0, "add file: PATH, or file: \"-\" for standard error"},
    };

    return schema_read(keys, ARRAY_LEN(keys), node, field);
}

static int read_timeouts(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"head", settings_read_timeout, offsetof(struct timeouts, head)},
        {"idle", settings_read_timeout, offsetof(struct timeouts, idle)},
        {"body", settings_read_timeout, offsetof(struct timeouts, body)},
        {"write", settings_read_timeout, offsetof(struct timeouts, write)},
        {"stream", settings_read_timeout, offsetof(struct timeouts, stream)},
        {"connect", settings_read_timeout, offsetof(struct timeouts, connect)},
    };

    return schema_read(keys, ARRAY_LEN(keys), node, field);
}

static const struct schema_key settings_keys[] = {
    {"credentials", read_credentials, 0, "add credentials: and a list of at least one; see credfd.yaml(5)"},
    {"audit", read_audit},
    {"timeouts", read_timeouts, offsetof(struct settings, timeouts)},
};

static struct settings *settings_new(const char *path) {
    struct settings *settings = calloc(1, sizeof(*settings));

    if (!settings)
        return NULL;
    settings->timeouts = (struct timeouts){
        .head = TIMEOUT_HEAD,
        .idle = TIMEOUT_IDLE,
        .body = TIMEOUT_BODY,
        .write = TIMEOUT_WRITE,
        .stream = TIMEOUT_STREAM,
        .connect = TIMEOUT_CONNECT,
    };
    settings->path = strdup(path);
    if (!settings->path) {
        free(settings);
        return NULL;
    }
    return settings;
}

static int read_document(struct document *document, struct settings **ret, char **ret_error) {
    _cleanup_settings_ struct settings *settings = settings_new(document_path(document));
    int r;

    if (!settings)
        return -ENOMEM;
    r = schema_read(settings_keys, ARRAY_LEN(settings_keys), document_root(document), settings);
    if (r < 0) {
        *ret_error = document_take_error(document);
        return r;
    }
    *ret = steal_pointer(&settings);
    return 0;
}

int settings_load(const char *path, struct settings **ret, char **ret_error) {
    _cleanup_document_ struct document *document = NULL;
    int r = document_load(path, &document, ret_error);

    return r < 0 ? r : read_document(document, ret, ret_error);
}

int settings_parse(const char *path, struct slice bytes, struct settings **ret, char **ret_error) {
    _cleanup_document_ struct document *document = NULL;
    int r = document_parse(path, bytes, &document, ret_error);

    return r < 0 ? r : read_document(document, ret, ret_error);
}

void settings_free(struct settings *settings) {
    if (!settings)
        return;
    for (size_t i = 0; i < settings->n_credentials; i++)
        credential_done(&settings->credentials[i]);
    free(settings->credentials);
    free(settings->audit_file);
    free(settings->audit_where);
    free(settings->path);
    free(settings);
}

void settings_free_pointer(struct settings **settings) {
    settings_free(*settings);
}

/* The file for a person: none without a home. 0 with NULL then. */
static int find_own(char **ret) {
    const char *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char *path = NULL;
    int n = 0;

    /* the XDG Base Directory Specification: what is not absolute is to be ignored */
    if (xdg && xdg[0] == '/')
        n = asprintf(&path, "%s/credfd/config.yaml", xdg);
    else if (home && home[0] == '/')
        n = asprintf(&path, "%s/.config/credfd/config.yaml", home);
    if (n < 0)
        return -ENOMEM;
    *ret = path;
    return 0;
}

/* One that is there but cannot be looked at exists: to go on to another would hide why. */
static bool exists(const char *path) {
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

static int give(const char *path, char **ret_path) {
    char *copy = strdup(path);

    if (!copy)
        return -ENOMEM;
    *ret_path = copy;
    return 0;
}

int settings_find(const char *option, char **ret_path, char **ret_error) {
    static const char here[] = "./credfd.yaml", global[] = "/etc/credfd/config.yaml";
    const char *variable = getenv("CREDFD_CONFIG");
    _cleanup_free_ char *own = NULL;
    char *error;
    int r;

    *ret_error = NULL;
    if (option)
        return give(option, ret_path);
    if (variable && *variable)
        return give(variable, ret_path);
    if (exists(here))
        return give(here, ret_path);
    r = find_own(&own);
    if (r < 0)
        return r;
    if (own && exists(own))
        return give(own, ret_path);
    if (exists(global))
        return give(global, ret_path);
    if (asprintf(&error, "no configuration at %s%s%s or %s; write one there, or name it with --config", here,
                 own ? ", " : "", own ? own : "", global) < 0)
        return -ENOMEM;
    *ret_error = error;
    return -ENOENT;
}

const struct credential *settings_credential(const struct settings *settings, const char *name) {
    for (size_t i = 0; i < settings->n_credentials; i++)
        if (strcmp(settings->credentials[i].name, name) == 0)
            return &settings->credentials[i];
    return NULL;
}
