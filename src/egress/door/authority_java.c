#include "egress/door/authority_java.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdio.h>
#include <string.h>

/* The JDK's own (sun.security.pkcs12.PKCS12KeyStore): a certificate with it is trusted, for the purposes in it. */
#define TRUSTED_KEY_USAGE "2.16.840.1.113894.746875.1.1"

#define MAC_ROUNDS 1000 /* who can write the file can write the MAC too: it protects nothing */

/* Under a name of its own: of two with one name the JDK keeps one. */
static int add_trusted(STACK_OF(PKCS12_SAFEBAG) * to, X509 *certificate, const char *name) {
    PKCS12_SAFEBAG *bag = PKCS12_SAFEBAG_create_cert(certificate);

    if (bag && PKCS12_add_friendlyname_utf8(bag, name, -1) == 1 &&
        PKCS12_add1_attr_by_txt(bag, TRUSTED_KEY_USAGE, V_ASN1_OBJECT,
                                (const unsigned char *)OBJ_nid2obj(NID_anyExtendedKeyUsage), -1) == 1 &&
        sk_PKCS12_SAFEBAG_push(to, bag) > 0)
        return 0;
    PKCS12_SAFEBAG_free(bag);
    return -ENOMEM;
}

/* The next block of PEM in `bio`; NULL for one that is no certificate, or broken: it has been read all the same. */
static X509 *read_block(BIO *bio) {
    char *kind = NULL, *head = NULL;
    unsigned char *bytes = NULL;
    const unsigned char *at;
    X509 *certificate = NULL;
    long n = 0;

    if (PEM_read_bio(bio, &kind, &head, &bytes, &n) == 1) {
        at = bytes;
        if (strcmp(kind, PEM_STRING_X509) == 0 || strcmp(kind, PEM_STRING_X509_OLD) == 0)
            certificate = d2i_X509(NULL, &at, n);
        else if (strcmp(kind, PEM_STRING_X509_TRUSTED) == 0)
            certificate = d2i_X509_AUX(NULL, &at, n);
    }
    OPENSSL_free(kind);
    OPENSSL_free(head);
    OPENSSL_free(bytes);
    return certificate;
}

static int add_others(STACK_OF(PKCS12_SAFEBAG) * to, struct slice pem) {
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    size_t left = pem.n, before = left + 1;
    char name[32];
    unsigned n = 0;
    int r = bio ? 0 : -ENOMEM;

    while (r == 0 && left > 0 && left < before) { /* without memory nothing is read */
        X509 *certificate = read_block(bio);

        before = left;
        left = BIO_ctrl_pending(bio);
        (void)snprintf(name, sizeof(name), "system-%u", ++n);
        if (certificate)
            r = add_trusted(to, certificate, name);
        X509_free(certificate);
    }
    BIO_free(bio);
    return r;
}

/* Takes the bags over. */
static PKCS12 *wrap(STACK_OF(PKCS12_SAFEBAG) * bags, const char *password) {
    STACK_OF(PKCS7) *safes = NULL;
    PKCS12 *store = NULL;

    if (PKCS12_add_safe(&safes, bags, -1, 0, NULL) == 1) /* -1: not encrypted */
        store = PKCS12_add_safes(safes, 0);
    if (store && PKCS12_set_mac(store, password, -1, NULL, 0, MAC_ROUNDS, EVP_sha256()) != 1) {
        PKCS12_free(store);
        store = NULL;
    }
    sk_PKCS7_pop_free(safes, PKCS7_free);
    return store;
}

static int append_der(const PKCS12 *store, struct buf *to) {
    unsigned char *der = NULL;
    int n = i2d_PKCS12(store, &der);
    int r = n > 0 ? buf_append(to, slice_of(der, (size_t)n)) : -ENOMEM;

    OPENSSL_free(der);
    return r;
}

int java_store_write(X509 *own, struct slice pem, const char *password, struct buf *to) {
    STACK_OF(PKCS12_SAFEBAG) *bags = sk_PKCS12_SAFEBAG_new_null();
    PKCS12 *store = NULL;
    int r = bags ? add_trusted(bags, own, "credfd") : -ENOMEM;

    if (r == 0 && pem.n > 0)
        r = add_others(bags, pem);
    if (r == 0) {
        store = wrap(bags, password);
        r = store ? append_der(store, to) : -ENOMEM;
    }
    PKCS12_free(store);
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    ERR_clear_error();
    return r;
}
