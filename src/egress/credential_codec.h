/*
 * Settings on their way from the supervisor to its roles: a credential, all of it but the secret, which travels alone;
 * and the timeouts.
 */
#pragma once

#include "egress/settings.h"
#include "ipc/message.h"

struct ipc_writer credential_encode(uint32_t id, const struct credential *credential);

/*
 * An own copy, to be freed by credential_free: name, upstream, authority, inject, allow, allows_private, timeout. What
 * only the supervisor needs (env, the secret's source) stays behind. 0, -EPROTO or -ENOMEM.
 */
int credential_decode(struct ipc_message *m, uint32_t *ret_id, struct credential **ret);
void credential_free(struct credential *credential);

struct ipc_writer timeouts_encode(const struct timeouts *timeouts);
int timeouts_decode(struct ipc_message *m, struct timeouts *ret);
