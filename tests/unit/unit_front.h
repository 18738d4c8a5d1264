/*
 * What tests of fronts share: a front, its peers, and requests as fields.
 */
#pragma once

#include <stdio.h>

#include "ingress/front/front.h"
#include "unit.h"

/* As the default is: loopback and unix, and nothing else is asked for. */
static inline struct front *front_new(void) {
    struct front *front = calloc(1, sizeof(*front));

    assert_non_null(front);
    assert_int_equal(network_parse(SLICE("127.0.0.0/8"), &front->peers[front->n_peers++]), 0);
    assert_int_equal(network_parse(SLICE("::1"), &front->peers[front->n_peers++]), 0);
    front->takes_all_uids = true;
    (void)snprintf(front->identity_header, sizeof(front->identity_header), "X-authentik-username");
    return front;
}

static inline struct peer peer_at(const struct front *front, const char *text) {
    struct peer peer = {.kind = PEER_ADDRESS};

    assert_int_equal(address_parse(slice_of_string(text), 40000, &peer.address), 0);
    peer.is_trusted = front_trusts(front, &peer);
    return peer;
}

static inline struct peer peer_of_uid(const struct front *front, uint32_t uid) {
    struct peer peer = {.kind = PEER_UNIX, .uid = uid};

    peer.is_trusted = front_trusts(front, &peer);
    return peer;
}

#define FIELD(name, value) ((struct http_field){SLICE(name), SLICE(value)})

static inline struct request_head request_of(const struct http_field *fields, size_t n) {
    return (struct request_head){
        .method = SLICE("GET"), .path = SLICE("/"), .host = SLICE("box.example.org"), .fields = fields, .n_fields = n};
}
