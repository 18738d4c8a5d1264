#include "egress/door/proxy_answer.h"

#include "egress/door/turn_away.h"

static const char *lease_of(const struct proxy_place *place) {
    return place ? place->inside.lease : NULL;
}

struct problem proxy_answer_scheme(enum proxy_route route, const struct proxy_place *place) {
    if (route == ROUTE_PLAIN)
        return (struct problem){.status = 403,
                                .lease = lease_of(place),
                                .rule = SLICE("upstream"),
                                .reason = SLICE("TLS was asked for, and this lease's upstream is http"),
                                .hint = SLICE("use http:// for this host")};
    return (struct problem){.status = 403,
                            .lease = lease_of(place),
                            .rule = SLICE("upstream"),
                            .reason = SLICE("plain HTTP was asked for, and this lease's upstream is https"),
                            .hint = SLICE("use https:// for this host")};
}

struct problem proxy_answer_refused(const struct call_answer *answer, const struct proxy_place *place) {
    return (struct problem){.status = answer->status >= 400 ? answer->status : 503,
                            .lease = lease_of(place),
                            .rule = answer->rule,
                            .reason = answer->reason,
                            .hint = answer->hint};
}

struct problem proxy_answer_connect(void) {
    return (struct problem){.status = 400,
                            .reason = SLICE("a request for https to another host is made by CONNECT"),
                            .hint = SLICE("let the client open a tunnel, as clients do for HTTPS_PROXY")};
}

struct problem proxy_answer_betrayed(void) {
    return (struct problem){.status = 403,
                            .rule = turn_away_rule(AWAY_BETRAYED),
                            .reason = SLICE("the placeholder of a lease stands where it does not belong"),
                            .hint = turn_away_hint(AWAY_BETRAYED)};
}

struct problem proxy_answer_not_tls(const struct proxy_place *place) {
    return (struct problem){.status = 403,
                            .lease = lease_of(place),
                            .rule = SLICE("upstream"),
                            .reason = SLICE("what came through the tunnel is no TLS: only https goes by CONNECT"),
                            .hint = SLICE("use https:// for this host")};
}

struct problem proxy_answer_busy(void) {
    return (struct problem){.status = 503, .reason = SLICE("too much is under way at this proxy")};
}
