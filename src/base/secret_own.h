/* What a secret is, between base/secret.c and base/secret_vault.c alone; everybody else has secret_view. */
#pragma once

#include "base/secret.h"

struct secret_region;

struct secret {
    char *memory;
    size_t n;
    struct secret_region *region; /* in which it lies with others; NULL: alone */
};

/* `n` bytes of memfd_secret's memory: close-on-exec, not mapped. -ENOSYS where the kernel has none, -errno. */
int secret_memory_open(size_t n);

/* Wipes its slots, and gives the region back when it is empty. */
void secret_vault_leave(struct secret *s);
