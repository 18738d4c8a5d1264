/*
 * Keys that OpenSSL makes, as a set of keys (JWKS) and as what signs tokens (JWT): written here anew, so that nothing
 * of ours vouches for itself. What is returned lives till the end of the test program, or until the next of its kind.
 */
#pragma once

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
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

static inline EVP_PKEY *rsa_key(size_t bits) {
    EVP_PKEY *key = EVP_RSA_gen((unsigned)bits);

    assert_non_null(key);
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
