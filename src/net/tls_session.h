/*
 * What both sides of TLS share: one stream's session, and how it reads and writes. Between net/tls.c, net/tls_server.c
 * and net/tls_terminate.c alone; everybody else sees a stream.
 */
#pragma once

#include <openssl/ssl.h>

#include "net/stream.h"

struct tls_sessions;

struct tls_session {
    SSL *ssl;
    struct stream *stream;         /* whose it is, while one of the stream's operations is under way */
    bool is_emptied;               /* the operation has taken all that the socket had */
    struct tls_sessions *sessions; /* of a client */
    const char *failure;
    const char *refusal; /* why a step of ours said no, in words; NULL where none did */
    bool is_distrusted;  /* the peer said that it does not trust our certificate */
    bool is_closed;      /* the peer has ended the connection, and did not say why */
};

/*
 * Gives the plain stream `s` a session of `context`, which is in no state yet: the caller sets accept or connect. 0, or
 * -ENOMEM, and the stream is plain still.
 */
int tls_session_begin(struct stream *s, SSL_CTX *context);

/* tls_socket.c: how its library reads and writes, for as long as there is an SSL. False without memory. */
bool tls_socket_set(struct tls_session *tls);

/* What is set in every context, whichever side it is for: 1.2 and above, no renegotiation, no compression. */
void tls_context_prepare(SSL_CTX *context);

/*
 * For SSL_CTX_set_alpn_select_cb: HTTP/1.1 is what stands behind; a client that offers protocols, and not this one, is
 * told (RFC 7301 §3.2).
 */
int tls_choose_http(SSL *ssl, const unsigned char **ret, unsigned char *ret_n, const unsigned char *offered,
                    unsigned offered_n, void *argument);

/* Calls `take` with each certificate in `pem`, which it does not own, while that says 1. How many there were. */
int tls_pem_each(struct slice pem, int (*take)(SSL_CTX *context, X509 *certificate), SSL_CTX *context);

/* A certificate that is trusted. 1 */
int tls_trust_certificate(SSL_CTX *context, X509 *certificate);
