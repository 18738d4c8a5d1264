/*
 * The words with which the proxy refuses what no lease and no way can serve, and the one line with which a tunnel
 * begins. They are sent by farewell.h. Pure.
 */
#pragma once

#include "egress/door/call.h"
#include "egress/door/proxy_route.h"
#include "relay/problem.h"

/* What is wrong with asking for a lease's `place` as it was: ROUTE_PLAIN or ROUTE_TLS. */
struct problem proxy_answer_scheme(enum proxy_route route, const struct proxy_place *place);

/* What the supervisor said; valid as long as the answer. */
struct problem proxy_answer_refused(const struct call_answer *answer, const struct proxy_place *place);

/* A request for https that should have been a CONNECT. */
struct problem proxy_answer_connect(void);

/* A placeholder stands in it. */
struct problem proxy_answer_betrayed(void);

/* What goes into the tunnel to the host of a lease, or of none, is no TLS. */
struct problem proxy_answer_not_tls(const struct proxy_place *place);

/* Too much is under way. */
struct problem proxy_answer_busy(void);

#define PROXY_ANSWER_CONNECTED SLICE("HTTP/1.1 200 Connection established\r\n\r\n")
