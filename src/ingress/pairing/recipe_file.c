#include "ingress/pairing/recipe_file.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "config/document.h"
#include "config/schema.h"
#include "config/settings_text.h"
#include "config/value.h"
#include "ingress/pairing/recipe_exchange.h"
#include "wire/glob.h"
#include "wire/http_head.h"

static int read_cookies(const struct node *node, void *field) {
    struct recipe *recipe = field;
    size_t n;
    int r = value_list(node, 1, LIMIT_RECIPE_COOKIES, &n);

    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item)) {
        char **cookie = &recipe->cookies[recipe->n_cookies++];

        r = recipe_read_text(item, LIMIT_COOKIE_NAME, cookie);
        if (r < 0)
            break;
        if (!http_is_token(slice_of_string(*cookie)) || strstr(*cookie, "***"))
            r = node_fail(item,
                          "must be a cookie's name, in which * stands for anything; write \"NAME\" or \"NAME_*\"");
        else if (strspn(*cookie, "*") == strlen(*cookie))
            r = node_fail(item, "would make every cookie a session; write how the names begin");
    }
    return r;
}

static int read_field_name(const struct node *node, void *field) {
    char **name = field;
    int r = recipe_read_text(node, LIMIT_RECIPE_FIELD, name);
    struct slice rest = r == 0 ? slice_of_string(*name) : (struct slice){0};

    while (rest.p)
        if (slice_cut(&rest, '.').n == 0)
            return node_fail(node, "must be names with dots between them; write \"NAME\" or \"NAME.NAME\"");
    return r;
}

static int read_dead(const struct node *node, void *field) {
    struct recipe *recipe = field;

    return recipe_read_statuses(node, 200, 599, recipe->dead, &recipe->n_dead);
}

static int read_session(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"path", recipe_read_path, offsetof(struct recipe, session_path), "add the path that tells, as /api/session"},
        {"cookie_field", read_field_name, offsetof(struct recipe, cookie_field)},
        {"field", read_field_name, offsetof(struct recipe, session_field)},
        {"dead", read_dead},
    };
    struct recipe *recipe = field;
    int r = schema_read(keys, ARRAY_LEN(keys), node, recipe);

    if (r < 0)
        return r;
    if (recipe->session_field && recipe->n_dead > 0)
        return node_fail(node, "has both `field` and `dead`, and they may disagree; remove one");
    if (!recipe->session_field && recipe->n_dead == 0)
        return node_fail(node, "does not say how a dead session is told; add `field: NAME` or `dead: [ 401 ]`");
    return 0;
}

static int read_accepted(const struct node *node, void *field) {
    struct recipe *recipe = field;

    return recipe_read_statuses(node, 200, 399, recipe->accepted, &recipe->n_accepted);
}

/* What the dispatcher, or HTTP itself, says in a head. */
static int read_identity_header(const struct node *node, void *field) {
    static const struct slice taken[] = {
        SLICE("Accept-Encoding"),
        SLICE("Authorization"),
        SLICE("Connection"),
        SLICE("Content-Length"),
        SLICE("Cookie"),
        SLICE("Expect"),
        SLICE("Forwarded"),
        SLICE("Host"),
        SLICE("Origin"),
        SLICE("Transfer-Encoding"),
        SLICE("X-Forwarded-For"),
        SLICE("X-Forwarded-Host"),
        SLICE("X-Forwarded-Proto"),
        SLICE("Upgrade"),
        SLICE("TE"),
        SLICE("Keep-Alive"),
    };
    char **header = field;
    int r = recipe_read_text(node, LIMIT_NAME, header);

    if (r < 0)
        return r;
    if (!settings_is_made_of(slice_of_string(*header), SLICE("-")))
        return node_fail(node, "must be a header's name; use letters, digits and -");
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        if (slice_equals_nocase(slice_of_string(*header), taken[i]))
            return node_fail(node, "has a meaning of its own in every request; name another, as X-WEBAUTH-USER");
    return 0;
}

/* Text of several lines. */
static int read_part(const struct node *node, char **ret) {
    struct slice text = node_kind(node) == NODE_SCALAR ? node_scalar(node) : SLICE_EMPTY;

    if (text.n == 0)
        return node_fail(node, "must be text; write it below `|`, each line indented");
    if (text.n > LIMIT_APP_PART)
        return node_fail(node, "too long; use at most %d KiB", LIMIT_APP_PART / 1024);
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 && text.p[i] != '\n' && text.p[i] != '\t')
            return node_fail(node, "must not hold control characters; remove them");
    return settings_copy(text, ret);
}

static int read_head(const struct node *node, void *field) {
    return read_part(node, field);
}

static int read_manifest(const struct node *node, void *field) {
    char **manifest = field;
    int r = read_part(node, manifest);
    json_t *json;

    if (r < 0)
        return r;
    json = json_loads(*manifest, JSON_REJECT_DUPLICATES, NULL);
    r = json_is_object(json) ? 0 : node_fail(node, "must be one object of JSON; correct it");
    json_decref(json);
    return r;
}

static int read_app(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"head", read_head, offsetof(struct recipe, app_head)},
        {"manifest", read_manifest, offsetof(struct recipe, app_manifest)},
        {"manifest_path", recipe_read_path, offsetof(struct recipe, app_manifest_path)},
    };
    struct recipe *recipe = field;
    int r = schema_read(keys, ARRAY_LEN(keys), node, recipe);

    if (r == 0 && !recipe->app_manifest != !recipe->app_manifest_path)
        r = node_fail(node, "`manifest` and `manifest_path` are of no use without each other; write both");
    return r;
}

static int pass_description(const struct node *node, void *field) {
    struct slice text;

    (void)field;
    return value_text(node, &text);
}

/* What hangs together. */
static int check_whole(const struct node *root, struct recipe *recipe) {
    if (recipe->n_exchanges == 0) {
        const char *needless = recipe->session_path ? "session" : recipe->n_cookies > 0 ? "cookies" : "accepted";

        if (node_find(root, needless))
            return node_fail(node_find(root, needless), "says nothing without `exchange`; add that, or remove this");
        return 0;
    }
    recipe->pairs = true;
    if (recipe->n_cookies == 0)
        return node_fail_missing(root, "cookies", "add how the session's cookie is called, as [ \"session_*\" ]");
    if (recipe->n_accepted == 0)
        recipe->accepted[recipe->n_accepted++] = 200;
    return 0;
}

static int read_root(const struct node *root, struct recipe *recipe) {
    static const struct schema_key keys[] = {
        {"description", pass_description},
        {"cookies", read_cookies},
        {"session", read_session},
        {"exchange", recipe_read_exchanges},
        {"accepted", read_accepted},
        {"identity_header", read_identity_header, offsetof(struct recipe, identity_header)},
        {"health", recipe_read_path, offsetof(struct recipe, health_path)},
        {"websocket", recipe_read_path, offsetof(struct recipe, websocket_path)},
        {"app", read_app},
    };
    int r = schema_read(keys, ARRAY_LEN(keys), root, recipe);

    return r == 0 ? check_whole(root, recipe) : r;
}

static int read_document(struct document *document, const char *name, struct recipe *ret, char **ret_error) {
    struct recipe recipe = {0};
    int r = settings_copy(slice_of_string(name), &recipe.name);

    if (r == 0)
        r = read_root(document_root(document), &recipe);
    if (r < 0) {
        *ret_error = document_take_error(document);
        recipe_done(&recipe);
        return r;
    }
    *ret = recipe;
    return 0;
}

int recipe_read(const char *path, const char *name, struct recipe *ret, char **ret_error) {
    _cleanup_document_ struct document *document = NULL;
    int r = document_load(path, &document, ret_error);

    return r < 0 ? r : read_document(document, name, ret, ret_error);
}

int recipe_parse(const char *path, const char *name, struct slice bytes, struct recipe *ret, char **ret_error) {
    _cleanup_document_ struct document *document = NULL;
    int r = document_parse(path, bytes, &document, ret_error);

    return r < 0 ? r : read_document(document, name, ret, ret_error);
}
