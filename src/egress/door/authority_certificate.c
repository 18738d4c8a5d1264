#include "egress/door/authority_certificate.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "net/address.h"

#define SERIAL_SIZE 16    /* RFC 5280 §4.1.2.2: 20 at most, and positive */
#define NAME_RANDOM 8     /* two authorities of one machine are not taken for each other */
#define KEY_ID_SIZE 20    /* RFC 7093 §2 */
#define BACKDATED_S (-60) /* a clock may be set back a little */
#define DAY_S (24 * 3600)

/* What constrains an authority that has no host of a kind: one that cannot exist (RFC 6761 §6.4). */
#define NO_HOST "credfd.invalid"

EVP_PKEY *authority_key_new(void) {
    return EVP_EC_gen("P-256");
}

/* Whether it is one, and its 4 or 16 bytes, with the same number of zeros behind them. */
static size_t read_address(struct slice host, unsigned char to[static 32]) {
    struct address address;
    bool is_ipv4;
    size_t n;

    if (address_parse(host, 0, &address) < 0)
        return 0;
    is_ipv4 = address.any.sa_family == AF_INET;
    n = is_ipv4 ? 4 : 16;
    memset(to, 0, 32);
    memcpy(to, is_ipv4 ? (const void *)&address.in.sin_addr : (const void *)&address.in6.sin6_addr, n);
    return n;
}

static GENERAL_NAME *name_new(int type, const void *bytes, size_t n) {
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *string = ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);

    if (!name || !string || ASN1_STRING_set(string, bytes, (int)n) != 1) {
        ASN1_STRING_free(string);
        GENERAL_NAME_free(name);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, type, string);
    return name;
}

/* Takes the name over. */
static int add_subtree(STACK_OF(GENERAL_SUBTREE) * to, GENERAL_NAME *name) {
    GENERAL_SUBTREE *subtree = name ? GENERAL_SUBTREE_new() : NULL;

    if (subtree) {
        GENERAL_NAME_free(subtree->base);
        subtree->base = name;
    } else {
        GENERAL_NAME_free(name);
    }
    if (subtree && sk_GENERAL_SUBTREE_push(to, subtree) > 0)
        return 0;
    GENERAL_SUBTREE_free(subtree);
    return -ENOMEM;
}

static bool is_below(struct slice name, struct slice of) {
    return name.n > of.n && slice_ends_with(name, of) && name.p[name.n - of.n - 1] == '.';
}

/*
 * What is permitted as a name is permitted with everything below it (RFC 5280 §4.2.1.10), so what is below is excluded
 * again, but where another host is there. The leading dot is nowhere in that text: OpenSSL and Go read it so, and GnuTLS
 * passes over it.
 */
static int exclude_below(NAME_CONSTRAINTS *to, const struct slice *hosts, size_t n, struct slice host) {
    char below[1 + LIMIT_HOST];

    for (size_t i = 0; i < n; i++)
        if (is_below(hosts[i], host))
            return 0;
    below[0] = '.';
    memcpy(below + 1, host.p, host.n);
    return add_subtree(to->excludedSubtrees, name_new(GEN_DNS, below, 1 + host.n));
}

static int permit_host(NAME_CONSTRAINTS *to, const struct slice *hosts, size_t n, struct slice host, bool has[3]) {
    unsigned char address[32];
    size_t size = read_address(host, address);
    int r;

    if (host.n == 0 || host.n > LIMIT_HOST)
        return -EINVAL;
    if (size > 0) {
        memset(address + size, 0xff, size); /* the mask: this one alone */
        has[size == 4] = true;
        return add_subtree(to->permittedSubtrees, name_new(GEN_IPADD, address, 2 * size));
    }
    has[2] = true;
    r = add_subtree(to->permittedSubtrees, name_new(GEN_DNS, host.p, host.n));
    return r == 0 ? exclude_below(to, hosts, n, host) : r;
}

/* A kind of name of which nothing is permitted would be free altogether: so all of it is excluded. */
static int constrain(NAME_CONSTRAINTS *to, const struct slice *hosts, size_t n) {
    static const unsigned char all[32]; /* an address and a mask of zeros */
    bool has[3] = {false};              /* IPv6, IPv4, names */
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = permit_host(to, hosts, n, hosts[i], has);
    if (r == 0 && !has[0])
        r = add_subtree(to->excludedSubtrees, name_new(GEN_IPADD, all, 32));
    if (r == 0 && !has[1])
        r = add_subtree(to->excludedSubtrees, name_new(GEN_IPADD, all, 8));
    if (r == 0 && !has[2])
        r = add_subtree(to->permittedSubtrees, name_new(GEN_DNS, NO_HOST, strlen(NO_HOST)));
    return r;
}

static int add(X509 *to, int nid, bool is_critical, void *value) {
    return value && X509_add1_ext_i2d(to, nid, value, is_critical, X509V3_ADD_APPEND) == 1 ? 0 : -ENOMEM;
}

/* An empty list is no list (RFC 5280): both have one entry at least, or are left out. */
static int add_constraints(X509 *to, const struct slice *hosts, size_t n) {
    NAME_CONSTRAINTS *constraints = NAME_CONSTRAINTS_new();
    int r = -ENOMEM;

    if (constraints) {
        constraints->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
        constraints->excludedSubtrees = sk_GENERAL_SUBTREE_new_null();
    }
    if (constraints && constraints->permittedSubtrees && constraints->excludedSubtrees)
        r = constrain(constraints, hosts, n);
    if (r == 0 && sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees) == 0) {
        sk_GENERAL_SUBTREE_free(constraints->excludedSubtrees);
        constraints->excludedSubtrees = NULL;
    }
    if (r == 0 && !WEAKENED(CONSTRAINT))
        r = add(to, NID_name_constraints, true, constraints);
    NAME_CONSTRAINTS_free(constraints);
    return r;
}

static int add_basic(X509 *to, bool is_authority) {
    BASIC_CONSTRAINTS *basic = BASIC_CONSTRAINTS_new();
    int r = basic ? 0 : -ENOMEM;

    if (basic && is_authority) {
        basic->ca = 0xff;
        basic->pathlen = ASN1_INTEGER_new();
        r = basic->pathlen && ASN1_INTEGER_set(basic->pathlen, 0) == 1 ? 0 : -ENOMEM;
    }
    if (r == 0)
        r = add(to, NID_basic_constraints, true, basic);
    BASIC_CONSTRAINTS_free(basic);
    return r;
}

/* What the key may do, and for which purpose: of the authority too, so that it can vouch for servers alone. */
static int add_usage(X509 *to, const int *bits, size_t n) {
    ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
    EXTENDED_KEY_USAGE *purposes = EXTENDED_KEY_USAGE_new();
    int r = usage && purposes && sk_ASN1_OBJECT_push(purposes, OBJ_nid2obj(NID_server_auth)) > 0 ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = ASN1_BIT_STRING_set_bit(usage, bits[i], 1) == 1 ? 0 : -ENOMEM;
    if (r == 0)
        r = add(to, NID_key_usage, true, usage);
    if (r == 0)
        r = add(to, NID_ext_key_usage, false, purposes);
    EXTENDED_KEY_USAGE_free(purposes);
    ASN1_BIT_STRING_free(usage);
    return r;
}

/* Which key it certifies, and which key signed it: Python 3.13 and OpenSSL's strict mode want both. */
static int add_key_ids(X509 *to, X509 *issuer) {
    ASN1_OCTET_STRING *own = ASN1_OCTET_STRING_new();
    AUTHORITY_KEYID *by = AUTHORITY_KEYID_new();
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n;
    int r = -ENOMEM;

    if (own && by && X509_pubkey_digest(to, EVP_sha256(), digest, &n) == 1 &&
        ASN1_OCTET_STRING_set(own, digest, KEY_ID_SIZE) == 1)
        r = add(to, NID_subject_key_identifier, false, own);
    if (r == 0 && issuer) {
        by->keyid = ASN1_OCTET_STRING_dup(X509_get0_subject_key_id(issuer));
        r = by->keyid ? add(to, NID_authority_key_identifier, false, by) : -ENOMEM;
    }
    AUTHORITY_KEYID_free(by);
    ASN1_OCTET_STRING_free(own);
    return r;
}

static int set_serial(X509 *of) {
    unsigned char random[SERIAL_SIZE];
    BIGNUM *number;
    int r = -ENOMEM;

    if (RAND_bytes(random, sizeof(random)) != 1)
        return -EIO;
    random[0] = (unsigned char)((random[0] & 0x3f) | 0x40); /* not negative, and as long every time */
    number = BN_bin2bn(random, sizeof(random), NULL);
    if (number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(of)))
        r = 0;
    BN_free(number);
    return r;
}

/* What every certificate has: version, number, key. */
static X509 *certificate_begin(EVP_PKEY *key) {
    X509 *certificate = X509_new();

    if (certificate && X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) == 0 &&
        X509_set_pubkey(certificate, key) == 1)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static int set_subject(X509 *of, int nid, const char *text) {
    return X509_NAME_add_entry_by_NID(X509_get_subject_name(of), nid, MBSTRING_ASC, (const unsigned char *)text, -1, -1,
                                      0) == 1
               ? 0
               : -ENOMEM;
}

static int name_authority(X509 *certificate) {
    unsigned char random[NAME_RANDOM];
    char text[64];
    int n = snprintf(text, sizeof(text), "credfd lease authority ");
    int r;

    if (RAND_bytes(random, sizeof(random)) != 1)
        return -EIO;
    for (size_t i = 0; i < sizeof(random); i++)
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%02x", random[i]);
    r = set_subject(certificate, NID_commonName, text);
    if (r == 0)
        r = X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 ? 0 : -ENOMEM;
    return r;
}

static int set_life(X509 *of, uint64_t life_ms) {
    uint64_t s = MIN_OF(life_ms / 1000, (uint64_t)LIFE_AUTHORITY / 1000);

    return X509_gmtime_adj(X509_getm_notBefore(of), BACKDATED_S) &&
                   X509_time_adj_ex(X509_getm_notAfter(of), (int)(s / DAY_S), (long)(s % DAY_S), NULL)
               ? 0
               : -ENOMEM;
}

static int sign(X509 *certificate, EVP_PKEY *key) {
    return X509_sign(certificate, key, EVP_sha256()) > 0 ? 0 : -ENOMEM;
}

static int keep_or_free(X509 *certificate, int r, X509 **ret) {
    if (r == 0)
        *ret = certificate;
    else
        X509_free(certificate);
    return r;
}

int authority_certificate_new(EVP_PKEY *key, const struct slice *hosts, size_t n, uint64_t life_ms, X509 **ret) {
    static const int usage[] = {5, 6}; /* keyCertSign, cRLSign: RFC 5280 §4.2.1.3 */
    X509 *certificate = certificate_begin(key);
    int r = certificate ? 0 : -ENOMEM;

    if (r == 0)
        r = name_authority(certificate);
    if (r == 0)
        r = set_life(certificate, life_ms);
    if (r == 0)
        r = add_basic(certificate, true);
    if (r == 0)
        r = add_usage(certificate, usage, ARRAY_LEN(usage));
    if (r == 0)
        r = add_constraints(certificate, hosts, n);
    if (r == 0)
        r = add_key_ids(certificate, NULL);
    if (r == 0)
        r = sign(certificate, key);
    return keep_or_free(certificate, r, ret);
}

/* The one place where a host is looked for: names in the subject are out of use (RFC 9525 §2). */
static int add_host(X509 *to, struct slice host) {
    unsigned char address[32];
    size_t size = read_address(host, address);
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = size > 0 ? name_new(GEN_IPADD, address, size) : name_new(GEN_DNS, host.p, host.n);
    int r = -ENOMEM;

    if (names && name && sk_GENERAL_NAME_push(names, name) > 0)
        r = add(to, NID_subject_alt_name, false, names);
    else
        GENERAL_NAME_free(name);
    GENERAL_NAMES_free(names);
    return r;
}

static int copy_life(X509 *to, const X509 *from) {
    return X509_set1_notBefore(to, X509_get0_notBefore(from)) == 1 &&
                   X509_set1_notAfter(to, X509_get0_notAfter(from)) == 1
               ? 0
               : -ENOMEM;
}

int host_certificate_new(X509 *authority, EVP_PKEY *authority_key, EVP_PKEY *key, struct slice host, X509 **ret) {
    static const int usage[] = {0}; /* digitalSignature */
    X509 *certificate;
    int r;

    if (host.n == 0 || host.n > LIMIT_HOST)
        return -EINVAL;
    certificate = certificate_begin(key);
    r = certificate ? 0 : -ENOMEM;
    if (r == 0) /* not a common name: where a certificate is for an address, GnuTLS takes that for a host's name */
        r = set_subject(certificate, NID_organizationName, "credfd lease");
    if (r == 0)
        r = X509_set_issuer_name(certificate, X509_get_subject_name(authority)) == 1 ? 0 : -ENOMEM;
    if (r == 0)
        r = copy_life(certificate, authority);
    if (r == 0)
        r = add_basic(certificate, false);
    if (r == 0)
        r = add_usage(certificate, usage, ARRAY_LEN(usage));
    if (r == 0)
        r = add_host(certificate, host);
    if (r == 0)
        r = add_key_ids(certificate, authority);
    if (r == 0)
        r = sign(certificate, authority_key);
    return keep_or_free(certificate, r, ret);
}
