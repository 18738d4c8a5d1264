/*
 * Every cap of the project in one table. Sizes in bytes, times in milliseconds. A buffer, list or wait that has no
 * row here has no business to exist; what a peer sends never sizes anything.
 */
#pragma once

/* HTTP heads. RFC 9112 §3 recommends at least 8000 for the request line; the rest bounds memory. */
#define LIMIT_METHOD 32
#define LIMIT_TARGET (8 * 1024)
#define LIMIT_FIELD_LINE (16 * 1024)
#define LIMIT_HEAD (64 * 1024)
#define LIMIT_FIELDS 128
#define LIMIT_INTERIM_RESPONSES 8

/* HTTP bodies. */
#define LIMIT_CHUNK_SIZE_DIGITS 16
#define LIMIT_CHUNK_EXTENSION 1024
#define LIMIT_TRAILERS (16 * 1024)
#define LIMIT_DRAIN (256 * 1024) /* read and thrown away so that a refused client sees its answer */

/* One read from a socket, and the most of a body that travels in one datagram between roles. */
#define LIMIT_READ (64 * 1024)

/* A datagram between roles: a whole head in its encoded form and the first bytes of a body. */
#define LIMIT_DATAGRAM (LIMIT_HEAD + LIMIT_READ + 4096)

/* Leases and streams. */
#define LIMIT_LEASES 64             /* of one workload */
#define LIMIT_STREAMS 256           /* open at once through one lease */
#define LIMIT_DIALS 64              /* asked for through one lease and not answered yet; a power of two */
#define LIMIT_NAME 64               /* a credential's or an identity's name */
#define LIMIT_IDENTITIES 65536      /* that one keeper knows */
#define LIMIT_RULES 256             /* of one credential */
#define LIMIT_RULE (2 * 1024)       /* one rule's text */
#define LIMIT_RULES_TEXT (64 * 1024) /* all rules of one credential: they travel in one datagram */
#define LIMIT_FORMAT 1024           /* what stands around a secret in its field */
#define LIMIT_AUTHORITY 300         /* host and port */
#define LIMIT_BASE_PATH 1024
#define LIMIT_HOST 255              /* RFC 1035 §2.3.4 */
#define LIMIT_SECRET (16 * 1024)
#define LIMIT_CA_FILE (4 * 1024 * 1024)
#define LIMIT_IDLE_UPSTREAMS 64     /* warm connections kept for each (identity, credential) */
#define LIMIT_ADDRESSES 32          /* used of one name */

/* Configuration. */
#define LIMIT_CONFIG (1024 * 1024)
#define LIMIT_CONFIG_DEPTH 16       /* mappings and lists inside one another */
#define LIMIT_CONFIG_NODES 32768    /* values in one file */

/* Times: what stands here is the default where a setting exists. */
#define TIMEOUT_HEAD 10000          /* from a head's first byte to its last */
#define TIMEOUT_IDLE 90000          /* keep-alive without a request */
#define TIMEOUT_BODY 60000          /* a request's body without a byte */
#define TIMEOUT_WRITE 60000         /* a peer that takes nothing */
#define TIMEOUT_RESPONSE 60000      /* from the request's last byte to a response head */
#define TIMEOUT_STREAM 3600000      /* a response's body without a byte; generous for server-sent events */
#define TIMEOUT_CONNECT 10000       /* resolve, connect and shake hands, all attempts together */
#define TIMEOUT_ATTEMPT_DELAY 250   /* RFC 8305 §5: before the next address is tried beside the last */
#define TIMEOUT_LINGER 2000         /* a refused client may still send; then it is closed */
#define TIMEOUT_ROLE_START 10000    /* from exec to HELLO */
#define TIMEOUT_ROLE_STOP 2000      /* from the end of its channel to its exit; then SIGKILL */
#define TIMEOUT_SOURCE 30000        /* a secret that does not come */
#define TIMEOUT_MAX (24 * 3600000)  /* of any setting */
