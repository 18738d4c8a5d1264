#include "egress/desk/certificates.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/macros.h"
#include "names/trust.h"

struct certificates {
    struct certificates **shelf, *next;
    size_t refs;
    int fd;
    struct stat original; /* before it was copied: what has changed since is another state */
    char path[];
};

static bool is_same_time(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           is_same_time(&a->st_mtim, &b->st_mtim) && is_same_time(&a->st_ctim, &b->st_ctim);
}

static struct certificates *find(struct certificates *shelf, const char *path, const struct stat *original) {
    struct certificates *one = shelf;

    while (one && !(strcmp(one->path, path) == 0 && is_same_file(&one->original, original)))
        one = one->next;
    return one;
}

static int copy(struct certificates **shelf, const char *path, const struct stat *original, struct certificates **ret) {
    size_t n = strlen(path) + 1;
    struct certificates *fresh = malloc(sizeof(*fresh) + n);
    int r;

    if (!fresh)
        return -ENOMEM;
    *fresh = (struct certificates){.shelf = shelf, .next = *shelf, .refs = 1, .fd = -EBADF, .original = *original};
    memcpy(fresh->path, path, n);
    r = trust_copy(path, &fresh->fd);
    if (r < 0) {
        free(fresh);
        return r;
    }
    *shelf = fresh;
    *ret = fresh;
    return 0;
}

int certificates_get(struct certificates **shelf, const char *path, struct certificates **ret) {
    struct certificates *one;
    struct stat original;

    if (stat(path, &original) < 0)
        return -errno;
    one = find(*shelf, path, &original);
    if (!one)
        return copy(shelf, path, &original, ret);
    one->refs++;
    *ret = one;
    return 0;
}

void certificates_unref(struct certificates *certificates) {
    struct certificates **at;

    if (!certificates || --certificates->refs > 0)
        return;
    for (at = certificates->shelf; *at != certificates;)
        at = &(*at)->next;
    *at = certificates->next;
    fd_close(&certificates->fd);
    free(certificates);
}

int certificates_fd(const struct certificates *certificates) {
    return certificates ? certificates->fd : -EBADF;
}
