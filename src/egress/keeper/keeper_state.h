/*
 * What the rooms of a keeper's stream share: keeper_stream.c (its life, and the exchange with the upstream),
 * keeper_request.c (what the relay says of a request), keeper_socket.c (an exchange that has become a WebSocket).
 * Nobody else includes it.
 */
#pragma once

#include "egress/keeper/account.h"
#include "egress/keeper/filter.h"
#include "egress/keeper/keeper_stream.h"
#include "egress/keeper/relay_link.h"
#include "wire/websocket.h"

enum stream_state {
    WAIT_REQUEST,  /* for the relay to begin */
    WAIT_UPSTREAM, /* for a connection */
    WAIT_RESPONSE, /* the exchange is under way on `client` */
    WAIT_SOCKET,   /* it has become a WebSocket: for either side to say something */
    WAIT_END,      /* it is answered; what is left of the request is thrown away */
};

struct keeper_stream {
    uint64_t id;
    struct relay_link link;
    enum stream_state state;
    struct lease_member membership;
    bool may_use; /* whoever dialled it is one of the credential's executables */
    const struct timeouts *timeouts;
    struct origin_attempt *attempt;
    struct client *client;
    struct timer deadline; /* of the upstream: to take, to answer, to go on */
    struct buf request;    /* head and first content, with the key: until it has been answered */
    struct filter filter;  /* of the response */

    struct account account;     /* of the exchange under way, and the rest of what is known of it: */
    struct held_secret *secret; /* that it goes out with; NULL before it was admitted */
    struct http_framing body;
    struct canary_stream canary;           /* over the request's body */
    char socket_key[WEBSOCKET_KEY_LENGTH]; /* of a request that asks to become a WebSocket */
    struct keeper_socket *socket;          /* what it has become; else NULL */
    struct verdict cut; /* the response has broken off so, and the rest of what came is to be told first */
    bool is_upgrade;    /* it asks to become a WebSocket */
    bool is_whole;      /* the request fits into `request`, and can be sent a second time */
    bool is_upload_off; /* the upstream takes no more: what the relay sends is thrown away */
    bool is_ended;      /* the relay has sent the request's last byte */
};

static inline struct lease *keeper_lease(const struct keeper_stream *s) {
    return s->membership.lease;
}

static inline const struct credential *keeper_credential(const struct keeper_stream *s) {
    return keeper_lease(s)->held->credential;
}

/* keeper_stream.c: what may end in -errno then means that the relay is gone, and so must the stream be */

void keeper_set_state(struct keeper_stream *s, enum stream_state state);
void keeper_set_deadline(struct keeper_stream *s);
bool keeper_is_in_exchange(const struct keeper_stream *s);

/* An admitted request, serialised: on a warm connection or a new one. */
int keeper_go_upstream(struct keeper_stream *s);

/* The exchange is over for the workload. What the relay still sends of the request is thrown away. */
void keeper_end_exchange(struct keeper_stream *s, const char *reason);

/* Its line is told, once. */
void keeper_account_for(struct keeper_stream *s, const char *reason);

/* It ends before its time. While no response has begun that can be said; afterwards the response is cut. */
int keeper_fail(struct keeper_stream *s, struct verdict verdict);

/* keeper_request.c: each 0 or -errno */

int keeper_request_begin(struct keeper_stream *s, struct ipc_message *m);
int keeper_request_more(struct keeper_stream *s, struct ipc_message *m);
int keeper_request_abandoned(struct keeper_stream *s, struct ipc_message *m);

/* keeper_socket.c */

/* Whether a 101 is one that frames can be masked behind: 0, or -EPROTO and its `fault`. */
int keeper_socket_check(struct client *client);

/* The 101 has been told: the rest is frames. 0, -EPROTO or -ENOMEM: then keeper_fail is due. */
int keeper_socket_begin(struct keeper_stream *s);
void keeper_socket_done(struct keeper_stream *s);

/* From the relay: `data` goes up as it is. */
void keeper_socket_send(struct keeper_stream *s, struct slice data, bool is_end);

/* What waits for the upstream has gone. */
void keeper_socket_flushed(struct keeper_stream *s);

/* From the upstream, when the relay has room: 1 when something was done, 0 when not, -errno: the relay is gone. */
int keeper_socket_move(struct keeper_stream *s);

/* How long may be waited now; 0 for as long as both sides like. */
uint64_t keeper_socket_patience(const struct keeper_stream *s);

/* Longer than that. 0 or -errno. */
int keeper_socket_late(struct keeper_stream *s);

/* Our side ends it: with a close frame where that can be said. 0 or -errno. */
int keeper_socket_cut(struct keeper_stream *s, enum refusal why);

/* The upstream has said goodbye: whatever ends it now, it ends well. */
bool keeper_socket_has_closed(const struct keeper_stream *s);

/* Places overwritten so far. */
uint64_t keeper_socket_masked(const struct keeper_stream *s);
