/*
 * The body of one message, decoded as it arrives: framing comes off, content goes through, nothing is buffered and
 * nothing is allocated, whatever length is declared.
 */
#pragma once

#include "wire/http_message.h"

enum http_chunk_state {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER_START, /* at the start of a trailer line, or of the empty one */
    CHUNK_TRAILER_LINE,
    CHUNK_TRAILER_LF,
    CHUNK_END_LF,
};

struct http_body {
    enum http_body_kind kind;
    bool is_complete;
    uint64_t remaining; /* of the length, or of the chunk */
    enum http_chunk_state state;
    unsigned digits;
    size_t extension_bytes, trailer_bytes;
    const struct slice *protected_names; /* borrowed: further names that no trailer may have; none after init */
    size_t n_protected;
    struct { /* the front of one trailer line is kept for its check: no name in it is longer */
        char bytes[256];
        size_t n;
    } line;
};

void http_body_init(struct http_body *body, struct http_framing framing);

/*
 * Takes from the front of `in`: `*ret_data` is the next run of content (a slice into `in`, possibly empty), the return
 * value says how many bytes of `in` are done with, framing included. Call it again with the rest until it makes no
 * progress (returns 0) or `body->is_complete`. -1 with `*ret_fault` on broken framing: then the message must never be
 * completed towards the other side. Extensions are dropped (LIMIT_CHUNK_EXTENSION a chunk); trailers are checked,
 * bounded (LIMIT_TRAILERS together) and dropped. HTTP_BAD_TRAILER is a malformed one, or one that names a framing
 * field, Host, or a credential (Authorization, Cookie, Set-Cookie, Proxy-Authorization).
 */
ptrdiff_t http_body_decode(struct http_body *body, struct slice in, struct slice *ret_data, enum http_fault *ret_fault);

/*
 * Decodes all that is in the `n` bytes at `bytes` and moves the content together at their front, so that a body in a
 * thousand small chunks travels on in one piece. Returns how many bytes are done with, `*ret_content` of them content;
 * -1 as http_body_decode.
 */
ptrdiff_t http_body_gather(struct http_body *body, char *bytes, size_t n, size_t *ret_content,
                           enum http_fault *ret_fault);

/* What the end of the stream means here: true when the body may end so (HTTP_BODY_CLOSE; complete already). */
bool http_body_may_end(const struct http_body *body);

#define HTTP_CHUNK_PARTS 3

/*
 * Frames `data` as one chunk (as none when it is empty) and, with `is_end`, the body's end behind it. The bytes are
 * those of `*ret_parts` in order; `line` holds one of them. Returns how many parts there are.
 */
size_t http_chunk_frame(struct slice data, bool is_end, char line[static 20],
                        struct slice ret_parts[static HTTP_CHUNK_PARTS]);
