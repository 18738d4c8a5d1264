#include "fuzz.h"
#include "ingress/front/jwks.h"
#include "ingress/front/jwks_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(size > 0 ? (const void *)data : "", size);
    struct jwks *keys = NULL;
    struct jwks_url url;

    if (jwks_parse(in, &keys) == 0) {
        REQUIRE(jwks_count(keys) > 0 && jwks_count(keys) <= LIMIT_JWKS);
        (void)jwks_find(keys, JWK_RSA, NULL);
        (void)jwks_find(keys, JWK_EC, &in);
        jwks_free(keys);
    } else {
        REQUIRE(!keys);
    }
    if (!jwks_url_parse(in, &url)) {
        REQUIRE(is_inside(url.server.host, in) && url.server.host.n > 0);
        REQUIRE(url.target.n > 0 && url.target.p[0] == '/');
    }
    return 0;
}
