#include "egress/audit/audit_codec.h"

#include <errno.h>

#include "base/limits.h"

struct ipc_writer record_encode(uint64_t stream, const struct exchange_record *record) {
    struct ipc_writer w = ipc_begin(IPC_EXCHANGE);

    ipc_put_u64(&w, stream);
    ipc_put_bytes(&w, record->method);
    ipc_put_bytes(&w, record->path);
    ipc_put_bytes(&w, record->rule);
    ipc_put_bytes(&w, slice_first(record->reason, LIMIT_REASON));
    ipc_put_u16(&w, (uint16_t)record->status);
    ipc_put_u64(&w, record->bytes_in);
    ipc_put_u64(&w, record->bytes_out);
    ipc_put_u64(&w, record->duration_ms);
    ipc_put_u32(&w, record->masked);
    ipc_put_u8(&w, record->is_admitted);
    ipc_put_u8(&w, (uint8_t)record->refusal);
    ipc_put_u8(&w, (uint8_t)record->connection);
    return w;
}

int record_decode(struct ipc_message *m, uint64_t *ret_stream, struct exchange_record *ret) {
    uint64_t stream = ipc_get_u64(m);
    struct exchange_record record;

    record.method = ipc_get_bytes(m, LIMIT_METHOD);
    record.path = ipc_get_bytes(m, LIMIT_TARGET);
    record.rule = ipc_get_bytes(m, RULE_TEXT_MAX);
    record.reason = ipc_get_bytes(m, LIMIT_REASON);
    record.status = ipc_get_u16(m);
    record.bytes_in = ipc_get_u64(m);
    record.bytes_out = ipc_get_u64(m);
    record.duration_ms = ipc_get_u64(m);
    record.masked = ipc_get_u32(m);
    record.is_admitted = ipc_get_u8(m) == 1;
    record.refusal = ipc_get_u8(m);
    record.connection = ipc_get_u8(m);
    if (ipc_end(m) < 0 || record.refusal >= REFUSALS || record.connection >= CONNECTION_USES)
        return -EPROTO;
    *ret_stream = stream;
    *ret = record;
    return 0;
}
