#include "names/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"

/* It is the system's directory once more, in one file that takes long to read. */
#define SYSTEM_BUNDLE TRUST_DIRECTORY "/ca-certificates.crt"

int trust_copy(const char *path, int *ret_fd) {
    _cleanup_close_ int from = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), copy = -EBADF;
    struct stat st;

    if (from < 0 || fstat(from, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size > LIMIT_CA_FILE)
        return -EINVAL;
    copy = memfd_create("certificates", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (copy < 0)
        return -errno;
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(copy, from, NULL, (size_t)left);

        if (n <= 0)
            return n < 0 ? -errno : -EIO; /* it has become shorter */
        left -= n;
    }
    if (fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    *ret_fd = fd_steal(&copy);
    return 0;
}

int trust_copy_named(int *ret_fd, char **ret_error) {
    const char *path = getenv("SSL_CERT_FILE");
    int r;

    if (!path || !*path || strcmp(path, SYSTEM_BUNDLE) == 0) {
        *ret_fd = -EBADF;
        return 0;
    }
    r = trust_copy(path, ret_fd);
    if (r < 0 &&
        asprintf(ret_error, "SSL_CERT_FILE: %s: %s; unset it, or name a file of certificates", path, strerror(-r)) < 0)
        *ret_error = NULL;
    return r;
}

const char *trust_named_directory(void) {
    const char *path = getenv("SSL_CERT_DIR");

    return path && *path ? path : NULL;
}

int trust_map(int fd, struct slice *ret) {
    struct stat st;
    char *bytes;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size <= 0 || st.st_size > LIMIT_CA_FILE)
        return -EINVAL;
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return -errno;
    *ret = slice_of(bytes, (size_t)st.st_size);
    return 0;
}

void trust_unmap(struct slice *certificates) {
    union {
        const char *from;
        char *to;
    } p = {certificates->p};

    if (certificates->n > 0)
        (void)munmap(p.to, certificates->n);
    *certificates = SLICE_EMPTY;
}
