#include "egress/door/proxy_hello.h"

#include "base/weaken.h"

/* RFC 8446 §6: a fatal alert, as a record of its own. */
#define ALERT_HANDSHAKE_FAILURE "\x28"
#define ALERT_DECODE_ERROR "\x32"
#define ALERT_UNRECOGNIZED_NAME "\x70"

static const char *judge_name(const struct client_hello *hello, const struct connect_target *target) {
    struct slice name = client_hello_name(hello);

    if (hello->has_ech)
        return "its ClientHello may name another host than the one that is seen (ECH): turn ECH off in the client, "
               "GREASE included, which looks the same";
    if (target->is_address)
        return hello->has_name && !slice_equals(name, connect_target_host(target))
                   ? "its ClientHello names a host, where an address was asked for"
                   : NULL;
    if (!hello->has_name)
        return "its ClientHello names no host (SNI), so nobody can see whom it is for";
    return slice_equals_nocase(name, connect_target_host(target))
               ? NULL
               : "its ClientHello names another host than the one that was asked for";
}

enum proxy_hello proxy_hello_judge(struct client_hello *hello, struct slice in, const struct connect_target *target,
                                   const char **ret_reason) {
    const char *reason = NULL;

    switch (client_hello_read(hello, in)) {
    case CLIENT_HELLO_MORE:
        return HELLO_MORE;
    case CLIENT_HELLO_WHOLE:
        reason = judge_name(hello, target);
        break;
    case CLIENT_HELLO_NOT_TLS:
        reason = "what came through the tunnel is no TLS: only https goes by CONNECT";
        break;
    case CLIENT_HELLO_LONG:
        reason = "its ClientHello is longer than any that is known";
        break;
    case CLIENT_HELLO_BAD:
        reason = hello->fault;
        break;
    }
    if (!reason || WEAKENED(HELLO))
        return HELLO_GOOD;
    *ret_reason = reason;
    return HELLO_WRONG;
}

struct slice proxy_hello_alert(const struct client_hello *hello) {
    if (hello->fault)
        return SLICE("\x15\x03\x03\x00\x02\x02" ALERT_DECODE_ERROR);
    if (hello->has_ech)
        return SLICE("\x15\x03\x03\x00\x02\x02" ALERT_HANDSHAKE_FAILURE);
    return SLICE("\x15\x03\x03\x00\x02\x02" ALERT_UNRECOGNIZED_NAME);
}
