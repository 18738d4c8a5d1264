/*
 * struct front between the supervisor, which has the settings, and the dispatchers: IPC_FRONT, one datagram. The digest
 * comes by itself (IPC_DIGEST): has_digest is false after front_decode, and until it comes a front with a secret_header
 * trusts nobody. So a dispatcher that is told a new front uses it only when its digest has come too.
 */
#pragma once

#include "ingress/front/front.h"
#include "ipc/message.h"

struct ipc_writer front_encode(const struct front *front);
int front_decode(struct ipc_message *m, struct front *ret); /* 0 or -EPROTO; `*ret` is untouched then */
