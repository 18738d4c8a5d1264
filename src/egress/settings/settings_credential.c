#include "egress/settings/settings_credential.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/schema.h"
#include "config/settings_common.h"
#include "config/settings_file.h"
#include "config/settings_text.h"
#include "config/value.h"
#include "egress/credential.h"
#include "egress/placeholder/placeholder.h"
#include "egress/settings/environment.h"
#include "egress/settings/settings_inject.h"
#include "egress/settings/settings_limits.h"
#include "egress/settings/settings_rules.h"
#include "secrets/settings_secret.h"

static int read_name(const struct node *node, void *field) {
    char **name = field;
    int r = value_string(node, name);

    if (r < 0)
        return r;
    if (strlen(*name) > LIMIT_NAME)
        return node_fail(node, "too long; use at most %d characters", LIMIT_NAME);
    if (!settings_is_made_of(slice_of_string(*name), SLICE("._-")))
        return node_fail(node, "has a character that no name may have; use letters, digits and any of . _ -");
    return 0;
}

/* The value is not shown: it may hold a password. */
static int read_upstream(const struct node *node, void *field) {
    struct credential *credential = field;
    const char *fault, *scheme;
    int r = value_string(node, &credential->upstream);

    if (r < 0)
        return r;
    fault = credential_read_upstream(credential);
    if (fault)
        return node_fail(node, "%s; write it as https://HOST[:PORT][/PATH]", fault);
    if (!credential_is_in_the_clear(credential))
        return 0;
    scheme = ascii_lower(credential->upstream[0]) == 'w' ? "ws" : "http"; /* "s" makes either the safe one */
    return node_fail(node,
                     "%s:// would send the key unencrypted; use %ss:// "
                     "(%s:// only to 127.0.0.1, [::1] or localhost)",
                     scheme, scheme, scheme);
}

/* Each {…} must be one that `run` fills in: a mistyped one would reach the command as it is. */
static int check_template(const struct node *node, struct slice text) {
    struct slice rest = text;

    for (;;) {
        struct slice word;

        (void)slice_cut(&rest, '{');
        if (!rest.p)
            return 0;
        word = slice_cut(&rest, '}');
        if (!rest.p || !environment_knows(word))
            return node_fail(node, "{ starts nothing known here; use {fd}, {name}, {upstream}, {host}, {base_url}, "
                                   "{socket} or {placeholder}");
    }
}

static int read_env_entry(const struct node *node, struct env_entry *entry) {
    struct slice name = node_key(node), value;
    int r;

    if (!settings_is_variable(name))
        return node_fail(node, "no name for an environment variable; use letters, digits and `_`, and no digit first");
    if (slice_equals(name, SLICE("CREDFD")))
        return node_fail(node, "`credfd run` sets this variable itself; choose another name");
    r = value_text(node, &value);
    if (r < 0)
        return r;
    r = check_template(node, value);
    if (r < 0)
        return r;
    r = settings_copy(name, &entry->name);
    return r < 0 ? r : settings_copy(value, &entry->value);
}

static int read_env(const struct node *node, void *field) {
    struct credential *credential = field;
    size_t n;
    int r = value_mapping(node, &n);

    if (r < 0 || n == 0)
        return r;
    credential->env = calloc(n, sizeof(credential->env[0]));
    if (!credential->env)
        return -ENOMEM;
    for (const struct node *item = node_first(node); item; item = node_next(item)) {
        r = read_env_entry(item, &credential->env[credential->n_env++]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_placeholder(const struct node *node, void *field) {
    char **shape = field;
    int r = value_string(node, shape);
    const char *fault = r == 0 ? placeholder_check(slice_of_string(*shape)) : NULL;

    return fault ? node_fail(node, "%s; write the shape of a key, such as \"ghp_{alnum:36}\"", fault) : r;
}

/* What the program would be given is not there to be given. */
static int check_placeholder(const struct node *node, const struct credential *credential) {
    const struct node *env = node_find(node, "env");
    struct slice value;

    if (credential->placeholder || !env)
        return 0;
    for (const struct node *item = node_first(env); item; item = node_next(item))
        if (value_text(item, &value) == 0 && memmem(value.p, value.n, "{placeholder}", strlen("{placeholder}")))
            return node_fail(item, "{placeholder} has no shape; add placeholder: \"ghp_{alnum:36}\", or whatever the "
                                   "program takes for a key, to the credential");
    return 0;
}

static int read_bool(const struct node *node, void *field) {
    return value_bool(node, field);
}

#define AT(member) offsetof(struct credential, member)

enum { NAME, SECRET };

#define PROFILE_KEYS 8 /* no more has a profile beside the credential's */

static const struct schema_key credential_keys[] = {
    [NAME] = {"name", read_name, AT(name), "add name: and a word to call the credential by"},
    [SECRET] = {"secret", settings_read_secret, AT(secret),
                "add secret: { file: PATH }, { env: NAME } or { command: [ WORD, ... ] }"},
    {"upstream", read_upstream, 0, "add upstream: https://HOST, the one place where the key may go"},
    {"inject", settings_read_inject, 0, "add inject: { query: NAME } or { header: NAME, format: \"Bearer {}\" }"},
    {"allow", settings_read_allow},
    {"deny", settings_read_deny},
    {"executables", settings_read_executables},
    {"limits", settings_read_limits, AT(limits)},
    {"mask", settings_read_mask, AT(is_mask_off)},
    {"pass", settings_read_pass, AT(passes_cookies)},
    {"env", read_env},
    {"ca_file", settings_read_ca_file, AT(ca_file)},
    {"allow_private", read_bool, AT(allows_private)},
    {"response_timeout", settings_read_timeout, AT(response_timeout_ms)},
    {"websocket", read_bool, AT(allows_websocket)},
    {"placeholder", read_placeholder, AT(placeholder)},
};

int credential_read(const struct node *node, struct credential *credential) {
    int r;

    credential->secret.fd = -EBADF;
    credential->response_timeout_ms = TIMEOUT_RESPONSE;
    r = schema_read(credential_keys, ARRAY_LEN(credential_keys), node, credential);
    return r == 0 ? check_placeholder(node, credential) : r;
}

int credential_read_profile(const struct node *node, bool is_root, const struct schema_key *others, size_t n_others,
                            struct credential *credential) {
    const struct node *secret = node_find(node, "secret");
    struct schema_key keys[ARRAY_LEN(credential_keys) + PROFILE_KEYS];
    size_t n = 0;
    int r;

    if (secret)
        return node_fail(secret, "a profile is for everybody and says nothing of a secret; remove it, and give it with "
                                 "--secret");
    for (size_t i = 0; i < ARRAY_LEN(credential_keys); i++)
        if (i != SECRET)
            keys[n++] = credential_keys[i];
    if (is_root)
        keys[NAME].required = NULL;
    for (size_t i = 0; i < n_others && i < PROFILE_KEYS; i++)
        keys[n++] = others[i];
    credential->secret.fd = -EBADF;
    credential->response_timeout_ms = TIMEOUT_RESPONSE;
    r = schema_read(keys, n, node, credential);
    return r == 0 ? check_placeholder(node, credential) : r;
}

/* The twin's line is told too: one of the two must change, and only their author knows which. */
int credential_check_unique(const struct node *list, const struct node *item) {
    const struct node *name = node_find(item, "name");

    for (const struct node *other = node_first(list); other != item; other = node_next(other)) {
        const struct node *twin = node_find(other, "name");

        if (slice_equals(node_scalar(twin), node_scalar(name)))
            return node_fail(name, "the credential on line %zu has the same name; give each its own", node_line(twin));
    }
    return 0;
}

static void rules_done(struct rule *rules, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(rules[i].method);
        free(rules[i].path);
    }
    free(rules);
}

void credential_done(struct credential *credential) {
    free(credential->name);
    secret_source_done(&credential->secret);
    free(credential->upstream);
    for (size_t i = 0; i < credential->n_inject; i++) {
        free(credential->inject[i].name);
        free(credential->inject[i].format);
    }
    free(credential->inject);
    rules_done(credential->allow, credential->n_allow);
    rules_done(credential->deny, credential->n_deny);
    value_strings_free(credential->executables);
    for (size_t i = 0; i < credential->n_env; i++) {
        free(credential->env[i].name);
        free(credential->env[i].value);
    }
    free(credential->env);
    free(credential->ca_file);
    free(credential->placeholder);
    *credential = (struct credential){0};
}
