#include "ingress/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/schema.h"
#include "config/settings_common.h"
#include "config/settings_text.h"
#include "config/value.h"
#include "ingress/settings_command.h"
#include "ingress/settings_header.h"
#include "ingress/settings_listen.h"
#include "ingress/settings_trust.h"

#define AT(member) offsetof(struct dispatch_settings, member)

static int read_workers(const struct node *node, void *field) {
    uint32_t *workers = field;
    uint64_t n = 0;
    int r = 0;

    if (node_kind(node) != NODE_SCALAR || !slice_equals(node_scalar(node), SLICE("auto")))
        r = value_count(node, LIMIT_WORKERS, &n);
    if (r == 0)
        *workers = (uint32_t)n;
    return r;
}

static int read_domains(const struct node *node, void *field) {
    struct identity_settings *identity = field;
    const struct node *item = node_first(node);
    int r = value_strings(node, 1, LIMIT_DOMAINS, &identity->domains, &identity->n_domains);

    for (size_t i = 0; r == 0 && i < identity->n_domains; i++, item = node_next(item)) {
        char *domain = identity->domains[i];

        if (strlen(domain) > LIMIT_HOST || !settings_is_made_of(slice_of_string(domain), SLICE(".-")))
            return node_fail(item, "must be a domain, what stands behind @; write example.org");
        for (; *domain; domain++)
            *domain = ascii_lower(*domain);
    }
    return r;
}

static int read_identity(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"header", settings_read_header, offsetof(struct identity_settings, header)},
        {"domains", read_domains},
    };

    return schema_read(keys, ARRAY_LEN(keys), node, field);
}

static int read_path(const struct node *node, void *field) {
    return value_path(node, field);
}

static int read_table(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"file", read_path, AT(table)},
        {"reload", settings_read_timeout, AT(table_look_ms)},
    };

    return schema_read(keys, ARRAY_LEN(keys), node, field);
}

static int read_profile(const struct node *node, void *field) {
    char **name = field;
    int r = value_string(node, name);

    if (r < 0)
        return r;
    if (strlen(*name) > LIMIT_NAME || !settings_is_made_of(slice_of_string(*name), SLICE("._-")) || **name == '.')
        return node_fail(node, "must name a kind of instance; write t3, jupyter, code-server, ttyd, none or one of "
                               "your own, see credfd-instances(5)");
    return 0;
}

static int read_admins(const struct node *node, void *field) {
    struct dispatch_settings *settings = field;
    const struct node *item = node_first(node);
    int r = value_strings(node, 1, LIMIT_ADMINS, &settings->admins, &settings->n_admins);

    for (size_t i = 0; r == 0 && i < settings->n_admins; i++, item = node_next(item))
        if (strlen(settings->admins[i]) > LIMIT_PERSON)
            return node_fail(item, "too long; use at most %d characters", LIMIT_PERSON);
    return r;
}

static int read_status_path(const struct node *node, void *field) {
    char **path = field;
    struct slice text = SLICE_EMPTY;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    if (text.n < 2 || text.n > LIMIT_PERSON || text.p[0] != '/' || !settings_is_made_of(text, SLICE("/._~-")))
        return node_fail(node, "must be a path from / on, of letters, digits and any of / . _ ~ -; write /-/credfd");
    if (slice_starts_with(text, SLICE("//")))
        return node_fail(node, "begins with //, which is a host to a browser; write /-/credfd");
    if (slice_equals(text, SLICE("/healthz")) || slice_starts_with(text, SLICE("/probe/")))
        return node_fail(node, "is a path that answers anybody, so that the page would never be seen; write /-/credfd");
    return settings_copy(text, path);
}

static int read_log_file(const struct node *node, void *field) {
    char **path = field;

    if (node_kind(node) == NODE_SCALAR && slice_equals(node_scalar(node), SLICE("-")))
        return value_string(node, path);
    return value_path(node, path);
}

static int read_access_log(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"file", read_log_file, AT(access_log), "add file: PATH, or file: \"-\" for standard error"},
    };

    return schema_read(keys, ARRAY_LEN(keys), node, field);
}

static int read_timeouts(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"head", settings_read_timeout, offsetof(struct dispatch_timeouts, head_ms)},
        {"idle", settings_read_timeout, offsetof(struct dispatch_timeouts, idle_ms)},
        {"body", settings_read_timeout, offsetof(struct dispatch_timeouts, body_ms)},
        {"write", settings_read_timeout, offsetof(struct dispatch_timeouts, write_ms)},
        {"stream", settings_read_timeout, offsetof(struct dispatch_timeouts, stream_ms)},
        {"connect", settings_read_timeout, offsetof(struct dispatch_timeouts, connect_ms)},
    };

    return schema_read(keys, ARRAY_LEN(keys), node, field);
}

static const struct schema_key dispatch_keys[] = {
    {"listen", settings_read_listen},
    {"workers", read_workers, AT(workers)},
    {"trust", settings_read_trust, AT(trust)},
    {"identity", read_identity, AT(identity)},
    {"table", read_table},
    {"profile", read_profile, AT(recipe)},
    {"mint", settings_read_mint, AT(mint)},
    {"start", settings_read_start, AT(start)},
    {"admins", read_admins},
    {"status_path", read_status_path, AT(status_path)},
    {"access_log", read_access_log},
    {"drain", settings_read_timeout, AT(drain_ms)},
    {"response_timeout", settings_read_timeout, AT(timeouts.response_ms)},
};

/* A field that says two things says neither. */
static int check_headers(const struct node *node, const struct dispatch_settings *settings) {
    const char *names[] = {settings->identity.header, settings->trust.shared_secret.header, settings->trust.jwt.header};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (size_t j = 0; j < i; j++)
            if (names[i] && names[j] && slice_equals_nocase(slice_of_string(names[i]), slice_of_string(names[j])))
                return node_fail(node,
                                 "names the header field %s twice; give the name, the secret and the assertion a "
                                 "field each",
                                 names[i]);
    return 0;
}

static int check_tls(const struct node *node, const struct dispatch_settings *settings) {
    bool has_mtls = settings->trust.mtls.certificate != NULL;
    bool has_tls = settings_find_listen(settings, LISTEN_TLS) != NULL;

    if (has_tls && !has_mtls)
        return node_fail(node_find(node, "listen"),
                         "a tls: place is for fronts that show a certificate; add trust: { mtls: { certificate: FILE, "
                         "key: FILE, ca: FILE, names: [ NAME ] } }");
    if (has_mtls && !has_tls)
        return node_fail(node_find(node_find(node, "trust"), "mtls"), "goes with a tls: place only; add listen: [ "
                                                                      "\"tls::3443\" ], or remove it");
    return 0;
}

static int add_defaults(const struct node *node, struct dispatch_settings *settings) {
    int r = settings_default_trust(&settings->trust);

    if (r == 0)
        r = settings_default_mint(&settings->mint);
    if (r == 0 && !settings->identity.header)
        r = settings_copy(SLICE("X-authentik-username"), &settings->identity.header);
    if (r == 0 && !settings->table)
        r = settings_copy(SLICE("/etc/t3-serve/dispatch.json"), &settings->table);
    if (r == 0 && !settings->recipe)
        r = settings_copy(SLICE("t3"), &settings->recipe);
    if (r == 0 && !settings->status_path)
        r = settings_copy(SLICE("/-/credfd"), &settings->status_path);
    return r < 0 || settings->listen ? r : settings_default_listen(settings, node);
}

static int read_dispatch(const struct node *node, void *field) {
    struct dispatch_settings *settings = field;
    int r = schema_read(dispatch_keys, ARRAY_LEN(dispatch_keys), node, settings);

    if (r == 0)
        r = add_defaults(node, settings);
    if (r == 0)
        r = check_headers(node, settings);
    return r == 0 ? check_tls(node, settings) : r;
}

static const struct schema_key settings_keys[] = {
    {"dispatch", read_dispatch},
    {"metrics", settings_read_metrics, AT(metrics)},
    {"log", settings_read_log, AT(log_level)},
    {"timeouts", read_timeouts, AT(timeouts)},
    {"credentials", settings_pass_over},
    {"audit", settings_pass_over},
    {"runner", settings_pass_over},
    {"egress", settings_pass_over},
};

static struct dispatch_settings *new_settings(const char *path) {
    struct dispatch_settings *settings = calloc(1, sizeof(*settings));

    if (!settings)
        return NULL;
    settings->log_level = LOG_WARNING;
    settings->table_look_ms = TABLE_LOOK;
    settings->drain_ms = TIMEOUT_DRAIN;
    settings->start.start.timeout_ms = settings->start.stop.timeout_ms = TIMEOUT_WAKE;
    settings->start.wait_ms = TIMEOUT_WAKE;
    settings->timeouts = (struct dispatch_timeouts){
        .head_ms = TIMEOUT_HEAD,
        .idle_ms = TIMEOUT_IDLE,
        .body_ms = TIMEOUT_BODY,
        .write_ms = TIMEOUT_WRITE,
        .stream_ms = TIMEOUT_STREAM,
        .connect_ms = TIMEOUT_CONNECT,
        .response_ms = TIMEOUT_RESPONSE,
    };
    settings->path = strdup(path);
    if (!settings->path) {
        free(settings);
        return NULL;
    }
    return settings;
}

static int read_document(struct document *document, struct dispatch_settings **ret, char **ret_error) {
    _cleanup_dispatch_settings_ struct dispatch_settings *settings = new_settings(document_path(document));
    const struct node *root = document_root(document);
    int r;

    if (!settings)
        return -ENOMEM;
    if (!node_find(root, "dispatch")) {
        r = node_fail_missing(root, "dispatch",
                              "add dispatch: {} for a dispatcher with every default; see credfd.yaml(5)");
        *ret_error = document_take_error(document);
        return r == -EINVAL ? -ENOENT : r;
    }
    r = schema_read(settings_keys, ARRAY_LEN(settings_keys), root, settings);
    if (r < 0) {
        *ret_error = document_take_error(document);
        return r;
    }
    *ret = steal_pointer(&settings);
    return 0;
}

int dispatch_settings_load(const char *path, struct dispatch_settings **ret, char **ret_error) {
    _cleanup_document_ struct document *document = NULL;
    int r = document_load(path, &document, ret_error);

    return r < 0 ? r : read_document(document, ret, ret_error);
}

int dispatch_settings_parse(const char *path, struct slice bytes, struct dispatch_settings **ret, char **ret_error) {
    _cleanup_document_ struct document *document = NULL;
    int r = document_parse(path, bytes, &document, ret_error);

    return r < 0 ? r : read_document(document, ret, ret_error);
}

void dispatch_settings_free(struct dispatch_settings *settings) {
    if (!settings)
        return;
    for (size_t i = 0; i < settings->n_listen; i++)
        listen_place_done(&settings->listen[i]);
    free(settings->listen);
    trust_settings_done(&settings->trust);
    free(settings->identity.header);
    value_strings_free(settings->identity.domains);
    free(settings->table);
    free(settings->recipe);
    command_settings_done(&settings->mint.command);
    start_settings_done(&settings->start);
    value_strings_free(settings->admins);
    free(settings->status_path);
    free(settings->access_log);
    free(settings->metrics.listen);
    free(settings->metrics.where);
    free(settings->path);
    free(settings);
}

void dispatch_settings_free_pointer(struct dispatch_settings **settings) {
    dispatch_settings_free(*settings);
}
