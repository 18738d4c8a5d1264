#include "egress/placeholder/placeholder_use.h"

#include <stdio.h>

#include "base/macros.h"
#include "egress/credential.h"
#include "wire/base64.h"
#include "wire/http_head.h"
#include "wire/http_name.h"

/* One request being judged. */
struct judge {
    const struct credential *credential;
    struct slice own;
    struct canary *canary;
    struct placeholder_stray *stray;
};

static enum placeholder_use worse(enum placeholder_use a, enum placeholder_use b) {
    return MAX_OF(a, b);
}

/* `name` is empty, or a field's. */
static enum placeholder_use look(const struct judge *j, struct slice text, const char *where, struct slice name) {
    int r = canary_look(j->canary, text, &j->stray->lease);

    if (r < 0)
        return PLACEHOLDER_USE_NO_MEMORY;
    if (r == 0)
        return PLACEHOLDER_USE_GOOD;
    (void)snprintf(j->stray->where, sizeof(j->stray->where), "%s%.*s", where, SLICE_ARG(slice_first(name, LIMIT_NAME)));
    return PLACEHOLDER_USE_ASTRAY;
}

/* What stands around the {} of a format. */
static bool cut_format(const char *format, struct slice *ret_before, struct slice *ret_after) {
    const char *place = strstr(format, "{}");

    if (!place)
        return false;
    *ret_before = slice_of(format, (size_t)(place - format));
    *ret_after = slice_of_string(place + 2);
    return true;
}

/* One character at the front of `text`, escaped or not: how many bytes it takes, 0 at the end. */
static size_t read_character(struct slice text, char *ret) {
    size_t n = text.n >= 3 && text.p[0] == '%' ? 3 : MIN_OF(text.n, (size_t)1);
    char decoded[3];

    if (n == 0 || uri_percent_decode(slice_first(text, n), decoded) != 1)
        return 0;
    *ret = decoded[0];
    return n;
}

/* The length of `text` at the front of `path`, where each character may be escaped; 0 when it does not stand there. */
static size_t match_escaped(struct slice path, struct slice text) {
    size_t at = 0;

    for (size_t i = 0; i < text.n; i++) {
        char c;
        size_t n = read_character(slice_from(path, at), &c);

        if (n == 0 || c != text.p[i])
            return 0;
        at += n;
    }
    return at;
}

static const struct inject *find_path(const struct credential *credential) {
    for (size_t i = 0; i < credential->n_inject; i++)
        if (credential->inject[i].kind == INJECT_PATH)
            return &credential->inject[i];
    return NULL;
}

struct slice placeholder_cut_path(const struct credential *credential, struct slice own, struct slice path) {
    const struct inject *inject = find_path(credential);
    struct slice before, after, rest;
    size_t n;

    if (!inject || own.n == 0 || !cut_format(inject->format, &before, &after) || !slice_starts_with(path, before))
        return path;
    rest = slice_from(path, before.n);
    n = match_escaped(rest, own);
    if (n == 0)
        return path;
    rest = slice_from(rest, n);
    if (!slice_starts_with(rest, after))
        return path;
    rest = slice_from(rest, after.n);
    if (rest.n == 0)
        return SLICE("/");
    return rest.p[0] == '/' ? rest : path;
}

/* Where a format leaves no doubt that its front is the key's place. */
static enum placeholder_use judge_path(const struct judge *j, struct slice path) {
    const struct inject *inject = find_path(j->credential);
    enum placeholder_use use = look(j, path, "the path", SLICE_EMPTY);
    struct slice before, after;

    if (j->own.n > 0 && inject && cut_format(inject->format, &before, &after) && before.n > 1 &&
        slice_starts_with(path, before))
        use = worse(use, PLACEHOLDER_USE_FOREIGN);
    return use;
}

static bool is_key_parameter(const struct credential *credential, struct slice name) {
    for (size_t i = 0; i < credential->n_inject; i++)
        if (credential->inject[i].kind == INJECT_QUERY &&
            slice_equals(name, slice_of_string(credential->inject[i].name)))
            return true;
    return false;
}

/* A parameter's value in the key's place. */
static bool is_own_value(const struct judge *j, struct slice value) {
    size_t n = match_escaped(value, j->own);

    return value.n == 0 || (n > 0 && n == value.n);
}

/* What stands between key parameters is looked at in one piece, so that a separator hides nothing. */
static enum placeholder_use judge_query(const struct judge *j, struct slice query) {
    enum placeholder_use use = PLACEHOLDER_USE_GOOD;
    struct slice rest = query, run = query;

    while (rest.p && j->own.n > 0) {
        struct slice parameter = slice_cut(&rest, '&'), value = parameter;
        struct slice name = slice_cut(&value, '=');

        if (!is_key_parameter(j->credential, name))
            continue;
        if (!is_own_value(j, value)) {
            use = worse(use, PLACEHOLDER_USE_FOREIGN);
            continue;
        }
        use = worse(use, look(j, slice_first(run, (size_t)(parameter.p - run.p)), "the query", SLICE_EMPTY));
        run = rest.p ? rest : SLICE_EMPTY;
    }
    return worse(use, look(j, run, "the query", SLICE_EMPTY));
}

/* Either half of the pair: programs differ in where they put a token, and the other half is written anew. */
static bool is_own_pair(const struct judge *j, struct slice text) {
    char pair[BASE64_LENGTH(2 * LIMIT_PLACEHOLDER + LIMIT_NAME)];
    struct slice user, password;
    ptrdiff_t n = text.n <= sizeof(pair) ? base64_decode(text, pair) : -1;

    if (n < 0)
        return false;
    password = slice_of(pair, (size_t)n);
    user = slice_cut(&password, ':');
    return slice_equals(user, j->own) || (password.p && slice_equals(password, j->own));
}

static bool is_in_format(const struct judge *j, const char *format, struct slice value) {
    struct slice before, after;

    return format && cut_format(format, &before, &after) && value.n == before.n + j->own.n + after.n &&
           slice_starts_with(value, before) && slice_ends_with(value, after) &&
           slice_equals(slice_first(slice_from(value, before.n), j->own.n), j->own);
}

/* The field is written anew, whatever it says: so any scheme will do. */
static bool is_own_field(const struct judge *j, const struct inject *inject, struct slice value) {
    struct slice rest = slice_trim(value), scheme;

    if (rest.n == 0 || slice_equals(rest, j->own) || is_in_format(j, inject->format, rest))
        return true;
    scheme = slice_cut(&rest, ' ');
    if (!rest.p || !http_is_token(scheme))
        return false;
    rest = slice_trim(rest);
    return slice_equals(rest, j->own) || (slice_equals_nocase(scheme, SLICE("Basic")) && is_own_pair(j, rest));
}

static bool is_key_cookie(const struct credential *credential, struct slice name) {
    for (size_t i = 0; i < credential->n_inject; i++)
        if (credential->inject[i].kind == INJECT_COOKIE &&
            slice_equals(name, slice_of_string(credential->inject[i].name)))
            return true;
    return false;
}

static enum placeholder_use judge_cookies(const struct judge *j, const struct http_field *field) {
    enum placeholder_use use = PLACEHOLDER_USE_GOOD;
    struct slice rest = field->value;

    while (rest.p) {
        struct slice cookie = slice_trim(slice_cut(&rest, ';')), value = cookie;
        struct slice name = slice_cut(&value, '=');

        if (is_key_cookie(j->credential, name) && (value.n == 0 || slice_equals(value, j->own)))
            continue;
        if (is_key_cookie(j->credential, name))
            use = worse(use, PLACEHOLDER_USE_FOREIGN);
        use = worse(use, look(j, cookie, "field ", field->name));
    }
    return use;
}

/* The injection that writes this field; NULL for none. */
static const struct inject *find_field(const struct credential *credential, struct slice name) {
    for (size_t i = 0; i < credential->n_inject; i++) {
        struct slice field = inject_field(&credential->inject[i]);

        if (field.n > 0 && http_name_is_alias(name, field))
            return &credential->inject[i];
    }
    return NULL;
}

static enum placeholder_use judge_field(const struct judge *j, const struct http_field *field) {
    const struct inject *inject = j->own.n > 0 ? find_field(j->credential, field->name) : NULL;
    enum placeholder_use use = look(j, field->name, "the name of a field", SLICE_EMPTY);

    if (inject && inject->kind == INJECT_COOKIE)
        return worse(use, judge_cookies(j, field));
    if (inject && is_own_field(j, inject, field->value))
        return use;
    if (inject)
        use = worse(use, PLACEHOLDER_USE_FOREIGN);
    return worse(use, look(j, field->value, "field ", field->name));
}

enum placeholder_use placeholder_judge(const struct credential *credential, struct slice own, struct canary *canary,
                                       const struct request_head *request, struct placeholder_stray *ret) {
    const struct judge j = {.credential = credential, .own = own, .canary = canary, .stray = ret};
    enum placeholder_use use;

    if (!canary)
        return PLACEHOLDER_USE_GOOD;
    use = look(&j, request->method, "the method", SLICE_EMPTY);
    use = worse(use, judge_path(&j, request->path));
    if (request->has_query)
        use = worse(use, judge_query(&j, request->query));
    for (size_t i = 0; i < request->n_fields; i++)
        use = worse(use, judge_field(&j, &request->fields[i]));
    return use;
}
