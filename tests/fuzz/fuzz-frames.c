#include "base/limits.h"
#include "fleet/link/frames_in.h"
#include "fuzz.h"

/*
 * What a hub sends as frames, cut where the first byte says. Texts are UTF-8 and bounded; what is refused has a code that
 * may stand in a frame.
 */
static unsigned n_stopped;

static void on_text(void *owner, struct slice message) {
    struct frames_in *in = owner;

    REQUIRE(message.n <= LIMIT_FRAME && in->code == 0 && n_stopped == 0);
    if (slice_equals(message, SLICE("stop"))) {
        frames_in_stop(in);
        n_stopped++;
    }
}

static void on_pong(void *owner, struct slice payload) {
    (void)owner;
    REQUIRE(payload.n <= 125);
}

static void on_frame(void *owner) {
    (void)owner;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct frames_in_events events = {.text = on_text, .pong = on_pong, .frame = on_frame};
    enum frames_verdict verdict = FRAMES_GO_ON;
    struct frames_in in;
    struct buf answers;
    struct slice rest;
    size_t step;

    if (size < 2)
        return 0;
    rest = slice_of(data + 1, size - 1);
    step = (size_t)data[0] + 1;
    n_stopped = 0;
    buf_init(&answers, LIMIT_LINK_OUT);
    REQUIRE(frames_in_init(&in, &answers, &events, &in) == 0);
    while (rest.n > 0 && verdict == FRAMES_GO_ON && n_stopped == 0) {
        verdict = frames_in_take(&in, slice_first(rest, step));
        rest = slice_from(rest, step);
    }
    if (verdict != FRAMES_GO_ON) {
        REQUIRE(in.why[0] != '\0');
        REQUIRE(in.code >= 1000 && in.code <= 4999 && (in.code < 1004 || in.code > 1006) && in.code != 1015);
    }
    if (!buf_is_empty(&answers)) /* a pong or a close, masked */
        REQUIRE((buf_slice(&answers).p[0] & 0x78) == 0x08 && (buf_slice(&answers).p[1] & 0x80) != 0);
    frames_in_done(&in);
    buf_release(&answers);
    return 0;
}
