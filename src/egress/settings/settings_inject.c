#include "egress/settings/settings_inject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/schema.h"
#include "config/settings_text.h"
#include "config/value.h"
#include "egress/credential.h"
#include "egress/settings/settings.h"
#include "wire/http_head.h"
#include "wire/http_name.h"

static int read_short(const struct node *node, size_t max, char **ret) {
    int r = value_string(node, ret);

    if (r == 0 && strlen(*ret) > max)
        return node_fail(node, "too long; use at most %zu characters", max);
    return r;
}

static int read_query(const struct node *node, void *field) {
    struct inject *inject = field;
    int r = read_short(node, LIMIT_NAME, &inject->name);

    if (r < 0)
        return r;
    inject->kind = INJECT_QUERY;
    /* RFC 3986 §2.3: then it reads the same to every server, escaped or not */
    if (!settings_is_made_of(slice_of_string(inject->name), SLICE("-._~")))
        return node_fail(node, "has a character that can be read in two ways; use letters, digits and any of - . _ ~");
    return 0;
}

/* What frames a message, and what credfd says to the upstream on its own behalf. */
static bool is_ours(struct slice name) {
    static const struct slice ours[] = {
        SLICE("Accept-Encoding"),
        SLICE("Connection"),
        SLICE("Content-Length"),
        SLICE("Expect"),
        SLICE("Host"),
        SLICE("Keep-Alive"),
        SLICE("TE"),
        SLICE("Trailer"),
        SLICE("Proxy-Authorization"),
        SLICE("Proxy-Connection"),
        SLICE("Upgrade"),
        SLICE("Transfer-Encoding"),
    };

    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (http_name_is_alias(name, ours[i]))
            return true;
    return false;
}

static int read_header(const struct node *node, void *field) {
    struct inject *inject = field;
    struct slice name;
    int r = read_short(node, LIMIT_NAME, &inject->name);

    if (r < 0)
        return r;
    inject->kind = INJECT_HEADER;
    name = slice_of_string(inject->name);
    if (!http_is_token(name))
        return node_fail(node, "not a header field's name; write it without colon and blanks, as Authorization");
    if (is_ours(name))
        return node_fail(node, "credfd writes this field itself; name the one that the API reads its key from, as "
                               "Authorization");
    return 0;
}

static bool has_place_once(const char *format) {
    const char *place = strstr(format, "{}");

    return place && !strstr(place + 2, "{}");
}

static int read_format(const struct node *node, void *field) {
    struct inject *inject = field;
    int r = read_short(node, LIMIT_FORMAT, &inject->format);

    if (r < 0)
        return r;
    if (!has_place_once(inject->format))
        return node_fail(node, "must hold {} exactly once, where the key goes; write \"Bearer {}\", or \"{}\" alone");
    if (!http_is_field_value(slice_of_string(inject->format)))
        return node_fail(node, "must not start or end with a blank; remove it");
    return 0;
}

/* One half of the pair of RFC 7617 §2. It may be empty where quotes say that this is meant. */
static int read_half(const struct node *node, struct inject *inject) {
    if (node_kind(node) == NODE_SCALAR && !node_is_plain(node) && node_scalar(node).n == 0)
        return settings_copy(SLICE_EMPTY, &inject->name);
    return read_short(node, LIMIT_FORMAT, &inject->name);
}

static int read_user(const struct node *node, void *field) {
    struct inject *inject = field;
    int r = read_half(node, inject);

    if (r < 0)
        return r;
    inject->kind = INJECT_BASIC_USER;
    if (strchr(inject->name, ':'))
        return node_fail(node, "a user's name holds no colon, behind which the password starts; remove it");
    return 0;
}

static int read_password(const struct node *node, void *field) {
    struct inject *inject = field;

    inject->kind = INJECT_BASIC_PASSWORD;
    return read_half(node, inject);
}

static int read_basic(const struct node *node, void *field) {
    static const struct schema_key keys[] = {{"user", read_user}, {"password", read_password}};

    if (node_kind(node) != NODE_MAPPING || node_count(node) != 1)
        return node_fail(node, "must name the half that is no secret; write { user: NAME } when the key is the "
                               "password, { password: TEXT } when it is the user");
    return schema_read(keys, ARRAY_LEN(keys), node, field);
}

static int read_cookie(const struct node *node, void *field) {
    struct inject *inject = field;
    int r = read_short(node, LIMIT_NAME, &inject->name);

    if (r < 0)
        return r;
    inject->kind = INJECT_COOKIE;
    /* RFC 6265 §4.1.1 */
    if (!http_is_token(slice_of_string(inject->name)))
        return node_fail(node, "not a cookie's name; write it without blanks, = and ;");
    return 0;
}

/* With a letter for the secret it reads as what it is to every server: no escape, dot segment or parameter in it. */
static bool is_plain_path(const char *format) {
    char path[LIMIT_FORMAT + 1], normalised[LIMIT_FORMAT + 1];
    size_t before = (size_t)(strstr(format, "{}") - format), after = strlen(format) - before - 2,
           n = before + 1 + after;

    memcpy(path, format, before);
    path[before] = 'x';
    memcpy(path + before + 1, format + before + 2, after);
    return path[0] == '/' && path[n - 1] != '/' && settings_is_made_of(slice_of(path, n), SLICE("/-._~!$&'()*+,=:@")) &&
           uri_normalise_path(slice_of(path, n), normalised) == (ptrdiff_t)n && memcmp(path, normalised, n) == 0;
}

static int read_path(const struct node *node, void *field) {
    struct inject *inject = field;
    int r = read_short(node, LIMIT_FORMAT, &inject->format);

    if (r < 0)
        return r;
    inject->kind = INJECT_PATH;
    if (!has_place_once(inject->format))
        return node_fail(node, "must hold {} exactly once, where the key goes; write \"/bot{}\"");
    if (!is_plain_path(inject->format))
        return node_fail(node, "must be how a path begins, without an escape, ?, #, ;, an empty segment, . or .. in it "
                               "and without a slash at its end; write \"/bot{}\"");
    return 0;
}

static const struct schema_key inject_keys[] = {
    {"query", read_query},   {"header", read_header}, {"basic", read_basic},
    {"cookie", read_cookie}, {"path", read_path},     {"format", read_format},
};

static int read_one(const struct node *node, struct inject *inject) {
    static const char one[] = "must say one way; write { query: NAME }, { header: NAME, format: \"Bearer {}\" }, "
                              "{ basic: { user: NAME } }, { cookie: NAME } or { path: \"/bot{}\" }";
    const struct node *format = node_find(node, "format");
    size_t n_ways = 0;
    int r;

    for (size_t i = 0; i < ARRAY_LEN(inject_keys); i++)
        if (inject_keys[i].read != read_format && node_find(node, inject_keys[i].name))
            n_ways++;
    if (n_ways > 1)
        return node_fail(node, "%s; for several ways, a list of them", one);
    if (format && n_ways == 1 && !node_find(node, "header"))
        return node_fail(format, "goes with `header` only; remove it");
    r = schema_read(inject_keys, ARRAY_LEN(inject_keys), node, inject);
    if (r < 0)
        return r;
    if (n_ways == 0)
        return node_fail(node, "%s", one);
    return inject->kind == INJECT_HEADER && !format ? settings_copy(SLICE("{}"), &inject->format) : 0;
}

/* The last one must not compete with those before it; `node` is where it is written. */
static int check_place(const struct node *node, const struct credential *credential) {
    const struct inject *last = &credential->inject[credential->n_inject - 1];

    for (size_t i = 0; i + 1 < credential->n_inject; i++)
        if (inject_competes(last, &credential->inject[i]))
            return node_fail(node, "goes to the same place of a request as item %zu of this list; keep one of them", i);
    return 0;
}

static int read_item(const struct node *node, struct credential *credential) {
    int r = read_one(node, &credential->inject[credential->n_inject++]);

    return r == 0 ? check_place(node, credential) : r;
}

int settings_read_inject(const struct node *node, void *field) {
    struct credential *credential = field;
    size_t n = 1;
    int r = node_kind(node) == NODE_LIST ? value_list(node, 1, LIMIT_INJECTIONS, &n) : 0;

    if (r < 0)
        return r;
    credential->inject = calloc(n, sizeof(credential->inject[0]));
    if (!credential->inject)
        return -ENOMEM;
    if (node_kind(node) != NODE_LIST)
        return read_item(node, credential);
    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item))
        r = read_item(item, credential);
    return r;
}
