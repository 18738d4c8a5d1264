#include "fuzz.h"
#include "wire/query.h"

#define NAME SLICE("app_key")

static char bytes[8192];

/* `a`, `b` and `c` one after the other. */
static struct slice join(struct slice a, struct slice b, struct slice c) {
    memcpy(bytes, a.p, a.n);
    memcpy(bytes + a.n, b.p, b.n);
    memcpy(bytes + a.n + b.n, c.p, c.n);
    return slice_of(bytes, a.n + b.n + c.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(size > 0 ? (const void *)data : "", size), found = {0}, other, before, behind;
    enum query_presence presence;

    if (size > 4096)
        return 0;
    presence = query_find(in, NAME, &found);
    if (presence == QUERY_ABSENT) {
        /* put in, it is there once; put in twice, it is ambiguous */
        REQUIRE(query_find(join(in, SLICE("&app_key=x"), SLICE_EMPTY), NAME, &other) == QUERY_ONCE);
        REQUIRE(slice_equals(other, SLICE("app_key=x")));
        REQUIRE(query_find(join(in, SLICE("&app_key=x"), SLICE("&app_key=y")), NAME, &other) == QUERY_AMBIGUOUS);
    } else if (presence == QUERY_ONCE) {
        /* taken out, it is there no more; a second one, in any disguise, is seen */
        REQUIRE(is_inside(found, in) && slice_starts_with(found, NAME) && !slice_has(found, '&'));
        before = slice_of(in.p, (size_t)(found.p - in.p));
        behind = slice_from(in, before.n + found.n);
        REQUIRE(before.n == 0 || slice_ends_with(before, SLICE("&")));
        REQUIRE(behind.n == 0 || behind.p[0] == '&');
        REQUIRE(query_find(join(before, behind, SLICE_EMPTY), NAME, &other) == QUERY_ABSENT);
        REQUIRE(query_find(join(in, SLICE("&%41pp_key"), SLICE_EMPTY), NAME, &other) == QUERY_AMBIGUOUS);
    } else {
        REQUIRE(found.p == NULL);
        REQUIRE(query_find(join(SLICE("a&"), in, SLICE("&b")), NAME, &other) == QUERY_AMBIGUOUS);
    }
    return 0;
}
