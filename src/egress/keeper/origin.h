/*
 * The one authority that a credential may reach, as it is reached in one identity's name: a few warm connections, the
 * TLS sessions to resume, and how a new connection is made (resolve, judge every address, connect to a judged one,
 * shake hands, verify). Nothing of it is shared between identities.
 */
#pragma once

#include "egress/keeper/held.h"
#include "relay/client.h"

struct origin;
struct origin_attempt;

/* `held` is defined, has its TLS context where it needs one, and outlives it. NULL without memory. */
struct origin *origin_new(const struct held *held, uint64_t connect_timeout_ms);
void origin_free(struct origin *origin);

/* The warm connection used last, or NULL. It is the caller's, who sets its owner and step function. */
struct client *origin_take(struct origin *origin);

/* A connection after an exchange: kept for the next one when it is clean and there is room, else closed. */
void origin_give_back(struct origin *origin, struct client *client);

/* `client` is the callee's, or NULL, and then `status` (502 or 504) and the constant `reason` say why. */
typedef void origin_connected(void *owner, struct client *client, unsigned status, const char *reason);

/* `done` is called once from the loop unless origin_cancel comes first. NULL without memory. */
struct origin_attempt *origin_connect(struct origin *origin, origin_connected *done, void *owner);
void origin_cancel(struct origin_attempt *attempt);
