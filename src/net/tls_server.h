/*
 * TLS on the server's side of a stream: 1.2 and 1.3, always with a client certificate that chains to the given CA and
 * is good for that (purpose: client authentication). No renegotiation, no compression, no session is ever resumed, so
 * that each connection shows its certificate anew. There is no switch that turns the certificate off, and none may be
 * added.
 *
 * The stream's handshake goes on with tls_handshake (net/tls.h), and so does tls_failure. Used by the doorman.
 */
#pragma once

#include "net/stream.h"

struct tls_server;
struct x509_st;

struct tls_server_parts {
    struct slice certificate; /* PEM: the server's own, then those between it and its CA */
    struct slice key;         /* PEM, without a pass phrase; not kept where it stands */
    struct slice ca;          /* PEM: whose clients may enter */
};

/*
 * Keys are kept in memory that is locked and left out of cores, as far as the library allows. Call once, before the
 * sandbox closes and before the first key. 0 or -ENOMEM.
 */
int tls_server_init(void);

/* 0, -EINVAL with the constant `*ret_fault` saying what cannot be used, or -ENOMEM. */
int tls_server_new(const struct tls_server_parts *parts, struct tls_server **ret, const char **ret_fault);

/* Streams that it began live on. NULL is fine. */
void tls_server_free(struct tls_server *server);

/* Puts TLS on a plain stream that was accepted. 0 or -ENOMEM. */
int tls_server_accept(struct stream *s, struct tls_server *server);

/* The verified certificate of the other side, after the handshake; lives as long as the stream. */
const struct x509_st *tls_server_client(const struct stream *s);

/* Whether the other side of a stream, which may have begun with another server's rules, would enter by these too. */
bool tls_server_trusts(const struct tls_server *server, const struct stream *s);
