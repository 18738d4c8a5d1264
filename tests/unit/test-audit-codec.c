#include "egress/audit/audit_codec.h"

#include <errno.h>

#include "unit.h"

static char storage[LIMIT_DATAGRAM];
static size_t stored;

static struct ipc_message arrive(const struct ipc_writer *w) {
    assert_false(w->is_failed);
    stored = ipc_writer_bytes(w).n;
    memcpy(storage, ipc_writer_bytes(w).p, stored);
    return ipc_message_of(slice_of(storage, stored));
}

static struct exchange_record sound(void) {
    return (struct exchange_record){.method = SLICE("GET"),
                                    .path = SLICE("/incident/1"),
                                    .rule = SLICE("GET /incident/**"),
                                    .reason = SLICE("why"),
                                    .status = 65535,
                                    .bytes_in = UINT64_MAX,
                                    .bytes_out = 1,
                                    .duration_ms = 2,
                                    .masked = UINT32_MAX};
}

static void a_record_comes_back(void **state) {
    const struct exchange_record given = sound();
    struct ipc_writer w = record_encode(UINT64_MAX - 1, &given);
    struct ipc_message m = arrive(&w);
    struct exchange_record got;
    uint64_t stream;

    (void)state;
    assert_int_equal(m.type, IPC_EXCHANGE);
    assert_int_equal(record_decode(&m, &stream, &got), 0);
    assert_true(stream == UINT64_MAX - 1);
    assert_slice(got.method, "GET");
    assert_slice(got.path, "/incident/1");
    assert_slice(got.rule, "GET /incident/**");
    assert_slice(got.reason, "why");
    assert_int_equal(got.status, 65535);
    assert_true(got.bytes_in == UINT64_MAX && got.bytes_out == 1 && got.duration_ms == 2);
    assert_true(got.masked == UINT32_MAX);
}

static void an_empty_record(void **state) {
    const struct exchange_record given = {0};
    struct ipc_writer w = record_encode(0, &given);
    struct ipc_message m = arrive(&w);
    struct exchange_record got;
    uint64_t stream;

    (void)state;
    assert_int_equal(record_decode(&m, &stream, &got), 0);
    assert_int_equal(got.path.n + got.method.n + got.rule.n + got.reason.n, 0);
    assert_int_equal(got.status, 0);
}

static void records_of_another_length(void **state) {
    const struct exchange_record given = sound();
    struct ipc_writer w = record_encode(1, &given);
    struct ipc_message m = arrive(&w);
    struct exchange_record got = {.status = 4711};
    uint64_t stream = 7;

    (void)state;
    for (size_t n = 1; n <= stored + 1; n++) {
        _cleanup_slice_ struct slice bytes = exact_copy(slice_of(storage, n));

        if (n == stored)
            continue;
        m = ipc_message_of(bytes);
        assert_int_equal(record_decode(&m, &stream, &got), -EPROTO);
        assert_int_equal(got.status, 4711);
        assert_int_equal(stream, 7);
    }
}

static int pass(const struct exchange_record *given, struct exchange_record *ret) {
    struct ipc_writer w = record_encode(1, given);
    struct ipc_message m = arrive(&w);
    uint64_t stream;

    return record_decode(&m, &stream, ret);
}

/* Each part at its limit, and one byte beyond. What a peer chose is refused, a reason, which is ours, is cut. */
static void parts_have_limits(void **state) {
    static char much[64 * 1024];
    struct exchange_record given = sound(), got;

    (void)state;
    memset(much, '/', sizeof(much));
    given.method = slice_of(much, LIMIT_METHOD);
    given.path = slice_of(much, LIMIT_TARGET);
    given.rule = slice_of(much, RULE_TEXT_MAX);
    given.reason = slice_of(much, sizeof(much));
    assert_int_equal(pass(&given, &got), 0);
    assert_int_equal(got.path.n, LIMIT_TARGET);
    assert_true(got.reason.n > 0 && got.reason.n < sizeof(much));
    given.path.n++;
    assert_int_equal(pass(&given, &got), -EPROTO);
    given.path.n--;
    given.method.n++;
    assert_int_equal(pass(&given, &got), -EPROTO);
    given.method.n--;
    given.rule.n++;
    assert_int_equal(pass(&given, &got), -EPROTO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_comes_back),
        cmocka_unit_test(an_empty_record),
        cmocka_unit_test(records_of_another_length),
        cmocka_unit_test(parts_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
