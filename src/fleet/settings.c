#include "fleet/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/schema.h"
#include "config/settings_common.h"
#include "config/settings_file.h"
#include "config/settings_text.h"
#include "config/value.h"
#include "fleet/settings_permission.h"
#include "fleet/settings_place.h"
#include "fleet/settings_tasks.h"

#define AT(member) offsetof(struct runner_settings, member)

#define DEFAULT_URL "wss://api.flashcat.cloud/safari/worknode/ws"
#define DEFAULT_SPOOL_SIZE (256 * 1024 * 1024)
#define DEFAULT_CONCURRENT 64
#define DEFAULT_QUEUE 1000
#define DEFAULT_OUTPUT (64 * 1024 * 1024)
#define DEFAULT_OUTPUT_RATE (256 * 1024)

#define MEND_URL "write wss://HOST/PATH, the token is put behind it"

/* Takes the URL over. NULL when it is one of a hub; else what is wrong, and in `*ret_mend` how to mend it. */
static const char *set_url(struct runner_settings *settings, char *url, const char **ret_mend) {
    struct uri_upstream hub;
    const char *fault = uri_parse_upstream(slice_of_string(url), &hub);
    bool is_websocket = slice_starts_with(slice_of_string(url), SLICE("ws"));

    free(settings->url);
    settings->url = url;
    *ret_mend = MEND_URL;
    if (fault)
        return fault;
    if (!is_websocket)
        return "must begin with wss:// (or ws:// on loopback)";
    *ret_mend = "use wss:// (ws:// only to 127.0.0.1, [::1] or localhost)";
    if (!hub.is_tls && !uri_is_loopback(&hub))
        return "ws:// would send the token unencrypted";
    settings->hub = hub;
    return NULL;
}

/* The value is not shown: it may hold a token. */
static int read_url(const struct node *node, void *field) {
    struct runner_settings *settings = field;
    char *url = NULL;
    const char *fault, *mend;
    int r = value_string(node, &url);

    if (r < 0)
        return r;
    fault = set_url(settings, url, &mend);
    return fault ? node_fail(node, "%s; %s", fault, mend) : 0;
}

static int read_path(const struct node *node, void *field) {
    return value_path(node, field);
}

/* A name without a slash is looked for in $PATH, each time anew: an update may put it elsewhere. */
static int read_cli(const struct node *node, void *field) {
    struct slice text = SLICE_EMPTY;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    return slice_has(text, '/') ? value_path(node, field) : value_string(node, field);
}

static int read_profile(const struct node *node, void *field) {
    char **name = field;
    int r = value_string(node, name);

    if (r < 0)
        return r;
    if (strlen(*name) > LIMIT_NAME || !settings_is_made_of(slice_of_string(*name), SLICE("._-")) || **name == '.')
        return node_fail(node, "must name a profile; write flashduty or another that `credfd profile list` shows");
    return 0;
}

static int read_user(const struct node *node, void *field) {
    char **user = field;
    int r = value_string(node, user);

    if (r < 0)
        return r;
    if (!settings_is_made_of(slice_of_string(*user), SLICE("._-")))
        return node_fail(node, "must be a user's name; write one that getent passwd knows");
    return 0;
}

static int read_secret_env(const struct node *node, void *field) {
    char ***names = field;
    const struct node *item = node_first(node);
    size_t n = 0;
    int r = value_strings(node, 0, LIMIT_SECRET_ENV, names, &n);

    for (size_t i = 0; r == 0 && i < n; i++, item = node_next(item))
        if (!settings_is_variable(slice_of_string((*names)[i])))
            return node_fail(item,
                             "no name for an environment variable; use letters, digits and `_`, and no digit first");
    return r;
}

static int read_upstream(const struct node *node, struct task_upstream *upstream) {
    const char *fault;
    int r = value_string(node, &upstream->text);

    if (r < 0)
        return r;
    if (slice_ends_with(slice_of_string(upstream->text), SLICE("/")))
        upstream->text[strlen(upstream->text) - 1] = '\0';
    fault = uri_parse_upstream(slice_of_string(upstream->text), &upstream->place);
    if (fault)
        return node_fail(node, "%s; write it as https://HOST[:PORT][/PATH]", fault);
    if (!upstream->place.is_tls && !uri_is_loopback(&upstream->place))
        return node_fail(node, "http:// would send keys unencrypted; use https:// (http:// only to loopback)");
    return 0;
}

static int read_upstreams(const struct node *node, void *field) {
    struct runner_settings *settings = field;
    size_t n = 0;
    int r = value_list(node, 1, LIMIT_UPSTREAMS, &n);

    if (r < 0)
        return r;
    settings->upstreams = calloc(n, sizeof(settings->upstreams[0]));
    if (!settings->upstreams)
        return -ENOMEM;
    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item))
        r = read_upstream(item, &settings->upstreams[settings->n_upstreams++]);
    return r;
}

static int read_spool_size(const struct node *node, void *field) {
    return value_size(node, 1024 * 1024, LIMIT_SPOOL, field);
}

static int read_spool(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"directory", read_path, AT(spool)},
        {"size", read_spool_size, AT(spool_bytes)},
    };

    return schema_read(keys, ARRAY_LEN(keys), node, field);
}

static int read_runner(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"url", read_url},
        {"token", settings_read_secret, AT(token)},
        {"ca_file", settings_read_ca_file, AT(ca_file)},
        {"workspace", read_path, AT(workspace)},
        {"spool", read_spool},
        {"cli", read_cli, AT(cli)},
        {"user", read_user, AT(user)},
        {"profile", read_profile, AT(profile)},
        {"secret_env", read_secret_env, AT(secret_env)},
        {"upstreams", read_upstreams},
        {"permission", settings_read_permission, AT(permission)},
        {"tasks", settings_read_tasks},
        {"settle", settings_read_timeout, AT(settle_ms)},
    };

    return schema_read(keys, ARRAY_LEN(keys), node, field);
}

static const struct schema_key settings_keys[] = {
    {"runner", read_runner},
    {"log", settings_read_log, AT(log_level)},
    {"credentials", settings_pass_over},
    {"audit", settings_pass_over},
    {"metrics", settings_pass_over},
    {"timeouts", settings_pass_over},
    {"dispatch", settings_pass_over},
    {"egress", settings_pass_over},
};

static struct runner_settings *new_settings(const char *path) {
    struct runner_settings *settings = calloc(1, sizeof(*settings));

    if (!settings)
        return NULL;
    settings->token.fd = -EBADF;
    settings->spool_bytes = DEFAULT_SPOOL_SIZE;
    settings->concurrent = DEFAULT_CONCURRENT;
    settings->queue = DEFAULT_QUEUE;
    settings->limits = (struct task_limits){
        .timeout_ms = TIMEOUT_TASK,
        .grace_ms = TIMEOUT_GRACE,
        .output = DEFAULT_OUTPUT,
        .output_rate = DEFAULT_OUTPUT_RATE,
    };
    settings->settle_ms = TIMEOUT_SETTLE;
    settings->log_level = LOG_INFO;
    settings->path = path ? strdup(path) : NULL;
    if (path && !settings->path) {
        free(settings);
        return NULL;
    }
    return settings;
}

static int override_url(struct runner_settings *settings, const char *url, char **ret_error) {
    const char *fault, *mend;
    char *copy = strdup(url);

    if (!copy)
        return -ENOMEM;
    fault = set_url(settings, copy, &mend);
    return fault ? settings_refuse(ret_error, "--url: %s; %s", fault, mend) : 0;
}

static int override_workspace(struct runner_settings *settings, const char *path, char **ret_error) {
    _cleanup_free_ char *here = get_current_dir_name();
    int r;

    if (!here)
        return -errno;
    free(settings->workspace);
    settings->workspace = NULL;
    r = value_absolute_path(slice_of_string(path), here, &settings->workspace);
    return r == -EINVAL
               ? settings_refuse(ret_error, "--workspace: ~ stands for no home directory here; write it in full")
               : r;
}

static int override(struct runner_settings *settings, const struct runner_overrides *overrides, char **ret_error) {
    int r = overrides->url ? override_url(settings, overrides->url, ret_error) : 0;

    if (r == 0 && overrides->workspace)
        r = override_workspace(settings, overrides->workspace, ret_error);
    if (r == 0 && overrides->token) {
        secret_source_done(&settings->token);
        r = secret_source_parse(&settings->token, "--token", overrides->token, ret_error);
    }
    return r;
}

static int default_place(const char *name, char **path, char **ret_error) {
    int r = *path ? 0 : settings_state_path(name, path);

    return r == -ENOENT ? settings_refuse(ret_error, "runner.%s: this user has no home; name a directory", name) : r;
}

static int add_defaults(struct runner_settings *settings, char **ret_error) {
    int r = settings->url ? 0 : override_url(settings, DEFAULT_URL, ret_error);

    if (r == 0)
        r = default_place("workspace", &settings->workspace, ret_error);
    if (r == 0)
        r = default_place("spool", &settings->spool, ret_error);
    return r;
}

/* What a command may do to the workspace, it may not do to the spool: a task's result would be any task's to change. */
static int check_places(const struct runner_settings *settings, char **ret_error) {
    struct slice spool = slice_of_string(settings->spool), workspace = slice_of_string(settings->workspace);

    if (slice_starts_with(spool, workspace) && (spool.n == workspace.n || spool.p[workspace.n] == '/'))
        return settings_refuse(ret_error,
                               "%s%srunner.spool: lies in the workspace, where tasks write; name a directory of its "
                               "own beside it",
                               settings->path ? settings->path : "", settings->path ? ": " : "");
    return 0;
}

static int complete(struct runner_settings *settings, const struct runner_overrides *overrides, char **ret_error) {
    int r = override(settings, overrides, ret_error);

    if (r == 0)
        r = add_defaults(settings, ret_error);
    return r == 0 ? check_places(settings, ret_error) : r;
}

static int read_document(struct document *document, const struct runner_overrides *overrides,
                         struct runner_settings **ret, char **ret_error) {
    _cleanup_runner_settings_ struct runner_settings *settings = new_settings(document_path(document));
    const struct node *root = document_root(document);
    int r;

    if (!settings)
        return -ENOMEM;
    if (!node_find(root, "runner")) {
        r = node_fail_missing(root, "runner", "add runner: and at least token: { file: PATH }; see credfd.yaml(5)");
        *ret_error = document_take_error(document);
        return r == -EINVAL ? -ENOENT : r;
    }
    r = schema_read(settings_keys, ARRAY_LEN(settings_keys), root, settings);
    if (r < 0)
        *ret_error = document_take_error(document);
    else
        r = complete(settings, overrides, ret_error);
    if (r == 0)
        *ret = steal_pointer(&settings);
    return r;
}

int runner_settings_load(const char *path, const struct runner_overrides *overrides, struct runner_settings **ret,
                         char **ret_error) {
    _cleanup_document_ struct document *document = NULL;
    _cleanup_runner_settings_ struct runner_settings *settings = NULL;
    int r;

    *ret_error = NULL;
    if (path) {
        r = document_load(path, &document, ret_error);
        return r < 0 ? r : read_document(document, overrides, ret, ret_error);
    }
    settings = new_settings(NULL);
    if (!settings)
        return -ENOMEM;
    r = complete(settings, overrides, ret_error);
    if (r == 0)
        *ret = steal_pointer(&settings);
    return r;
}

int runner_settings_parse(const char *path, struct slice bytes, const struct runner_overrides *overrides,
                          struct runner_settings **ret, char **ret_error) {
    _cleanup_document_ struct document *document = NULL;
    int r;

    *ret_error = NULL;
    r = document_parse(path, bytes, &document, ret_error);
    return r < 0 ? r : read_document(document, overrides, ret, ret_error);
}

int runner_settings_check(const struct runner_settings *settings, char **ret_error) {
    if (settings->token.where)
        return settings_check_secret(&settings->token, ret_error);
    return settings_refuse(ret_error,
                           "%s: runner.token: missing; add token: { file: PATH }, or give --token file:PATH, or set "
                           "CREDFD_RUNNER_TOKEN",
                           settings->path ? settings->path : "without a configuration");
}

void runner_settings_free(struct runner_settings *settings) {
    if (!settings)
        return;
    for (size_t i = 0; i < settings->n_upstreams; i++)
        free(settings->upstreams[i].text);
    free(settings->upstreams);
    for (size_t i = 0; i < settings->permission.n; i++)
        free(settings->permission.rules[i].pattern);
    free(settings->permission.rules);
    secret_source_done(&settings->token);
    value_strings_free(settings->secret_env);
    free(settings->url);
    free(settings->ca_file);
    free(settings->workspace);
    free(settings->spool);
    free(settings->cli);
    free(settings->user);
    free(settings->profile);
    free(settings->path);
    free(settings);
}

void runner_settings_free_pointer(struct runner_settings **settings) {
    runner_settings_free(*settings);
}
