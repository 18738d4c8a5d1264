#include "egress/settings/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/document.h"
#include "config/schema.h"
#include "config/settings_common.h"
#include "config/value.h"
#include "egress/settings/settings_audit.h"
#include "egress/settings/settings_credential.h"
#include "egress/settings/settings_egress.h"
#include "egress/settings/settings_limits.h"

/* What one of two has read from a descriptor, the other waits for. `last` is the newest of those that were read. */
static int check_descriptor(const struct node *item, const struct settings *settings, const struct credential *last) {
    for (const struct credential *c = settings->credentials; c != last; c++)
        if (c->secret.kind == SECRET_FD && last->secret.kind == SECRET_FD && c->secret.fd == last->secret.fd)
            return node_fail(node_find(item, "secret"),
                             "the credential %s has the same `fd`, and it can be read once; give each its own",
                             c->name);
    return 0;
}

static int read_credential(const struct node *list, const struct node *item, struct settings *settings) {
    struct credential *credential = &settings->credentials[settings->n_credentials++];
    int r = credential_read(item, credential);

    if (r == 0)
        r = credential_check_unique(list, item);
    return r == 0 ? check_descriptor(item, settings, credential) : r;
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
    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item))
        r = read_credential(node, item, settings);
    return r;
}

static int read_others(const struct node *node, void *field) {
    bool *has_others = field;

    (void)node;
    *has_others = true;
    return 0;
}

static const struct schema_key settings_keys[] = {
    {"credentials", read_credentials},
    {"audit", settings_read_audit, offsetof(struct settings, audit)},
    {"metrics", settings_read_metrics, offsetof(struct settings, metrics)},
    {"log", settings_read_log, offsetof(struct settings, log_level)},
    {"timeouts", settings_read_timeouts, offsetof(struct settings, timeouts)},
    {"dispatch", read_others, offsetof(struct settings, has_dispatch)},
    {"runner", read_others, offsetof(struct settings, has_runner)},
    {"egress", settings_read_egress, offsetof(struct settings, egress)},
};

struct settings *settings_new(const char *path) {
    struct settings *settings = calloc(1, sizeof(*settings));

    if (!settings)
        return NULL;
    settings->log_level = LOG_WARNING;
    settings->audit.keep = AUDIT_KEEP;
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
    if (r == 0 && !settings->credentials && !settings->has_dispatch && !settings->has_runner &&
        !settings->egress.is_there)
        r = node_fail_missing(
            document_root(document), "credentials",
            "add credentials: and a list of at least one, or egress: with the hosts that are let through; "
            "see credfd.yaml(5)");
    if (r == 0 && settings->egress.is_there && settings_credential(settings, AUDIT_WAYS))
        r = node_fail(node_find(document_root(document), "egress"),
                      "the audit calls what goes through here `" AUDIT_WAYS "`, and so is a credential called; give "
                      "that another name");
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
    egress_settings_done(&settings->egress);
    free(settings->audit.file);
    free(settings->audit.where);
    free(settings->metrics.listen);
    free(settings->metrics.where);
    free(settings->path);
    free(settings);
}

void settings_free_pointer(struct settings **settings) {
    settings_free(*settings);
}

int settings_set_audit(struct settings *settings, const char *path, const char *where) {
    char *file = strdup(path), *words = strdup(where);

    if (!file || !words) {
        free(file);
        free(words);
        return -ENOMEM;
    }
    free(settings->audit.file);
    free(settings->audit.where);
    settings->audit.file = file;
    settings->audit.where = words;
    return 0;
}

const struct credential *settings_credential(const struct settings *settings, const char *name) {
    for (size_t i = 0; i < settings->n_credentials; i++)
        if (strcmp(settings->credentials[i].name, name) == 0)
            return &settings->credentials[i];
    return NULL;
}
