#include "secrets/source_digest.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <sys/mman.h>

#include "base/fd.h"

int source_digest_seal(struct slice secret, int *ret_fd) {
    _cleanup_close_ int fd = memfd_create("digest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    uint8_t digest[SOURCE_DIGEST];
    struct sha256_ctx context;
    int r;

    if (fd < 0)
        return -errno;
    sha256_init(&context);
    sha256_update(&context, secret.n, (const uint8_t *)secret.p);
    sha256_digest(&context, SHA256_DIGEST_SIZE, digest);
    explicit_bzero(&context, sizeof(context));
    r = fd_write_all(fd, digest, sizeof(digest));
    if (r < 0)
        return r;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    *ret_fd = fd_steal(&fd);
    return 0;
}
