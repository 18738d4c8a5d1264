#include "egress/door/door_canary.h"

#include <errno.h>

#include "base/limits.h"

static struct canary *canary;

int door_canary_take(void *owner, struct ipc_message *m) {
    uint32_t door = ipc_get_u32(m);
    struct slice text = ipc_get_bytes(m, LIMIT_PLACEHOLDER);
    int r;

    (void)owner;
    if (ipc_end(m) < 0 || door >= LIMIT_LEASES)
        return -EPROTO;
    r = canary ? 0 : canary_new(&canary);
    if (r == 0)
        r = canary_add(canary, door, text);
    return r == -EINVAL ? -EPROTO : r;
}

struct canary *door_canary(void) {
    return canary;
}
