#include "egress/inject.h"

#include <errno.h>

#include "base/limits.h"
#include "base/macros.h"
#include "wire/http_write.h"
#include "wire/query.h"

const char *inject_check(const struct credential *credential, const struct request_head *request) {
    struct slice parameter;

    if (credential->inject.kind != INJECT_QUERY)
        return NULL;
    if (slice_equals(request->path, SLICE("*")))
        return "a target of * has no query to carry the credential";
    if (query_find(request->query, slice_of_string(credential->inject.name), &parameter) == QUERY_AMBIGUOUS)
        return "the credential's query parameter stands there more than once or in disguise";
    return NULL;
}

/* `X_Api_Key` is `X-Api-Key` to every server behind CGI (RFC 3875 §4.1.18). */
static bool is_alias(struct slice name, struct slice of) {
    if (name.n != of.n)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char a = name.p[i] == '_' ? '-' : ascii_lower(name.p[i]);
        char b = of.p[i] == '_' ? '-' : ascii_lower(of.p[i]);

        if (a != b)
            return false;
    }
    return true;
}

/*
 * What a workload may not say to the upstream. A credential of its own would compete with the one that is put in, or
 * make the key's owner act for somebody else. What overrides method or path would go around the rules. What frames is
 * written here, under every name that CGI makes equal. A compressed response could not be masked (S 12.5.3).
 */
static bool is_stripped(const struct credential *credential, struct slice name) {
    /* clang-format off */
    static const struct slice names[] = {
        SLICE("Authorization"), SLICE("Proxy-Authorization"), SLICE("Cookie"), SLICE("X-Api-Key"), SLICE("Api-Key"),
        SLICE("Apikey"), SLICE("X-Auth-Token"), SLICE("X-Access-Token"), SLICE("X-Token"), SLICE("Private-Token"),
        SLICE("X-Vault-Token"), SLICE("X-Goog-Api-Key"), SLICE("X-Amz-Security-Token"),

        SLICE("X-HTTP-Method-Override"), SLICE("X-HTTP-Method"), SLICE("X-Method-Override"), SLICE("X-Original-URL"),
        SLICE("X-Rewrite-URL"),

        SLICE("Host"), SLICE("Content-Length"), SLICE("Transfer-Encoding"), SLICE("Connection"), SLICE("Keep-Alive"),
        SLICE("Expect"), SLICE("Upgrade"), SLICE("Trailer"), SLICE("Accept-Encoding"),
    };
    /* clang-format on */

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (is_alias(name, names[i]))
            return true;
    return credential->inject.kind == INJECT_HEADER && is_alias(name, slice_of_string(credential->inject.name));
}

static int append_encoded(struct buf *to, struct slice text) {
    size_t room;
    char *at = buf_reserve(to, 3 * text.n, &room);

    if (!at || room < 3 * text.n)
        return -ENOBUFS;
    buf_commit(to, uri_percent_encode(text, at));
    return 0;
}

/* The query with exactly one parameter of that name: in the place where the workload's stood, else at the end. */
static int append_query(struct buf *to, const struct credential *credential, const struct secret *secret,
                        const struct request_head *request) {
    struct slice name = slice_of_string(credential->inject.name), parameter, before = request->query,
                 after = SLICE_EMPTY;
    int r;

    if (query_find(request->query, name, &parameter) == QUERY_ONCE) {
        size_t at = (size_t)(parameter.p - request->query.p);

        before = slice_first(request->query, at);
        after = slice_from(request->query, at + parameter.n);
    }
    r = buf_append(to, SLICE("?"));
    if (r == 0)
        r = buf_append(to, before);
    if (r == 0 && before.n > 0 && before.p[before.n - 1] != '&')
        r = buf_append(to, SLICE("&"));
    if (r == 0)
        r = append_encoded(to, name);
    if (r == 0)
        r = buf_append(to, SLICE("="));
    if (r == 0)
        r = append_encoded(to, secret_view(secret));
    return r == 0 ? buf_append(to, after) : r;
}

static int append_request_line(struct buf *to, const struct credential *credential, const struct secret *secret,
                               const struct request_head *request) {
    int r = buf_append(to, request->method);

    if (r == 0)
        r = buf_append(to, SLICE(" "));
    if (r == 0 && request->path.p[0] == '/')
        r = buf_append(to, credential->authority.base_path);
    if (r == 0)
        r = buf_append(to, request->path);
    if (r == 0 && credential->inject.kind == INJECT_QUERY) {
        r = append_query(to, credential, secret, request);
    } else if (r == 0 && request->has_query) {
        r = buf_append(to, SLICE("?"));
        if (r == 0)
            r = buf_append(to, request->query);
    }
    return r == 0 ? buf_append(to, SLICE(" HTTP/1.1\r\n")) : r;
}

static int append_host(struct buf *to, const struct uri_upstream *upstream) {
    char host[URI_AUTHORITY_MAX];
    size_t n = uri_format_authority(upstream, host);

    return n > 0 ? http_write_field(to, SLICE("Host"), slice_of(host, n)) : -EINVAL;
}

/*
 * NAME: format with the secret in the place of {}. What no field can hold was refused at its source, and is again here.
 */
static int append_secret_field(struct buf *to, const struct credential *credential, const struct secret *secret) {
    struct slice format = slice_of_string(credential->inject.format), after = format, before;
    int r;

    before = slice_cut(&after, '{');
    if (!after.p || after.n == 0 || !http_is_field_value(slice_trim(secret_view(secret))))
        return -EINVAL;
    r = buf_append(to, slice_of_string(credential->inject.name));
    if (r == 0)
        r = buf_append(to, SLICE(": "));
    if (r == 0)
        r = buf_append(to, before);
    if (r == 0)
        r = buf_append(to, secret_view(secret));
    if (r == 0)
        r = buf_append(to, slice_from(after, 1));
    return r == 0 ? buf_append(to, SLICE("\r\n")) : r;
}

static int append_framing(struct buf *to, const struct request_head *request) {
    int r = 0;

    if (request->body.kind == HTTP_BODY_LENGTH)
        r = http_write_field_number(to, SLICE("Content-Length"), request->body.length);
    else if (request->body.kind == HTTP_BODY_CHUNKED)
        r = http_write_field(to, SLICE("Transfer-Encoding"), SLICE("chunked"));
    if (r == 0 && request->expects_continue)
        r = http_write_field(to, SLICE("Expect"), SLICE("100-continue"));
    return r;
}

int inject_write_head(struct buf *to, const struct credential *credential, const struct secret *secret,
                      const struct request_head *request) {
    int r = append_request_line(to, credential, secret, request);

    if (r == 0)
        r = append_host(to, &credential->authority);
    for (size_t i = 0; r == 0 && i < request->n_fields; i++)
        if (!is_stripped(credential, request->fields[i].name))
            r = http_write_field(to, request->fields[i].name, request->fields[i].value);
    if (r == 0 && credential->inject.kind == INJECT_HEADER)
        r = append_secret_field(to, credential, secret);
    if (r == 0)
        r = http_write_field(to, SLICE("Accept-Encoding"), SLICE("identity"));
    if (r == 0)
        r = append_framing(to, request);
    return r == 0 ? http_write_head_end(to) : r;
}
