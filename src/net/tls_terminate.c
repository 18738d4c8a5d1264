#include "net/tls_terminate.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "net/tls_session.h"

struct tls_terminator {
    SSL_CTX *ssl;
    bool is_address;
    size_t host_n;
    char host[LIMIT_HOST];
};

/* RFC 6066 §3: an address is never named. Some clients do all the same. */
static int judge_name(SSL *ssl, int *ret_alert, void *argument) {
    const struct tls_terminator *terminator = argument;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct tls_session *tls = SSL_get_app_data(ssl);

    if (name ? slice_equals_nocase(slice_of_string(name), slice_of(terminator->host, terminator->host_n))
             : terminator->is_address)
        return SSL_TLSEXT_ERR_OK;
    tls->refusal = name ? "the client names another host in TLS than the one that it asked for"
                        : "the client names no host in TLS";
    *ret_alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void set_rules(SSL_CTX *ssl, struct tls_terminator *terminator) {
    tls_context_prepare(ssl);
    /* a handshake on this machine costs less than remembering one */
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(ssl, 0);
    (void)SSL_CTX_set_max_early_data(ssl, 0);
    SSL_CTX_set_alpn_select_cb(ssl, tls_choose_http, NULL);
    (void)SSL_CTX_set_tlsext_servername_callback(ssl, judge_name);
    (void)SSL_CTX_set_tlsext_servername_arg(ssl, terminator);
}

int tls_terminator_new(struct slice host, bool is_address, struct x509_st *certificate, struct evp_pkey_st *key,
                       struct tls_terminator **ret) {
    struct tls_terminator *terminator = calloc(1, sizeof(*terminator));
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    int r = terminator && ssl ? 0 : -ENOMEM;

    if (r == 0)
        r = host.n <= sizeof(terminator->host) && SSL_CTX_use_certificate(ssl, certificate) == 1 &&
                    SSL_CTX_use_PrivateKey(ssl, key) == 1 && SSL_CTX_check_private_key(ssl) == 1
                ? 0
                : -EINVAL;
    ERR_clear_error();
    if (r < 0) {
        SSL_CTX_free(ssl);
        free(terminator);
        return r;
    }
    memcpy(terminator->host, host.p, host.n);
    terminator->host_n = host.n;
    terminator->is_address = is_address;
    terminator->ssl = ssl;
    set_rules(ssl, terminator);
    *ret = terminator;
    return 0;
}

void tls_terminator_free(struct tls_terminator *terminator) {
    if (!terminator)
        return;
    SSL_CTX_set_tlsext_servername_callback(terminator->ssl, NULL);
    SSL_CTX_free(terminator->ssl);
    free(terminator);
}

int tls_terminate(struct stream *s, struct tls_terminator *terminator) {
    int r = tls_session_begin(s, terminator->ssl);

    if (r == 0)
        SSL_set_accept_state(s->tls->ssl);
    return r;
}

bool tls_terminate_is_closed(const struct stream *s) {
    return s->tls && s->tls->is_closed;
}

bool tls_terminate_is_distrusted(const struct stream *s) {
    return s->tls && s->tls->is_distrusted;
}
