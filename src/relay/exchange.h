/*
 * One request and its responses, as rules: which requests are accepted, what of their fields travels, and what head
 * the client is answered with. Does no I/O; relay/connection.c calls it.
 */
#pragma once

#include "base/buf.h"
#include "base/num.h"
#include "relay/problem.h"
#include "relay/upstream.h"
#include "wire/http_body.h"

/* Where requests come in. */
enum exchange_door {
    DOOR_LEASE,    /* a workload's: any Host is a placeholder, origin-form only */
    DOOR_LISTENER, /* a server's: Host and absolute-form count, and no field may look like one that names a person */
    DOOR_PROXY,    /* a workload's, who asked for one authority: Host or an absolute-form names it, and nothing else */
};

/* What a door permits, and what is put in behind it. */
struct exchange_rules {
    enum exchange_door door;
    bool may_upgrade; /* to WebSocket; without it the field is dropped and the request goes on */
    /* Names that Connection must not remove: what is put in, and what is trusted. */
    struct slice protected_fields[LIMIT_PROTECTED];
    size_t n_protected;
    /* Of DOOR_PROXY: what Host must say, and the default port of the scheme; any other is told 421. */
    struct slice authority;
    uint16_t default_port;
    /*
     * At the front of each path, cut off before anybody sees it; empty: nothing. The prefix, a segment without slashes,
     * is a secret between us and the command: compared in constant time, 404 without it. The base path stands in an
     * upstream's URL: 403 outside of it.
     */
    struct slice prefix, base_path;
    bool is_single;    /* one exchange, then the connection ends: the next one may mean another host */
    const char *lease; /* named in our own error answers; NULL for none */
};

struct exchange {
    /* from the request */
    unsigned minor;
    bool is_head;
    bool expects_continue;
    bool must_close; /* after this exchange */
    bool is_upgrade; /* a 101 may come */
    struct http_body request_body;
    bool is_request_sent;          /* all of it has gone to the upstream */
    char max_forwards[NUM_DIGITS]; /* what is left of it, as text */
    /* of the response */
    unsigned interims;
    unsigned status; /* that the client was told; 0 before */
    bool is_begun;   /* its head has gone to the client */
    bool is_complete;
    struct http_framing framing; /* as the client sees it: NONE, LENGTH, CHUNKED or CLOSE */
    uint64_t remaining;          /* of a LENGTH */
};

/* An OPTIONS that may go no further (S 7.6.2) is answered here. */
enum exchange_verdict { EXCHANGE_FORWARD, EXCHANGE_ANSWER_HERE, EXCHANGE_REFUSE };

/*
 * Judges a parsed request by http-strict's rules for the door; CONNECT passes none. Changes `request->fields` (hop-by-hop
 * and framing fields, Host, Expect go) and makes `*ret` of what is left.
 */
enum exchange_verdict exchange_accept(struct exchange *x, struct http_request *request,
                                      const struct exchange_rules *rules, struct request_head *ret,
                                      enum http_fault *ret_fault);

/* Appends a 1xx. 0 when written or when it must not be (HTTP/1.0, a second 100); -EPROTO at the ninth, or for a 101. */
int exchange_write_interim(struct exchange *x, const struct response_head *response, struct buf *out);

/* Appends the 101 that makes a WebSocket of the connection. -EPROTO when none was asked for. */
int exchange_write_switch(struct exchange *x, const struct response_head *response, struct buf *out);

/* Appends the final response's head and fixes how its body is framed. */
int exchange_write_response(struct exchange *x, const struct response_head *response, struct buf *out);

/* What a refusal says in the place of our JSON: fields that go with the body, Content-Type among them. */
struct exchange_words {
    const struct http_field *fields;
    size_t n_fields;
    struct slice body;
};

#define EXCHANGE_WORDS_FIELDS 3 /* at most */

/* Appends a whole answer with words of the caller's. As exchange_write_refusal. */
int exchange_write_words(struct exchange *x, unsigned status, const struct exchange_words *words, bool keep,
                         struct buf *out);

/*
 * Appends a whole answer of our own, with a JSON body that says what and why. Closes afterwards unless `keep` is true.
 * For HEAD the body is left out.
 */
int exchange_write_refusal(struct exchange *x, const struct problem *problem, bool keep, struct buf *out);
