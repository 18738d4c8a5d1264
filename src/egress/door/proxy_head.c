#include "egress/door/proxy_head.h"

#include "base/macros.h"
#include "wire/http_message.h"

/* Who speaks another protocol is known by his first byte, and is told so at once: he may wait for an answer. */
static const struct stranger {
    char first;
    struct slice reason;
} strangers[] = {
    {0x04, SLICE("this is an HTTP proxy, and what came is SOCKS 4")},
    {0x05, SLICE("this is an HTTP proxy, and what came is SOCKS 5")},
    {0x16, SLICE("this is an HTTP proxy without TLS of its own, and what came is TLS")},
};

static enum proxy_head_verdict refuse(struct problem *ret_why, unsigned status, struct slice reason,
                                      struct slice hint) {
    *ret_why = (struct problem){.status = status, .reason = reason, .hint = hint};
    return PROXY_HEAD_REFUSED;
}

static const struct stranger *find_stranger(struct slice in) {
    for (size_t i = 0; in.n > 0 && i < ARRAY_LEN(strangers); i++)
        if (in.p[0] == strangers[i].first)
            return &strangers[i];
    return NULL;
}

/* What the strict parser refused as a whole may have a plainer fault: in the target of a CONNECT. */
static enum connect_fault blame_target(struct slice in) {
    struct connect_target target;
    struct slice line = slice_from(in, sizeof("CONNECT ") - 1);
    size_t end = 0;

    if (!slice_starts_with(in, SLICE("CONNECT ")))
        return CONNECT_OK;
    while (end < line.n && line.p[end] != ' ' && line.p[end] != '\r' && line.p[end] != '\n')
        end++;
    return connect_target_parse(slice_first(line, end), 0, &target);
}

static struct slice mend_target(void) {
    return SLICE("ask for host:port, with a name as DNS has it or an address in its one form");
}

static enum proxy_head_verdict refuse_fault(struct slice in, enum http_fault fault, struct problem *ret_why) {
    enum connect_fault blamed = blame_target(in);

    if (slice_starts_with(in, SLICE("PRI * HTTP/2")))
        return refuse(ret_why, 400, SLICE("this is an HTTP/1.1 proxy, and what came is HTTP/2"),
                      SLICE("let the client speak HTTP/1.1 to its proxy"));
    if ((fault == HTTP_BAD_TARGET || fault == HTTP_BAD_REQUEST_LINE) && blamed != CONNECT_OK)
        return refuse(ret_why, 400, slice_of_string(connect_fault_reason(blamed)), mend_target());
    return refuse(ret_why, http_fault_status(fault), slice_of_string(http_fault_reason(fault)), SLICE_EMPTY);
}

/* RFC 9110 §11.7.2: of the hop, so nobody behind the proxy sees it. */
static struct slice find_credentials(const struct http_request *request) {
    const struct http_field *field = http_fields_find(&request->fields, HTTP_NAME_PROXY_AUTHORIZATION, 0, NULL);

    return field ? field->value : SLICE_EMPTY;
}

/* What undici 5.15, Debian's, sends with a CONNECT: who is asked, and not for what. The target alone counts. */
static bool is_ours(struct slice host) {
    return slice_starts_with(host, SLICE("127.0.0.1:"));
}

/* RFC 9112 §3.2.2 and §9.3.6: nothing may follow that could be taken for a body, and Host says the same. */
static enum proxy_head_verdict judge_connect(const struct http_request *request, struct proxy_ask *ask,
                                             struct problem *ret_why) {
    enum connect_fault fault = connect_target_parse(request->target, 0, &ask->target);
    struct http_framing framing;
    struct slice host = SLICE_EMPTY;

    if (fault != CONNECT_OK)
        return refuse(ret_why, 400, slice_of_string(connect_fault_reason(fault)), mend_target());
    if (http_request_framing(request, &framing) != HTTP_OK || framing.kind == HTTP_BODY_CHUNKED || framing.length > 0)
        return refuse(ret_why, 400, SLICE("a CONNECT with a body"), SLICE_EMPTY);
    if (http_host_check(request, &host) != HTTP_OK)
        return refuse(ret_why, 400, slice_of_string(http_fault_reason(HTTP_BAD_HOST)),
                      SLICE("send one Host with a CONNECT: that of its target"));
    if (host.n > 0 && !is_ours(host) && !http_authority_equals(host, request->target, ask->target.port))
        return refuse(ret_why, 400, SLICE("Host says something else than the target of the CONNECT"), SLICE_EMPTY);
    ask->is_connect = ask->is_tls = true;
    return PROXY_HEAD_WHOLE;
}

/* A request for somewhere: it says so itself, with an absolute target. */
static enum proxy_head_verdict judge_request(const struct http_request *request, struct proxy_ask *ask,
                                             struct problem *ret_why) {
    struct http_target target;
    enum http_fault fault = http_target_parse(request->method, request->target, &target);
    enum connect_fault where;

    if (fault != HTTP_OK)
        return refuse(ret_why, http_fault_status(fault), slice_of_string(http_fault_reason(fault)), SLICE_EMPTY);
    if (target.form != HTTP_TARGET_ABSOLUTE)
        return refuse(ret_why, 400, SLICE("this is a proxy, and the request does not say for which host it is"),
                      SLICE("use this address as HTTP_PROXY, and not as the API's own"));
    where = connect_target_parse(target.authority, target.default_port, &ask->target);
    if (where != CONNECT_OK)
        return refuse(ret_why, 400, slice_of_string(connect_fault_reason(where)), mend_target());
    ask->is_connect = false;
    ask->is_tls = target.default_port == 443;
    return PROXY_HEAD_WHOLE;
}

enum proxy_head_verdict proxy_head_read(struct http_head_scan *scan, struct slice in, struct proxy_ask *ret,
                                        size_t *ret_length, struct problem *ret_why) {
    _uninitialised_ struct http_request request;
    const struct stranger *stranger = find_stranger(in);
    enum http_fault fault = HTTP_OK;
    ptrdiff_t n;

    if (stranger)
        return refuse(ret_why, 400, stranger->reason, SLICE("let the client use it as http://, by HTTP_PROXY"));
    n = http_request_read(scan, in, &request, &fault);
    if (n == 0)
        return PROXY_HEAD_MORE;
    if (n < 0)
        return refuse_fault(in, fault, ret_why);
    *ret_length = (size_t)n;
    ret->credentials = find_credentials(&request);
    if (slice_equals(request.method, SLICE("CONNECT")))
        return judge_connect(&request, ret, ret_why);
    return judge_request(&request, ret, ret_why);
}
