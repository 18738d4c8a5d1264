/*
 * A trust store as Java reads it: PKCS#12 whose certificates have the attribute by which the JDK takes one for trusted.
 * Nothing in it is secret, so nothing is encrypted; the MAC is there because keytool asks for one. Used by authority.c.
 */
#pragma once

#include <openssl/x509.h>

#include "base/buf.h"

/*
 * Appends the store with `own` and those of `pem`; what cannot be read among these is passed over. 0, -ENOBUFS or
 * -ENOMEM.
 */
int java_store_write(X509 *own, struct slice pem, const char *password, struct buf *to);
