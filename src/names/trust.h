/*
 * Whom a role believes that a server is who it says: the certificates that its supervisor hands it, both ends of that.
 * A role reads the system's directory itself, one certificate at a time as it needs them; every other file is copied
 * and sealed by the supervisor, so that a role that is started again trusts whom the one before it did, whatever has
 * become of the file. Takes no certificate apart. Used by the supervisors, the keeper, the verifier and the link.
 */
#pragma once

#include "base/slice.h"

/* What stands in it: hashed links, and on Debian they lead there. */
#define TRUST_DIRECTORY "/etc/ssl/certs"
#define TRUST_LINKED "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"

/* In the supervisor: a sealed copy of a file of certificates. `*ret_fd` is the caller's. 0, -EINVAL or -errno. */
int trust_copy(const char *path, int *ret_fd);

/*
 * In the supervisor: $SSL_CERT_FILE and $SSL_CERT_DIR name other certificates to trust, as for every program that
 * checks them (SSL_CTX_set_default_verify_paths(3)). The file is for IPC_TRUST: 0 with a copy of it, or -EBADF where
 * none is named, which is the caller's; or -errno with `*ret_error`, one line for a person (NULL without memory).
 */
int trust_copy_named(int *ret_fd, char **ret_error);

/* The directory is a role's argument: $SSL_CERT_DIR, or NULL where none is named: then the role takes its own. */
const char *trust_named_directory(void);

/* In the role: what the supervisor has copied, until trust_unmap. 0, -EINVAL or -errno. */
int trust_map(int fd, struct slice *ret);
void trust_unmap(struct slice *certificates);
