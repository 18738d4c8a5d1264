/*
 * Settings on their way from the supervisor to its roles: to the keeper a credential, all of it but the secret, which
 * travels alone; to a relay what its door is for; and the timeouts to both.
 */
#pragma once

#include "base/limits.h"
#include "egress/settings/settings.h"
#include "ipc/message.h"

struct ipc_writer credential_encode(uint32_t id, const struct credential *credential);

/*
 * An own copy, to be freed by credential_free: all that the keeper needs. What only the supervisor does (the secret's
 * source, executables, env, ca_file) stays behind. 0, -EPROTO or -ENOMEM.
 */
int credential_decode(struct ipc_message *m, uint32_t *ret_id, struct credential **ret);
void credential_free(struct credential *credential);

/* One end of a lease channel, as the relay is given it. */
struct door_order {
    uint32_t number;
    struct slice lease;
    struct slice fields[LIMIT_INJECTIONS]; /* that the keeper writes: no Connection of the workload's may name them */
    size_t n_fields;
    int fd;
};

struct ipc_writer door_encode(uint32_t number, const struct credential *credential);

/* The slices look into the message, `fd` is the caller's. 0 or -EPROTO. */
int door_decode(struct ipc_message *m, struct door_order *ret);

struct ipc_writer timeouts_encode(const struct timeouts *timeouts);
int timeouts_decode(struct ipc_message *m, struct timeouts *ret);
