/*
 * Whether a client's certificate, which has been verified already, has one of the names of those who may enter, and
 * which it has. Pure. Called by the doorman after each handshake.
 */
#pragma once

#include <stddef.h>

#include "base/limits.h"

struct x509_st;

struct doorman_names {
    char at[LIMIT_TRUSTED_PEERS][LIMIT_HOST + 1]; /* lower case */
    size_t n;
};

#define CERTIFICATE_NAMES_MAX 256

/*
 * What names it has, for the log of one that may not enter: its DNS names, or its common name, what is not printable as
 * `?`, and cut; "no name" where there is none.
 */
void doorman_names_describe(const struct x509_st *certificate, char to[static CERTIFICATE_NAMES_MAX]);

/*
 * Compared are the certificate's DNS names, each as a whole, ASCII case not counting; a wildcard stands for nothing
 * but itself. Its common name counts only where the certificate has no alternative names at all (RFC 6125 §6.4.4). The
 * name that fits, of those in `names`, or NULL.
 */
const char *doorman_names_find(const struct doorman_names *names, const struct x509_st *certificate);
