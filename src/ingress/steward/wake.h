/*
 * Starts instances and stops them: one start at a time for each, by systemd or by a command that the supervisor runs.
 * A start is over when the instance accepts a connection. Whoever asks meanwhile is answered at once. That an instance
 * may be stopped is rest.h's to say.
 */
#pragma once

#include "ingress/peer_role.h"
#include "ingress/steward/steward_codec.h"
#include "ingress/steward/ward.h"

/* From now on; what is under way goes on as it began. */
void wake_set_rules(const struct steward_rules *rules);
const struct steward_rules *wake_rules(void);

/* Somebody wants it, and it did not answer. With WAKE_FAILED `*ret_reason` is valid until the next call. */
enum wake_state wake(struct ward *ward, const char **ret_reason);

/* The supervisor has run that command. */
void wake_command_done(uint32_t number, enum command_end end, uint32_t wait_status);

/* Whether it could be stopped, and started again. */
bool wake_may_stop(const struct ward *ward);

/*
 * Nobody seems to use it: asks its activity URL, where there is one, then `is_idle` once more, and stops it. The ward
 * must be AT_REST.
 */
void wake_stop_if(struct ward *ward, bool (*is_idle)(const struct ward *ward));

/* Whatever is under way for it is none of our business any more. */
void wake_forget(struct ward *ward);
