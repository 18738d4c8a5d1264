#include <string.h>

#include "base/limits.h"
#include "egress/mask/frame_mask.h"
#include "fuzz.h"

/*
 * What an upstream says in a WebSocket, in pieces of a size that the first byte tells. However it is cut, the same comes
 * out; and what comes out are the same frames, without the key in any message.
 */

#define SECRET "k3y+/"

static struct mask *mask;

/* Returns whether it went well to the end. */
static bool pass(struct slice in, size_t step, struct frame_mask *f, struct buf *out) {
    static char bytes[1 << 16];
    int r = 0;

    frame_mask_begin(f, mask);
    buf_init(out, 1 << 20);
    REQUIRE(in.n <= sizeof(bytes));
    if (in.n > 0)
        memcpy(bytes, in.p, in.n);
    for (size_t at = 0; r == 0 && at < in.n; at += step)
        r = frame_mask_pass(f, bytes + at, step < in.n - at ? step : in.n - at, out);
    REQUIRE(r == 0 || r == -71 || r == -105); /* EPROTO, ENOBUFS */
    REQUIRE((r == -71) == (f->fault != NULL));
    return r == 0;
}

/* Of what came out: heads as they were, and no key in a message, over its fragments. */
static void require_masked(struct slice in, struct slice out) {
    struct websocket_cutter before = {0}, after = {0};
    static char message[1 << 16];
    size_t n = 0;

    while (out.n > 0) {
        struct websocket_piece was, is;

        if (websocket_cut(&after, &out, &is) != 1)
            break;
        in = slice_first(in, in.n);
        REQUIRE(websocket_cut(&before, &in, &was) == 1);
        REQUIRE(was.opcode == is.opcode && slice_equals(was.head, is.head));
        if (is.is_control)
            continue;
        REQUIRE(n + is.payload.n <= sizeof(message));
        if (is.payload.n > 0)
            memcpy(message + n, is.payload.p, is.payload.n);
        n += is.payload.n;
        REQUIRE(!memmem(message, n, SECRET, strlen(SECRET)));
        n = is.is_message_end ? 0 : n;
        if (was.payload.n != is.payload.n) /* the rest of it is held back */
            break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(data + 1, size > 0 ? size - 1 : 0), secret = SLICE(SECRET);
    struct frame_mask whole, pieces;
    struct buf out_whole, out_pieces;
    bool is_well, is_well_in_pieces;

    if (size == 0 || size > 1 << 16 || (!mask && mask_new(&secret, 1, &mask) < 0))
        return 0;
    is_well = pass(in, in.n + 1, &whole, &out_whole);
    is_well_in_pieces = pass(in, 1 + data[0], &pieces, &out_pieces);
    REQUIRE(is_well == is_well_in_pieces);
    REQUIRE(buf_length(&out_whole) <= in.n);
    if (is_well) {
        REQUIRE(slice_equals(buf_slice(&out_whole), buf_slice(&out_pieces)));
        REQUIRE(frame_mask_found(&whole) == frame_mask_found(&pieces));
        REQUIRE(!frame_mask_is_at_border(&whole) || buf_length(&out_whole) == in.n);
        require_masked(in, buf_slice(&out_whole));
    }
    frame_mask_done(&whole);
    frame_mask_done(&pieces);
    buf_release(&out_whole);
    buf_release(&out_pieces);
    return 0;
}
