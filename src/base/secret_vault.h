/*
 * Many secrets in few pieces of secret memory. Each piece of such memory is locked, and what one process may lock is
 * limited (RLIMIT_MEMLOCK): a keeper of thousands of keys that locked a page for each would soon have no room for one
 * more.
 *
 * A region has slots. It is only readable but for the moment in which something is put in or wiped; a page that cannot
 * be touched lies on both sides of it; it is in no core and no child. A slot is wiped when its secret is freed, and a
 * region without secrets is gone. Nobody but the keeper has any, and nobody else maps one.
 *
 * A secret that lies there outlives its process if somebody keeps the region's descriptor: who started the process,
 * and hands it to the next one together with the places.
 */
#pragma once

#include <stdint.h>

#include "base/secret.h"

struct secret_place {
    uint32_t region;
    uint16_t slot;
    uint16_t n; /* bytes; 0: it lies in no region */
};

/*
 * As secret_open, for one of many: takes `fd` over, and a short one is copied into a region. 0, -EAGAIN (no more memory
 * may be locked: shortage_of_locked_memory), -EINVAL, -errno.
 */
int secret_gather(int fd, struct secret **ret);
struct secret_place secret_place(const struct secret *s);

/* Called with each region that is made (`fd` is closed afterwards), and with -EBADF when it is gone. */
void secret_vault_tell(void (*tell)(uint32_t region, int fd));

/* Of a process before this one, and before anything is gathered: takes `fd` over. 0 or -errno. */
int secret_vault_adopt(uint32_t number, int fd);

/* What that process had at a place. 0, -EINVAL (there is none, or somebody has it), -ENOMEM. */
int secret_claim(struct secret_place place, struct secret **ret);

/* Nobody claims any more: what is left over of that process is wiped. */
void secret_vault_settle(void);
