#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/secret_own.h"

/* FD_CLOEXEC is the one flag memfd_secret knows (memfd_secret(2)); glibc 2.36 has no wrapper. */
static int open_memfd_secret(void) {
    int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int secret_memory_open(size_t n) {
    _cleanup_close_ int fd = open_memfd_secret();

    if (fd < 0)
        return fd;
    return ftruncate(fd, (off_t)n) < 0 ? -errno : fd_steal(&fd);
}

static int open_memory(size_t n, bool *ret_is_secret) {
    _cleanup_close_ int fd = secret_memory_open(n);

    *ret_is_secret = fd >= 0;
    if (fd >= 0)
        return fd_steal(&fd);
    fd = memfd_create("credfd-secret", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 || ftruncate(fd, (off_t)n) < 0 ? -errno : fd_steal(&fd);
}

int secret_seal(struct slice bytes, int *ret_fd) {
    _cleanup_close_ int fd = -EBADF;
    bool is_secret;
    char *memory;

    if (bytes.n == 0 || bytes.n > LIMIT_SECRET)
        return -EINVAL;
    fd = open_memory(bytes.n, &is_secret);
    if (fd < 0)
        return fd;
    memory = mmap(NULL, bytes.n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    memcpy(memory, bytes.p, bytes.n);
    (void)munmap(memory, bytes.n);
    if (!is_secret && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return -errno;
    *ret_fd = fd_steal(&fd);
    return 0;
}

int secret_open(int fd_given, struct secret **ret) {
    _cleanup_close_ int fd = fd_given;
    struct secret *s;
    struct stat st;
    char *memory;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size <= 0 || st.st_size > LIMIT_SECRET)
        return -EINVAL;
    memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    /* both are given by memfd_secret itself; for the memfd of an older kernel they must be asked for */
    (void)madvise(memory, (size_t)st.st_size, MADV_DONTDUMP);
    (void)mlock(memory, (size_t)st.st_size);
    s = malloc(sizeof(*s));
    if (!s) {
        (void)munmap(memory, (size_t)st.st_size);
        return -ENOMEM;
    }
    *s = (struct secret){.memory = memory, .n = (size_t)st.st_size};
    *ret = s;
    return 0;
}

void secret_free(struct secret *s) {
    if (!s)
        return;
    if (s->region)
        secret_vault_leave(s);
    else
        (void)munmap(s->memory, s->n);
    free(s);
}

void secret_free_pointer(struct secret **s) {
    secret_free(*s);
}

struct slice secret_view(const struct secret *s) {
    return slice_of(s->memory, s->n);
}

bool secret_equals(const struct secret *s, struct slice candidate) {
    unsigned char difference = s->n != candidate.n;

    for (size_t i = 0; i < candidate.n; i++)
        difference |= (unsigned char)(candidate.p[i] ^ s->memory[i % s->n]);
    return difference == 0;
}

int secret_memory_is_secret(void) {
    _cleanup_close_ int fd = open_memfd_secret();

    return fd < 0 ? fd : 0;
}
