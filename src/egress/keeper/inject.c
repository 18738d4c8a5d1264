#include "egress/keeper/inject.h"

#include <errno.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "egress/keeper/inject_place.h"
#include "wire/http_name.h"
#include "wire/http_write.h"
#include "wire/query.h"

static bool has_kind(const struct credential *credential, enum inject_kind kind) {
    for (size_t i = 0; i < credential->n_inject; i++)
        if (credential->inject[i].kind == kind)
            return true;
    return false;
}

/* Whether the path stays below what stands before it; what a server makes of any other, nobody can say. */
static bool stays_below(struct slice path) {
    char normalised[LIMIT_TARGET + 1];

    return path.n <= LIMIT_TARGET && uri_normalise_path(path, normalised) >= 0;
}

static const char *check_query(const struct inject *inject, const struct request_head *request) {
    struct slice parameter;

    if (slice_equals(request->path, SLICE("*")))
        return "a target of * has no query to carry the credential";
    if (!WEAKENED(QUERY) && query_find(request->query, slice_of_string(inject->name), &parameter) == QUERY_AMBIGUOUS)
        return "the credential's query parameter stands there more than once or in disguise";
    return NULL;
}

static const char *check_path(const struct request_head *request) {
    if (slice_equals(request->path, SLICE("*")))
        return "a target of * has no path to carry the credential";
    if (!stays_below(request->path))
        return "the path could leave the one that carries the credential";
    return NULL;
}

const char *inject_check(const struct credential *credential, const struct request_head *request) {
    const char *fault = NULL;

    for (size_t i = 0; !fault && i < credential->n_inject; i++) {
        if (credential->inject[i].kind == INJECT_QUERY)
            fault = check_query(&credential->inject[i], request);
        else if (credential->inject[i].kind == INJECT_PATH)
            fault = check_path(request);
    }
    return fault;
}

/* Whether a field is one of a set, or would be to a server that makes one byte of all that are no letters or digits. */
static bool is_one_of(const struct http_field *field, uint64_t set) {
    enum http_name name = http_field_name(field);

    return http_name_is_in(name == HTTP_NAME_ODD ? http_name_of_alias(field->name) : name, set);
}

/*
 * What a workload may not say to the upstream. A credential of its own would compete with the one that is put in, or
 * make the key's owner act for somebody else. What overrides method or path would go around the rules. What frames is
 * written here, under every name that CGI makes equal.
 */
static bool is_forbidden(const struct http_field *field) {
    /* clang-format off */
    static const uint64_t set =
        HTTP_NAME_SET(AUTHORIZATION) | HTTP_NAME_SET(PROXY_AUTHORIZATION) | HTTP_NAME_SET(COOKIE) |
        HTTP_NAME_SET(X_API_KEY) | HTTP_NAME_SET(API_KEY) | HTTP_NAME_SET(APIKEY) | HTTP_NAME_SET(X_AUTH_TOKEN) |
        HTTP_NAME_SET(X_ACCESS_TOKEN) | HTTP_NAME_SET(X_TOKEN) | HTTP_NAME_SET(PRIVATE_TOKEN) |
        HTTP_NAME_SET(X_VAULT_TOKEN) | HTTP_NAME_SET(X_GOOG_API_KEY) | HTTP_NAME_SET(X_AMZ_SECURITY_TOKEN) |

        HTTP_NAME_SET(X_HTTP_METHOD_OVERRIDE) | HTTP_NAME_SET(X_HTTP_METHOD) | HTTP_NAME_SET(X_METHOD_OVERRIDE) |
        HTTP_NAME_SET(X_ORIGINAL_URL) | HTTP_NAME_SET(X_REWRITE_URL) |

        HTTP_NAME_SET(HOST) | HTTP_NAME_SET(CONTENT_LENGTH) | HTTP_NAME_SET(TRANSFER_ENCODING) |
        HTTP_NAME_SET(CONNECTION) | HTTP_NAME_SET(KEEP_ALIVE) | HTTP_NAME_SET(EXPECT) | HTTP_NAME_SET(UPGRADE) |
        HTTP_NAME_SET(TRAILER);
    /* clang-format on */

    return is_one_of(field, set);
}

static bool has_word(struct slice text, struct slice word) {
    for (size_t at = 0; at + word.n <= text.n; at++)
        if (slice_equals_nocase(slice_first(slice_from(text, at), word.n), word))
            return true;
    return false;
}

/*
 * What would make a response that cannot be masked: a compressed one (S 12.5.3), one in which the key is cut in pieces
 * (S 14.2, where a server may ignore the wish; Request-Range is what it was once called; RFC 3229 §10.5.3 asks for both
 * in one), and one in other characters than ASCII knows (S 12.5.2, and the parameter of that name).
 */
static bool is_hiding(const struct http_field *field) {
    static const uint64_t set = HTTP_NAME_SET(ACCEPT_ENCODING) | HTTP_NAME_SET(RANGE) | HTTP_NAME_SET(IF_RANGE) |
                                HTTP_NAME_SET(REQUEST_RANGE) | HTTP_NAME_SET(A_IM) | HTTP_NAME_SET(ACCEPT_CHARSET);

    if (WEAKENED(HIDING))
        return false;
    return is_one_of(field, set) ||
           (is_one_of(field, HTTP_NAME_SET(ACCEPT)) && has_word(field->value, SLICE("charset")));
}

static bool is_stripped(const struct credential *credential, const struct http_field *field) {
    /* they change frames: what is compressed cannot be masked */
    if (is_one_of(field, HTTP_NAME_SET(SEC_WEBSOCKET_EXTENSIONS)))
        return true;
    if (WEAKENED(FIELDS))
        return false;
    if (is_forbidden(field) || (is_hiding(field) && !credential->is_mask_off))
        return true;
    for (size_t i = 0; i < credential->n_inject; i++)
        if (credential->inject[i].kind == INJECT_HEADER &&
            http_name_is_alias(field->name, slice_of_string(credential->inject[i].name)))
            return true;
    return false;
}

/* The credential's parameter that stands here in the workload's query; NULL when it is another one. */
static const struct inject *find_parameter(const struct credential *credential, struct slice parameter) {
    struct slice name = slice_first(parameter, slice_index(parameter, '='));

    for (size_t i = 0; i < credential->n_inject; i++)
        if (credential->inject[i].kind == INJECT_QUERY &&
            slice_equals(name, slice_of_string(credential->inject[i].name)))
            return &credential->inject[i];
    return NULL;
}

/* The workload's query, the credential's parameters in the place of those of the same name. */
static int append_given_query(struct buf *to, const struct credential *credential, struct slice secret,
                              struct slice query) {
    struct slice rest = query;
    int r = 0;

    while (r == 0 && rest.p) {
        struct slice parameter = slice_cut(&rest, '&');
        const struct inject *inject = find_parameter(credential, parameter);

        r = inject ? inject_put_parameter(to, inject, secret) : buf_append(to, parameter);
        if (r == 0 && rest.p)
            r = buf_append(to, SLICE("&"));
    }
    return r;
}

/* The query with exactly one of each parameter: where the workload's stood, else at the end. */
static int append_query(struct buf *to, const struct credential *credential, struct slice secret,
                        const struct request_head *request) {
    bool is_open = request->query.n == 0 || slice_ends_with(request->query, SLICE("&"));
    struct slice parameter;
    int r = 0;

    if (request->has_query || has_kind(credential, INJECT_QUERY))
        r = buf_append(to, SLICE("?"));
    if (r == 0)
        r = append_given_query(to, credential, secret, request->query);
    for (size_t i = 0; r == 0 && i < credential->n_inject; i++) {
        const struct inject *inject = &credential->inject[i];

        if (inject->kind != INJECT_QUERY ||
            query_find(request->query, slice_of_string(inject->name), &parameter) == QUERY_ONCE)
            continue;
        if (!is_open)
            r = buf_append(to, SLICE("&"));
        if (r == 0)
            r = inject_put_parameter(to, inject, secret);
        is_open = false;
    }
    return r;
}

static int append_target(struct buf *to, const struct credential *credential, struct slice secret,
                         const struct request_head *request) {
    int r = 0;

    if (request->path.p[0] == '/')
        r = buf_append(to, credential->authority.base_path);
    for (size_t i = 0; r == 0 && i < credential->n_inject; i++)
        if (credential->inject[i].kind == INJECT_PATH)
            r = inject_put_path(to, &credential->inject[i], secret);
    if (r == 0)
        r = buf_append(to, request->path);
    return r == 0 ? append_query(to, credential, secret, request) : r;
}

static int append_request_line(struct buf *to, const struct credential *credential, struct slice secret,
                               const struct request_head *request) {
    int r = buf_append(to, request->method);

    if (r == 0)
        r = buf_append(to, SLICE(" "));
    if (r == 0)
        r = append_target(to, credential, secret, request);
    return r == 0 ? buf_append(to, SLICE(" HTTP/1.1\r\n")) : r;
}

static int append_host(struct buf *to, const struct uri_upstream *upstream) {
    char host[URI_AUTHORITY_MAX];
    size_t n = uri_format_authority(upstream, host);

    return n > 0 ? http_write_field(to, SLICE("Host"), slice_of(host, n)) : -EINVAL;
}

static int append_basic(struct buf *to, const struct inject *inject, struct slice secret) {
    int r = buf_append(to, SLICE("Authorization: Basic "));

    if (r == 0)
        r = inject_put_pair(to, inject, secret);
    return r == 0 ? buf_append(to, SLICE("\r\n")) : r;
}

/* RFC 6265 §5.4: one field, however many there are. */
static int append_cookies(struct buf *to, const struct credential *credential, struct slice secret) {
    struct slice before = SLICE("Cookie: ");
    int r = 0;

    for (size_t i = 0; r == 0 && i < credential->n_inject; i++) {
        if (credential->inject[i].kind != INJECT_COOKIE)
            continue;
        r = buf_append(to, before);
        if (r == 0)
            r = inject_put_cookie(to, &credential->inject[i], secret);
        before = SLICE("; ");
    }
    return r == 0 && has_kind(credential, INJECT_COOKIE) ? buf_append(to, SLICE("\r\n")) : r;
}

static int append_secret_fields(struct buf *to, const struct credential *credential, struct slice secret) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < credential->n_inject; i++) {
        const struct inject *inject = &credential->inject[i];

        if (inject->kind == INJECT_HEADER)
            r = inject_put_header(to, inject, secret);
        else if (inject->kind == INJECT_BASIC_USER || inject->kind == INJECT_BASIC_PASSWORD)
            r = append_basic(to, inject, secret);
    }
    return r == 0 ? append_cookies(to, credential, secret) : r;
}

static int append_framing(struct buf *to, const struct request_head *request) {
    int r = 0;

    if (request->body.kind == HTTP_BODY_LENGTH)
        r = http_write_field_number(to, SLICE("Content-Length"), request->body.length);
    else if (request->body.kind == HTTP_BODY_CHUNKED)
        r = http_write_field(to, SLICE("Transfer-Encoding"), SLICE("chunked"));
    if (r == 0 && request->expects_continue)
        r = http_write_field(to, SLICE("Expect"), SLICE("100-continue"));
    if (r == 0 && request->is_upgrade)
        r = http_write_field(to, SLICE("Connection"), SLICE("Upgrade"));
    if (r == 0 && request->is_upgrade)
        r = http_write_field(to, SLICE("Upgrade"), SLICE("websocket"));
    return r;
}

/* Those that may stay, as many at once as stand beside each other. */
static int append_given_fields(struct buf *to, const struct credential *credential,
                               const struct request_head *request) {
    size_t begin = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < request->n_fields; i++) {
        if (!is_stripped(credential, &request->fields[i]))
            continue;
        r = http_write_fields(to, request->fields + begin, i - begin);
        begin = i + 1;
    }
    return r == 0 ? http_write_fields(to, request->fields + begin, request->n_fields - begin) : r;
}

static int append_head(struct buf *to, const struct credential *credential, struct slice secret,
                       const struct request_head *request) {
    int r = append_request_line(to, credential, secret, request);

    if (r == 0)
        r = append_host(to, &credential->authority);
    if (r == 0)
        r = append_given_fields(to, credential, request);
    if (r == 0)
        r = append_secret_fields(to, credential, secret);
    if (r == 0 && !credential->is_mask_off && !WEAKENED(HIDING))
        r = http_write_field(to, SLICE("Accept-Encoding"), SLICE("identity"));
    if (r == 0)
        r = append_framing(to, request);
    return r == 0 ? http_write_head_end(to) : r;
}

int inject_write_head(struct buf *to, const struct credential *credential, const struct secret *secret,
                      const struct request_head *request) {
    int r = append_head(to, credential, secret_view(secret), request);

    if (r < 0)
        buf_release(to);
    return r;
}

/* Appends the pair of a basic injection, if it is one, and tells where it stands. */
static int append_literal(struct buf *to, const struct inject *inject, struct slice secret, struct slice *ret) {
    size_t start = buf_length(to), room;
    int r;

    if (inject->kind != INJECT_BASIC_USER && inject->kind != INJECT_BASIC_PASSWORD)
        return -EINVAL;
    if (!buf_reserve(to, buf_room(to), &room)) /* all of it, or what was made before would move */
        return -errno;
    r = inject_put_pair(to, inject, secret);
    if (r < 0)
        return r;
    *ret = slice_from(buf_slice(to), start);
    while (slice_ends_with(*ret, SLICE("=")))
        ret->n--;
    return 0;
}

int inject_literals(const struct credential *credential, const struct secret *secret, struct buf *made,
                    struct slice *ret, size_t *ret_n) {
    ret[(*ret_n)++] = secret_view(secret);
    for (size_t i = 0; i < credential->n_inject; i++) {
        int r = append_literal(made, &credential->inject[i], secret_view(secret), &ret[*ret_n]);

        if (r == 0)
            (*ret_n)++;
        else if (r != -EINVAL)
            return r;
    }
    return 0;
}
