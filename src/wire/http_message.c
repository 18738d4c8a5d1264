#include "wire/http_message.h"

#include "base/macros.h"
#include "base/num.h"
#include "base/weaken.h"

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
    const struct http_field *coding = http_fields_find_single(fields, HTTP_NAME_TRANSFER_ENCODING, &are_codings);
    const struct http_field *length = http_fields_find_single(fields, HTTP_NAME_CONTENT_LENGTH, &are_lengths);
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
    uint64_t known; /* those that are known names, as a set */
};

bool http_connection_has(const struct http_fields *fields, struct slice option) {
    size_t at = 0;

    for (const struct http_field *field = http_fields_find(fields, HTTP_NAME_CONNECTION, 0, &at); field;
         field = http_fields_find(fields, HTTP_NAME_CONNECTION, at + 1, &at)) {
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

static bool is_in(struct slice name, const struct slice *names, size_t n_names) {
    for (size_t i = 0; i < n_names; i++)
        if (slice_equals_nocase(name, names[i]))
            return true;
    return false;
}

static bool is_alias(const struct http_field *field, const struct slice *trusted, size_t n_trusted) {
    struct slice name = field->name;

    if (http_field_name(field) == HTTP_NAME_ODD && slice_has(name, '_'))
        return true;
    for (size_t i = 0; i < n_trusted; i++)
        if (name.n == trusted[i].n && is_same_variable(name, trusted[i]))
            return !is_in(name, trusted, n_trusted);
    return false;
}

const struct http_field *http_fields_find_alias(const struct http_fields *fields, const struct slice *trusted,
                                                size_t n_trusted) {
    for (size_t i = 0; i < fields->n; i++)
        if (is_alias(&fields->at[i], trusted, n_trusted))
            return &fields->at[i];
    return NULL;
}

/* Names that are no known ones are told apart by their text. */
#define UNKNOWN_NAMES (HTTP_NAME_SET(ODD) | HTTP_NAME_SET(PLAIN))

/*
 * #connection-option (S 7.6.1); empty elements do not count (S 5.6.1). More options than a head may have fields name
 * nothing that is there: refused, so that a long list cannot make the comparison with every field costly.
 */
static enum http_fault collect_options(struct slice value, struct options *to) {
    while (value.p) {
        struct slice option = slice_trim(slice_cut(&value, ','));
        enum http_name known;

        if (option.n == 0)
            continue;
        known = http_name_of(option);
        if (to->n == LIMIT_FIELDS || (known == HTTP_NAME_ODD && !http_is_token(option)))
            return HTTP_BAD_CONNECTION;
        to->known |= UINT64_C(1) << known;
        to->at[to->n++] = option;
    }
    return HTTP_OK;
}

/* HTTP_BAD_CONNECTION when they name what must stay. */
static enum http_fault read_options(const struct http_fields *fields, const struct slice *protected_names,
                                    size_t n_protected, struct options *ret) {
    static const uint64_t always_protected =
        HTTP_NAME_SET(HOST) | HTTP_NAME_SET(CONTENT_LENGTH) | HTTP_NAME_SET(AUTHORIZATION);
    enum http_fault fault = HTTP_OK;
    const struct http_field *field;
    size_t from = 0;

    ret->n = 0;
    ret->known = 0;
    do {
        field = http_fields_find(fields, HTTP_NAME_CONNECTION, from, &from);
        if (field)
            fault = collect_options(field->value, ret);
        from++;
    } while (field && fault == HTTP_OK && !http_name_is_in(HTTP_NAME_CONNECTION, fields->single));
    if (fault != HTTP_OK || WEAKENED(FIELDS))
        return fault;
    if ((ret->known & always_protected) != 0)
        return HTTP_BAD_CONNECTION;
    for (size_t i = 0; i < ret->n; i++)
        if (is_in(ret->at[i], protected_names, n_protected))
            return HTTP_BAD_CONNECTION;
    return HTTP_OK;
}

/* Removes the fields that the options name by no known name. */
static void remove_unknown(struct http_fields *fields, const struct options *options) {
    size_t kept = 0;

    for (size_t i = 0; i < fields->n; i++)
        if (http_name_is_known(http_field_name(&fields->at[i])) || !is_in(fields->at[i].name, options->at, options->n))
            fields->at[kept++] = fields->at[i];
    fields->n = kept;
}

enum http_fault http_fields_strip_hop_by_hop(struct http_fields *fields, const struct slice *protected_names,
                                             size_t n_protected, bool *ret_close, bool *ret_keep_alive) {
    static const uint64_t hop_by_hop = HTTP_NAME_SET(CONNECTION) | HTTP_NAME_SET(KEEP_ALIVE) |
                                       HTTP_NAME_SET(PROXY_CONNECTION) | HTTP_NAME_SET(PROXY_AUTHORIZATION) |
                                       HTTP_NAME_SET(TE) | HTTP_NAME_SET(TRAILER) | HTTP_NAME_SET(TRANSFER_ENCODING) |
                                       HTTP_NAME_SET(UPGRADE);
    _uninitialised_ struct options options;
    enum http_fault fault = read_options(fields, protected_names, n_protected, &options);

    if (fault != HTTP_OK)
        return fault;
    if ((options.known & UNKNOWN_NAMES) != 0 && !WEAKENED(FIELDS))
        remove_unknown(fields, &options);
    if (!WEAKENED(FIELDS))
        (void)http_fields_remove(fields, hop_by_hop | (options.known & ~UNKNOWN_NAMES));
    *ret_close = http_name_is_in(HTTP_NAME_CLOSE, options.known);
    *ret_keep_alive = http_name_is_in(HTTP_NAME_KEEP_ALIVE, options.known);
    return HTTP_OK;
}

enum http_fault http_expect_check(const struct http_request *request, bool *ret_continue) {
    bool is_repeated;
    const struct http_field *expect = http_fields_find_single(&request->fields, HTTP_NAME_EXPECT, &is_repeated);

    if (!expect || request->minor == 0) {
        *ret_continue = false;
        return HTTP_OK;
    }
    if (is_repeated || !slice_equals_nocase(expect->value, SLICE("100-continue")))
        return HTTP_BAD_EXPECT;
    *ret_continue = true;
    return HTTP_OK;
}
