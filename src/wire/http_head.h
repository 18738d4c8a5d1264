/*
 * Heads of HTTP/1.1 messages, strictly: bytes in, slices into those bytes out. No I/O, no allocation, no logging, and
 * no tolerance: where RFC 9112 says MAY accept, we refuse, because two parsers that disagree are the bug.
 *
 * Reading is two steps. http_head_scan finds, incrementally and without looking twice, where a head ends. Then
 * http_request_parse or http_response_parse takes the whole head apart in one pass. http_request_read and
 * http_response_read do both, and need one pass for a head that comes in one piece, as most do.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "wire/http_fault.h"
#include "wire/http_fields.h"

/* Progress over a head that is still arriving. All zero at the start of a message. */
struct http_head_scan {
    size_t scanned;    /* bytes looked at: the next call goes on from here */
    size_t line_start; /* of the line that is not complete yet */
    size_t lines;
};

enum http_message_kind { HTTP_REQUEST, HTTP_RESPONSE };

/*
 * Looks for the empty line that ends the head in `in`, which holds everything received of the message so far (it may
 * have moved in memory since the last call). Returns the head's length with its final CRLF CRLF; 0 when more bytes are
 * needed; -1 with `*ret_fault` when the bytes so far can no longer become an acceptable head: a bare LF, a line or the
 * whole beyond its limit, a first byte that no message of this kind starts with, a first line that is complete and
 * bad. For a request one leading CRLF is skipped (§2.2) and counts as part of the head.
 */
ptrdiff_t http_head_scan(struct http_head_scan *scan, enum http_message_kind kind, struct slice in,
                         enum http_fault *ret_fault);

struct http_request {
    struct slice method;
    struct slice target; /* as sent */
    unsigned minor;      /* 0, or 1 for HTTP/1.1 to 1.9 */
    struct http_fields fields;
};

/*
 * `head` is exactly what http_head_scan measured. The slices of `*ret` look into it. HTTP_OK, or the first fault; then
 * `*ret` is in an undefined state. Checks the grammar of the request line and of every field line, and refuses TRACE;
 * the form of the target, and what the fields mean together, is the business of http_message.h.
 */
enum http_fault http_request_parse(struct slice head, struct http_request *ret);

struct http_response {
    unsigned status; /* 100 to 599 */
    unsigned minor;
    struct slice reason; /* as sent; may be empty */
    struct http_fields fields;
};

/* As http_request_parse. One tolerance: the SP behind the status may be missing where there is no reason (§4). */
enum http_fault http_response_parse(struct slice head, struct http_response *ret);

/*
 * http_head_scan and then http_request_parse or http_response_parse, to the same ends: the head's length with `*ret`; 0
 * when more bytes are needed; -1 with `*ret_fault`. In the last two cases `*ret` is in an undefined state.
 */
ptrdiff_t http_request_read(struct http_head_scan *scan, struct slice in, struct http_request *ret,
                            enum http_fault *ret_fault);
ptrdiff_t http_response_read(struct http_head_scan *scan, struct slice in, struct http_response *ret,
                             enum http_fault *ret_fault);

bool http_is_token(struct slice text);       /* 1*tchar (S 5.6.2) */
bool http_is_field_value(struct slice text); /* no control byte but TAB; no blank at its ends */
