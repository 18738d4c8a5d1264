#include "ingress/front/jwks.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "wire/base64.h"

#define RSA_BYTES_MAX (LIMIT_RSA_BITS / 8)
#define RSA_BITS_MIN 2048 /* RFC 7518 §3.3 */
#define EXPONENT_BYTES_MAX 8
#define COORDINATE_BYTES 32 /* of P-256, RFC 7518 §6.2.1.2 */
#define LIMIT_KID 256

struct jwk {
    enum jwk_kind kind;
    bool has_kid;
    char kid[LIMIT_KID];
    size_t kid_n;
    EVP_PKEY *key;
};

struct jwks {
    struct jwk at[LIMIT_JWKS];
    size_t n;
};

static struct slice text_of(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);

    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value)) : SLICE_EMPTY;
}

/* The bytes of a member, or -1: not there, not base64url, not of 1 to `max` bytes. */
static ptrdiff_t bytes_of(const json_t *object, const char *name, unsigned char *to, size_t max) {
    char decoded[RSA_BYTES_MAX * 2];
    struct slice text = text_of(object, name);
    ptrdiff_t n = text.n > 0 && text.n <= sizeof(decoded) ? base64url_decode(text, decoded) : -1;

    if (n < 1 || (size_t)n > max)
        return -1;
    memcpy(to, decoded, (size_t)n);
    return n;
}

/* Absent, or this. */
static bool fits(const json_t *object, const char *name, struct slice wanted) {
    return !json_object_get(object, name) || slice_equals(text_of(object, name), wanted);
}

static bool may_verify(const json_t *object) {
    const json_t *operations = json_object_get(object, "key_ops"), *operation;
    size_t i;

    if (!operations)
        return true;
    json_array_foreach(operations, i, operation) {
        if (json_is_string(operation) && strcmp(json_string_value(operation), "verify") == 0)
            return true;
    }
    return false;
}

static EVP_PKEY *make_key(const char *type, OSSL_PARAM *parameters) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL), *check = NULL;
    EVP_PKEY *key = NULL;

    if (context && parameters && EVP_PKEY_fromdata_init(context) == 1 &&
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) == 1)
        check = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    /* a point that is on the curve, a modulus and an exponent that can be ones */
    if (!check || EVP_PKEY_public_check(check) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EVP_PKEY_CTX_free(check);
    EVP_PKEY_CTX_free(context);
    return key;
}

static EVP_PKEY *make_rsa(const json_t *object) {
    unsigned char modulus[RSA_BYTES_MAX], exponent[EXPONENT_BYTES_MAX];
    ptrdiff_t modulus_n = bytes_of(object, "n", modulus, sizeof(modulus));
    ptrdiff_t exponent_n = bytes_of(object, "e", exponent, sizeof(exponent));
    OSSL_PARAM_BLD *builder = modulus_n > 0 && exponent_n > 0 ? OSSL_PARAM_BLD_new() : NULL;
    BIGNUM *n = builder ? BN_bin2bn(modulus, (int)modulus_n, NULL) : NULL;
    BIGNUM *e = builder ? BN_bin2bn(exponent, (int)exponent_n, NULL) : NULL;
    OSSL_PARAM *parameters = NULL;
    EVP_PKEY *key = NULL;

    if (n && e && BN_num_bits(n) >= RSA_BITS_MIN && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
        parameters = OSSL_PARAM_BLD_to_param(builder);
    key = make_key("RSA", parameters);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return key;
}

static EVP_PKEY *make_ec(const json_t *object) {
    unsigned char point[1 + 2 * COORDINATE_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    char curve[] = "P-256"; /* the library takes it as writable, and leaves it alone */
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
        OSSL_PARAM_construct_end(),
    };

    if (!slice_equals(text_of(object, "crv"), SLICE("P-256")) ||
        bytes_of(object, "x", point + 1, COORDINATE_BYTES) != COORDINATE_BYTES ||
        bytes_of(object, "y", point + 1 + COORDINATE_BYTES, COORDINATE_BYTES) != COORDINATE_BYTES)
        return NULL;
    return make_key("EC", parameters);
}

/* Whether it is a key that we use: then `*ret` is one. */
static bool take_key(const json_t *object, struct jwk *ret) {
    const json_t *kid = json_object_get(object, "kid");
    struct slice type = text_of(object, "kty"), name = text_of(object, "kid");
    bool is_rsa = slice_equals(type, SLICE("RSA"));

    if (!is_rsa && !slice_equals(type, SLICE("EC")))
        return false;
    if (!fits(object, "use", SLICE("sig")) || !fits(object, "alg", is_rsa ? SLICE("RS256") : SLICE("ES256")) ||
        !may_verify(object))
        return false;
    if (json_object_get(object, "d")) /* whoever can read it can sign with it */
        return false;
    if (kid && (!json_is_string(kid) || name.n > LIMIT_KID))
        return false;
    *ret = (struct jwk){.kind = is_rsa ? JWK_RSA : JWK_EC, .has_kid = kid != NULL, .kid_n = name.n};
    memcpy(ret->kid, name.p, name.n);
    ret->key = is_rsa ? make_rsa(object) : make_ec(object);
    return ret->key != NULL;
}

int jwks_parse(struct slice json, struct jwks **ret) {
    json_t *set = json.n <= LIMIT_KEYS ? json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const json_t *list = json_object_get(set, "keys"), *object;
    struct jwks *keys = calloc(1, sizeof(*keys));
    size_t i;

    json_array_foreach(list, i, object) {
        if (keys && keys->n < LIMIT_JWKS && take_key(object, &keys->at[keys->n]))
            keys->n++;
    }
    ERR_clear_error();
    json_decref(set);
    if (!keys)
        return -ENOMEM;
    if (keys->n == 0) {
        free(keys);
        return -EINVAL;
    }
    *ret = keys;
    return 0;
}

void jwks_free(struct jwks *keys) {
    if (!keys)
        return;
    for (size_t i = 0; i < keys->n; i++)
        EVP_PKEY_free(keys->at[i].key);
    free(keys);
}

size_t jwks_count(const struct jwks *keys) {
    return keys->n;
}

EVP_PKEY *jwks_find(const struct jwks *keys, enum jwk_kind kind, const struct slice *kid) {
    EVP_PKEY *found = NULL;

    for (size_t i = 0; i < keys->n; i++) {
        const struct jwk *key = &keys->at[i];

        if (key->kind != kind || (kid && (!key->has_kid || !slice_equals(slice_of(key->kid, key->kid_n), *kid))))
            continue;
        if (found)
            return NULL;
        found = key->key;
    }
    return found;
}
