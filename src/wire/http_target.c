#include "wire/http_message.h"

#include "base/macros.h"
#include "base/num.h"
#include "base/weaken.h"
#include "wire/authority.h"
#include "wire/http_span.h"

/*
 * An escape has two digits, and does not hide what could end a line or a C string: NUL, CR, LF. Anything else may be
 * escaped and is passed on undecoded.
 */
static bool is_good_escape(struct slice from_percent) {
    int high, low, byte;

    if (from_percent.n < 3)
        return false;
    high = num_hex_digit(from_percent.p[1]);
    low = num_hex_digit(from_percent.p[2]);
    if (high < 0 || low < 0)
        return false;
    byte = high << 4 | low;
    return WEAKENED(SPLIT) || (byte != '\0' && byte != '\r' && byte != '\n');
}

static bool are_target_bytes(struct slice text) {
    if (http_span_target(text) < text.n)
        return false;
    for (size_t at = slice_index(text, '%'); at < text.n; at = slice_index(text, '%')) {
        if (!is_good_escape(slice_from(text, at)))
            return false;
        text = slice_from(text, at + 1);
    }
    return true;
}

static void split_path(struct slice text, struct http_target *to) {
    size_t at = slice_index(text, '?');

    to->path = slice_first(text, at);
    to->has_query = at < text.n;
    to->query = slice_from(text, at + 1);
}

/* §3.2.3: nothing but host and port, and both of them. */
static bool parse_authority_form(struct slice target, struct http_target *to) {
    struct authority authority;

    if (!authority_parse(target, &authority) || !authority.has_port)
        return false;
    to->form = HTTP_TARGET_AUTHORITY;
    to->authority = target;
    to->path = to->query = SLICE_EMPTY;
    return true;
}

/* §3.2.2, of the schemes that go through an HTTP proxy. */
static bool parse_absolute_form(struct slice target, struct http_target *to) {
    static const struct {
        struct slice start;
        uint16_t port;
    } schemes[] = {{SLICE("http://"), 80}, {SLICE("https://"), 443}};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        struct authority authority;
        struct slice rest;
        size_t at = 0;

        if (!slice_equals_nocase(slice_first(target, schemes[i].start.n), schemes[i].start))
            continue;
        rest = slice_from(target, schemes[i].start.n);
        while (at < rest.n && rest.p[at] != '/' && rest.p[at] != '?')
            at++;
        to->form = HTTP_TARGET_ABSOLUTE;
        to->default_port = schemes[i].port;
        to->authority = slice_first(rest, at);
        if (!authority_parse(to->authority, &authority))
            return false;
        split_path(slice_from(rest, at), to);
        if (to->path.n == 0)
            to->path = SLICE("/");
        return true;
    }
    return false;
}

enum http_fault http_target_parse(struct slice method, struct slice target, struct http_target *ret) {
    struct http_target found = {0};
    bool is_good;

    if (target.n == 0 || !are_target_bytes(target))
        return HTTP_BAD_TARGET;
    if (slice_equals(method, SLICE("CONNECT"))) {
        is_good = parse_authority_form(target, &found);
    } else if (slice_equals(target, SLICE("*"))) {
        is_good = slice_equals(method, SLICE("OPTIONS"));
        found.form = HTTP_TARGET_ASTERISK;
        found.authority = found.query = SLICE_EMPTY;
        found.path = target;
    } else if (target.p[0] == '/') {
        is_good = true;
        found.form = HTTP_TARGET_ORIGIN;
        found.authority = SLICE_EMPTY;
        split_path(target, &found);
    } else {
        is_good = parse_absolute_form(target, &found);
    }
    if (!is_good)
        return HTTP_BAD_TARGET;
    *ret = found;
    return HTTP_OK;
}

enum http_fault http_host_check(const struct http_request *request, struct slice *ret) {
    struct authority authority;
    bool is_repeated;
    const struct http_field *host = http_fields_find_single(&request->fields, HTTP_NAME_HOST, &is_repeated);

    if (!host) {
        if (request->minor > 0)
            return HTTP_BAD_HOST;
        *ret = SLICE_EMPTY;
        return HTTP_OK;
    }
    if (is_repeated || !authority_parse(host->value, &authority))
        return HTTP_BAD_HOST;
    *ret = host->value;
    return HTTP_OK;
}

static struct slice without_last_dot(struct slice host) {
    return slice_ends_with(host, SLICE(".")) ? slice_first(host, host.n - 1) : host;
}

bool http_authority_equals(struct slice a, struct slice b, uint16_t default_port) {
    struct authority left, right;

    if (!authority_parse(a, &left) || !authority_parse(b, &right))
        return false;
    if ((left.has_port ? left.port : default_port) != (right.has_port ? right.port : default_port))
        return false;
    return left.is_ipv6 == right.is_ipv6 &&
           slice_equals_nocase(without_last_dot(left.host), without_last_dot(right.host));
}
