#include "proc/place.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int place_find(const char *installed, char *path, size_t size) {
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    char *slash;
    int length;

    if (n < 0)
        return -errno;
    program[n] = '\0';
    slash = strrchr(program, '/');
    if (!slash)
        return -ENOENT;
    *slash = '\0';
    length = snprintf(path, size, "%s", strcmp(program, CREDFD_BINDIR) == 0 ? installed : program);
    return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}
