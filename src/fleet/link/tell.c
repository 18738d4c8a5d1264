#include "fleet/link/tell.h"

#include <errno.h>

#include "base/fd.h"
#include "base/secret.h"
#include "proc/role.h"

void tell_wants(void) {
    struct ipc_writer w = ipc_begin(IPC_LINK_WANTS);

    role_send(&w, -EBADF);
}

void tell_up(bool acknowledges, struct slice worknode_id, struct slice name) {
    struct ipc_writer w = ipc_begin(IPC_LINK_UP);

    ipc_put_u8(&w, acknowledges);
    ipc_put_bytes(&w, worknode_id);
    ipc_put_bytes(&w, name);
    role_send(&w, -EBADF);
}

void tell_down(uint64_t retry_ms, const char *reason) {
    struct ipc_writer w = ipc_begin(IPC_LINK_DOWN);

    ipc_put_u64(&w, retry_ms);
    ipc_put_bytes(&w, slice_first(slice_of_string(reason), LIMIT_REASON));
    role_send(&w, -EBADF);
}

/* The key by itself: whoever gets the order never sees it. */
static int tell_key(const struct hub_message *request) {
    _cleanup_close_ int key = -EBADF;
    struct ipc_writer w;
    int r = secret_seal(request->order.key, &key);

    if (r < 0)
        return r;
    w = ipc_begin(IPC_TASK_KEY);
    ipc_put_bytes(&w, request->task_id);
    ipc_put_bytes(&w, request->order.base_url);
    role_send(&w, key);
    return 0;
}

void tell_task(const struct hub_message *request) {
    _cleanup_close_ int order = -EBADF;
    const char *fault = request->fault;
    struct ipc_writer w;

    if (fault[0] == '\0')
        order = order_seal(&request->order.order);
    if (fault[0] == '\0' && (order < 0 || (request->order.key.n > 0 && tell_key(request) < 0))) {
        fault = "the runner has no memory or no descriptor for it";
        fd_close(&order);
    }
    w = ipc_begin(IPC_TASK);
    ipc_put_u8(&w, (uint8_t)request->order.order.operation);
    ipc_put_bytes(&w, request->task_id);
    ipc_put_bytes(&w, request->trace_id);
    ipc_put_bytes(&w, request->source_id);
    ipc_put_bytes(&w, slice_of_string(fault));
    role_send(&w, order);
}

void tell_cancel(struct slice task_id) {
    struct ipc_writer w = ipc_begin(IPC_TASK_CANCEL);

    ipc_put_bytes(&w, task_id);
    role_send(&w, -EBADF);
}

void tell_settled(uint64_t number, bool is_acknowledged) {
    struct ipc_writer w = ipc_begin(IPC_RESULT_SETTLED);

    ipc_put_u64(&w, number);
    ipc_put_u8(&w, is_acknowledged);
    role_send(&w, -EBADF);
}
