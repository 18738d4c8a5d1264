#include "base/macros.h"
#include "base/weaken.h"
#include "ingress/front/front.h"

enum fate { TRAVELS, DROPPED, SAYS_FOR, SAYS_PROTO };

struct row {
    struct slice name; /* in lower case */
    bool is_prefix;
    enum fate fate;
};

/*
 * What fronts of many makes say of who and from where, in rows by their first letter: an instance may believe any of
 * them, so none passes that was not made here.
 */
static const struct row c_rows[] = {
    {{"cf-connecting-ip", 16}, true, DROPPED}, /* -ipv6 too */
    {{"cf-access-", 10}, true, DROPPED},
};
static const struct row f_rows[] = {
    {{"forwarded", 9}, false, DROPPED},
    {{"fastly-client-ip", 16}, false, DROPPED},
};
static const struct row p_rows[] = {{{"proxy", 5}, false, DROPPED}}; /* a CGI's HTTP_PROXY */
static const struct row r_rows[] = {{{"remote-", 7}, true, DROPPED}};
static const struct row t_rows[] = {
    {{"true-client-ip", 14}, false, DROPPED},
    {{"tailscale-", 10}, true, DROPPED},
};
static const struct row x_rows[] = {
    {{"x-forwarded-for", 15}, false, SAYS_FOR},
    {{"x-forwarded-proto", 17}, false, SAYS_PROTO},
    {{"x-forwarded", 11}, true, DROPPED},
    {{"x-authentik-", 12}, true, DROPPED},
    {{"x-auth-request-", 15}, true, DROPPED},
    {{"x-webauth-", 10}, true, DROPPED},
    {{"x-remote-", 9}, true, DROPPED},
    {{"x-real-ip", 9}, false, DROPPED},
    {{"x-client-ip", 11}, false, DROPPED},
    {{"x-cluster-client-ip", 19}, false, DROPPED},
    {{"x-original-url", 14}, false, DROPPED},
    {{"x-original-forwarded-", 21}, true, DROPPED},
    {{"x-rewrite-url", 13}, false, DROPPED},
    {{"x-user", 6}, false, DROPPED},
    {{"x-user-name", 11}, false, DROPPED},
    {{"x-user-email", 12}, false, DROPPED},
    {{"x-username", 10}, false, DROPPED},
    {{"x-auth-user", 11}, true, DROPPED},
    {{"x-auth-email", 12}, false, DROPPED},
    {{"x-auth-groups", 13}, false, DROPPED},
    {{"x-auth-roles", 12}, false, DROPPED},
    {{"x-auth-subject", 14}, false, DROPPED},
    {{"x-token-", 8}, true, DROPPED},
    {{"x-goog-authenticated-user-", 26}, true, DROPPED},
    {{"x-goog-iap-", 11}, true, DROPPED},
    {{"x-amzn-oidc-", 12}, true, DROPPED},
    {{"x-ms-client-principal", 21}, true, DROPPED},
    {{"x-vouch-", 8}, true, DROPPED},
    {{"x-pomerium-", 11}, true, DROPPED},
};

/* Case does not count, and what a CGI takes for a dash counts as one: nothing is dropped that can look like it. */
static char fold(char c) {
    return c == '_' || c == '.' ? '-' : ascii_lower(c);
}

static bool begins_with(struct slice name, struct slice folded) {
    for (size_t i = 0; i < folded.n; i++)
        if (fold(name.p[i]) != folded.p[i])
            return false;
    return true;
}

/* The third byte tells most of them apart: it stands behind "x-". No row is shorter. */
static enum fate find_row(const struct row *rows, size_t n, struct slice name) {
    char third = name.n > 2 ? fold(name.p[2]) : '\0';

    for (size_t i = 0; i < n; i++)
        if (rows[i].name.p[2] == third &&
            (name.n == rows[i].name.n || (rows[i].is_prefix && name.n > rows[i].name.n)) &&
            begins_with(name, rows[i].name))
            return rows[i].fate;
    return TRAVELS;
}

/* What nearly every request is made of, and none of the rows is about. */
#define TRAVELLERS                                                                                                     \
    (HTTP_NAME_SET(ACCEPT) | HTTP_NAME_SET(ACCEPT_ENCODING) | HTTP_NAME_SET(AUTHORIZATION) |                           \
     HTTP_NAME_SET(CACHE_CONTROL) | HTTP_NAME_SET(CONTENT_TYPE) | HTTP_NAME_SET(COOKIE) | HTTP_NAME_SET(IF_RANGE) |    \
     HTTP_NAME_SET(ORIGIN) | HTTP_NAME_SET(PURPOSE) | HTTP_NAME_SET(RANGE) | HTTP_NAME_SET(SEC_FETCH_DEST) |           \
     HTTP_NAME_SET(SEC_FETCH_MODE) | HTTP_NAME_SET(SEC_FETCH_SITE) | HTTP_NAME_SET(USER_AGENT))

static enum fate fate_by_row(struct slice name) {
    switch (name.n > 0 ? ascii_lower(name.p[0]) : '\0') {
    case 'c':
        return find_row(c_rows, ARRAY_LEN(c_rows), name);
    case 'f':
        return find_row(f_rows, ARRAY_LEN(f_rows), name);
    case 'p':
        return find_row(p_rows, ARRAY_LEN(p_rows), name);
    case 'r':
        return find_row(r_rows, ARRAY_LEN(r_rows), name);
    case 't':
        return find_row(t_rows, ARRAY_LEN(t_rows), name);
    case 'x':
        return find_row(x_rows, ARRAY_LEN(x_rows), name);
    default:
        return TRAVELS;
    }
}

static enum fate fate_of(const struct http_field *field) {
    enum http_name name = http_field_name(field);

    if (name == HTTP_NAME_X_FORWARDED_FOR)
        return SAYS_FOR;
    if (name == HTTP_NAME_X_FORWARDED_PROTO)
        return SAYS_PROTO;
    return http_name_is_in(name, TRAVELLERS) ? TRAVELS : fate_by_row(field->name);
}

/* The names that the settings and the recipe give to what is not passed on as it came. */
struct own_names {
    struct slice at[4];
    uint64_t lengths; /* bit i: one has i bytes, counted modulo 64 */
};

static struct own_names own_names_of(const struct front *front, struct slice identity) {
    struct own_names own = {.at = {slice_of_string(front->identity_header), slice_of_string(front->secret_header),
                                   slice_of_string(front->assertion_header), identity}};

    for (size_t i = 0; i < ARRAY_LEN(own.at); i++)
        own.lengths |= UINT64_C(1) << (own.at[i].n & 63);
    return own;
}

static bool is_own(const struct own_names *own, struct slice name) {
    if (!(own->lengths >> (name.n & 63) & 1))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(own->at); i++) {
        size_t k = 0;

        if (own->at[i].n != name.n)
            continue;
        if (slice_equals(own->at[i], name))
            return true;
        while (k < name.n && fold(own->at[i].p[k]) == fold(name.p[k]))
            k++;
        if (k == name.n)
            return true;
    }
    return false;
}

/* What the front said; a field that came twice says nothing. */
struct said {
    struct slice from, proto;
    unsigned n_from, n_proto;
};

static void sort_fields(const struct own_names *own, const struct request_head *request, struct http_field *ret_kept,
                        size_t *ret_n, struct said *ret) {
    size_t n = 0;

    for (size_t i = 0; i < request->n_fields; i++) {
        const struct http_field *field = &request->fields[i];
        enum fate fate;

        if (is_own(own, field->name) && !WEAKENED(FORWARDED))
            continue;
        fate = fate_of(field);
        if (fate == SAYS_FOR) {
            ret->from = field->value;
            ret->n_from++;
        } else if (fate == SAYS_PROTO) {
            ret->proto = field->value;
            ret->n_proto++;
        }
        if (fate == TRAVELS || WEAKENED(FORWARDED))
            ret_kept[n++] = *field;
    }
    *ret_n = n;
}

/* The addresses on the way of a request, from the browser's to the peer's. */
struct way {
    struct slice at[LIMIT_FORWARDED + 1];
    size_t n;
};

static bool read_way(struct slice list, struct way *ret) {
    struct address address;

    ret->n = 0;
    for (struct slice rest = list; rest.p;) {
        struct slice one = slice_trim(slice_cut(&rest, ','));

        if (ret->n == LIMIT_FORWARDED || address_parse(one, 0, &address) < 0) {
            ret->n = 0;
            return false;
        }
        ret->at[ret->n++] = one;
    }
    return true;
}

/* Text that is put together in struct forwarded, whose FORWARDED_TEXT has room for the longest that there can be. */
struct pen {
    struct forwarded *to;
    size_t start, n;
};

/* Inline, for most texts are constants. */
static inline void put(struct pen *pen, struct slice text) {
    if (text.n <= FORWARDED_TEXT - pen->n) {
        memcpy(pen->to->text + pen->n, text.p, text.n);
        pen->n += text.n;
    }
}

static struct slice take(struct pen *pen) {
    struct slice text = slice_of(pen->to->text + pen->start, pen->n - pen->start);

    pen->start = pen->n;
    return text;
}

static void add_field(struct forwarded *to, struct slice name, struct slice value) {
    to->fields[to->n++] = (struct http_field){name, value};
}

/* RFC 7239 §6: an IPv6 address stands in brackets, and so in quotes. */
static void put_node(struct pen *pen, struct slice address) {
    bool is_ipv6 = slice_has(address, ':');

    put(pen, SLICE("for="));
    put(pen, is_ipv6 ? SLICE("\"[") : SLICE_EMPTY);
    put(pen, address);
    put(pen, is_ipv6 ? SLICE("]\"") : SLICE_EMPTY);
}

/* RFC 7239 §4: a value is a token, or in quotes. */
static void put_host(struct pen *pen, struct slice host) {
    bool is_token = http_is_token(host);

    put(pen, SLICE(";host="));
    put(pen, is_token ? SLICE_EMPTY : SLICE("\""));
    put(pen, host);
    put(pen, is_token ? SLICE_EMPTY : SLICE("\""));
}

static bool is_quotable(struct slice host) {
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] <= 0x20 || host.p[i] > 0x7e || host.p[i] == '"' || host.p[i] == '\\')
            return false;
    return host.n > 0 && host.n <= LIMIT_AUTHORITY;
}

/* Each step of the way by itself; what the browser sees, scheme and host, belongs to the first (RFC 7239 §4). */
static void make_forwarded(struct pen *pen, const struct way *way, bool is_last_unknown, struct slice host) {
    size_t n = way->n + (is_last_unknown ? 1 : 0);

    for (size_t i = 0; i < n; i++) {
        put(pen, i > 0 ? SLICE(", ") : SLICE_EMPTY);
        put_node(pen, i < way->n ? way->at[i] : SLICE("unknown"));
        if (i > 0)
            continue;
        put(pen, SLICE(";proto="));
        put(pen, pen->to->proto);
        if (is_quotable(host))
            put_host(pen, host);
    }
    add_field(pen->to, SLICE("Forwarded"), take(pen));
}

static void make_fields(struct forwarded *ret, const struct way *way, bool is_last_unknown, struct slice host) {
    struct pen pen = {.to = ret};

    for (size_t i = 0; i < way->n; i++) {
        put(&pen, i > 0 ? SLICE(", ") : SLICE_EMPTY);
        put(&pen, way->at[i]);
    }
    if (way->n > 0)
        add_field(ret, SLICE("X-Forwarded-For"), take(&pen));
    add_field(ret, SLICE("X-Forwarded-Proto"), ret->proto);
    if (host.n > 0)
        add_field(ret, SLICE("X-Forwarded-Host"), host);
    make_forwarded(&pen, way, is_last_unknown, host);
}

static bool is_scheme(struct slice text) {
    return slice_equals(text, SLICE("https")) || slice_equals(text, SLICE("http"));
}

void front_forward(const struct front *front, const struct peer *peer, const struct request_head *request,
                   const char *identity_header, const char *name, struct http_field *ret_kept, size_t *ret_n_kept,
                   struct forwarded *ret) {
    struct slice identity = identity_header ? slice_of_string(identity_header) : SLICE_EMPTY;
    const struct own_names own = own_names_of(front, identity);
    struct said said = {.n_from = 0};
    char address[ADDRESS_TEXT_MAX];
    struct way way = {.n = 0};

    ret->n = 0;
    ret->proto = peer->kind == PEER_CERTIFICATE ? SLICE("https") : SLICE("http");
    ret->client = SLICE_EMPTY;
    sort_fields(&own, request, ret_kept, ret_n_kept, &said);
    if (peer->is_trusted && said.n_proto == 1 && is_scheme(said.proto))
        ret->proto = said.proto;
    if (peer->is_trusted && said.n_from == 1 && read_way(said.from, &way))
        ret->client = way.at[way.n - 1];
    if (peer->kind != PEER_UNIX)
        way.at[way.n++] = peer->text.n > 0 ? peer->text : slice_of(address, peer_format(peer, address));
    make_fields(ret, &way, peer->kind == PEER_UNIX, request->host);
    if (identity.n > 0)
        add_field(ret, identity, slice_of_string(name));
}
