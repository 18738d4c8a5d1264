/*
 * A recipe between the supervisor, which reads its file, and the roles that use it: IPC_RECIPE, one datagram.
 */
#pragma once

#include "ingress/pairing/recipe.h"
#include "ipc/message.h"

struct ipc_writer recipe_encode(const struct recipe *recipe);

/* `*ret` is the caller's, all its strings its own. 0, -EPROTO (nothing is left to free) or -ENOMEM. */
int recipe_decode(struct ipc_message *m, struct recipe *ret);
