#include "egress/door/authority_certificate.h"

#include <errno.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "egress/door/authority.h"
#include "egress/door/authority_java.h"
#include "unit_certificate.h"
#include "unit_fd.h"

#define HOUR_MS 3600000

static EVP_PKEY *authority_key, *key;

static int make_keys(void **state) {
    (void)state;
    authority_key = authority_key_new();
    key = authority_key_new();
    return authority_key && key ? 0 : -1;
}

static int free_keys(void **state) {
    (void)state;
    EVP_PKEY_free(authority_key);
    EVP_PKEY_free(key);
    return 0;
}

/* What a verifier as strict as Python 3.13's says of `leaf`, met where `host` was asked for. */
static int verify(X509 *authority, X509 *leaf, const char *host) {
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    X509_VERIFY_PARAM *want;
    int verdict;

    assert_int_equal(X509_STORE_add_cert(store, authority), 1);
    assert_int_equal(X509_STORE_CTX_init(check, store, leaf, NULL), 1);
    assert_int_equal(X509_STORE_CTX_set_default(check, "ssl_server"), 1);
    want = X509_STORE_CTX_get0_param(check);
    assert_int_equal(X509_VERIFY_PARAM_set_flags(want, X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN), 1);
    if (X509_VERIFY_PARAM_set1_ip_asc(want, host) != 1)
        assert_int_equal(X509_VERIFY_PARAM_set1_host(want, host, 0), 1);
    verdict = X509_verify_cert(check) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(check);
    X509_STORE_CTX_free(check);
    X509_STORE_free(store);
    return verdict;
}

static size_t split(const char *words, struct slice to[static 8]) {
    struct slice rest = slice_of_string(words);
    size_t n = 0;

    while (rest.p && rest.n > 0)
        to[n++] = slice_cut(&rest, ' ');
    return n;
}

/* Of an authority for `hosts`, whose key was stolen to sign one for `host`. */
static int verdict_of(const char *hosts, const char *host) {
    struct slice list[8];
    size_t n = split(hosts, list);
    X509 *authority, *leaf;
    int verdict;

    assert_int_equal(authority_certificate_new(authority_key, list, n, HOUR_MS, &authority), 0);
    assert_int_equal(host_certificate_new(authority, authority_key, key, slice_of_string(host), &leaf), 0);
    verdict = verify(authority, leaf, host);
    X509_free(leaf);
    X509_free(authority);
    return verdict;
}

static void is_strictly_valid_for_its_hosts(void **state) {
    static const char hosts[] = "api.example.com example.com other.example.org 127.0.0.1 2001:db8::1 localhost";
    struct slice list[8];
    size_t n = split(hosts, list);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        char host[64];

        (void)snprintf(host, sizeof(host), "%.*s", SLICE_ARG(list[i]));
        assert_row(list[i], verdict_of(hosts, host) == X509_V_OK);
        assert_row(list[i], verdict_of(host, host) == X509_V_OK);
    }
}

static void is_good_for_no_other_host(void **state) {
    static const struct {
        const char *hosts, *host;
        int verdict;
    } rows[] = {
        {"api.example.com", "evil.example.net", X509_V_ERR_PERMITTED_VIOLATION},
        {"api.example.com", "example.com", X509_V_ERR_PERMITTED_VIOLATION},
        {"api.example.com", "xapi.example.com", X509_V_ERR_PERMITTED_VIOLATION},
        {"api.example.com", "below.api.example.com", X509_V_ERR_EXCLUDED_VIOLATION},
        {"api.example.com", "192.0.2.1", X509_V_ERR_EXCLUDED_VIOLATION},
        {"api.example.com", "2001:db8::1", X509_V_ERR_EXCLUDED_VIOLATION},
        {"192.0.2.1", "192.0.2.2", X509_V_ERR_PERMITTED_VIOLATION},
        {"192.0.2.1", "example.com", X509_V_ERR_PERMITTED_VIOLATION},
        {"2001:db8::1", "2001:db8::2", X509_V_ERR_PERMITTED_VIOLATION},
        {"", "example.com", X509_V_ERR_PERMITTED_VIOLATION},
        {"", "127.0.0.1", X509_V_ERR_EXCLUDED_VIOLATION},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (verdict_of(rows[i].hosts, rows[i].host) != rows[i].verdict)
            fail_msg("\"%s\" for %s: %s", rows[i].hosts, rows[i].host,
                     X509_verify_cert_error_string(verdict_of(rows[i].hosts, rows[i].host)));
}

static void signs_no_further_authority(void **state) {
    struct slice host = SLICE("example.com");
    X509 *authority;

    (void)state;
    assert_int_equal(authority_certificate_new(authority_key, &host, 1, HOUR_MS, &authority), 0);
    assert_int_equal(X509_get_pathlen(authority), 0);
    assert_int_equal(X509_get_extended_key_usage(authority), XKU_SSL_SERVER);
    assert_true(X509_get_extension_flags(authority) & EXFLAG_CA);
    X509_free(authority);
}

static void ends_with_the_lease(void **state) {
    struct slice host = SLICE("example.com");
    X509 *authority, *leaf;
    int days, s;

    (void)state;
    assert_int_equal(authority_certificate_new(authority_key, &host, 1, 90 * 1000, &authority), 0);
    assert_int_equal(host_certificate_new(authority, authority_key, key, host, &leaf), 0);
    assert_int_equal(ASN1_TIME_diff(&days, &s, X509_get0_notBefore(authority), X509_get0_notAfter(authority)), 1);
    assert_int_equal(days, 0);
    assert_in_range(s, 149, 152);
    assert_int_equal(ASN1_TIME_compare(X509_get0_notAfter(leaf), X509_get0_notAfter(authority)), 0);
    X509_free(leaf);
    X509_free(authority);
}

static void names_no_host_that_cannot_be(void **state) {
    static const char letters[LIMIT_HOST + 1] = "x";
    struct slice hosts[] = {SLICE_EMPTY, slice_of(letters, sizeof(letters))};
    X509 *made;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        assert_int_equal(authority_certificate_new(authority_key, &hosts[i], 1, HOUR_MS, &made), -EINVAL);
}

static void is_made_for_the_hosts_with_tls(void **state) {
    static const struct door_place places[] = {
        {.door = 0, .is_tls = true, .host = SLICE("api.example.com"), .port = 443},
        {.door = 1, .is_tls = false, .host = SLICE("plain.example.com"), .port = 80},
        {.door = 2, .is_tls = true, .host = SLICE("api.example.com"), .port = 8443},
        {.door = 3, .is_tls = true, .host = SLICE("::1"), .port = 443},
    };
    struct authority *authority;
    char pem[4096] = "";
    int fd;

    (void)state;
    assert_int_equal(authority_new(places, ARRAY_LEN(places), HOUR_MS, &authority), 0);
    assert_non_null(authority_terminator(authority, SLICE("api.example.com")));
    assert_non_null(authority_terminator(authority, SLICE("::1")));
    assert_null(authority_terminator(authority, SLICE("plain.example.com")));
    assert_null(authority_terminator(authority, SLICE("example.com")));
    assert_int_equal(authority_certificate(authority, &fd), 0);
    assert_int_equal(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE, F_SEAL_WRITE);
    assert_true(pread(fd, pem, sizeof(pem) - 1, 0) > 0);
    assert_true(slice_starts_with(slice_of_string(pem), SLICE("-----BEGIN CERTIFICATE-----\n")));
    assert_null(strstr(pem, "KEY"));
    fd_close(&fd);
    authority_free(authority);
    authority_free(NULL);
}

static size_t count_certificates(struct slice der) {
    const unsigned char *at = (const unsigned char *)der.p;
    PKCS12 *store = d2i_PKCS12(NULL, &at, (long)der.n);
    STACK_OF(X509) *others = NULL;
    size_t n;

    assert_non_null(store);
    assert_int_equal(PKCS12_verify_mac(store, "changeit", -1), 1);
    assert_int_equal(PKCS12_parse(store, "changeit", NULL, NULL, &others), 1);
    n = (size_t)sk_X509_num(others);
    sk_X509_pop_free(others, X509_free);
    PKCS12_free(store);
    return n;
}

static void gives_java_what_can_be_read(void **state) {
    static const char broken[] = "-----BEGIN CERTIFICATE-----\nnonsense!\n-----END CERTIFICATE-----\n",
                      empty[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n# a word\n",
                      cut[] = "-----BEGIN CERTIFICATE-----\nMIIB";
    const struct identity_want want = {.common_name = "one", .is_authority = true};
    struct identity one = identity_make(NULL, &want);
    _cleanup_slice_ struct slice pem = certificate_pem(&one);
    struct slice host = SLICE("example.com");
    struct buf all, to;
    X509 *own;

    (void)state;
    assert_int_equal(authority_certificate_new(authority_key, &host, 1, HOUR_MS, &own), 0);
    buf_init(&all, LIMIT_CA_FILE);
    buf_init(&to, LIMIT_CA_FILE);
    assert_int_equal(java_store_write(own, SLICE_EMPTY, "changeit", &to), 0);
    assert_int_equal(count_certificates(buf_slice(&to)), 1);
    buf_release(&to);
    assert_int_equal(buf_append(&all, slice_of_string(broken)), 0);
    assert_int_equal(buf_append(&all, pem), 0);
    assert_int_equal(buf_append(&all, slice_of_string(empty)), 0);
    assert_int_equal(buf_append(&all, pem), 0);
    assert_int_equal(buf_append(&all, slice_of_string(cut)), 0);
    assert_int_equal(java_store_write(own, buf_slice(&all), "changeit", &to), 0);
    assert_int_equal(count_certificates(buf_slice(&to)), 3);
    buf_release(&to);
    buf_init(&to, 100);
    assert_int_equal(java_store_write(own, pem, "changeit", &to), -ENOBUFS);
    buf_release(&to);
    buf_release(&all);
    identity_free(&one);
    X509_free(own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_strictly_valid_for_its_hosts), cmocka_unit_test(is_good_for_no_other_host),
        cmocka_unit_test(signs_no_further_authority),      cmocka_unit_test(ends_with_the_lease),
        cmocka_unit_test(names_no_host_that_cannot_be),    cmocka_unit_test(is_made_for_the_hosts_with_tls),
        cmocka_unit_test(gives_java_what_can_be_read),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
