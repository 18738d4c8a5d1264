#include "egress/gate/gate_codec.h"

#include <errno.h>

#include "unit.h"

static struct ipc_message sent(const struct ipc_writer *w) {
    assert_false(w->is_failed);
    return ipc_message_of(ipc_writer_bytes(w));
}

static void a_rule_arrives_as_it_was(void **state) {
    static char host[] = "example.net";

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        struct gate_rule rule = {.host = host, .port = 8443, .is_wildcard = i & 1, .is_special = i & 2}, came;
        struct ipc_writer w = gate_encode(&rule, i & 4, i & 8);
        struct ipc_message m = sent(&w);
        bool has_rule, is_first, is_last;

        assert_int_equal(gate_decode(&m, &came, &has_rule, &is_first, &is_last), 0);
        assert_true(has_rule && is_first == !!(i & 4) && is_last == !!(i & 8));
        assert_string_equal(came.host, host);
        assert_true(came.port == 8443 && came.is_wildcard == rule.is_wildcard && came.is_special == rule.is_special);
        free(came.host);
    }
}

static void no_rules_arrive_as_none(void **state) {
    struct ipc_writer w = gate_encode_none();
    struct ipc_message m = sent(&w);
    bool has_rule, is_first, is_last;
    struct gate_rule rule;

    (void)state;
    assert_int_equal(gate_decode(&m, &rule, &has_rule, &is_first, &is_last), 0);
    assert_true(!has_rule && is_first && is_last);
    assert_null(rule.host);
}

static void refuse(uint8_t flags, struct slice host, bool has_more) {
    struct ipc_writer w = ipc_begin(IPC_GATE);
    bool has_rule, is_first, is_last;
    struct gate_rule rule;
    struct ipc_message m;

    ipc_put_u8(&w, flags);
    ipc_put_u16(&w, 443);
    ipc_put_bytes(&w, host);
    if (has_more)
        ipc_put_u8(&w, 0);
    m = sent(&w);
    assert_int_equal(gate_decode(&m, &rule, &has_rule, &is_first, &is_last), -EPROTO);
}

static void what_nobody_of_ours_says_is_refused(void **state) {
    (void)state;
    refuse(32, SLICE("a"), false);
    refuse(1, SLICE(""), false);
    refuse(6, SLICE("a"), false);
    refuse(2, SLICE(""), false);
    refuse(1, SLICE("a\0b"), false);
    refuse(1, SLICE("a"), true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_arrives_as_it_was),
        cmocka_unit_test(no_rules_arrive_as_none),
        cmocka_unit_test(what_nobody_of_ours_says_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
