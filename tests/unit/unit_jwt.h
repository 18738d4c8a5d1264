/*
 * Keys that OpenSSL uses, as a set of keys (JWKS) and as what signs tokens (JWT): written here anew, so that nothing
 * of ours vouches for itself. What is returned lives till the end of the test program, or until the next of its kind.
 */
#pragma once

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdio.h>

#include "unit.h"

#define JWT_MAX 16384

/* Encodes as RFC 4648 §5, no padding. The length. */
static inline size_t base64url(const unsigned char *bytes, size_t n, char *to) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t length = 0;

    for (size_t bit = 0; bit < n * 8; bit += 6) {
        unsigned two = (unsigned)bytes[bit / 8] << 8 | (bit / 8 + 1 < n ? bytes[bit / 8 + 1] : 0U);

        to[length++] = alphabet[two >> (10 - bit % 8) & 63];
    }
    to[length] = '\0';
    return length;
}

/* Of 1024 bits each. Valgrind would take half a minute to find some. */
static const char *const primes[] = {
    "E4C0B2E304A581FD09BE82B748DE7B54446474B1492414CEB6FFCB111074C4AE249E4F1310F63721CF9739"
    "D24B68692333B1FB68C0A7D12489B41C507AED0F20E6C99DE0E6FE007FF66C7F0CBAEA8B9561D6EA3218F3"
    "14EA43BB980FA8BEA4303D6B9E745166EE5F12C8A855DAD0089A85F5C521901A06CD69C15E91FE5716F7",
    "EEE1D00ED2E26976996B6747B86D263840DCA71B2C530536880C03CAAF2330EFE1E93FE39496A72BD9EC71"
    "10173CDC058E23233F9BA4B0BA687FF884CECF09A7C5AD10786DE4E655E6DC30F067533CEF5EF7B216D166"
    "3845C9174616890055A5DDC612C557194696A1760772CE3FD2230A7095E2C9D7496D81815A30E3D1219D",
    "D7762477284D546431A45674F26FBAE9FD4059BEC073C1623BD42C809D19C183BBD915618E1CCEAD47E023"
    "260586C807A165F652D20FE37A62398EEE6063E2168A3E3D4A10C1CAA8C0221E3D3E2F7582D0DA90C9CC8C"
    "B59546CE0130F13B94EB03B16B5A33AC2DC890E684A9CF24D61627D1004A39B1B4ED99D7D33A995827EF",
};

/* The moduli of keys, each a set of these primes. */
enum rsa_modulus { RSA_1024 = 1, RSA_2048 = 3, RSA_2048_OTHER = 6, RSA_3072 = 7 };

/* Of whole numbers alone, as RFC 8017 §3.2 allows: OpenSSL does without the primes. */
static inline EVP_PKEY *rsa_key_of(const BIGNUM *n, const BIGNUM *e, const BIGNUM *d) {
    OSSL_PARAM_BLD *numbers = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    OSSL_PARAM *all;

    assert_int_equal(OSSL_PARAM_BLD_push_BN(numbers, OSSL_PKEY_PARAM_RSA_N, n), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(numbers, OSSL_PKEY_PARAM_RSA_E, e), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(numbers, OSSL_PKEY_PARAM_RSA_D, d), 1);
    all = OSSL_PARAM_BLD_to_param(numbers);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, all), 1);
    OSSL_PARAM_free(all);
    OSSL_PARAM_BLD_free(numbers);
    EVP_PKEY_CTX_free(context);
    return key;
}

static inline EVP_PKEY *rsa_key(enum rsa_modulus modulus) {
    BN_CTX *context = BN_CTX_new();
    BIGNUM *n = NULL, *e = NULL, *d, *prime = NULL, *order = NULL;
    EVP_PKEY *key;

    assert_true(BN_dec2bn(&n, "1") && BN_dec2bn(&order, "1") && BN_dec2bn(&e, "65537"));
    for (size_t i = 0; i < ARRAY_LEN(primes); i++)
        if ((unsigned)modulus & 1U << i)
            assert_true(BN_hex2bn(&prime, primes[i]) && BN_mul(n, n, prime, context) && BN_sub_word(prime, 1) &&
                        BN_mul(order, order, prime, context));
    d = BN_mod_inverse(NULL, e, order, context);
    assert_non_null(d);
    key = rsa_key_of(n, e, d);
    BN_free(n);
    BN_free(e);
    BN_free(d);
    BN_free(prime);
    BN_free(order);
    BN_CTX_free(context);
    return key;
}

static inline EVP_PKEY *ec_key(const char *curve) {
    EVP_PKEY *key = EVP_EC_gen(curve);

    assert_non_null(key);
    return key;
}

static inline const char *number_of_key(const EVP_PKEY *key, const char *name, char to[static 2048]) {
    unsigned char bytes[1100];
    BIGNUM *number = NULL;
    int n;

    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    n = EVP_PKEY_is_a(key, "EC") ? BN_bn2binpad(number, bytes, 32) : BN_bn2bin(number, bytes);
    assert_true(n > 0);
    (void)base64url(bytes, (size_t)n, to);
    BN_free(number);
    return to;
}

/* One key of a set: `more` are further members, with a comma in front. */
static inline void write_jwk(const EVP_PKEY *key, const char *more, char *to, size_t size) {
    char a[2048], b[2048];
    int n;

    if (EVP_PKEY_is_a(key, "EC"))
        n = snprintf(to, size, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"%s}",
                     number_of_key(key, OSSL_PKEY_PARAM_EC_PUB_X, a), number_of_key(key, OSSL_PKEY_PARAM_EC_PUB_Y, b),
                     more);
    else
        n = snprintf(to, size, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}",
                     number_of_key(key, OSSL_PKEY_PARAM_RSA_N, a), number_of_key(key, OSSL_PKEY_PARAM_RSA_E, b), more);
    assert_true(n > 0 && (size_t)n < size);
}

/* Signs as the key's kind does; raw R and S of an EC key, unless `is_der`. The length. */
static inline size_t sign_with(EVP_PKEY *key, const char *text, bool is_der, unsigned char *to, size_t size) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t n = size;

    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, to, &n, (const unsigned char *)text, strlen(text)), 1);
    EVP_MD_CTX_free(context);
    if (EVP_PKEY_is_a(key, "EC") && !is_der) {
        const unsigned char *at = to;
        ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)n);

        assert_non_null(signature);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(signature), to, 32), 32);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(signature), to + 32, 32), 32);
        ECDSA_SIG_free(signature);
        n = 64;
    }
    return n;
}

/* A token whose header and claims are these texts, whatever they are. */
static inline const char *jwt(EVP_PKEY *key, const char *header, const char *claims, bool is_der) {
    static char token[JWT_MAX];
    unsigned char signature[1100];
    size_t n;

    assert_true((strlen(header) + strlen(claims)) / 3 * 4 + 2000 < sizeof(token));
    n = base64url((const unsigned char *)header, strlen(header), token);
    token[n++] = '.';
    n += base64url((const unsigned char *)claims, strlen(claims), token + n);
    token[n] = '\0';
    (void)base64url(signature, sign_with(key, token, is_der, signature, sizeof(signature)), token + n + 1);
    token[n] = '.';
    return token;
}
