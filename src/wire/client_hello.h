/*
 * The first thing that a TLS client says (RFC 8446 §4.1.2), read for one purpose: which host it names (RFC 6066 §3),
 * before what it says goes on to that host untouched. Strict and pure; allocates nothing, looks at no byte twice until
 * the message is whole. Called by the proxy (egress/door/proxy_tunnel.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"

enum client_hello_verdict {
    CLIENT_HELLO_MORE,    /* more bytes are needed */
    CLIENT_HELLO_WHOLE,   /* it is whole and in order */
    CLIENT_HELLO_NOT_TLS, /* the first bytes are not those of a TLS handshake */
    CLIENT_HELLO_LONG,    /* beyond LIMIT_CLIENT_HELLO, records' heads included */
    CLIENT_HELLO_BAD,     /* `fault` says why */
};

/* All zero at the start. */
struct client_hello {
    size_t at;         /* where the head of the next record stands */
    size_t content;    /* bytes of the handshake in the records before it */
    size_t length;     /* of the whole message with its own head; 0 before that is known */
    const char *fault; /* a constant */
    /* when it is whole: */
    bool has_name; /* server_name, of which there is one, a host's */
    bool has_ech;  /* encrypted_client_hello or a draft of it: the name may be another than the one that is seen */
    char name_text[LIMIT_HOST];
    size_t name_n;
};

/* `in` is all that has come of it, from the first byte; it may have moved in memory since the last call. */
enum client_hello_verdict client_hello_read(struct client_hello *hello, struct slice in);

/* As it was sent, letters, digits, `-`, `_` and single dots; empty where there is none. */
static inline struct slice client_hello_name(const struct client_hello *hello) {
    return slice_of(hello->name_text, hello->name_n);
}
