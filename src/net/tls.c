#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/macros.h"
#include "net/tls_session.h"

#define TLS_RECORD (16 * 1024) /* RFC 8446 §5.1 */

struct tls_context {
    SSL_CTX *ssl;
};

int tls_init(void) {
    /* the system's openssl.cnf could weaken us and takes a file we need not read */
    return OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) == 1 ? 0 : -ENOMEM;
}

void tls_sessions_done(struct tls_sessions *sessions) {
    while (sessions->n > 0)
        SSL_SESSION_free(sessions->at[--sessions->n]);
}

/* Keeps the newest; takes the reference over when it returns 1 (SSL_CTX_sess_set_new_cb(3)). */
static int keep_session(SSL *ssl, SSL_SESSION *session) {
    struct tls_sessions *sessions = ((struct tls_session *)SSL_get_app_data(ssl))->sessions;

    if (sessions->n == TLS_SESSIONS_MAX) {
        SSL_SESSION_free(sessions->at[0]);
        memmove(sessions->at, sessions->at + 1, (TLS_SESSIONS_MAX - 1) * sizeof(sessions->at[0]));
        sessions->n--;
    }
    sessions->at[sessions->n++] = session;
    return 1;
}

/* A TLS 1.3 ticket is used once (RFC 8446 §C.4); a session of 1.2 stays. */
static void resume_session(struct tls_session *tls) {
    struct tls_sessions *sessions = tls->sessions;
    SSL_SESSION *newest = sessions->n > 0 ? sessions->at[sessions->n - 1] : NULL;

    if (!newest)
        return;
    (void)SSL_set_session(tls->ssl, newest);
    if (SSL_SESSION_get_protocol_version(newest) >= TLS1_3_VERSION) {
        SSL_SESSION_free(newest);
        sessions->n--;
    }
}

int tls_pem_each(struct slice pem, int (*take)(SSL_CTX *context, X509 *certificate), SSL_CTX *context) {
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *certificate;
    bool goes_on = bio != NULL;
    int n = 0;

    while (goes_on && (certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL))) {
        goes_on = take(context, certificate) == 1;
        n += goes_on;
        X509_free(certificate);
    }
    BIO_free(bio);
    ERR_clear_error(); /* the end of the file is reported as an error */
    return n;
}

int tls_trust_certificate(SSL_CTX *context, X509 *certificate) {
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate);
}

void tls_context_prepare(SSL_CTX *context) {
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_read_ahead(context, 1); /* a record's header and its content in one read; we read until EAGAIN anyway */
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
}

int tls_context_new(struct slice pem, const char *directory, struct tls_context **ret) {
    struct tls_context *context = calloc(1, sizeof(*context));
    SSL_CTX *ssl = SSL_CTX_new(TLS_client_method());
    int r = -ENOMEM;

    if (!context || !ssl)
        goto out;
    tls_context_prepare(ssl);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, keep_session);
    if (SSL_CTX_set_alpn_protos(ssl, (const unsigned char *)"\x08http/1.1", 9) != 0)
        goto out;
    r = pem.n == 0 || tls_pem_each(pem, tls_trust_certificate, ssl) > 0 ? 0 : -EINVAL;
    if (r == 0 && directory && SSL_CTX_load_verify_dir(ssl, directory) != 1)
        r = -ENOMEM;
    if (r < 0)
        goto out;
    context->ssl = ssl;
    *ret = context;
    return 0;
out:
    SSL_CTX_free(ssl);
    free(context);
    return r;
}

void tls_context_free(struct tls_context *context) {
    if (!context)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}

void tls_context_wipe(struct tls_context *context) {
    SSL_CTX_set_options(context->ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

/* The library's own words behind ours; until the next failure: it is logged and told at once. */
static const char *say(const char *what, const char *words) {
    static char text[128];

    (void)snprintf(text, sizeof(text), "%s%s", what, words ? words : "failed");
    return text;
}

/* What a client says of a server's certificate before it leaves (RFC 8446 §6.2); NULL for any other fault. */
static const char *name_distrust(int reason) {
    switch (reason) {
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
        return "the client does not trust the authority of this certificate (alert unknown_ca)";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        return "the client does not trust this certificate (alert bad_certificate)";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        return "the client does not trust this certificate (alert certificate_unknown)";
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        return "the client does not trust this kind of certificate (alert unsupported_certificate)";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        return "the client takes this certificate for expired (alert certificate_expired)";
    default:
        return NULL;
    }
}

static const char *name_failure(const SSL *ssl, unsigned long code) {
    struct tls_session *tls = SSL_get_app_data(ssl);
    const char *distrust = SSL_is_server(ssl) ? name_distrust(ERR_GET_REASON(code)) : NULL;

    if (tls->refusal)
        return tls->refusal;
    tls->is_distrusted = distrust != NULL;
    if (distrust)
        return distrust;
    if (ERR_GET_REASON(code) == SSL_R_NO_APPLICATION_PROTOCOL)
        return "it offers no protocol that is spoken here: only HTTP/1.1 is";
    if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER || ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST)
        return SSL_is_server(ssl) ? "it does not speak TLS" : "the upstream does not speak TLS";
    return say("TLS: ", ERR_reason_error_string(code));
}

/* Before anything that may read or write. */
static SSL *begin(struct stream *s) {
    s->tls->stream = s;
    s->tls->is_emptied = false;
    ERR_clear_error();
    errno = 0;
    return s->tls->ssl;
}

/*
 * After what went well, and where an answer of the library's own has to go out first, there may be more in its hands, of
 * which the kernel will say nothing.
 */
static void note_input(struct stream *s, int result) {
    bool may_go_on = result == 1 || SSL_want_write(s->tls->ssl);

    s->holds_input = may_go_on && (SSL_has_pending(s->tls->ssl) == 1 || SSL_pending(s->tls->ssl) > 0);
}

/* What the stream is to wait for, as OpenSSL told it; or what broke. */
static int map_error(struct stream *s, int result) {
    unsigned long code;

    switch (SSL_get_error(s->tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        watch_not_ready(&s->watch, EPOLLIN);
        return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        watch_not_ready(&s->watch, EPOLLOUT);
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        s->tls->is_closed = true;
        return 0;
    case SSL_ERROR_SYSCALL:
        s->tls->is_closed = true;
        s->tls->failure = "the connection was reset";
        return errno > 0 && errno != EAGAIN ? -errno : -ECONNRESET;
    default:
        code = ERR_peek_last_error();
        if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
            s->tls->is_closed = true;
            s->tls->failure = "the connection was closed without a TLS close";
            return -ECONNRESET;
        }
        s->tls->failure = name_failure(s->tls->ssl, code);
        return -EPROTO;
    }
}

static ssize_t tls_read(struct stream *s, void *to, size_t size) {
    size_t n = 0;
    int result = SSL_read_ex(begin(s), to, size, &n);

    note_input(s, result);
    return result == 1 ? (ssize_t)n : map_error(s, result);
}

static ssize_t write_record(struct stream *s, struct slice bytes) {
    size_t written = 0;
    int result = SSL_write_ex(begin(s), bytes.p, bytes.n, &written);

    if (result == 1)
        return (ssize_t)written;
    result = map_error(s, result);
    return result == 0 ? -EPIPE : result;
}

/* One record where the parts fit into one: a head and its first bytes of body then travel together. */
static ssize_t write_joined(struct stream *s, const struct slice *parts, size_t n_parts) {
    char record[TLS_RECORD];
    size_t size = 0;
    ssize_t written;

    for (size_t i = 0; i < n_parts; i++) {
        size_t n = MIN_OF(parts[i].n, sizeof(record) - size);

        if (n > 0)
            memcpy(record + size, parts[i].p, n);
        size += n;
    }
    written = write_record(s, slice_of(record, size));
    explicit_bzero(record, size);
    return written;
}

static ssize_t tls_write(struct stream *s, const struct slice *parts, size_t n_parts) {
    return n_parts == 1 ? write_record(s, parts[0]) : write_joined(s, parts, n_parts);
}

static void tls_shut_write(struct stream *s) {
    (void)SSL_shutdown(begin(s));
}

/* The library makes itself a buffer to write when it takes a ticket in, and would keep it until the next write. */
static void tls_rest(struct stream *s) {
    (void)SSL_free_buffers(s->tls->ssl); /* not while there is something in them */
}

static void tls_done(struct stream *s) {
    /* a close_notify where one can be sent at once; never waited for */
    if (SSL_is_init_finished(s->tls->ssl) && !s->tls->failure)
        tls_shut_write(s);
    SSL_free(s->tls->ssl);
    free(s->tls);
    s->tls = NULL;
    watch_remove(&s->watch);
    fd_close(&s->fd);
}

static const struct stream_ops tls_ops = {
    .read = tls_read, .write = tls_write, .shut_write = tls_shut_write, .rest = tls_rest, .done = tls_done};

static int name_peer(SSL *ssl, const char *host, bool is_address) {
    char name[256]; /* the library's macro wants it writable, and copies it */

    if (is_address)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1 ? 0 : -EINVAL;
    if (snprintf(name, sizeof(name), "%s", host) >= (int)sizeof(name))
        return -EINVAL;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1 ? 0 : -EINVAL;
}

int tls_session_begin(struct stream *s, SSL_CTX *context) {
    struct tls_session *tls = calloc(1, sizeof(*tls));

    if (tls)
        tls->ssl = SSL_new(context);
    if (!tls || !tls->ssl || !tls_socket_set(tls)) {
        if (tls)
            SSL_free(tls->ssl);
        free(tls);
        return -ENOMEM;
    }
    (void)SSL_set_app_data(tls->ssl, tls);
    s->tls = tls;
    s->ops = &tls_ops;
    return 0;
}

int tls_start(struct stream *s, struct tls_context *context, const char *host, bool is_address,
              struct tls_sessions *sessions) {
    int r = tls_session_begin(s, context->ssl);

    if (r == 0)
        r = name_peer(s->tls->ssl, host, is_address);
    if (r < 0)
        return r;
    s->tls->sessions = sessions;
    SSL_set_connect_state(s->tls->ssl);
    resume_session(s->tls);
    return 0;
}

int tls_handshake(struct stream *s) {
    long verdict;
    int result, r;

    result = SSL_do_handshake(begin(s));
    note_input(s, result);
    if (result == 1)
        return 0;
    r = map_error(s, result);
    if (r == -EAGAIN)
        return r;
    if (r == 0)
        s->tls->failure =
            SSL_is_server(s->tls->ssl) ? "it closed during the handshake" : "the server closed during the handshake";
    verdict = SSL_get_verify_result(s->tls->ssl);
    if (verdict != X509_V_OK)
        s->tls->failure = say("its certificate: ", X509_verify_cert_error_string(verdict));
    return -EPROTO;
}

bool tls_is_resumed(const struct stream *s) {
    return s->tls && SSL_session_reused(s->tls->ssl) == 1;
}

const char *tls_failure(const struct stream *s) {
    return s->tls && s->tls->failure ? s->tls->failure : "TLS failed";
}
