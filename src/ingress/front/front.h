/*
 * Who stands in front, and whom he names: whether a peer is trusted to name a person, which person that is, and which
 * fields travel on. Pure: the supervisor's settings come as struct front (front_codec.h), requests as parsed heads.
 * Called by the dispatcher for every request; nothing here answers anybody.
 */
#pragma once

#include "base/limits.h"
#include "net/network.h"
#include "relay/upstream.h"

struct front {
    struct network peers[LIMIT_TRUSTED_PEERS];
    size_t n_peers;
    bool takes_all_uids;
    uint32_t uids[LIMIT_TRUSTED_PEERS];
    size_t n_uids;
    char identity_header[LIMIT_NAME + 1];
    char secret_header[LIMIT_NAME + 1]; /* empty: none is asked for */
    uint8_t secret_digest[32];          /* SHA-256 of what it must hold; IPC_DIGEST brings it */
    bool has_digest;
    char assertion_header[LIMIT_NAME + 1]; /* empty: none is asked for */
    char domains[LIMIT_DOMAINS][LIMIT_HOST + 1];
    size_t n_domains;
    char admins[LIMIT_ADMINS][LIMIT_PERSON + 1];
    size_t n_admins;
    char status_path[LIMIT_PERSON + 1];
    uint64_t head_ms, idle_ms, body_ms, write_ms, stream_ms, connect_ms, response_ms;
};

/* The other end of a connection that was accepted. */
struct peer {
    enum { PEER_ADDRESS, PEER_UNIX, PEER_CERTIFICATE } kind;
    struct address address;    /* of PEER_ADDRESS and PEER_CERTIFICATE */
    uint32_t uid;              /* of PEER_UNIX */
    char name[LIMIT_HOST + 1]; /* of PEER_CERTIFICATE */
    bool is_trusted;           /* front_trusts */
    struct slice text;         /* what peer_format makes of it, where somebody keeps that; else empty */
};

/*
 * Whether this peer may be a front: an address in `peers`, a unix peer with one of `uids`, or one whose certificate the
 * doorman has judged. Called once for a connection; the result is peer.is_trusted.
 */
bool front_trusts(const struct front *front, const struct peer *peer);

/* "127.0.0.1", "::1", "unix:1000", for logs; without a port. An IPv4 address mapped into IPv6 is shown as IPv4. */
size_t peer_format(const struct peer *peer, char to[static ADDRESS_TEXT_MAX]);

enum naming {
    NAMED,             /* `name` */
    NAMED_BY,          /* an assertion, `assertion`, must be verified; what it says is given to front_name */
    NAMED_NOBODY,      /* 403: the reason is one of contract's */
    NAMED_BADLY,       /* 400, and the connection closes: somebody tries to look like somebody else */
    NAMED_BY_STRANGER, /* 403: the peer is not a trusted front, or does not show the secret */
};

struct named {
    char name[LIMIT_PERSON + 1]; /* as the table knows it */
    struct slice assertion;      /* looks into the request */
    const char *reason;          /* a constant, for the answer and the log */
};

/*
 * Whom a request names. With a secret asked for, it must be there exactly once; with an assertion asked for, that alone
 * counts, and the identity field is not looked at.
 */
enum naming front_identify(const struct front *front, const struct peer *peer, const struct request_head *request,
                           struct named *ret);

/*
 * A value of the identity field, or of an assertion, as a name: domains judged, cut at @. NAMED or NAMED_NOBODY.
 *
 * Where domains are listed, one of them or none stands behind @; "a@one" and "a@two" are the same person "a" only if
 * the owner lists both. Where none is listed, any is cut off, and whoever may register a domain at the identity
 * provider may become "a": the settings say so. Two @ are nobody.
 */
enum naming front_name(const struct front *front, struct slice value, struct named *ret);

/* Whether this name may see the status page. */
bool front_is_admin(const struct front *front, const char *name);

#define FRONT_FIELDS 8
#define FORWARDED_TEXT 3072 /* LIMIT_FORWARDED addresses and a host, in both forms */

/* What the instance is told of where a request comes from: made by front_forward. */
struct forwarded {
    struct http_field fields[FRONT_FIELDS]; /* look into `text`, the request and `name` */
    size_t n;
    struct slice proto;  /* "http" or "https", as the browser sees it */
    struct slice client; /* the address that the front itself saw: the last that it names; empty where it names none */
    char text[FORWARDED_TEXT];
};

/*
 * Copies to `ret_kept` (room for LIMIT_FIELDS) the request's fields that travel on: not those of identity, of the
 * secret, of assertions, nor any of forwarding, whoever sent them. And makes the ones that are set in their place, each
 * once: X-Forwarded-For, -Proto, -Host, Forwarded, and `identity_header` (NULL: none) with the name. What a trusted
 * front said of address and scheme is kept, where it is well-formed: one X-Forwarded-For of at most LIMIT_FORWARDED
 * addresses, one X-Forwarded-Proto that is `http` or `https`; what a stranger said is not. A unix peer has no address:
 * it adds nothing to X-Forwarded-For, which is left out when that leaves it empty, and "unknown" to Forwarded (RFC 7239
 * §6.2). For a request that front_identify has let through.
 */
void front_forward(const struct front *front, const struct peer *peer, const struct request_head *request,
                   const char *identity_header, const char *name, struct http_field *ret_kept, size_t *ret_n_kept,
                   struct forwarded *ret);

/* The names that Connection must not remove, for struct exchange_rules. */
size_t front_protected(const struct front *front, struct slice *ret, size_t max);
