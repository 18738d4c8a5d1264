/*
 * The other end of a server's TLS: OpenSSL itself, on one end of a socketpair, stepped by the test.
 */
#pragma once

#include <openssl/err.h>
#include <unistd.h>

#include "base/fd.h"
#include "unit_certificate.h"

struct tls_client {
    SSL *ssl;
    int fd;
    bool is_done, has_failed; /* the handshake */
};

/* With a certificate where `identity` is not NULL; 1.2 alone where `is_old`. `fd` is taken over. */
static inline void tls_client_begin(struct tls_client *c, int fd, const struct identity *identity, bool is_old) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    assert_non_null(context);
    if (is_old)
        assert_int_equal(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    if (identity) {
        assert_int_equal(SSL_CTX_use_certificate(context, identity->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(context, identity->key), 1);
    }
    *c = (struct tls_client){.ssl = SSL_new(context), .fd = fd};
    SSL_CTX_free(context); /* the connection holds it */
    assert_non_null(c->ssl);
    assert_int_equal(SSL_set_fd(c->ssl, fd), 1);
    SSL_set_connect_state(c->ssl);
}

static inline void tls_client_end(struct tls_client *c) {
    SSL_free(c->ssl);
    fd_close(&c->fd);
    *c = (struct tls_client){.fd = -EBADF};
}

static inline bool wants_more(const struct tls_client *c, int result) {
    int error = SSL_get_error(c->ssl, result);

    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* Whether its side of the handshake is over, one way or the other. */
static inline bool tls_client_shakes(struct tls_client *c) {
    int r;

    if (c->is_done || c->has_failed)
        return true;
    ERR_clear_error();
    r = SSL_do_handshake(c->ssl);
    c->is_done = r == 1;
    c->has_failed = r != 1 && !wants_more(c, r);
    return r == 1 || c->has_failed;
}

/* Reads what there is now behind the `n` bytes in `to`. The new length; `*ret_ended` on a close_notify, or worse. */
static inline size_t tls_client_hear(struct tls_client *c, char *to, size_t n, size_t size, int *ret_error) {
    size_t got;

    ERR_clear_error();
    while (n < size && SSL_read_ex(c->ssl, to + n, size - n, &got) == 1)
        n += got;
    *ret_error = n < size ? SSL_get_error(c->ssl, 0) : SSL_ERROR_NONE;
    return n;
}
