#include "base/limits.h"
#include "base/macros.h"
#include "egress/control_codec.h"
#include "fuzz.h"

/* What is put together again is what came in, byte for byte: there is one way to say each thing. */
static void require_same(const struct ipc_writer *w, struct slice in) {
    REQUIRE(!w->is_failed && slice_equals(ipc_writer_bytes(w), in));
}

static void try_request(struct slice in) {
    struct ipc_message m = ipc_message_of(in);
    struct control_request request;
    struct ipc_writer w;

    if (control_request_decode(&m, &request) < 0)
        return;
    w = control_request_encode(&request);
    require_same(&w, in);
}

static void try_answer(struct slice in) {
    struct ipc_message m = ipc_message_of(in);
    struct control_answer answer;
    struct ipc_writer w;

    if (control_answer_decode(&m, &answer) < 0)
        return;
    REQUIRE(answer.outcome < REVOCATIONS && answer.info.ended < REFUSALS);
    REQUIRE(answer.info.lease.n <= LIMIT_NAME && answer.info.identity.n <= LIMIT_NAME);
    if (answer.type == IPC_LEASE)
        REQUIRE(is_inside(answer.info.lease, in) && is_inside(answer.info.identity, in) && answer.info.number > 0);
    w = control_answer_encode(&answer);
    require_same(&w, in);
}

static void try_id(struct slice in) {
    char text[LEASE_ID_MAX];
    struct lease_id id, again;

    if (lease_id_parse(in, &id) < 0)
        return;
    lease_id_format(id, text);
    REQUIRE(lease_id_parse(slice_of_string(text), &again) == 0 && again.pid == id.pid && again.number == id.number);
}

/* Seeds name a type by its place here, so that they mean the same when the table of types has grown. */
static struct slice with_type(struct slice in) {
    static const enum ipc_type types[] = {IPC_LEASE_LIST, IPC_LEASE, IPC_LEASE_END, IPC_LEASE_REVOKE,
                                          IPC_LEASE_REVOKED};
    static char bytes[LIMIT_DATAGRAM];

    if (in.n > 0 && (unsigned char)in.p[0] < ARRAY_LEN(types)) {
        memcpy(bytes, in.p, in.n);
        bytes[0] = (char)types[(unsigned char)in.p[0]];
        in.p = bytes;
    }
    return in;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(data, size);

    if (size > LIMIT_DATAGRAM)
        return 0;
    try_id(in);
    in = with_type(in);
    try_request(in);
    try_answer(in);
    return 0;
}
