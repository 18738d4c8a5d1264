#include "ingress/steward/steward_codec.h"

#include <errno.h>

#include "unit.h"

static const struct steward_rules rules = {
    .unit = "t3@{os_user}.service",
    .has_stop = true,
    .wait_ms = 30000,
    .idle_ms = 900000,
    .health_ms = 30000,
    .bus = "unix:path=/run/x",
    .activity_path = "/api/status",
    .activity_field = "rooms.active",
};

static int decode(struct slice bytes, struct steward_rules *ret) {
    struct ipc_message m = ipc_message_of(bytes);

    assert_int_equal(m.type, IPC_STEWARD);
    return steward_rules_decode(&m, ret);
}

static void what_goes_in_comes_out(void **state) {
    struct ipc_writer w = steward_rules_encode(&rules);
    struct steward_rules got;

    (void)state;
    assert_int_equal(decode(ipc_writer_bytes(&w), &got), 0);
    assert_memory_equal(&got, &rules, sizeof(got));
}

static void what_is_cut_or_goes_on_is_refused(void **state) {
    struct ipc_writer w = steward_rules_encode(&rules);
    struct slice whole = ipc_writer_bytes(&w);
    struct steward_rules got = {.idle_ms = 7};

    (void)state;
    for (size_t n = 1; n < whole.n; n++) {
        _cleanup_slice_ struct slice part = exact_copy(slice_first(whole, n));

        assert_int_equal(decode(part, &got), -EPROTO);
    }
    ipc_put_u8(&w, 0);
    assert_int_equal(decode(ipc_writer_bytes(&w), &got), -EPROTO);
    assert_int_equal(got.idle_ms, 7); /* untouched */
}

/* Where each stands in the datagram, behind the type. */
enum { AT_UNIT = 1, AT_START = AT_UNIT + 4 + sizeof("t3@{os_user}.service") - 1, AT_WAIT = AT_START + 2 };

static void a_value_out_of_its_range_is_refused(void **state) {
    static const struct {
        struct slice name;
        size_t at;
        char value;
    } changes[] = {
        {SLICE("a text with a NUL"), AT_UNIT + 4, '\0'},
        {SLICE("a text that is longer than the rest"), AT_UNIT + 1, 1},
        {SLICE("a flag that is neither"), AT_START, 2},
        {SLICE("a time without end"), AT_WAIT + 7, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct ipc_writer w = steward_rules_encode(&rules);
        struct slice whole = ipc_writer_bytes(&w);
        struct steward_rules got;
        char copy[512];

        assert_true(whole.n <= sizeof(copy));
        memcpy(copy, whole.p, whole.n);
        copy[changes[i].at] = changes[i].value;
        assert_row(changes[i].name, decode(slice_of(copy, whole.n), &got) == -EPROTO);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(what_is_cut_or_goes_on_is_refused),
        cmocka_unit_test(a_value_out_of_its_range_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
