#include "egress/audit_codec.h"

#include <errno.h>

#include "base/limits.h"

#define REASON_MAX 512

struct ipc_writer record_encode(uint64_t stream, const struct exchange_record *record) {
    struct ipc_writer w = ipc_begin(IPC_EXCHANGE);

    ipc_put_u64(&w, stream);
    ipc_put_bytes(&w, record->method);
    ipc_put_bytes(&w, record->path);
    ipc_put_bytes(&w, record->rule);
    ipc_put_bytes(&w, slice_first(record->reason, REASON_MAX));
    ipc_put_u16(&w, (uint16_t)record->status);
    ipc_put_u64(&w, record->bytes_in);
    ipc_put_u64(&w, record->bytes_out);
    ipc_put_u64(&w, record->duration_ms);
    ipc_put_u32(&w, record->masked);
    return w;
}

int record_decode(struct ipc_message *m, uint64_t *ret_stream, struct exchange_record *ret) {
    uint64_t stream = ipc_get_u64(m);
    struct exchange_record record;

    record.method = ipc_get_bytes(m, LIMIT_METHOD);
    record.path = ipc_get_bytes(m, LIMIT_TARGET);
    record.rule = ipc_get_bytes(m, RULE_TEXT_MAX);
    record.reason = ipc_get_bytes(m, REASON_MAX);
    record.status = ipc_get_u16(m);
    record.bytes_in = ipc_get_u64(m);
    record.bytes_out = ipc_get_u64(m);
    record.duration_ms = ipc_get_u64(m);
    record.masked = ipc_get_u32(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    *ret_stream = stream;
    *ret = record;
    return 0;
}
