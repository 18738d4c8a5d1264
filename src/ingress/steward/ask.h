/*
 * One question to an instance: does it accept a connection, and, with a path, what does it answer to a GET of it. On a
 * connection of its own each time (pairing/instance_call.h), without a cookie.
 */
#pragma once

#include "ingress/pairing/instance_call.h"

/*
 * `path` empty: a connection will do. It is over within `within_ms`, or twice that where an instance takes its time to
 * accept too. As instance_call_start for the rest: 0 or -ENOMEM.
 */
int ask_start(const struct instance *instance, struct slice path, uint64_t within_ms, call_done *done, void *owner,
              struct instance_call **ret);
