/*
 * What an assertion (a signed JWT) must say to be believed, between the supervisor and the verifier: IPC_VERIFIER.
 */
#pragma once

#include "base/limits.h"
#include "ipc/message.h"

struct assertion_rules {
    char issuer[LIMIT_CLAIM + 1];
    char audience[LIMIT_CLAIM + 1];
    char claim[LIMIT_NAME + 1]; /* that names the person */
    char url[LIMIT_CLAIM + 1];  /* where the keys are; empty: they come as a file, IPC_KEYS */
    bool has_ca;                /* and who may say so, in IPC_CA_FILE: when that has not come, nobody */
};

struct ipc_writer assertion_rules_encode(const struct assertion_rules *rules);
int assertion_rules_decode(struct ipc_message *m, struct assertion_rules *ret); /* 0 or -EPROTO */
