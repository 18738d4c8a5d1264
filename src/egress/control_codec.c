#include "egress/control_codec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/num.h"

void lease_id_format(struct lease_id id, char text[static LEASE_ID_MAX]) {
    (void)snprintf(text, LEASE_ID_MAX, "%" PRIu32 "-%" PRIu32, id.pid, id.number);
}

int lease_id_parse(struct slice text, struct lease_id *ret) {
    struct slice pid = slice_cut(&text, '-');
    uint64_t process, number;

    if (!text.p || num_parse(pid, INT32_MAX, &process) < 0 || num_parse(text, UINT32_MAX, &number) < 0)
        return -EINVAL;
    if (process == 0 || number == 0)
        return -EINVAL;
    *ret = (struct lease_id){.pid = (uint32_t)process, .number = (uint32_t)number};
    return 0;
}

struct ipc_writer control_request_encode(const struct control_request *request) {
    struct ipc_writer w = ipc_begin(request->type);

    if (request->type == IPC_LEASE_REVOKE)
        ipc_put_u32(&w, request->number);
    return w;
}

int control_request_decode(struct ipc_message *m, struct control_request *ret) {
    struct control_request request = {.type = m->type};

    if (m->type == IPC_LEASE_REVOKE)
        request.number = ipc_get_u32(m);
    else if (m->type != IPC_LEASE_LIST && m->type != IPC_RUNNER_ASK)
        ipc_fail(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    *ret = request;
    return 0;
}

static void put_info(struct ipc_writer *w, const struct lease_info *info) {
    ipc_put_u32(w, info->number);
    ipc_put_bytes(w, info->lease);
    ipc_put_bytes(w, info->identity);
    ipc_put_u64(w, info->started_ms);
    ipc_put_u64(w, info->left_ms);
    ipc_put_u64(w, info->requests);
    ipc_put_u64(w, info->refused);
    ipc_put_u32(w, info->active);
    ipc_put_u64(w, info->bytes_in);
    ipc_put_u64(w, info->bytes_out);
    ipc_put_u8(w, (uint8_t)info->ended);
}

static void get_info(struct ipc_message *m, struct lease_info *info) {
    info->number = ipc_get_u32(m);
    info->lease = ipc_get_bytes(m, LIMIT_NAME);
    info->identity = ipc_get_bytes(m, LIMIT_IDENTITY);
    info->started_ms = ipc_get_u64(m);
    info->left_ms = ipc_get_u64(m);
    info->requests = ipc_get_u64(m);
    info->refused = ipc_get_u64(m);
    info->active = ipc_get_u32(m);
    info->bytes_in = ipc_get_u64(m);
    info->bytes_out = ipc_get_u64(m);
    info->ended = ipc_get_u8(m);
    if (info->number == 0 || info->ended >= REFUSALS)
        ipc_fail(m);
}

static void put_status(struct ipc_writer *w, const struct control_answer *answer) {
    ipc_put_u8(w, answer->is_end);
    ipc_put_bytes(w, answer->status);
}

static void get_status(struct ipc_message *m, struct control_answer *answer) {
    uint8_t is_end = ipc_get_u8(m);

    answer->is_end = is_end == 1;
    answer->status = ipc_get_bytes(m, LIMIT_READ);
    if (is_end > 1)
        ipc_fail(m);
}

struct ipc_writer control_answer_encode(const struct control_answer *answer) {
    struct ipc_writer w = ipc_begin(answer->type);

    if (answer->type == IPC_LEASE)
        put_info(&w, &answer->info);
    else if (answer->type == IPC_LEASE_REVOKED)
        ipc_put_u8(&w, (uint8_t)answer->outcome);
    else if (answer->type == IPC_RUNNER_STATUS)
        put_status(&w, answer);
    return w;
}

int control_answer_decode(struct ipc_message *m, struct control_answer *ret) {
    struct control_answer answer = {.type = m->type};

    if (m->type == IPC_LEASE)
        get_info(m, &answer.info);
    else if (m->type == IPC_LEASE_REVOKED)
        answer.outcome = ipc_get_u8(m);
    else if (m->type == IPC_RUNNER_STATUS)
        get_status(m, &answer);
    else if (m->type != IPC_LEASE_END)
        ipc_fail(m);
    if (ipc_end(m) < 0 || answer.outcome >= REVOCATIONS)
        return -EPROTO;
    *ret = answer;
    return 0;
}
