#include "ingress/front/assertion_codec.h"

#include <errno.h>

struct ipc_writer assertion_rules_encode(const struct assertion_rules *rules) {
    struct ipc_writer w = ipc_begin(IPC_VERIFIER);

    ipc_put_bytes(&w, slice_of_string(rules->issuer));
    ipc_put_bytes(&w, slice_of_string(rules->audience));
    ipc_put_bytes(&w, slice_of_string(rules->claim));
    ipc_put_bytes(&w, slice_of_string(rules->url));
    ipc_put_u8(&w, rules->has_ca);
    return w;
}

/* Text that is compared and shown as a whole: a NUL in it would cut it. */
static void get_text(struct ipc_message *m, char *to, size_t max) {
    struct slice text = ipc_get_bytes(m, max);

    if (slice_has(text, '\0'))
        ipc_fail(m);
    memcpy(to, text.p, text.n);
    to[text.n] = '\0';
}

int assertion_rules_decode(struct ipc_message *m, struct assertion_rules *ret) {
    struct assertion_rules rules = {0};
    uint8_t has_ca;

    get_text(m, rules.issuer, LIMIT_CLAIM);
    get_text(m, rules.audience, LIMIT_CLAIM);
    get_text(m, rules.claim, LIMIT_NAME);
    get_text(m, rules.url, LIMIT_CLAIM);
    has_ca = ipc_get_u8(m);
    rules.has_ca = has_ca == 1;
    if (rules.issuer[0] == '\0' || rules.audience[0] == '\0' || rules.claim[0] == '\0' || has_ca > 1)
        ipc_fail(m); /* what is not asked for would not be looked at */
    if (ipc_end(m) < 0)
        return -EPROTO;
    *ret = rules;
    return 0;
}
