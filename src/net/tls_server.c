#include "net/tls_server.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#include "base/macros.h"
#include "net/tls_session.h"

/* For the keys of a few contexts: the one in use, and old ones that connections still hold. */
#define SECURE_MEMORY (256 * 1024)
#define SECURE_LEAST 32

struct tls_server {
    SSL_CTX *ssl;
};

int tls_server_init(void) {
    tzset(); /* a certificate's dates are compared by gmtime(3), which would open the zone's file when it may no more */
    /* where the limit of locked memory is too low the library says 2, and goes on with what it has */
    return CRYPTO_secure_malloc_init(SECURE_MEMORY, SECURE_LEAST) > 0 ? 0 : -ENOMEM;
}

int tls_choose_http(SSL *ssl, const unsigned char **ret, unsigned char *ret_n, const unsigned char *offered,
                    unsigned offered_n, void *argument) {
    (void)ssl;
    (void)argument;
    for (unsigned at = 0; at < offered_n; at += 1U + offered[at]) {
        struct slice name = slice_of(offered + at + 1, MIN_OF(offered[at], offered_n - at - 1));

        if (slice_equals(name, SLICE("http/1.1"))) {
            *ret = offered + at + 1;
            *ret_n = offered[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* The first is the server's own. */
static int use_certificate(SSL_CTX *ssl, X509 *certificate) {
    if (!SSL_CTX_get0_certificate(ssl))
        return SSL_CTX_use_certificate(ssl, certificate);
    return (int)SSL_CTX_add1_chain_cert(ssl, certificate);
}

static int admit_authority(SSL_CTX *ssl, X509 *certificate) {
    if (tls_trust_certificate(ssl, certificate) != 1)
        return 0;
    return SSL_CTX_add_client_CA(ssl, certificate); /* its name is told, so that a client can choose its certificate */
}

static const char *use_key(SSL_CTX *ssl, struct slice pem) {
    char no_phrase[] = ""; /* nobody is there to be asked for one */
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, no_phrase) : NULL;
    const char *fault = NULL;

    if (!key)
        fault = "there is no key in it, or one with a pass phrase";
    else if (SSL_CTX_use_PrivateKey(ssl, key) != 1 || SSL_CTX_check_private_key(ssl) != 1)
        fault = "the key does not belong to the certificate";
    EVP_PKEY_free(key);
    BIO_free(bio);
    return fault;
}

static const char *use_parts(SSL_CTX *ssl, const struct tls_server_parts *parts) {
    if (tls_pem_each(parts->certificate, use_certificate, ssl) == 0 || !SSL_CTX_get0_certificate(ssl))
        return "there is no certificate in it that can be used";
    if (tls_pem_each(parts->ca, admit_authority, ssl) == 0)
        return "there is no certificate among those that are to be trusted";
    return use_key(ssl, parts->key);
}

static void set_rules(SSL_CTX *ssl) {
    tls_context_prepare(ssl);
    /* the purpose that is checked is client authentication: the library's own choice for a server, made explicit */
    (void)SSL_CTX_set_purpose(ssl, X509_PURPOSE_SSL_CLIENT);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    /* a resumed session would go round the certificate, and round a change of whom to trust */
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(ssl, 0);
    (void)SSL_CTX_set_max_early_data(ssl, 0);
    SSL_CTX_set_alpn_select_cb(ssl, tls_choose_http, NULL);
}

int tls_server_new(const struct tls_server_parts *parts, struct tls_server **ret, const char **ret_fault) {
    struct tls_server *server = calloc(1, sizeof(*server));
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    const char *fault;

    if (!server || !ssl) {
        SSL_CTX_free(ssl);
        free(server);
        return -ENOMEM;
    }
    set_rules(ssl);
    fault = use_parts(ssl, parts);
    ERR_clear_error();
    if (fault) {
        SSL_CTX_free(ssl);
        free(server);
        *ret_fault = fault;
        return -EINVAL;
    }
    server->ssl = ssl;
    *ret = server;
    return 0;
}

void tls_server_free(struct tls_server *server) {
    if (!server)
        return;
    SSL_CTX_free(server->ssl);
    free(server);
}

int tls_server_accept(struct stream *s, struct tls_server *server) {
    int r = tls_session_begin(s, server->ssl);

    if (r == 0)
        SSL_set_accept_state(s->tls->ssl);
    return r;
}

const struct x509_st *tls_server_client(const struct stream *s) {
    return SSL_get0_peer_certificate(s->tls->ssl);
}

bool tls_server_trusts(const struct tls_server *server, const struct stream *s) {
    SSL *ssl = s->tls->ssl;
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    X509_STORE_CTX *check;
    bool is_trusted;

    if (!certificate || SSL_get_SSL_CTX(ssl) == server->ssl)
        return certificate && SSL_get_verify_result(ssl) == X509_V_OK; /* by the same rules already */
    check = X509_STORE_CTX_new();
    is_trusted = check &&
                 X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(server->ssl), certificate,
                                     SSL_get_peer_cert_chain(ssl)) == 1 &&
                 X509_STORE_CTX_set_default(check, "ssl_client") == 1 &&
                 X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(check), SSL_CTX_get0_param(server->ssl)) == 1;
    if (is_trusted) {
        X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(check), SSL_CTX_get_security_level(server->ssl));
        is_trusted = X509_verify_cert(check) == 1;
    }
    X509_STORE_CTX_free(check);
    ERR_clear_error();
    return is_trusted;
}
