#include "egress/credential.h"

#include "base/limits.h"
#include "base/macros.h"
#include "wire/glob.h"
#include "wire/http_head.h"
#include "wire/http_name.h"
#include "wire/query.h"

struct slice inject_field(const struct inject *inject) {
    switch (inject->kind) {
    case INJECT_HEADER:
        return slice_of_string(inject->name);
    case INJECT_BASIC_USER:
    case INJECT_BASIC_PASSWORD:
        return SLICE("Authorization");
    case INJECT_COOKIE:
        return SLICE("Cookie");
    case INJECT_QUERY:
    case INJECT_PATH:
        break;
    }
    return SLICE_EMPTY;
}

bool inject_competes(const struct inject *a, const struct inject *b) {
    struct slice found;

    if (a->kind == INJECT_COOKIE && b->kind == INJECT_COOKIE) /* they share their field */
        return slice_equals(slice_of_string(a->name), slice_of_string(b->name));
    if (a->kind == INJECT_QUERY && b->kind == INJECT_QUERY)
        return query_find(slice_of_string(a->name), slice_of_string(b->name), &found) != QUERY_ABSENT;
    if (a->kind == INJECT_PATH && b->kind == INJECT_PATH)
        return true;
    return inject_field(a).n > 0 && http_name_is_alias(inject_field(a), inject_field(b));
}

static bool has_place(const char *format) {
    const char *place = strstr(format, "{}");

    return place && !strstr(place + 2, "{}");
}

/* RFC 7617 §2 */
static bool is_half_of_pair(const struct inject *inject) {
    struct slice name = slice_of_string(inject->name);

    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < ' ' || name.p[i] == '\x7F')
            return false;
    return inject->kind == INJECT_BASIC_PASSWORD || !slice_has(name, ':');
}

/* It stands before every path, as a base path does, and so must have one reading only. */
static bool is_plain_path(struct slice path) {
    char normalised[LIMIT_FORMAT + 1];
    ptrdiff_t n;

    if (path.n > LIMIT_FORMAT || slice_ends_with(path, SLICE("/")))
        return false;
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] <= ' ' || path.p[i] > '~' || slice_has(SLICE("%?#\\;"), path.p[i]))
            return false;
    n = uri_normalise_path(path, normalised);
    return n >= 0 && slice_equals(slice_of(normalised, (size_t)n), path);
}

static bool is_sound_inject(const struct inject *inject) {
    size_t n = inject->name ? strlen(inject->name) : 0;

    switch (inject->kind) {
    case INJECT_QUERY:
        return n > 0 && n <= LIMIT_NAME;
    case INJECT_HEADER:
        return n <= LIMIT_NAME && http_is_token(slice_of_string(inject->name)) && has_place(inject->format) &&
               http_is_field_value(slice_of_string(inject->format));
    case INJECT_BASIC_USER:
    case INJECT_BASIC_PASSWORD:
        return n <= LIMIT_FORMAT && is_half_of_pair(inject);
    case INJECT_COOKIE:
        return n <= LIMIT_NAME && http_is_token(slice_of_string(inject->name));
    case INJECT_PATH:
        return has_place(inject->format) && is_plain_path(slice_of_string(inject->format));
    }
    return false;
}

static bool are_sound_rules(const struct rule *rules, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!http_is_token(slice_of_string(rules[i].method)) || glob_check(slice_of_string(rules[i].path)) != NULL)
            return false;
    return true;
}

static bool are_sound_injections(const struct inject *inject, size_t n) {
    if (n == 0 || n > LIMIT_INJECTIONS)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_sound_inject(&inject[i]))
            return false;
        for (size_t before = 0; before < i; before++)
            if (inject_competes(&inject[before], &inject[i]))
                return false;
    }
    return true;
}

const char *credential_read_upstream(struct credential *credential) {
    struct slice url = slice_of_string(credential->upstream);

    if (slice_ends_with(url, SLICE("/")))
        credential->upstream[--url.n] = '\0';
    return uri_parse_upstream(url, &credential->authority);
}

bool credential_is_in_the_clear(const struct credential *credential) {
    return !credential->authority.is_tls && !uri_is_loopback(&credential->authority);
}

bool credential_is_sound(struct credential *credential) {
    return uri_parse_upstream(slice_of_string(credential->upstream), &credential->authority) == NULL &&
           are_sound_injections(credential->inject, credential->n_inject) &&
           are_sound_rules(credential->allow, credential->n_allow) &&
           are_sound_rules(credential->deny, credential->n_deny);
}

/* Neither of them, or both and equal. */
static bool is_same(const char *a, const char *b) {
    return a && b ? slice_equals(slice_of_string(a), slice_of_string(b)) : a == b;
}

static bool is_same_injection(const struct credential *a, const struct credential *b) {
    if (a->n_inject != b->n_inject)
        return false;
    for (size_t i = 0; i < a->n_inject; i++)
        if (a->inject[i].kind != b->inject[i].kind || !is_same(a->inject[i].name, b->inject[i].name) ||
            !is_same(a->inject[i].format, b->inject[i].format))
            return false;
    return true;
}

bool credential_is_same_place(const struct credential *a, const struct credential *b) {
    return is_same(a->upstream, b->upstream) && is_same_injection(a, b) && is_same(a->ca_file, b->ca_file) &&
           a->allows_private == b->allows_private && a->is_mask_off == b->is_mask_off &&
           a->passes_cookies == b->passes_cookies;
}

static bool are_same_rules(const struct rule *a, size_t n_a, const struct rule *b, size_t n_b) {
    if (n_a != n_b)
        return false;
    for (size_t i = 0; i < n_a; i++)
        if (!is_same(a[i].method, b[i].method) || !is_same(a[i].path, b[i].path))
            return false;
    return true;
}

static bool are_same_limits(const struct limits *a, const struct limits *b) {
    return a->requests == b->requests && a->bytes == b->bytes && a->rate_count == b->rate_count &&
           a->rate_ms == b->rate_ms && a->concurrent == b->concurrent && a->ttl_ms == b->ttl_ms &&
           a->max_body == b->max_body;
}

bool credential_is_same(const struct credential *a, const struct credential *b) {
    return credential_is_same_place(a, b) && a->allows_all == b->allows_all &&
           are_same_rules(a->allow, a->n_allow, b->allow, b->n_allow) &&
           are_same_rules(a->deny, a->n_deny, b->deny, b->n_deny) && are_same_limits(&a->limits, &b->limits) &&
           a->response_timeout_ms == b->response_timeout_ms && a->allows_websocket == b->allows_websocket;
}

/* By host and port, as a CONNECT names them. */
static bool is_one_authority(const struct credential *a, const struct credential *b) {
    return a->authority.port == b->authority.port && slice_equals_nocase(a->authority.host, b->authority.host);
}

bool credential_find_twins(const struct credential *const *credentials, size_t n, size_t *ret_first,
                           size_t *ret_second) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (is_one_authority(credentials[i], credentials[j])) {
                *ret_first = j;
                *ret_second = i;
                return true;
            }
    return false;
}
