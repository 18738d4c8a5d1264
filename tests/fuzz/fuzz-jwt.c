#include "fuzz.h"
#include "ingress/front/assertion.h"

#define NOW 1700000000

/* Public keys whose private halves are gone: two tokens in the corpus were signed by them, no other ever is. */
static const char published[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"njl1jgjsGj9byR_ov6sTWf7ZLf4WsTouGYLP5D_G3OdcuTDp6IzABZo9EgJlYWV"
    "huT0S6mfns4BRdXU7buz0CsrzcrIZ0Epd4niXMVX-I3X0y5OPbJRYaxLwaB527mdvsNm4gvZAdkR-FDtqWa7WnBT70"
    "rtQUli7jbnGgDviTdhQDgkzteBOL5UFDfmgbiibDYneJEOw98tDuRydltLK4LAbYp2NGxMNtLmtOo5_qmwaYHnXPMV"
    "CS90nxUcZeEbhR09Y5wHbG2QIXxPjsxtjZsNy4t5R0Eij6pfR31SEVcHt3h6AndrF9YNHdjNcQVWIIJ9coN4Rzxk57"
    "b3Ityka0Q\",\"e\":\"AQAB\",\"kid\":\"a\",\"use\":\"sig\",\"alg\":\"RS256\"},{\"kty\":\"EC\",\"crv\":\"P-256\","
    "\"x\":\""
    "iXz5qUf8dtcKN2XHKJ-rqXGMmJFLPOd1KWS2q2dYrr8\",\"y\":\"EfSZX-WUBtMJbmMGj_BdPNSKiCfS1myg_lW-ySVZ"
    "7HE\",\"kid\":\"e\"}]}";

static const struct assertion_rules rules = {
    .issuer = "https://id.example/", .audience = "credfd", .claim = "preferred_username"};

static struct jwks *keys;

static void judge(struct slice token, uint64_t now_s) {
    struct assertion found = {.good_ms = UINT64_MAX};
    enum assertion_fault fault = assertion_verify(&rules, keys, token, now_s, &found);

    REQUIRE(fault < ASSERTION_FAULTS && assertion_fault_text(fault));
    REQUIRE((fault == ASSERTION_GOOD) == (found.good_ms <= LIFE_ASSERTION));
    if (fault == ASSERTION_GOOD)
        REQUIRE(slice_equals(slice_of_string(found.name), SLICE("alice")) && found.good_ms == 100000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(size > 0 ? (const void *)data : "", size);

    if (!keys)
        REQUIRE(jwks_parse(slice_of_string(published), &keys) == 0);
    judge(in, NOW);
    return 0;
}
