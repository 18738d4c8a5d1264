#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

#define PAGE ((uintptr_t)4096) /* where pages are larger the kernel refuses, and nothing is lost */

void pages_give_back(char *memory, size_t n) {
    size_t before = (size_t)(-(uintptr_t)memory & (PAGE - 1));

    if (n > before)
        (void)madvise(memory + before, (n - before) & ~(PAGE - 1), MADV_DONTNEED);
}
