/*
 * The certificates of an authority for one holder's leases (egress/door/authority.h), and their keys: what stands in
 * each, and which extensions are there because somebody's verifier insists on them. Keeps nothing. Used by authority.c
 * and its tests.
 */
#pragma once

#include <openssl/x509.h>
#include <stdint.h>

#include "base/slice.h"

/* P-256; its secret half lies in the library's locked memory. NULL without memory. */
EVP_PKEY *authority_key_new(void);

/*
 * A certificate that signs itself, constrained to `hosts`: names in lower case, or addresses. 0 with `*ret` the
 * caller's; -EINVAL (a host that no certificate can name) or -ENOMEM.
 */
int authority_certificate_new(EVP_PKEY *key, const struct slice *hosts, size_t n, uint64_t life_ms, X509 **ret);

/* The authority's certificate for one host, for `key`, valid as long as the authority's own. As above. */
int host_certificate_new(X509 *authority, EVP_PKEY *authority_key, EVP_PKEY *key, struct slice host, X509 **ret);
