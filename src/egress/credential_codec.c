#include "egress/credential_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "wire/glob.h"
#include "wire/http_head.h"

#define FORMAT_MAX 1024

struct ipc_writer credential_encode(uint32_t id, const struct credential *credential) {
    struct ipc_writer w = ipc_begin(IPC_CREDENTIAL);

    ipc_put_u32(&w, id);
    ipc_put_bytes(&w, slice_of_string(credential->name));
    ipc_put_bytes(&w, slice_of_string(credential->upstream));
    ipc_put_u8(&w, (uint8_t)credential->inject.kind);
    ipc_put_bytes(&w, slice_of_string(credential->inject.name));
    ipc_put_bytes(&w, slice_of_string(credential->inject.format ? credential->inject.format : "{}"));
    ipc_put_u8(&w, credential->allows_all);
    ipc_put_u8(&w, credential->allows_private);
    ipc_put_u64(&w, credential->response_timeout_ms);
    ipc_put_u32(&w, (uint32_t)credential->n_allow);
    for (size_t i = 0; i < credential->n_allow; i++) {
        ipc_put_bytes(&w, slice_of_string(credential->allow[i].method));
        ipc_put_bytes(&w, slice_of_string(credential->allow[i].path));
    }
    return w;
}

static char *get_string(struct ipc_message *m, size_t max) {
    struct slice bytes = ipc_get_bytes(m, max);
    char *string = slice_has(bytes, '\0') ? NULL : strndup(bytes.p, bytes.n);

    if (!string)
        ipc_fail(m);
    return string;
}

static void get_rules(struct ipc_message *m, struct credential *credential) {
    size_t n = ipc_get_u32(m);

    if (n > LIMIT_RULES) {
        ipc_fail(m);
        return;
    }
    if (n == 0)
        return;
    credential->allow = calloc(n, sizeof(*credential->allow));
    if (!credential->allow) {
        ipc_fail(m);
        return;
    }
    credential->n_allow = n;
    for (size_t i = 0; i < n; i++) {
        credential->allow[i].method = get_string(m, LIMIT_METHOD);
        credential->allow[i].path = get_string(m, LIMIT_RULE);
    }
}

/* The supervisor has checked the configuration; what would turn a mistake of ours into a leak is checked again. */
static bool is_sound(struct credential *credential) {
    if (uri_parse_upstream(slice_of_string(credential->upstream), &credential->authority) != NULL)
        return false;
    if (credential->inject.kind == INJECT_HEADER && !http_is_token(slice_of_string(credential->inject.name)))
        return false;
    for (size_t i = 0; i < credential->n_allow; i++)
        if (glob_check(slice_of_string(credential->allow[i].path)) != NULL)
            return false;
    return true;
}

int credential_decode(struct ipc_message *m, uint32_t *ret_id, struct credential **ret) {
    struct credential *credential = calloc(1, sizeof(*credential));
    uint32_t id = ipc_get_u32(m);
    uint8_t kind;

    if (!credential)
        return -ENOMEM;
    credential->name = get_string(m, LIMIT_NAME);
    credential->upstream = get_string(m, LIMIT_AUTHORITY + LIMIT_BASE_PATH);
    kind = ipc_get_u8(m);
    if (kind > INJECT_HEADER)
        ipc_fail(m);
    credential->inject.kind = kind == INJECT_HEADER ? INJECT_HEADER : INJECT_QUERY;
    credential->inject.name = get_string(m, LIMIT_NAME);
    credential->inject.format = get_string(m, FORMAT_MAX);
    credential->allows_all = ipc_get_u8(m) == 1;
    credential->allows_private = ipc_get_u8(m) == 1;
    credential->response_timeout_ms = ipc_get_u64(m);
    get_rules(m, credential);
    if (ipc_end(m) < 0 || !is_sound(credential)) {
        credential_free(credential);
        return -EPROTO;
    }
    *ret_id = id;
    *ret = credential;
    return 0;
}

void credential_free(struct credential *credential) {
    if (!credential)
        return;
    for (size_t i = 0; i < credential->n_allow; i++) {
        free(credential->allow[i].method);
        free(credential->allow[i].path);
    }
    free(credential->allow);
    free(credential->inject.name);
    free(credential->inject.format);
    free(credential->upstream);
    free(credential->name);
    free(credential);
}

struct ipc_writer timeouts_encode(const struct timeouts *timeouts) {
    struct ipc_writer w = ipc_begin(IPC_TIMEOUTS);

    ipc_put_u64(&w, timeouts->head);
    ipc_put_u64(&w, timeouts->idle);
    ipc_put_u64(&w, timeouts->body);
    ipc_put_u64(&w, timeouts->write);
    ipc_put_u64(&w, timeouts->stream);
    ipc_put_u64(&w, timeouts->connect);
    return w;
}

int timeouts_decode(struct ipc_message *m, struct timeouts *ret) {
    struct timeouts timeouts;

    timeouts.head = ipc_get_u64(m);
    timeouts.idle = ipc_get_u64(m);
    timeouts.body = ipc_get_u64(m);
    timeouts.write = ipc_get_u64(m);
    timeouts.stream = ipc_get_u64(m);
    timeouts.connect = ipc_get_u64(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    *ret = timeouts;
    return 0;
}
