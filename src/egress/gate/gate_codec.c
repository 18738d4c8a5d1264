#include "egress/gate/gate_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum { HAS_RULE = 1, IS_FIRST = 2, IS_LAST = 4, IS_WILDCARD = 8, IS_SPECIAL = 16, ALL_FLAGS = 31 };

struct ipc_writer gate_encode(const struct gate_rule *rule, bool is_first, bool is_last) {
    struct ipc_writer w = ipc_begin(IPC_GATE);

    ipc_put_u8(&w, (uint8_t)(HAS_RULE | (is_first ? IS_FIRST : 0) | (is_last ? IS_LAST : 0) |
                             (rule->is_wildcard ? IS_WILDCARD : 0) | (rule->is_special ? IS_SPECIAL : 0)));
    ipc_put_u16(&w, rule->port);
    ipc_put_bytes(&w, slice_of_string(rule->host));
    return w;
}

struct ipc_writer gate_encode_none(void) {
    struct ipc_writer w = ipc_begin(IPC_GATE);

    ipc_put_u8(&w, IS_FIRST | IS_LAST);
    ipc_put_u16(&w, 0);
    ipc_put_bytes(&w, SLICE_EMPTY);
    return w;
}

int gate_decode(struct ipc_message *m, struct gate_rule *ret, bool *ret_has_rule, bool *ret_first, bool *ret_last) {
    uint8_t flags = ipc_get_u8(m);
    struct gate_rule rule = {.port = ipc_get_u16(m)};
    struct slice host = ipc_get_bytes(m, LIMIT_HOST);
    bool has_rule = flags & HAS_RULE;

    if (ipc_end(m) < 0 || (flags & ~ALL_FLAGS) || has_rule != (host.n > 0) || slice_has(host, '\0') ||
        (!has_rule && flags != (IS_FIRST | IS_LAST)))
        return -EPROTO;
    if (has_rule) {
        rule.host = strndup(host.p, host.n);
        if (!rule.host)
            return -ENOMEM;
    }
    rule.is_wildcard = flags & IS_WILDCARD;
    rule.is_special = flags & IS_SPECIAL;
    *ret = rule;
    *ret_has_rule = has_rule;
    *ret_first = flags & IS_FIRST;
    *ret_last = flags & IS_LAST;
    return 0;
}
