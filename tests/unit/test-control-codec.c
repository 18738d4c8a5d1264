#include "egress/control_codec.h"

#include <errno.h>

#include "base/limits.h"
#include "unit.h"

static const struct lease_info example = {
    .number = 7,
    .lease = SLICE("api"),
    .identity = SLICE("j\xf6rg\n"),
    .started_ms = 1700000000123,
    .left_ms = LEASE_FOREVER,
    .requests = 1ULL << 40,
    .refused = 3,
    .active = 2,
    .bytes_in = 4,
    .bytes_out = UINT64_MAX,
    .ended = REFUSAL_REVOKED,
};

static struct ipc_message arrive(struct ipc_writer w) {
    assert_false(w.is_failed);
    return ipc_message_of(ipc_writer_bytes(&w));
}

static struct control_answer answer_of(const struct lease_info *info) {
    return (struct control_answer){.type = IPC_LEASE, .info = *info};
}

static int decode_answer(const struct control_answer *answer, struct control_answer *ret) {
    struct ipc_message m = arrive(control_answer_encode(answer));

    return control_answer_decode(&m, ret);
}

static void a_request_comes_back(void **state) {
    const struct control_request requests[] = {
        {.type = IPC_LEASE_LIST}, {.type = IPC_LEASE_REVOKE, .number = 1}, {IPC_LEASE_REVOKE, UINT32_MAX}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct ipc_message m = arrive(control_request_encode(&requests[i]));
        struct control_request request;

        assert_int_equal(control_request_decode(&m, &request), 0);
        assert_int_equal(request.type, requests[i].type);
        assert_int_equal(request.number, requests[i].number);
    }
}

static void a_lease_comes_back(void **state) {
    struct control_answer answer = answer_of(&example), again;

    (void)state;
    assert_int_equal(decode_answer(&answer, &again), 0);
    assert_int_equal(again.type, IPC_LEASE);
    assert_int_equal(again.info.number, 7);
    assert_slice(again.info.lease, "api");
    assert_slice(again.info.identity, "j\xf6rg\n");
    assert_true(again.info.started_ms == example.started_ms && again.info.left_ms == LEASE_FOREVER);
    assert_true(again.info.requests == example.requests && again.info.refused == 3 && again.info.active == 2);
    assert_true(again.info.bytes_in == 4 && again.info.bytes_out == UINT64_MAX);
    assert_int_equal(again.info.ended, REFUSAL_REVOKED);
}

static void an_outcome_and_an_end_come_back(void **state) {
    struct control_answer again;

    (void)state;
    for (unsigned outcome = 0; outcome < REVOCATIONS; outcome++) {
        assert_int_equal(decode_answer(&(struct control_answer){.type = IPC_LEASE_REVOKED, .outcome = outcome}, &again),
                         0);
        assert_int_equal(again.outcome, outcome);
    }
    assert_int_equal(decode_answer(&(struct control_answer){.type = IPC_LEASE_END}, &again), 0);
    assert_int_equal(again.type, IPC_LEASE_END);
}

static void a_part_of_a_status_comes_back(void **state) {
    struct control_answer again;

    (void)state;
    for (unsigned is_end = 0; is_end < 2; is_end++) {
        assert_int_equal(
            decode_answer(
                &(struct control_answer){.type = IPC_RUNNER_STATUS, .status = SLICE("{\"running\":"), .is_end = is_end},
                &again),
            0);
        assert_slice(again.status, "{\"running\":");
        assert_int_equal(again.is_end, is_end);
    }
}

static void values_out_of_range_are_refused(void **state) {
    static char part[LIMIT_READ + 1];
    char name[LIMIT_IDENTITY + 1];
    struct control_answer bad[6], again = {.type = IPC_INVALID};

    (void)state;
    memset(name, 'x', sizeof(name));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        bad[i] = answer_of(&example);
    bad[0].info.number = 0;
    bad[1].info.ended = REFUSALS;
    bad[2].info.lease = slice_of(name, LIMIT_NAME + 1);
    bad[3].info.identity = slice_of(name, sizeof(name));
    bad[4] = (struct control_answer){.type = IPC_LEASE_REVOKED, .outcome = REVOCATIONS};
    bad[5] = (struct control_answer){.type = IPC_RUNNER_STATUS, .status = slice_of(part, sizeof(part))};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(decode_answer(&bad[i], &again), -EPROTO);
    assert_int_equal(again.type, IPC_INVALID);
}

/* Every message cut at every byte, and with one too many. */
static void only_whole_messages_are_taken(void **state) {
    struct control_answer answer = answer_of(&example), again;
    struct ipc_writer w = control_answer_encode(&answer);
    struct slice whole = ipc_writer_bytes(&w);
    struct control_request request;
    char bytes[512];

    (void)state;
    assert_true(whole.n < sizeof(bytes));
    memcpy(bytes, whole.p, whole.n);
    bytes[whole.n] = 0;
    for (size_t n = 0; n <= whole.n + 1; n++) {
        struct slice part = exact_copy(slice_of(bytes, n));
        struct ipc_message m = ipc_message_of(part);

        assert_int_equal(control_answer_decode(&m, &again), n == whole.n ? 0 : -EPROTO);
        free_slice(&part);
    }
    w = control_request_encode(&(struct control_request){.type = IPC_LEASE_REVOKE, .number = 9});
    memcpy(bytes, ipc_writer_bytes(&w).p, w.n);
    for (size_t n = 0; n <= w.n + 1; n++) {
        struct ipc_message m = ipc_message_of(slice_of(bytes, n));

        assert_int_equal(control_request_decode(&m, &request), n == w.n ? 0 : -EPROTO);
    }
}

/* What one side may say is nothing that the other may. */
static void no_other_type_is_taken(void **state) {
    struct control_request request;
    struct control_answer answer;

    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        char byte = (char)type;
        struct ipc_message asked = ipc_message_of(slice_of(&byte, 1)), told = asked;

        assert_int_equal(control_request_decode(&asked, &request),
                         type == IPC_LEASE_LIST || type == IPC_RUNNER_ASK ? 0 : -EPROTO);
        assert_int_equal(control_answer_decode(&told, &answer), type == IPC_LEASE_END ? 0 : -EPROTO);
    }
}

static void an_id_is_a_process_and_a_number(void **state) {
    static const char *const bad[] = {
        "",     "-",    "1",    "1-",   "-1",  "0-1",   "1-0",           "1-2-3",         "a-1",         "1-b",
        " 1-2", "1-2 ", "+1-2", "1--2", "1_2", "1-2\n", "99999999999-1", "1-99999999999", "2147483648-1"};
    char text[LEASE_ID_MAX];
    struct lease_id id = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_row(slice_of_string(bad[i]), lease_id_parse(slice_of_string(bad[i]), &id) == -EINVAL);
    assert_int_equal(id.pid, 0);
    assert_int_equal(lease_id_parse(SLICE("2147483647-4294967295"), &id), 0);
    assert_true(id.pid == INT32_MAX && id.number == UINT32_MAX);
    lease_id_format(id, text);
    assert_string_equal(text, "2147483647-4294967295");
    lease_id_format((struct lease_id){.pid = UINT32_MAX, .number = UINT32_MAX}, text);
    assert_string_equal(text, "4294967295-4294967295");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_comes_back),
        cmocka_unit_test(a_lease_comes_back),
        cmocka_unit_test(an_outcome_and_an_end_come_back),
        cmocka_unit_test(a_part_of_a_status_comes_back),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(only_whole_messages_are_taken),
        cmocka_unit_test(no_other_type_is_taken),
        cmocka_unit_test(an_id_is_a_process_and_a_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
