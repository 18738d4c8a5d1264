/*
 * What both sides of TLS share: one stream's session, and how it reads and writes. Between net/tls.c and
 * net/tls_server.c alone; everybody else sees a stream.
 */
#pragma once

#include <openssl/ssl.h>

#include "net/stream.h"

struct tls_sessions;

struct tls_session {
    SSL *ssl;
    struct tls_sessions *sessions; /* of a client */
    const char *failure;
};

/*
 * Gives the plain stream `s` a session of `context`, which is in no state yet: the caller sets accept or connect. 0, or
 * -ENOMEM, and the stream is plain still.
 */
int tls_session_begin(struct stream *s, SSL_CTX *context);

/* What is set in every context, whichever side it is for: 1.2 and above, no renegotiation, no compression. */
void tls_context_prepare(SSL_CTX *context);

/* Calls `take` with each certificate in `pem`, which it does not own, while that says 1. How many there were. */
int tls_pem_each(struct slice pem, int (*take)(SSL_CTX *context, X509 *certificate), SSL_CTX *context);

/* A certificate that is trusted. 1 */
int tls_trust_certificate(SSL_CTX *context, X509 *certificate);
