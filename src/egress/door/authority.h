/*
 * The certificate authority of one holder of leases, in its relay with a proxy and nowhere else. It is made once, signs
 * a certificate for each host of the leases, and its key is destroyed before anybody can ask for another one: nothing
 * that could be stolen later is good for a host that no lease has. Should that fail, its own certificate says the same:
 * it is constrained to those hosts (RFC 5280 §4.2.1.10), valid hardly longer than the leases, and for servers alone.
 * (Java asks no such question of whom it was told to trust.)
 *
 * All certificates share one key, P-256, in locked memory, which never leaves it.
 */
#pragma once

#include "egress/door/place_codec.h"
#include "net/tls_terminate.h"

struct authority;

/* Starts the library and locks memory for keys. Once, before the sandbox closes (role.prepare). 0 or -ENOMEM. */
int authority_prepare(void);

/*
 * For the hosts of those `places` that are TLS, each of them lower case, as often as it comes; none at all is fine.
 * Copies what it needs. 0, -EINVAL (a host that no certificate can name) or -ENOMEM.
 */
int authority_new(const struct door_place *places, size_t n, uint64_t life_ms, struct authority **ret);

/* NULL is fine. Streams under way go on. */
void authority_free(struct authority *authority);

/* What ends TLS for `host` (lower case, no brackets); NULL for a host of no place. Not the caller's. */
struct tls_terminator *authority_terminator(const struct authority *authority, struct slice host);

/* Its own certificate, PEM, in fresh sealed memory for IPC_AUTHORITY. `*ret_fd` is the caller's. 0 or -errno. */
int authority_certificate(const struct authority *authority, int *ret_fd);

/*
 * Likewise a trust store for Java (PKCS#12, password DOORS_JAVA_PASSWORD), with the certificates of `pem` beside it:
 * one that cannot be read is passed over. 0 or -errno.
 */
int authority_java(const struct authority *authority, struct slice pem, int *ret_fd);

/*
 * IPC_PROXY: makes it, and answers with each part that is wanted, the certificate last. 0 with `*ret` the caller's,
 * -EPROTO or -errno.
 */
int authority_take_order(struct ipc_message *m, const struct door_place *places, size_t n, struct authority **ret);
