#include "ingress/front/front_codec.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"

static void put_network(struct ipc_writer *w, const struct network *network) {
    if (network->base.any.sa_family == AF_INET)
        ipc_put_bytes(w, slice_of(&network->base.in.sin_addr, 4));
    else
        ipc_put_bytes(w, slice_of(&network->base.in6.sin6_addr, 16));
    ipc_put_u8(w, (uint8_t)network->bits);
}

struct ipc_writer front_encode(const struct front *front) {
    const uint64_t times[] = {front->head_ms,   front->idle_ms,    front->body_ms,    front->write_ms,
                              front->stream_ms, front->connect_ms, front->response_ms};
    struct ipc_writer w = ipc_begin(IPC_FRONT);

    ipc_put_u8(&w, (uint8_t)front->n_peers);
    for (size_t i = 0; i < front->n_peers; i++)
        put_network(&w, &front->peers[i]);
    ipc_put_u8(&w, front->takes_all_uids);
    ipc_put_u8(&w, (uint8_t)front->n_uids);
    for (size_t i = 0; i < front->n_uids; i++)
        ipc_put_u32(&w, front->uids[i]);
    ipc_put_bytes(&w, slice_of_string(front->identity_header));
    ipc_put_bytes(&w, slice_of_string(front->secret_header));
    ipc_put_bytes(&w, slice_of_string(front->assertion_header));
    ipc_put_u8(&w, (uint8_t)front->n_domains);
    for (size_t i = 0; i < front->n_domains; i++)
        ipc_put_bytes(&w, slice_of_string(front->domains[i]));
    ipc_put_u8(&w, (uint8_t)front->n_admins);
    for (size_t i = 0; i < front->n_admins; i++)
        ipc_put_bytes(&w, slice_of_string(front->admins[i]));
    ipc_put_bytes(&w, slice_of_string(front->status_path));
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        ipc_put_u64(&w, times[i]);
    return w;
}

/* How many follow; none, and the message has failed, for more than `max`. */
static size_t get_count(struct ipc_message *m, size_t max) {
    size_t n = ipc_get_u8(m);

    if (n <= max)
        return n;
    ipc_fail(m);
    return 0;
}

static bool get_flag(struct ipc_message *m) {
    uint8_t flag = ipc_get_u8(m);

    if (flag > 1)
        ipc_fail(m);
    return flag == 1;
}

/* A text of at most `max` bytes, into room for one more. */
static void get_text(struct ipc_message *m, char *to, size_t max) {
    struct slice text = ipc_get_bytes(m, max);

    if (slice_has(text, '\0')) {
        ipc_fail(m);
        return;
    }
    memcpy(to, text.p, text.n);
    to[text.n] = '\0';
}

static void get_header(struct ipc_message *m, char to[static LIMIT_NAME + 1], bool may_be_empty) {
    get_text(m, to, LIMIT_NAME);
    if (!http_is_token(slice_of_string(to)) && !(may_be_empty && to[0] == '\0'))
        ipc_fail(m);
}

static void get_network(struct ipc_message *m, struct network *to) {
    struct slice bytes = ipc_get_bytes(m, 16);
    uint8_t bits = ipc_get_u8(m);

    if (address_from_bytes(bytes, 0, &to->base) < 0 || bits > bytes.n * 8)
        ipc_fail(m);
    to->bits = bits;
}

static void get_peers(struct ipc_message *m, struct front *front) {
    front->n_peers = get_count(m, LIMIT_TRUSTED_PEERS);
    for (size_t i = 0; i < front->n_peers; i++)
        get_network(m, &front->peers[i]);
    front->takes_all_uids = get_flag(m);
    front->n_uids = get_count(m, LIMIT_TRUSTED_PEERS);
    for (size_t i = 0; i < front->n_uids; i++)
        front->uids[i] = ipc_get_u32(m);
}

static void get_people(struct ipc_message *m, struct front *front) {
    get_header(m, front->identity_header, false);
    get_header(m, front->secret_header, true);
    get_header(m, front->assertion_header, true);
    front->n_domains = get_count(m, LIMIT_DOMAINS);
    for (size_t i = 0; i < front->n_domains; i++)
        get_text(m, front->domains[i], LIMIT_HOST);
    front->n_admins = get_count(m, LIMIT_ADMINS);
    for (size_t i = 0; i < front->n_admins; i++)
        get_text(m, front->admins[i], LIMIT_PERSON);
    get_text(m, front->status_path, LIMIT_PERSON);
}

static void get_times(struct ipc_message *m, struct front *front) {
    uint64_t *const times[] = {&front->head_ms,   &front->idle_ms,    &front->body_ms,    &front->write_ms,
                               &front->stream_ms, &front->connect_ms, &front->response_ms};

    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        *times[i] = ipc_get_u64(m);
}

int front_decode(struct ipc_message *m, struct front *ret) {
    _cleanup_free_ struct front *front = calloc(1, sizeof(*front));

    if (!front) {
        ipc_fail(m);
        return ipc_end(m);
    }
    get_peers(m, front);
    get_people(m, front);
    get_times(m, front);
    if (ipc_end(m) < 0)
        return -EPROTO;
    *ret = *front;
    return 0;
}
