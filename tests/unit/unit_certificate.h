/*
 * Certificates that OpenSSL makes for a test: authorities, servers, clients; and the other end of a TLS connection,
 * which is OpenSSL itself.
 */
#pragma once

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "unit.h"

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
};

struct identity_want {
    const char *common_name;    /* NULL: none */
    const char *alternatives;   /* "DNS:a.example,IP:10.0.0.1", or NULL */
    const char *extended_usage; /* "clientAuth", or NULL */
    bool is_authority;
    bool has_expired;
};

static inline void add_extension(X509 *certificate, int nid, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* Signed by `issuer`, or by itself where that is NULL. */
static inline struct identity identity_make(const struct identity *issuer, const struct identity_want *want) {
    static long serial;
    struct identity made = {EVP_EC_gen("P-256"), X509_new()};
    X509_NAME *name = X509_get_subject_name(made.certificate);
    long from = want->has_expired ? -7200 : -3600, until = want->has_expired ? -3600 : 3600;

    assert_non_null(made.key);
    assert_int_equal(X509_set_version(made.certificate, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), ++serial), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(made.certificate), from));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(made.certificate), until));
    assert_int_equal(X509_set_pubkey(made.certificate, made.key), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0), 1);
    if (want->common_name)
        assert_int_equal(
            X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)want->common_name, -1, -1, 0),
            1);
    assert_int_equal(X509_set_issuer_name(made.certificate, issuer ? X509_get_subject_name(issuer->certificate) : name),
                     1);
    add_extension(made.certificate, NID_basic_constraints, want->is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (want->alternatives)
        add_extension(made.certificate, NID_subject_alt_name, want->alternatives);
    if (want->extended_usage)
        add_extension(made.certificate, NID_ext_key_usage, want->extended_usage);
    assert_true(X509_sign(made.certificate, issuer ? issuer->key : made.key, EVP_sha256()) > 0);
    return made;
}

static inline void identity_free(struct identity *identity) {
    EVP_PKEY_free(identity->key);
    X509_free(identity->certificate);
}

/* What was written to `bio`, as a copy that free_slice frees. */
static inline struct slice pem_of(BIO *bio) {
    char *bytes;
    long n = BIO_get_mem_data(bio, &bytes);
    struct slice copy = exact_copy(slice_of(bytes, (size_t)n));

    BIO_free(bio);
    return copy;
}

static inline struct slice certificate_pem(const struct identity *identity) {
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_X509(bio, identity->certificate), 1);
    return pem_of(bio);
}

/* With a pass phrase where `phrase` is not NULL. */
static inline struct slice key_pem(const struct identity *identity, const char *phrase) {
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, identity->key, phrase ? EVP_aes_128_cbc() : NULL, phrase,
                                                   phrase ? (int)strlen(phrase) : 0, NULL, NULL),
                     1);
    return pem_of(bio);
}
