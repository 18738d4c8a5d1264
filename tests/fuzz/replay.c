/*
 * Calls a fuzz target with every file of a folder: replay FOLDER. Any compiler builds it, so the corpus is a test
 * everywhere. Fails when there is nothing to replay.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "fuzz.h"

#define LIMIT_SEED (1024 * 1024)

/* In memory of exactly its size, so that a sanitizer sees the first byte read beyond it. */
static void replay(int folder, const char *name) {
    _cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    _cleanup_free_ char *file = malloc(LIMIT_SEED);
    _cleanup_free_ uint8_t *exact = NULL;
    ssize_t n;

    REQUIRE(fd >= 0 && file);
    n = fd_read_all(fd, file, LIMIT_SEED);
    REQUIRE(n >= 0 && n < LIMIT_SEED);
    exact = malloc(n > 0 ? (size_t)n : 1);
    REQUIRE(exact != NULL);
    memcpy(exact, file, (size_t)n);
    REQUIRE(LLVMFuzzerTestOneInput(exact, (size_t)n) == 0);
}

int main(int argc, char **argv) {
    size_t replayed = 0;
    DIR *folder;

    REQUIRE(argc == 2);
    folder = opendir(argv[1]);
    REQUIRE(folder != NULL);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        replay(dirfd(folder), entry->d_name);
        replayed++;
    }
    REQUIRE(closedir(folder) == 0);
    REQUIRE(replayed > 0);
    printf("%zu inputs\n", replayed);
    return 0;
}
