/*
 * TLS on the server's side of a stream whose client set out for another host: what it meets here is a certificate of
 * that host, signed by an authority that this client, and nobody else, was told to trust. 1.2 and 1.3, HTTP/1.1 alone
 * (RFC 7301), no client certificate, no renegotiation, no compression, no session resumed. Used by the proxy door.
 *
 * The stream's handshake goes on with tls_handshake (net/tls.h), and so does tls_failure, which also tells when it is
 * the client that does not trust the certificate.
 */
#pragma once

#include "net/stream.h"

struct tls_terminator; /* of one host */
struct x509_st;
struct evp_pkey_st;

/*
 * `host` is a name in lower case: the client must name it (SNI); or, with `is_address`, an address: the client names
 * nothing, as RFC 6066 §3 asks, or that very address, as some do. The certificate and its key are the caller's still.
 * 0, -EINVAL (they do not belong together) or -ENOMEM.
 */
int tls_terminator_new(struct slice host, bool is_address, struct x509_st *certificate, struct evp_pkey_st *key,
                       struct tls_terminator **ret);

/* Streams that it began live on, but begin no handshake any more. NULL is fine. */
void tls_terminator_free(struct tls_terminator *terminator);

/* Puts TLS on a connected plain stream of which nothing of TLS has been read. 0, or -ENOMEM, and it is plain still. */
int tls_terminate(struct stream *s, struct tls_terminator *terminator);

/* Whether the client has ended the connection without saying what it does not like. */
bool tls_terminate_is_closed(const struct stream *s);

/* Whether its handshake failed because the client said that it does not trust the certificate. */
bool tls_terminate_is_distrusted(const struct stream *s);
