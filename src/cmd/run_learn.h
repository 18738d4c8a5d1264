/*
 * `credfd run --learn FILE`: everything within the upstreams is allowed for one run, deny rules and the gate's rules but
 * for that as they are, and in the end the narrowest rules that cover the run are written to FILE, for a person to read.
 * In the supervisor. Used by `credfd run`.
 */
#pragma once

#include "egress/audit/audit_codec.h"
#include "egress/settings/settings.h"

struct learning;

/*
 * Makes FILE, which must not be there yet, and says out loud what is going to be allowed. Before anything runs. 0 with
 * `*ret` the caller's, given back to learning_finish; or -errno, which has been logged.
 */
int learning_open(const char *path, struct learning **ret);

/* Each credential of the settings allows everything. After each reading of them, before the broker has them. */
void learning_allow_all(struct settings *settings);

/* As broker_owner.exchange: an exchange on a lease of `name` is over. */
void learning_take(struct learning *learning, const char *name, const struct exchange_record *record);

/* As broker_owner.way: a connection to a host without a lease is over, or was refused. `authority` is host and port. */
void learning_take_way(struct learning *learning, const char *authority, const struct exchange_record *record);

/* Writes FILE and says where it is; where nothing was taken there is none. Frees it, NULL is fine. */
void learning_finish(struct learning *learning);
