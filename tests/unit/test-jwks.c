#include "ingress/front/jwks.h"

#include <errno.h>

#include "ingress/front/jwks_url.h"
#include "unit_jwt.h"

static EVP_PKEY *rsa, *rsa_other, *rsa_small, *ec;

static int make_keys(void **state) {
    (void)state;
    rsa = rsa_key(RSA_2048);
    rsa_other = rsa_key(RSA_2048_OTHER);
    rsa_small = rsa_key(RSA_1024);
    ec = ec_key("P-256");
    return 0;
}

static int free_keys(void **state) {
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(rsa_other);
    EVP_PKEY_free(rsa_small);
    EVP_PKEY_free(ec);
    return 0;
}

static const char *jwk(const EVP_PKEY *key, const char *more) {
    static char texts[4][4096];
    static unsigned at;
    char *to = texts[at++ % ARRAY_LEN(texts)];

    write_jwk(key, more, to, sizeof(texts[0]));
    return to;
}

static struct slice set_of(const char *first, const char *second) {
    static char text[16384];
    int n = snprintf(text, sizeof(text), "{\"keys\":[%s%s%s]}", first, second[0] ? "," : "", second);

    assert_true(n > 0 && (size_t)n < sizeof(text));
    return slice_of(text, (size_t)n);
}

static struct jwks *parsed(struct slice json) {
    struct jwks *keys = NULL;

    assert_int_equal(jwks_parse(json, &keys), 0);
    return keys;
}

static void a_key_is_found_by_its_number_and_kind(void **state) {
    struct jwks *keys = parsed(set_of(jwk(rsa, ",\"kid\":\"a\",\"use\":\"sig\",\"alg\":\"RS256\",\"x\":[1]"),
                                      jwk(ec, ",\"kid\":\"a\",\"key_ops\":[\"verify\"]")));
    const struct slice a = SLICE("a"), b = SLICE("b"), empty = SLICE("");

    (void)state;
    assert_int_equal(jwks_count(keys), 2);
    assert_int_equal(EVP_PKEY_eq(jwks_find(keys, JWK_RSA, &a), rsa), 1);
    assert_int_equal(EVP_PKEY_eq(jwks_find(keys, JWK_EC, &a), ec), 1);
    assert_int_equal(EVP_PKEY_eq(jwks_find(keys, JWK_EC, NULL), ec), 1);
    assert_null(jwks_find(keys, JWK_RSA, &b));
    assert_null(jwks_find(keys, JWK_RSA, &empty));
    jwks_free(keys);
}

static void two_that_fit_are_none(void **state) {
    struct jwks *keys = parsed(set_of(jwk(rsa, ",\"kid\":\"a\""), jwk(rsa_other, ",\"kid\":\"b\"")));
    const struct slice a = SLICE("a"), b = SLICE("b");

    (void)state;
    assert_int_equal(EVP_PKEY_eq(jwks_find(keys, JWK_RSA, &a), rsa), 1);
    assert_int_equal(EVP_PKEY_eq(jwks_find(keys, JWK_RSA, &b), rsa_other), 1);
    assert_null(jwks_find(keys, JWK_RSA, NULL));
    jwks_free(keys);
    keys = parsed(set_of(jwk(rsa, ",\"kid\":\"a\""), jwk(rsa_other, ",\"kid\":\"a\"")));
    assert_null(jwks_find(keys, JWK_RSA, &a));
    jwks_free(keys);
}

static void a_key_without_a_number_is_found_without_one_only(void **state) {
    struct jwks *keys = parsed(set_of(jwk(ec, ""), ""));
    const struct slice empty = SLICE("");

    (void)state;
    assert_non_null(jwks_find(keys, JWK_EC, NULL));
    assert_null(jwks_find(keys, JWK_EC, &empty));
    jwks_free(keys);
}

/* The set is taken for its other key; alone it would be none. */
static void passes_over(const char *name, const char *text) {
    struct jwks *keys = NULL;

    if (jwks_parse(set_of(text, ""), &keys) != -EINVAL)
        fail_msg("\"%s\" is taken", name);
    keys = parsed(set_of(text, jwk(ec, ",\"kid\":\"good\"")));
    assert_int_equal(jwks_count(keys), 1);
    jwks_free(keys);
}

static void keys_that_cannot_be_used_are_passed_over(void **state) {
    char off_the_curve[4096];
    char *y;

    (void)state;
    passes_over("too small", jwk(rsa_small, ""));
    passes_over("for encryption", jwk(rsa, ",\"use\":\"enc\""));
    passes_over("use is no text", jwk(rsa, ",\"use\":1"));
    passes_over("another algorithm", jwk(rsa, ",\"alg\":\"RS512\""));
    passes_over("the other kind's algorithm", jwk(ec, ",\"alg\":\"RS256\""));
    passes_over("may only sign", jwk(rsa, ",\"key_ops\":[\"sign\"]"));
    passes_over("key_ops is no list", jwk(rsa, ",\"key_ops\":\"verify\""));
    passes_over("its private half is there", jwk(rsa, ",\"d\":\"AQAB\""));
    passes_over("kid is no text", jwk(rsa, ",\"kid\":7"));
    passes_over("a symmetric one", "{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"a\"}");
    passes_over("an unknown kind", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}");
    passes_over("another curve", "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AAAA\",\"y\":\"AAAA\"}");
    passes_over("numbers too short for the curve", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}");
    passes_over("no object", "\"RSA\"");
    passes_over("nothing in it", "{\"kty\":\"RSA\"}");
    passes_over("even exponent", "{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"Ag\"}");
    write_jwk(ec, "", off_the_curve, sizeof(off_the_curve));
    y = strstr(off_the_curve, "\"y\":\"") + 5;
    y[5] = y[5] == 'A' ? 'B' : 'A';
    passes_over("off the curve", off_the_curve);
}

static void refuses_what_is_no_set(void **state) {
    static const struct slice rows[] = {
        SLICE(""),
        SLICE("[]"),
        SLICE("{}"),
        SLICE("{\"keys\":{}}"),
        SLICE("{\"keys\":[]}"),
        SLICE("{\"keys\":[]} x"),
        SLICE("null"),
        SLICE("<html>"),
    };
    char twice[16384];
    struct jwks *keys = NULL;
    int n = snprintf(twice, sizeof(twice), "{\"keys\":[],\"keys\":[%s]}", jwk(rsa, ""));

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_row(rows[i], jwks_parse(rows[i], &keys) == -EINVAL && !keys);
    assert_int_equal(jwks_parse(slice_of(twice, (size_t)n), &keys), -EINVAL);
}

static void takes_no_more_keys_than_its_limit(void **state) {
    size_t size = LIMIT_KEYS, n;
    char *text = malloc(size);
    struct jwks *keys;

    (void)state;
    assert_non_null(text);
    n = (size_t)snprintf(text, size, "{\"keys\":[");
    for (unsigned i = 0; i < LIMIT_JWKS + 10; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%s", i > 0 ? "," : "", jwk(ec, ""));
    n += (size_t)snprintf(text + n, size - n, "]}");
    keys = parsed(slice_of(text, n));
    assert_int_equal(jwks_count(keys), LIMIT_JWKS);
    jwks_free(keys);
    free(text);
}

static void where_keys_may_be(void **state) {
    static const struct {
        struct slice url;
        const char *host, *target; /* NULL: refused */
        unsigned port;
    } rows[] = {
        {SLICE("https://id.example/application/o/x/jwks/"), "id.example", "/application/o/x/jwks/", 443},
        {SLICE("https://id.example"), "id.example", "/", 443},
        {SLICE("https://id.example:8443/keys?appid=1&x=/y"), "id.example", "/keys?appid=1&x=/y", 8443},
        {SLICE("http://127.0.0.1:9000/certs"), "127.0.0.1", "/certs", 9000},
        {SLICE("http://localhost/certs"), "localhost", "/certs", 80},
        {SLICE("http://[::1]:1/certs"), "::1", "/certs", 1},
        {SLICE("http://id.example/certs"), NULL, NULL, 0},
        {SLICE("http://127.0.0.1.example/certs"), NULL, NULL, 0},
        {SLICE("http://10.0.0.1/certs"), NULL, NULL, 0},
        {SLICE("ftp://id.example/certs"), NULL, NULL, 0},
        {SLICE("wss://id.example/certs"), NULL, NULL, 0},
        {SLICE("/etc/keys.json"), NULL, NULL, 0},
        {SLICE("https://me:pw@id.example/certs"), NULL, NULL, 0},
        {SLICE("https://id.example/certs#x"), NULL, NULL, 0},
        {SLICE("https://id.example/a b"), NULL, NULL, 0},
        {SLICE("https://id.example/a\r\nX: y"), NULL, NULL, 0},
        {SLICE("https://id.example?x"), NULL, NULL, 0},
        {SLICE("https://"), NULL, NULL, 0},
        {SLICE("https:///keys"), NULL, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice url = exact_copy(rows[i].url);
        struct jwks_url found;
        const char *wrong = jwks_url_parse(url, &found);

        assert_row(rows[i].url, (wrong == NULL) == (rows[i].host != NULL));
        if (wrong)
            continue;
        assert_slice(found.server.host, rows[i].host);
        assert_slice(found.target, rows[i].target);
        assert_int_equal(found.server.port, rows[i].port);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_found_by_its_number_and_kind),
        cmocka_unit_test(two_that_fit_are_none),
        cmocka_unit_test(a_key_without_a_number_is_found_without_one_only),
        cmocka_unit_test(keys_that_cannot_be_used_are_passed_over),
        cmocka_unit_test(refuses_what_is_no_set),
        cmocka_unit_test(takes_no_more_keys_than_its_limit),
        cmocka_unit_test(where_keys_may_be),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
