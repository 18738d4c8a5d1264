/*
 * Opens a TCP connection to one of several addresses of one host: IPv6 and IPv4 raced as RFC 8305 says, each next one
 * 250 ms after the last or as soon as one fails; the first that connects wins and the others are closed. Connects to
 * exactly the addresses it is given: resolving and judging them is its caller's business.
 */
#pragma once

#include <stddef.h>

#include "base/limits.h"
#include "net/address.h"
#include "net/loop.h"

struct dial;

/* `fd` is a connected, non-blocking socket, now the owner's; or the -errno of the last attempt. The dial is gone. */
typedef void dial_done(void *owner, int fd);

/* `n` is 1 to LIMIT_ADDRESSES. `done` is called later, from the loop, exactly once unless dial_cancel comes first. */
int dial_start(const struct address *addresses, size_t n, dial_done *done, void *owner, struct dial **ret);

/* Closes every attempt; `done` will not be called. NULL is fine. */
void dial_cancel(struct dial *dial);
