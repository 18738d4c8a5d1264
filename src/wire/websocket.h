/*
 * WebSocket (RFC 6455) as far as one who passes it on must know it: the handshake's fields, where a frame ends and the
 * next begins, and a close frame to say goodbye with. Holds no payload, changes no byte and allocates nothing.
 */
#pragma once

#include "wire/http_message.h"

#define WEBSOCKET_KEY_LENGTH 24    /* 16 bytes in base64 (§4.1) */
#define WEBSOCKET_ACCEPT_LENGTH 28 /* a SHA-1 in base64 (§4.2.2) */
#define WEBSOCKET_NO_CODE 1005     /* a close frame that gave none (§7.4.1) */

/*
 * Whether a request asks for the upgrade: GET, HTTP/1.1, `websocket` and nothing else in Upgrade, `upgrade` among
 * Connection's. To be asked while the hop-by-hop fields are there.
 */
bool websocket_is_asked_for(const struct http_request *request);

/*
 * What such a request must have among its end-to-end fields: exactly one key of 16 bytes, HTTP_BAD_UPGRADE otherwise;
 * version 13, HTTP_UPGRADE_REQUIRED otherwise.
 */
enum http_fault websocket_request_check(const struct http_fields *fields);

/* The value of Sec-WebSocket-Key; empty when there is none. */
struct slice websocket_key(const struct http_field *fields, size_t n);

/* What Sec-WebSocket-Accept says to a key (§4.2.2). */
void websocket_accept(struct slice key, char to[static WEBSOCKET_ACCEPT_LENGTH]);

/* Whether a 101's fields, hop-by-hop ones included, answer the handshake: Upgrade, Connection and the right accept. */
bool websocket_is_accepted(const struct http_fields *fields, struct slice accept);

/* One direction of a WebSocket, followed by its frames' headers (§5.2). */
struct websocket_flow {
    uint64_t left; /* of the payload; of a length that is still coming, what has come */
    unsigned char mask[4];
    uint16_t close_code; /* of its close frame, WEBSOCKET_NO_CODE for one without; counts when that has passed */
    unsigned char step, opcode;
    unsigned char missing; /* of the length or the mask */
    bool is_from_client;   /* its frames are masked, as no server's are */
    bool is_in_message;    /* only continuations, and control frames, may come */
    bool is_lost;          /* this is no WebSocket, or not one that we can follow: nothing else here counts */
};

void websocket_flow_init(struct websocket_flow *flow, bool is_from_client);

/* These bytes pass. */
void websocket_flow_pass(struct websocket_flow *flow, struct slice bytes);

/* No frame has begun that has not ended. False where that is not known, and behind a close frame, which is the last. */
bool websocket_flow_is_at_border(const struct websocket_flow *flow);

/* A close frame has passed, whole. */
bool websocket_flow_has_closed(const struct websocket_flow *flow);

/* So many bytes at least are missing to the next border: 0 at one, and where none is to be expected. */
uint64_t websocket_flow_to_border(const struct websocket_flow *flow);

#define WEBSOCKET_CLOSE_MAX 8

/* A close frame with `code`; from a client with a mask, which is all zero. Returns its length. */
size_t websocket_close_frame(unsigned code, bool is_from_client, char to[static WEBSOCKET_CLOSE_MAX]);
