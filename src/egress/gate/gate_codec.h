/*
 * The hosts that are let through, on their way from the supervisor to the gate: IPC_GATE, one for each rule, the last
 * marked; again from the first on, all of them, when the configuration was read again.
 */
#pragma once

#include "egress/settings/settings.h"
#include "ipc/message.h"

struct ipc_writer gate_encode(const struct gate_rule *rule, bool is_first, bool is_last);

/* A gate without rules, for who has none: it lets nobody through. */
struct ipc_writer gate_encode_none(void);

/* `*ret`'s host is the caller's; `*ret_has_rule` is false for gate_encode_none. 0, -EPROTO or -ENOMEM. */
int gate_decode(struct ipc_message *m, struct gate_rule *ret, bool *ret_has_rule, bool *ret_first, bool *ret_last);
