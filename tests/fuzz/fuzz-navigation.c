#include "base/macros.h"
#include "fuzz.h"
#include "ingress/visit/navigation.h"

/* The first line is a path with its query, the rest are Cookie fields, a line each. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char back[NAVIGATION_BACK_MAX], joined[LIMIT_COOKIE];
    struct slice rest = slice_of(size > 0 ? (const void *)data : "", size), path = slice_cut(&rest, '\n'), found;
    struct request_head request = {.method = SLICE("GET"), .query = SLICE_EMPTY};
    struct http_field fields[8];
    size_t n = 0;

    request.path = slice_cut(&path, '?');
    request.has_query = path.p != NULL;
    request.query = path.p ? path : SLICE_EMPTY;
    found = navigation_back(&request, back);
    REQUIRE(found.n > 0 && found.p[0] == '/');
    REQUIRE(found.n == 1 || (found.p[1] != '/' && found.p[1] != '\\'));
    for (size_t i = 0; i < found.n; i++)
        REQUIRE(found.p[i] > 0x20 && found.p[i] < 0x7f && found.p[i] != '\\');

    while (rest.p && n < ARRAY_LEN(fields))
        fields[n++] = (struct http_field){SLICE("Cookie"), slice_trim(slice_cut(&rest, '\n'))};
    found = navigation_cookies(fields, n, joined);
    REQUIRE(found.n <= LIMIT_COOKIE);
    if (size < LIMIT_COOKIE / 2) { /* all of them fit: joined, they are the same cookies */
        struct http_field one = {SLICE("Cookie"), found};

        REQUIRE(navigation_has_cookie(fields, n, SLICE("t3_session*")) ==
                navigation_has_cookie(&one, 1, SLICE("t3_session*")));
    }
    return 0;
}
