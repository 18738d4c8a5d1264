#include "egress/door/proxy_tell.h"

#include <errno.h>

#include "base/limits.h"
#include "egress/refusal.h"
#include "proc/role.h"

static const enum refusal refusals[] = {
    [PROXY_SERVED] = REFUSAL_NONE,           [PROXY_MALFORMED] = REFUSAL_MALFORMED,
    [PROXY_TOO_LARGE] = REFUSAL_TOO_LARGE,   [PROXY_NO_MEMORY] = REFUSAL_NO_MEMORY,
    [PROXY_BROKEN] = REFUSAL_UPSTREAM,       [PROXY_LATE] = REFUSAL_UPSTREAM_TIMEOUT,
    [PROXY_BETRAYED] = REFUSAL_EXFILTRATION, [PROXY_NOT_TLS] = REFUSAL_NOT_TLS,
};

struct slice proxy_outcome_rule(enum proxy_outcome outcome) {
    return refusal_text(refusals[outcome])->rule;
}

struct slice proxy_outcome_hint(enum proxy_outcome outcome) {
    return refusal_text(refusals[outcome])->hint;
}

void proxy_tell_used(uint64_t way, const struct proxy_use *use) {
    struct ipc_writer w = ipc_begin(IPC_WAY_USED);

    ipc_put_u64(&w, way);
    ipc_put_u8(&w, (uint8_t)refusals[use->outcome]);
    ipc_put_u16(&w, (uint16_t)use->status);
    ipc_put_u64(&w, use->bytes_in);
    ipc_put_u64(&w, use->bytes_out);
    ipc_put_bytes(&w, use->method);
    ipc_put_bytes(&w, use->path);
    ipc_put_bytes(&w, slice_first(use->reason, LIMIT_REASON));
    role_send(&w, -EBADF);
}

void proxy_tell_closed(uint64_t way) {
    struct ipc_writer w = ipc_begin(IPC_WAY_CLOSED);

    ipc_put_u64(&w, way);
    role_send(&w, -EBADF);
}

void proxy_tell_unserved(uint64_t stream) {
    struct ipc_writer w = ipc_begin(IPC_STREAM_ENDED);

    ipc_put_u64(&w, stream);
    role_send(&w, -EBADF);
}
