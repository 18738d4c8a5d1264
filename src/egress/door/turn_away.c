#include "egress/door/turn_away.h"

#include "base/limits.h"
#include "egress/refusal.h"
#include "proc/role.h"

static const enum refusal refusals[] = {
    [AWAY_MALFORMED] = REFUSAL_MALFORMED, [AWAY_SCHEME] = REFUSAL_SCHEME,   [AWAY_BETRAYED] = REFUSAL_EXFILTRATION,
    [AWAY_BUSY] = REFUSAL_NO_MEMORY,      [AWAY_NOT_TLS] = REFUSAL_NOT_TLS, [AWAY_DISTRUSTED] = REFUSAL_DISTRUSTED,
};

void turn_away_tell(const struct caller *caller, const struct turned_away *what) {
    struct ipc_writer w = ipc_begin(IPC_TURNED_AWAY);

    ipc_put_u64(&w, what->stream);
    ipc_put_u32(&w, what->door);
    ipc_put_u16(&w, caller->port_from);
    ipc_put_u16(&w, caller->port_to);
    ipc_put_u32(&w, (uint32_t)caller->pid);
    ipc_put_u8(&w, (uint8_t)refusals[what->why]);
    ipc_put_u16(&w, (uint16_t)what->status);
    ipc_put_bytes(&w, slice_first(what->method, LIMIT_METHOD));
    ipc_put_bytes(&w, slice_first(what->authority, LIMIT_AUTHORITY));
    ipc_put_bytes(&w, slice_first(what->path, LIMIT_TARGET));
    ipc_put_bytes(&w, slice_first(what->reason, LIMIT_REASON));
    role_send(&w, caller->pidfd);
}

struct slice turn_away_rule(enum turn_away_why why) {
    return refusal_text(refusals[why])->rule;
}

struct slice turn_away_hint(enum turn_away_why why) {
    return refusal_text(refusals[why])->hint;
}
