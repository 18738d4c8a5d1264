#include "base/limits.h"
#include "fuzz.h"
#include "wire/http_message.h"
#include "wire/uri.h"

static char first[LIMIT_TARGET + 1], second[3 * LIMIT_TARGET + 1], third[3 * LIMIT_TARGET + 1];

static void try_normalise(struct slice path) {
    ptrdiff_t n = uri_normalise_path(path, first), again;
    struct slice normal, rest;
    size_t length = 0;

    if (n < 0)
        return;
    normal = slice_of(first, (size_t)n);
    REQUIRE(normal.n >= 1 && normal.n <= path.n && normal.p[0] == '/');
    REQUIRE(!slice_has(normal, '\0') && !slice_has(normal, '\\') && !slice_has(normal, ';'));
    for (rest = slice_from(normal, 1); rest.p;) {
        struct slice segment = slice_cut(&rest, '/');

        REQUIRE(segment.n > 0 || !rest.p);
        REQUIRE(!slice_equals(segment, SLICE(".")) && !slice_equals(segment, SLICE("..")));
    }
    /* with the escapes that are left protected, it is its own normal form */
    for (size_t i = 0; i < normal.n; i++) {
        second[length++] = normal.p[i];
        if (normal.p[i] == '%') {
            second[length++] = '2';
            second[length++] = '5';
        }
    }
    again = uri_normalise_path(slice_of(second, length), third);
    REQUIRE(again == n && slice_equals(slice_of(third, (size_t)n), normal));
}

static void try_escapes(struct slice text) {
    size_t n = uri_percent_encode(text, second);

    REQUIRE(n >= text.n && n <= 3 * text.n);
    REQUIRE(uri_percent_decode(slice_of(second, n), third) == text.n && slice_equals(slice_of(third, text.n), text));
    REQUIRE(uri_percent_decode(text, first) <= text.n);
}

static void try_upstream(struct slice url) {
    struct uri_upstream found;

    if (uri_parse_upstream(url, &found) != NULL)
        return;
    REQUIRE(is_inside(found.host, url) && found.host.n > 0 && found.host.n <= LIMIT_HOST && found.port > 0);
    REQUIRE(is_inside(found.base_path, url) && !slice_ends_with(found.base_path, SLICE("/")));
    REQUIRE(found.base_path.n == 0 || slice_starts_with(found.base_path, SLICE("/")));
    for (size_t i = 0; i < found.host.n; i++)
        REQUIRE(found.host.p[i] > ' ' && found.host.p[i] <= 'z' && !strchr("@/?#\\%,[]", found.host.p[i]));
}

static void try_target(struct slice method, struct slice text) {
    struct http_target target;

    if (http_target_parse(method, text, &target) != HTTP_OK)
        return;
    REQUIRE(is_inside(target.authority, text) && is_inside(target.query, text));
    REQUIRE(is_inside(target.path, text) || slice_equals(target.path, SLICE("/")));
    REQUIRE(target.has_query || target.query.n == 0);
    REQUIRE((target.form == HTTP_TARGET_AUTHORITY) == slice_equals(method, SLICE("CONNECT")));
    REQUIRE(target.authority.n == 0 || http_authority_equals(target.authority, target.authority, 80));
    REQUIRE(target.form == HTTP_TARGET_AUTHORITY || target.form == HTTP_TARGET_ASTERISK || target.path.p[0] == '/');
    for (size_t i = 0; i < text.n; i++)
        REQUIRE(text.p[i] > ' ' && text.p[i] <= '~' && text.p[i] != '#' && text.p[i] != '\\');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(data, size);

    if (size > LIMIT_TARGET)
        return 0;
    try_normalise(in);
    try_escapes(in);
    try_upstream(in);
    try_target(SLICE("GET"), in);
    try_target(SLICE("OPTIONS"), in);
    try_target(SLICE("CONNECT"), in);
    return 0;
}
