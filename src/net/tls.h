/*
 * TLS on the client's side of a stream: 1.2 and above, the peer's certificate and name always verified. There is no
 * switch that turns verification off, and none may be added.
 *
 * A context holds whom to trust; several streams share it. Resumption is by a small store of sessions that the caller
 * keeps for each (identity, credential), so that nothing is resumed across identities.
 */
#pragma once

#include "net/stream.h"

struct tls_context;

#define TLS_SESSIONS_MAX 4

struct tls_sessions {
    void *at[TLS_SESSIONS_MAX]; /* SSL_SESSION; the newest last */
    size_t n;
};

void tls_sessions_done(struct tls_sessions *sessions);

/*
 * Starts the library without reading any file of configuration. Call once, before the sandbox closes. 0 or -ENOMEM.
 */
int tls_init(void);

/*
 * Trusts the certificates in `pem`, one or more where it is not empty, and those in the hashed `directory`, read one by
 * one as they are needed, where that is not NULL. 0, -EINVAL (no certificate in `pem`), -ENOMEM.
 */
int tls_context_new(struct slice pem, const char *directory, struct tls_context **ret);
void tls_context_free(struct tls_context *context);

/* What its peers say is wiped from the library's buffers as it is read: for one that says secrets. */
void tls_context_wipe(struct tls_context *context);

/*
 * Puts TLS on a connected plain stream. `host` is a name (sent as SNI and matched, RFC 6125, no partial wildcards) or,
 * with `is_address`, an IP address to be matched as such. `sessions` is where new sessions go and one to resume comes
 * from; it outlives the stream. 0, -EINVAL, -ENOMEM.
 */
int tls_start(struct stream *s, struct tls_context *context, const char *host, bool is_address,
              struct tls_sessions *sessions);

/* Goes on with the handshake: 0 when it is done, -EAGAIN, or -EPROTO, and then tls_failure says why. */
int tls_handshake(struct stream *s);

/* Whether its handshake was a short one, by an earlier session. False without TLS. */
bool tls_is_resumed(const struct stream *s);

/*
 * Plain words for what went wrong last on this stream, never text from the peer; valid until the next failure of any.
 */
const char *tls_failure(const struct stream *s);
