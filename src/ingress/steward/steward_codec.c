#include "ingress/steward/steward_codec.h"

#include <errno.h>
#include <string.h>

struct ipc_writer steward_rules_encode(const struct steward_rules *rules) {
    struct ipc_writer w = ipc_begin(IPC_STEWARD);

    ipc_put_bytes(&w, slice_of_string(rules->unit));
    ipc_put_u8(&w, rules->has_start);
    ipc_put_u8(&w, rules->has_stop);
    ipc_put_u64(&w, rules->wait_ms);
    ipc_put_u64(&w, rules->idle_ms);
    ipc_put_u64(&w, rules->health_ms);
    ipc_put_bytes(&w, slice_of_string(rules->bus));
    ipc_put_bytes(&w, slice_of_string(rules->activity_path));
    ipc_put_bytes(&w, slice_of_string(rules->activity_field));
    return w;
}

static void get_text(struct ipc_message *m, char *to, size_t size) {
    struct slice text = ipc_get_bytes(m, size - 1);

    if (slice_has(text, '\0'))
        ipc_fail(m);
    memcpy(to, text.p, text.n);
    to[text.n] = '\0';
}

static bool get_flag(struct ipc_message *m) {
    uint8_t flag = ipc_get_u8(m);

    if (flag > 1)
        ipc_fail(m);
    return flag == 1;
}

static uint64_t get_time(struct ipc_message *m) {
    uint64_t ms = ipc_get_u64(m);

    if (ms > TIMEOUT_MAX)
        ipc_fail(m);
    return ms;
}

int steward_rules_decode(struct ipc_message *m, struct steward_rules *ret) {
    struct steward_rules rules = {0};

    get_text(m, rules.unit, sizeof(rules.unit));
    rules.has_start = get_flag(m);
    rules.has_stop = get_flag(m);
    rules.wait_ms = get_time(m);
    rules.idle_ms = get_time(m);
    rules.health_ms = get_time(m);
    get_text(m, rules.bus, sizeof(rules.bus));
    get_text(m, rules.activity_path, sizeof(rules.activity_path));
    get_text(m, rules.activity_field, sizeof(rules.activity_field));
    if (ipc_end(m) < 0)
        return -EPROTO;
    *ret = rules;
    return 0;
}
