#include "fuzz.h"
#include "wire/websocket.h"

/*
 * The first byte of an input says in which pieces it comes, and what it is: a handshake's request, or the frames of one
 * side.
 */

static void pass_in_steps(struct websocket_flow *flow, struct slice in, size_t step) {
    for (size_t at = 0; at < in.n; at += step)
        websocket_flow_pass(flow, slice_first(slice_from(in, at), step));
}

/* A reader who takes no more than it is told to stops at every border. */
static void require_no_border_is_missed(struct slice in, bool is_from_client) {
    struct websocket_flow flow;
    size_t at = 0;

    websocket_flow_init(&flow, is_from_client);
    while (at < in.n) {
        uint64_t n = websocket_flow_to_border(&flow);
        struct slice piece = slice_first(slice_from(in, at), n == 0 ? 1 : n < in.n ? (size_t)n : in.n);

        REQUIRE(n == 0 || !websocket_flow_is_at_border(&flow));
        websocket_flow_pass(&flow, piece);
        if (piece.n == n && n > 1) /* of a payload: that was all of it */
            REQUIRE(websocket_flow_to_border(&flow) == 0);
        at += piece.n;
    }
}

static void follow(struct slice in, size_t step, bool is_from_client) {
    struct websocket_flow whole, pieces;

    websocket_flow_init(&whole, is_from_client);
    websocket_flow_init(&pieces, is_from_client);
    websocket_flow_pass(&whole, in);
    pass_in_steps(&pieces, in, step);
    REQUIRE(whole.is_lost == pieces.is_lost);
    if (whole.is_lost)
        return;
    REQUIRE(websocket_flow_is_at_border(&whole) == websocket_flow_is_at_border(&pieces));
    REQUIRE(websocket_flow_to_border(&whole) == websocket_flow_to_border(&pieces));
    REQUIRE(websocket_flow_has_closed(&whole) == websocket_flow_has_closed(&pieces));
    REQUIRE(!websocket_flow_has_closed(&whole) || whole.close_code == pieces.close_code);
    REQUIRE(!websocket_flow_is_at_border(&whole) || websocket_flow_to_border(&whole) == 0);
    require_no_border_is_missed(in, is_from_client);
}

static void shake_hands(struct slice in) {
    static struct http_request request;
    struct http_head_scan scan = {0};
    enum http_fault fault;
    ptrdiff_t n = http_head_scan(&scan, HTTP_REQUEST, in, &fault);
    char accept[WEBSOCKET_ACCEPT_LENGTH];

    if (n <= 0 || http_request_parse(slice_first(in, (size_t)n), &request) != HTTP_OK ||
        !websocket_is_asked_for(&request) || websocket_request_check(&request.fields) != HTTP_OK)
        return;
    REQUIRE(slice_equals(request.method, SLICE("GET")) && request.minor == 1);
    REQUIRE(websocket_key(request.fields.at, request.fields.n).n == WEBSOCKET_KEY_LENGTH);
    websocket_accept(websocket_key(request.fields.at, request.fields.n), accept);
    REQUIRE(accept[sizeof(accept) - 1] == '=' && accept[sizeof(accept) - 2] != '=');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    if (data[0] < 32)
        shake_hands(slice_of(data + 1, size - 1));
    else
        follow(slice_of(data + 1, size - 1), 1 + data[0] % 32, data[0] & 0x80);
    return 0;
}
