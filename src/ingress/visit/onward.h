/*
 * The head that an instance gets: the request as the browser sent it, Host and Origin among it, what a front proxy says
 * of where it comes from, and a framing of our own. Called by the visit, once for each request that is passed on.
 */
#pragma once

#include "base/buf.h"
#include "ingress/front/front.h"

struct onward {
    const struct front *front;
    const struct peer *peer;
    const char *identity_header; /* in which the instance is told the name; NULL: it is not */
    const char *name;
    bool drops_encodings; /* the answer must come as it is: something may be added to it */
};

/* Appends head and `data`, the first of the body, framed. 0 or -errno of wire/http_write.h. */
int onward_write(const struct onward *how, const struct request_head *request, struct slice data, bool is_end,
                 struct buf *to);
