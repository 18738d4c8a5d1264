#include "fuzz.h"
#include "wire/http_body.h"

/* The first byte of an input says into which pieces the rest, a chunked body, is cut. */

struct result {
    enum http_fault fault;
    bool is_complete;
    size_t used, n;
    char content[4096];
};

static void decode(struct slice in, size_t step, struct result *to) {
    struct http_body body;
    size_t arrived = 0;
    ptrdiff_t n;

    memset(to, 0, sizeof(*to));
    http_body_init(&body, (struct http_framing){.kind = HTTP_BODY_CHUNKED});
    do {
        struct slice piece, data;

        arrived = in.n - arrived > step ? arrived + step : in.n;
        do {
            piece = slice_from(slice_first(in, arrived), to->used);
            n = http_body_decode(&body, piece, &data, &to->fault);
            if (n < 0)
                return;
            REQUIRE((size_t)n <= piece.n && data.n <= (size_t)n && is_inside(data, slice_first(piece, (size_t)n)));
            if (data.n > 0)
                memcpy(to->content + to->n, data.p, data.n);
            to->n += data.n;
            to->used += (size_t)n;
        } while (n > 0);
        REQUIRE(to->used == arrived || body.is_complete);
    } while (arrived < in.n && !body.is_complete);
    to->is_complete = body.is_complete;
    REQUIRE(http_body_may_end(&body) == body.is_complete);
}

/* Gathered in place, the content is the same. */
static void require_same_gathered(const struct result *whole, struct slice in) {
    static char bytes[sizeof(whole->content)];
    enum http_fault fault = HTTP_OK;
    struct http_body body;
    size_t content = 0;
    ptrdiff_t n;

    memcpy(bytes, in.p, in.n);
    http_body_init(&body, (struct http_framing){.kind = HTTP_BODY_CHUNKED});
    n = http_body_gather(&body, bytes, in.n, &content, &fault);
    REQUIRE((n < 0) == (whole->fault != HTTP_OK) && fault == whole->fault);
    REQUIRE(n < 0 || ((size_t)n == whole->used && content == whole->n && memcmp(bytes, whole->content, content) == 0));
}

/* The content, chunked by us in pieces of `step`, comes out again. */
static void require_round_trip(const struct result *whole, size_t step) {
    static char encoded[32 * sizeof(whole->content)];
    static struct result again;
    size_t length = 0;

    for (size_t at = 0; at <= whole->n; at += step) {
        struct slice data = slice_first(slice_of(whole->content + at, whole->n - at), step);
        bool is_end = at + step > whole->n;
        struct slice parts[HTTP_CHUNK_PARTS];
        char line[20];
        size_t n = http_chunk_frame(data, is_end, line, parts);

        for (size_t i = 0; i < n; i++) {
            memcpy(encoded + length, parts[i].p, parts[i].n);
            length += parts[i].n;
        }
    }
    decode(slice_of(encoded, length), 1000, &again);
    REQUIRE(again.is_complete && again.used == length);
    REQUIRE(slice_equals(slice_of(again.content, again.n), slice_of(whole->content, whole->n)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct result whole, pieces;
    struct slice in;
    size_t step;

    if (size == 0 || size > sizeof(whole.content))
        return 0;
    in = slice_of(data + 1, size - 1);
    step = 1 + data[0] % 32;
    decode(in, SIZE_MAX / 2, &whole);
    decode(in, step, &pieces);
    REQUIRE(whole.fault == pieces.fault && whole.is_complete == pieces.is_complete);
    REQUIRE(slice_equals(slice_of(whole.content, whole.n), slice_of(pieces.content, pieces.n)));
    require_same_gathered(&whole, in);
    if (!whole.is_complete)
        return 0;
    REQUIRE(whole.used == pieces.used);
    require_round_trip(&whole, step);
    return 0;
}
