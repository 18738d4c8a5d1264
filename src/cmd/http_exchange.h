/*
 * One HTTP/1.1 exchange over a stream, for a program that does nothing else meanwhile: `credfd call`. It sends a head
 * and an upload, reads the answer while it is still sending, and writes the answer's body out as it comes. It knows
 * neither leases nor options and prints nothing of its own.
 */
#pragma once

#include "base/buf.h"
#include "cmd/upload.h"
#include "wire/http_fault.h"

enum exchange_end {
    EXCHANGE_GOES_ON, /* never returned */
    EXCHANGE_COMPLETE,
    EXCHANGE_NO_ANSWER,    /* the stream ended before a response head had come */
    EXCHANGE_CUT,          /* the stream ended, or failed, inside the body */
    EXCHANGE_BAD_ANSWER,   /* not HTTP/1.1 as we read it: see `fault` */
    EXCHANGE_UPLOAD_ERROR, /* the body's file could not be read: see `error`; -ENODATA when it had become shorter */
    EXCHANGE_OUTPUT_ERROR, /* the answer could not be written out: see `error` */
    EXCHANGE_ERROR,        /* anything else: see `error` */
};

struct exchange {
    int stream;          /* borrowed; connected, and left in an undefined state */
    struct slice method; /* of the request: an answer to HEAD has no body */
    struct buf *request; /* its head, at least LIMIT_READ of cap: consumed, then used for the upload */
    struct upload *upload;
    int output;      /* borrowed; where the answer's body goes */
    bool shows_head; /* the final response's head goes there too, before the body, as it came */

    /* What became of it. `status` is 0 until a final response head has come. */
    unsigned status;
    uint64_t body_bytes;
    enum http_fault fault;
    int error;
};

/* Runs it to its end. Interim responses are dropped; a final one that comes early ends the upload. */
enum exchange_end exchange_run(struct exchange *exchange);
