#include "ingress/front/assertion.h"

#include <jansson.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/macros.h"
#include "base/weaken.h"
#include "wire/base64.h"
#include "wire/timestamp.h"

#define ES256_BYTES 64 /* R and S, RFC 7518 §3.4 */
#define ES256_DER_MAX 80

/* The parts of the compact form (RFC 7515 §3.1), decoded. */
struct parts {
    struct slice is_signed; /* of the token: header, dot, payload */
    json_t *header, *claims;
    unsigned char signature[LIMIT_RSA_BITS / 8];
    size_t signature_n;
};

static const char *const texts[ASSERTION_FAULTS] = {
    [ASSERTION_GOOD] = "good",
    [ASSERTION_MALFORMED] = "the assertion is malformed",
    [ASSERTION_ALGORITHM] = "the assertion is signed by an algorithm that is not taken",
    [ASSERTION_TYPE] = "the assertion is a token of another type",
    [ASSERTION_CRITICAL] = "the assertion asks for an extension",
    [ASSERTION_UNKNOWN_KEY] = "the assertion is signed by a key that is not known",
    [ASSERTION_SIGNATURE] = "the assertion's signature is wrong",
    [ASSERTION_ISSUER] = "the assertion is of another issuer",
    [ASSERTION_AUDIENCE] = "the assertion is meant for another audience",
    [ASSERTION_NO_EXPIRY] = "the assertion does not say when it expires",
    [ASSERTION_EXPIRED] = "the assertion has expired",
    [ASSERTION_NOT_YET] = "the assertion is of a time to come",
    [ASSERTION_NO_NAME] = "the assertion names nobody",
};

const char *assertion_fault_text(enum assertion_fault fault) {
    return texts[fault];
}

/* An object, or NULL. */
static json_t *decode_object(struct slice text) {
    char bytes[LIMIT_ASSERTION];
    ptrdiff_t n = text.n <= sizeof(bytes) ? base64url_decode(text, bytes) : -1;
    json_t *value = n > 0 ? json_loadb(bytes, (size_t)n, JSON_REJECT_DUPLICATES, NULL) : NULL;

    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}

static bool take_apart(struct slice token, struct parts *ret) {
    struct slice rest = token, header, payload;
    char signature[LIMIT_ASSERTION];
    ptrdiff_t n;

    *ret = (struct parts){0};
    if (token.n > LIMIT_ASSERTION)
        return false;
    header = slice_cut(&rest, '.');
    payload = rest.p ? slice_cut(&rest, '.') : SLICE_EMPTY;
    if (!rest.p || slice_has(rest, '.'))
        return false;
    n = base64url_decode(rest, signature);
    if (n < 1 || (size_t)n > sizeof(ret->signature))
        return false;
    memcpy(ret->signature, signature, (size_t)n);
    ret->signature_n = (size_t)n;
    ret->is_signed = slice_first(token, header.n + 1 + payload.n);
    ret->header = decode_object(header);
    ret->claims = decode_object(payload);
    return ret->header && ret->claims;
}

static bool get_text(const json_t *value, struct slice *ret) {
    if (!json_is_string(value))
        return false;
    *ret = slice_of(json_string_value(value), json_string_length(value));
    return true;
}

static bool text_is(const json_t *value, const char *wanted) {
    struct slice text;

    return get_text(value, &text) && slice_equals(text, slice_of_string(wanted));
}

/* What the token says of its key and where that is (jku, jwk, x5u, x5c) is not looked at: RFC 8725 §3.10. */
static enum assertion_fault choose_key(const json_t *header, const struct jwks *keys, enum jwk_kind *ret_kind,
                                       EVP_PKEY **ret_key) {
    const json_t *type = json_object_get(header, "typ"), *kid = json_object_get(header, "kid");
    struct slice text;

    if (json_object_get(header, "crit"))
        return ASSERTION_CRITICAL;
    if (type && (!get_text(type, &text) || !slice_equals_nocase(text, SLICE("JWT"))))
        return ASSERTION_TYPE;
    if (text_is(json_object_get(header, "alg"), "RS256"))
        *ret_kind = JWK_RSA;
    else if (text_is(json_object_get(header, "alg"), "ES256"))
        *ret_kind = JWK_EC;
    else
        return ASSERTION_ALGORITHM;
    if (kid && !get_text(kid, &text))
        return ASSERTION_MALFORMED;
    *ret_key = jwks_find(keys, *ret_kind, kid ? &text : NULL);
    return *ret_key ? ASSERTION_GOOD : ASSERTION_UNKNOWN_KEY;
}

/* R and S as they stand in the token become what the library wants. The length, 0 when they cannot be one. */
static size_t ecdsa_to_der(const unsigned char *raw, unsigned char to[static ES256_DER_MAX]) {
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, ES256_BYTES / 2, NULL), *s = BN_bin2bn(raw + ES256_BYTES / 2, ES256_BYTES / 2, NULL);
    unsigned char *at = to;
    int n = 0;

    if (signature && r && s && ECDSA_SIG_set0(signature, r, s) == 1) {
        r = s = NULL; /* they are the signature's now */
        n = i2d_ECDSA_SIG(signature, NULL) <= ES256_DER_MAX ? i2d_ECDSA_SIG(signature, &at) : 0;
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(signature);
    return n > 0 ? (size_t)n : 0;
}

static bool is_signature_right(const struct parts *parts, enum jwk_kind kind, EVP_PKEY *key) {
    unsigned char der[ES256_DER_MAX];
    const unsigned char *signature = parts->signature;
    size_t n = parts->signature_n;
    EVP_MD_CTX *context;
    bool is_right;

    if (kind == JWK_EC) {
        n = n == ES256_BYTES ? ecdsa_to_der(signature, der) : 0;
        signature = der;
    }
    context = n > 0 ? EVP_MD_CTX_new() : NULL;
    /* for RSA the padding is PKCS #1 v1.5 unless something else is set: RFC 7518 §3.3 */
    is_right =
        context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestVerify(context, signature, n, (const unsigned char *)parts->is_signed.p, parts->is_signed.n) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return is_right;
}

/* RFC 7519 §4.1.3: one text, or a list that holds it. */
static bool is_meant_for(const json_t *audience, const char *wanted) {
    const json_t *one;
    size_t i;

    json_array_foreach(audience, i, one) {
        if (text_is(one, wanted))
            return true;
    }
    return text_is(audience, wanted);
}

/* A NumericDate (RFC 7519 §2), as seconds; a fraction stays. */
static bool get_date(const json_t *value, double *ret) {
    double date = json_number_value(value);

    if (!json_is_number(value) || !(date >= 0 && date <= (double)TIMESTAMP_MAX_S))
        return false;
    *ret = date;
    return true;
}

/* Not there, or not later than now. */
static bool is_past(const json_t *value, double now_s) {
    double date;

    return !value || (get_date(value, &date) && date <= now_s + ASSERTION_LEEWAY);
}

static enum assertion_fault judge_time(const json_t *claims, double now_s, uint64_t *ret_good_ms) {
    double expiry, left_ms;

    if (!get_date(json_object_get(claims, "exp"), &expiry))
        return ASSERTION_NO_EXPIRY;
    left_ms = (expiry - now_s) * 1000;
    if (left_ms < 1)
        return ASSERTION_EXPIRED;
    if (!is_past(json_object_get(claims, "nbf"), now_s) || !is_past(json_object_get(claims, "iat"), now_s))
        return ASSERTION_NOT_YET;
    *ret_good_ms = (uint64_t)MIN_OF(left_ms, (double)LIFE_ASSERTION);
    return ASSERTION_GOOD;
}

static bool take_name(const json_t *claim, char to[static LIMIT_CLAIM + 1]) {
    struct slice name;

    if (!get_text(claim, &name) || name.n == 0 || name.n > LIMIT_CLAIM)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
            return false;
    memcpy(to, name.p, name.n);
    to[name.n] = '\0';
    return true;
}

/* Only after the signature: nothing of a token that anybody could have written is told apart in the answer. */
static enum assertion_fault judge_claims(const struct assertion_rules *rules, const json_t *claims, uint64_t now_s,
                                         struct assertion *ret) {
    struct assertion found = {0};
    enum assertion_fault fault;

    if (!text_is(json_object_get(claims, "iss"), rules->issuer))
        return ASSERTION_ISSUER;
    if (!is_meant_for(json_object_get(claims, "aud"), rules->audience))
        return ASSERTION_AUDIENCE;
    fault = judge_time(claims, (double)now_s, &found.good_ms);
    if (fault != ASSERTION_GOOD)
        return fault;
    if (!take_name(json_object_get(claims, rules->claim), found.name))
        return ASSERTION_NO_NAME;
    *ret = found;
    return ASSERTION_GOOD;
}

enum assertion_fault assertion_verify(const struct assertion_rules *rules, const struct jwks *keys, struct slice token,
                                      uint64_t now_s, struct assertion *ret) {
    enum assertion_fault fault = ASSERTION_MALFORMED;
    struct parts parts;
    enum jwk_kind kind;
    EVP_PKEY *key;

    if (take_apart(token, &parts))
        fault = choose_key(parts.header, keys, &kind, &key);
    if (fault == ASSERTION_GOOD && !is_signature_right(&parts, kind, key) && !WEAKENED(FRONT))
        fault = ASSERTION_SIGNATURE;
    if (fault == ASSERTION_GOOD)
        fault = judge_claims(rules, parts.claims, now_s, ret);
    json_decref(parts.header);
    json_decref(parts.claims);
    return fault;
}
