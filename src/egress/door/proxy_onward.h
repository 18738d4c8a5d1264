/*
 * A request as it leaves the proxy for a host that no lease is for: in origin-form, with the Host that was asked for,
 * without the fields of the hop, framed anew, and alone on its connection. Appends bytes, does no I/O.
 */
#pragma once

#include "base/buf.h"
#include "relay/upstream.h"

/* The head. 0 or -errno of wire/http_write.h. */
int proxy_onward_write(struct slice authority, const struct request_head *request, struct buf *to);

/* The first of the body behind it. 0, -ENOBUFS or -ENOMEM. */
int proxy_onward_body(struct http_framing framing, struct slice data, bool is_end, struct buf *to);
