#include "fleet/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int sealed_map(int fd, size_t max, struct slice *ret) {
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;
    void *memory;

    /* whoever could still shrink it could have us read behind its end */
    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0)
        return -EBADMSG;
    if (st.st_size <= 0 || (size_t)st.st_size > max)
        return -EBADMSG;
    memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    *ret = slice_of(memory, (size_t)st.st_size);
    return 0;
}

void sealed_unmap(struct slice *bytes) {
    union {
        const char *from;
        void *to;
    } memory = {.from = bytes->p};

    if (bytes->n > 0)
        (void)munmap(memory.to, bytes->n);
    *bytes = SLICE_EMPTY;
}
