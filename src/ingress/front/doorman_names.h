/*
 * Whether a client's certificate, which has been verified already, has one of the names of those who may enter. Pure.
 * Called by the doorman after each handshake.
 */
#pragma once

#include <stddef.h>

#include "base/limits.h"

struct x509_st;

struct doorman_names {
    char at[LIMIT_TRUSTED_PEERS][LIMIT_HOST + 1]; /* lower case */
    size_t n;
};

/*
 * Compared are the certificate's DNS names, each as a whole, ASCII case not counting; a wildcard stands for nothing
 * but itself. Its common name counts only where the certificate has no alternative names at all (RFC 6125 §6.4.4). The
 * name that fits, of those in `names`, or NULL.
 */
const char *doorman_names_find(const struct doorman_names *names, const struct x509_st *certificate);
