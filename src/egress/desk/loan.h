/*
 * What a loan (egress/desk/broker.h) is made into: a credential of its own, with the terms' rules and the loan's upstream,
 * checked as one of the configuration is. Knows no process, maps no key. Called by the broker alone.
 */
#pragma once

#include "egress/desk/broker.h"

/* 0 with `*ret` the caller's, for loan_credential_free; -EINVAL, or -ENOMEM. */
int loan_credential(const struct loan *loan, struct credential **ret);
void loan_credential_free(struct credential *credential);

/*
 * Whether nobody can make the memory that the key is in shorter while the keeper looks at it: what base/secret.h seals,
 * of 1 to LIMIT_SECRET bytes.
 */
bool loan_is_key(int fd);
