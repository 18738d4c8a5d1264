/*
 * Every way in which an HTTP message can be refused, each with its status and its reason in words. Pure data: the
 * parsers return these, the relay turns them into answers. http-strict rules cite RFC 9110 (S) and RFC 9112 (§).
 */
#pragma once

enum http_fault {
    HTTP_OK = 0,
    HTTP_BAD_START,             /* more than one leading CRLF, a blank, or a byte no method can start with */
    HTTP_IS_HTTP2,              /* its preface (RFC 9113 §3.4) */
    HTTP_IS_TLS,                /* the first byte of a handshake's record */
    HTTP_IS_SOCKS,              /* the first byte of version 4 or 5 */
    HTTP_BAD_REQUEST_LINE,      /* parts not separated by exactly one SP (§3) */
    HTTP_BAD_METHOD,            /* not a token (S 9.1) */
    HTTP_LONG_METHOD,           /* over LIMIT_METHOD: 501 */
    HTTP_METHOD_NOT_ALLOWED,    /* TRACE: 405 */
    HTTP_BAD_TARGET,            /* an empty one, a wrong form, a byte that no target may hold */
    HTTP_LONG_TARGET,           /* over LIMIT_TARGET: 414 */
    HTTP_BAD_VERSION,           /* not HTTP/d.d in exactly these letters */
    HTTP_UNSUPPORTED_VERSION,   /* 2.0 and above: 505 */
    HTTP_BAD_LINE_END,          /* a bare LF or CR (§2.2) */
    HTTP_BAD_FIELD,             /* no colon, a blank before it, a name that is no token, a control byte in a value */
    HTTP_ALIAS_FIELD,           /* a name that some reader takes for a trusted one: `_` in it, or `.` for `-` */
    HTTP_OBSOLETE_FOLD,         /* §5.2 */
    HTTP_LARGE_HEAD,            /* a line, the head or the number of fields over its limit: 431 */
    HTTP_BAD_HOST,              /* S 7.2: missing, twice, or not uri-host [":" port] */
    HTTP_BAD_CONTENT_LENGTH,    /* §6.3 */
    HTTP_BAD_TRANSFER_ENCODING, /* §6.1 */
    HTTP_UNKNOWN_CODING,        /* a transfer coding that is not chunked, alone: 501 */
    HTTP_LENGTH_AND_CODING,     /* Content-Length beside Transfer-Encoding (§6.1) */
    HTTP_BAD_CHUNK,             /* §7.1 */
    HTTP_BAD_TRAILER,           /* malformed, too large, or naming a field that may not be there (S 6.5.1) */
    HTTP_BAD_CONNECTION,        /* Connection naming a field that must not be removed (S 7.6.1) */
    HTTP_BAD_EXPECT,            /* an expectation other than 100-continue: 417 (S 10.1.1) */
    HTTP_BAD_UPGRADE,           /* a websocket handshake that is not one (RFC 6455 §4.1), or has a body */
    HTTP_UPGRADE_REQUIRED,      /* a websocket version other than 13: 426 */
    HTTP_TRUNCATED,             /* the peer closed inside the message */
    HTTP_HEAD_TIMEOUT,          /* 408 */
    HTTP_BODY_TIMEOUT,          /* 408 */
    HTTP_NO_PREFIX,             /* the path does not begin with what it must: 404, and no word about why */
    HTTP_OUTSIDE_BASE,          /* the path is not beneath the one that the door stands for: 403 */
    HTTP_MISDIRECTED,           /* the request is for another authority than its connection: 421 (S 15.5.20) */
    HTTP_BAD_STATUS_LINE,       /* a response's first line (§4) */
    HTTP_UNASKED_SWITCH,        /* a 101 that no request asked for (S 15.2.2) */
    HTTP_BAD_SWITCH,            /* a 101 that does not answer the handshake (RFC 6455 §4.1) */
    HTTP_MANY_INTERIMS,         /* over LIMIT_INTERIM_RESPONSES */
    HTTP_FAULTS
};

/* 400 and its kin, for a fault in a request. A fault in a response is 502 whatever it is. */
unsigned http_fault_status(enum http_fault fault);

/* A few plain words, never text from the message. */
const char *http_fault_reason(enum http_fault fault);

/* The reason phrase of a status (S 15), or "Unknown". */
const char *http_status_phrase(unsigned status);
