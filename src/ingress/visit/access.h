/*
 * The access log, as the dispatcher writes it: one line of JSON for each exchange and for each tunnel's opening and
 * end, onto the descriptor that the supervisor has opened. Lines are gathered and written together about once a turn of
 * the loop; one for which there is no room is counted and lost: nobody waits for a log. Never a query, a cookie or a
 * body. Its form is credfd-access(5).
 */
#pragma once

#include "base/slice.h"
#include "ingress/desk/tally.h"

struct access_line {
    const char *event;     /* "request", "tunnel_open" or "tunnel_end" */
    struct slice peer;     /* the front's address */
    struct slice client;   /* the browser's, as the front said; may be empty */
    struct slice name;     /* the person; may be empty */
    struct slice instance; /* instance.key; may be empty */
    struct slice method, host, path;
    unsigned status;
    uint64_t bytes_in, bytes_out;
    uint64_t duration_us;
    uint64_t upstream_us; /* from the request's last byte to the response's head; 0 where it was answered here */
    struct slice reason;  /* why it was refused, or who closed a tunnel; a constant, may be empty */
    struct slice field;   /* the name of the one that a refusal is for; may be empty, and is as it was sent */
    unsigned close_code;  /* of a tunnel's end: the WebSocket close code that was seen first, or 0 */
};

/*
 * From now on to `fd`, taken over; -EBADF: nowhere. What was gathered goes to the one before. A pipe is written in whole
 * lines that fit it, and no kind of descriptor is ever waited for.
 */
void access_open(int fd);
void access_write(const struct access_line *line);

/* Writes what is gathered, as far as it can be written now: before the process ends. */
void access_flush(void);
