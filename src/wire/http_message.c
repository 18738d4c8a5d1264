#include "wire/http_message.h"

#include "base/macros.h"
#include "base/num.h"
#include "base/weaken.h"

/* The only field of that name; NULL when there is none; `*ret_is_repeated` when there are more. */
static const struct http_field *find_single(const struct http_fields *fields, struct slice name,
                                            bool *ret_is_repeated) {
    size_t at = 0;
    const struct http_field *field = http_fields_find(fields, name, 0, &at);

    *ret_is_repeated = field && http_fields_find(fields, name, at + 1, NULL);
    return field;
}

/*
 * §6.1: exactly `chunked`, on one line, and nothing beside it. A single other coding is one that we do not know (501);
 * all else is a way to make two parsers disagree. HTTP/1.0 knows no transfer codings.
 */
static enum http_fault check_coding(const struct http_field *field, bool is_repeated, unsigned minor) {
    if (is_repeated || minor == 0)
        return HTTP_BAD_TRANSFER_ENCODING;
    if (slice_equals_nocase(field->value, SLICE("chunked")))
        return HTTP_OK;
    if (!http_is_token(field->value) || slice_equals_nocase(field->value, SLICE("identity")))
        return HTTP_BAD_TRANSFER_ENCODING;
    return HTTP_UNKNOWN_CODING;
}

/* What the head declares, for either kind of message; HTTP_BODY_NONE when it declares nothing. */
static enum http_fault declared_framing(const struct http_fields *fields, unsigned minor, struct http_framing *ret) {
    bool are_codings, are_lengths;
    const struct http_field *coding = find_single(fields, SLICE("Transfer-Encoding"), &are_codings);
    const struct http_field *length = find_single(fields, SLICE("Content-Length"), &are_lengths);
    uint64_t n = 0;

    if (coding && length && !WEAKENED(FRAMING))
        return HTTP_LENGTH_AND_CODING;
    if (coding) {
        enum http_fault fault = check_coding(coding, are_codings, minor);
        if (fault == HTTP_OK)
            *ret = (struct http_framing){.kind = HTTP_BODY_CHUNKED};
        return fault;
    }
    if (length && (are_lengths || num_parse(length->value, INT64_MAX, &n) < 0))
        return HTTP_BAD_CONTENT_LENGTH;
    *ret = (struct http_framing){.kind = length ? HTTP_BODY_LENGTH : HTTP_BODY_NONE, .length = n};
    return HTTP_OK;
}

enum http_fault http_request_framing(const struct http_request *request, struct http_framing *ret) {
    return declared_framing(&request->fields, request->minor, ret);
}

/* §6.3 rules 1 and 2 */
static bool has_no_body(unsigned status, struct slice method) {
    if (status < 200 || status == 204 || status == 304)
        return true;
    return slice_equals(method, SLICE("HEAD")) || (slice_equals(method, SLICE("CONNECT")) && status < 300);
}

enum http_fault http_response_framing(const struct http_response *response, struct slice method,
                                      struct http_framing *ret, struct http_framing *ret_declared) {
    struct http_framing declared;
    enum http_fault fault = declared_framing(&response->fields, response->minor, &declared);

    if (fault != HTTP_OK)
        return fault;
    if (has_no_body(response->status, method)) {
        if (declared.kind == HTTP_BODY_CHUNKED)
            declared.kind = HTTP_BODY_NONE;
        *ret = (struct http_framing){.kind = HTTP_BODY_NONE};
    } else {
        if (declared.kind == HTTP_BODY_NONE)
            declared.kind = HTTP_BODY_CLOSE;
        *ret = declared;
    }
    *ret_declared = declared;
    return HTTP_OK;
}

/* The options that all Connection fields name together. */
struct options {
    struct slice at[LIMIT_FIELDS];
    size_t n;
};

/* Names to look for. Most fields are told apart from all of them by their length alone. */
struct name_set {
    const struct slice *at;
    size_t n;
    uint32_t lengths; /* bit i: one has i bytes, counted modulo 32 */
};

static struct name_set name_set_of(const struct slice *names, size_t n) {
    struct name_set set = {.at = names, .n = n};

    for (size_t i = 0; i < n; i++)
        set.lengths |= UINT32_C(1) << (names[i].n & 31);
    return set;
}

static bool is_in(struct slice name, const struct name_set *set) {
    if (!(set->lengths >> (name.n & 31) & 1))
        return false;
    for (size_t i = 0; i < set->n; i++)
        if (name.n == set->at[i].n && slice_equals_nocase(name, set->at[i]))
            return true;
    return false;
}

bool http_connection_has(const struct http_fields *fields, struct slice option) {
    size_t at = 0;

    for (const struct http_field *field = http_fields_find(fields, SLICE("Connection"), 0, &at); field;
         field = http_fields_find(fields, SLICE("Connection"), at + 1, &at)) {
        struct slice rest = field->value;

        while (rest.p)
            if (slice_equals_nocase(slice_trim(slice_cut(&rest, ',')), option))
                return true;
    }
    return false;
}

/* As a gateway sees a name that makes a variable of it. */
static char variable_byte(char c) {
    return c == '.' ? '-' : ascii_lower(c);
}

static bool is_same_variable(struct slice a, struct slice b) {
    for (size_t i = 0; i < a.n; i++)
        if (variable_byte(a.p[i]) != variable_byte(b.p[i]))
            return false;
    return true;
}

static bool is_alias(struct slice name, const struct name_set *trusted) {
    if (slice_has(name, '_'))
        return true;
    if (!(trusted->lengths >> (name.n & 31) & 1))
        return false;
    for (size_t i = 0; i < trusted->n; i++)
        if (name.n == trusted->at[i].n && is_same_variable(name, trusted->at[i]))
            return !is_in(name, trusted);
    return false;
}

const struct http_field *http_fields_find_alias(const struct http_fields *fields, const struct slice *trusted,
                                                size_t n_trusted) {
    struct name_set set = name_set_of(trusted, n_trusted);

    for (size_t i = 0; i < fields->n; i++)
        if (is_alias(fields->at[i].name, &set))
            return &fields->at[i];
    return NULL;
}

/*
 * #connection-option (S 7.6.1); empty elements do not count (S 5.6.1). More options than a head may have fields name
 * nothing that is there: refused, so that a long list cannot make the comparison with every field costly.
 */
static enum http_fault collect_options(const struct http_fields *fields, struct options *ret) {
    size_t at = 0;

    ret->n = 0;
    for (const struct http_field *field = http_fields_find(fields, SLICE("Connection"), 0, &at); field;
         field = http_fields_find(fields, SLICE("Connection"), at + 1, &at)) {
        struct slice rest = field->value;

        while (rest.p) {
            struct slice option = slice_trim(slice_cut(&rest, ','));

            if (option.n == 0)
                continue;
            if (ret->n == LIMIT_FIELDS || !http_is_token(option))
                return HTTP_BAD_CONNECTION;
            ret->at[ret->n++] = option;
        }
    }
    return HTTP_OK;
}

enum http_fault http_fields_strip_hop_by_hop(struct http_fields *fields, const struct slice *protected_names,
                                             size_t n_protected, bool *ret_close, bool *ret_keep_alive) {
    static const struct slice always_protected[] = {SLICE("Host"), SLICE("Content-Length"), SLICE("Authorization")};
    static const struct slice hop_by_hop[] = {
        SLICE("Connection"), SLICE("Keep-Alive"), SLICE("Proxy-Connection"),  SLICE("Proxy-Authorization"),
        SLICE("TE"),         SLICE("Trailer"),    SLICE("Transfer-Encoding"), SLICE("Upgrade"),
    };
    _uninitialised_ struct options options;
    const struct name_set hop_set = name_set_of(hop_by_hop, ARRAY_LEN(hop_by_hop));
    const struct name_set always_set = name_set_of(always_protected, ARRAY_LEN(always_protected));
    const struct name_set protected_set = name_set_of(protected_names, n_protected);
    struct name_set option_set;
    enum http_fault fault = collect_options(fields, &options);
    size_t kept = 0;

    if (fault != HTTP_OK)
        return fault;
    for (size_t i = 0; i < options.n; i++)
        if (!WEAKENED(FIELDS) && (is_in(options.at[i], &always_set) || is_in(options.at[i], &protected_set)))
            return HTTP_BAD_CONNECTION;
    option_set = name_set_of(options.at, options.n);
    for (size_t i = 0; i < fields->n; i++)
        if (WEAKENED(FIELDS) || (!is_in(fields->at[i].name, &hop_set) && !is_in(fields->at[i].name, &option_set)))
            fields->at[kept++] = fields->at[i];
    fields->n = kept;
    *ret_close = is_in(SLICE("close"), &option_set);
    *ret_keep_alive = is_in(SLICE("keep-alive"), &option_set);
    return HTTP_OK;
}

enum http_fault http_expect_check(const struct http_request *request, bool *ret_continue) {
    bool is_repeated;
    const struct http_field *expect = find_single(&request->fields, SLICE("Expect"), &is_repeated);

    if (!expect || request->minor == 0) {
        *ret_continue = false;
        return HTTP_OK;
    }
    if (is_repeated || !slice_equals_nocase(expect->value, SLICE("100-continue")))
        return HTTP_BAD_EXPECT;
    *ret_continue = true;
    return HTTP_OK;
}
