#include "ipc/permit.h"

#include <errno.h>

#include "base/fd.h"
#include "base/log.h"

int ipc_dispatch(const struct ipc_permit *permits, size_t n_permits, unsigned phase, void *owner,
                 struct ipc_message *m) {
    for (size_t i = 0; i < n_permits; i++)
        if (permits[i].type == m->type && (permits[i].phases & phase) != 0)
            return permits[i].handle(owner, m);
    log_error("a message %s that is not permitted here", ipc_type_name(m->type));
    fd_close(&m->fd);
    return -EPROTO;
}
