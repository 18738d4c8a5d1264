#include "ipc/permit.h"

#include <errno.h>

#include "base/log.h"
#include "unit_fd.h"

enum phase { START = 1, WORK = 2 };

static int heard[IPC_TYPES];
static void *heard_owner;

static int hear(void *owner, struct ipc_message *m) {
    heard[m->type]++;
    heard_owner = owner;
    return ipc_end(m);
}

static int hear_and_fail(void *owner, struct ipc_message *m) {
    (void)hear(owner, m);
    return -ENOMEM;
}

static const struct ipc_permit permits[] = {
    {IPC_HELLO, START, hear},
    {IPC_LOG, START | WORK, hear},
    {IPC_SECRET, WORK, hear_and_fail},
};

static int dispatch(unsigned phase, struct slice bytes) {
    struct ipc_message m = ipc_message_of(bytes);

    memset(heard, 0, sizeof(heard));
    heard_owner = NULL;
    return ipc_dispatch(permits, ARRAY_LEN(permits), phase, &heard, &m);
}

/* What is refused is logged; here it is expected. */
static void say_nothing(enum log_level level, struct slice text) {
    (void)level;
    (void)text;
}

static void what_is_permitted_is_heard(void **state) {
    (void)state;
    assert_int_equal(dispatch(START, SLICE("\x01")), 0);
    assert_int_equal(heard[IPC_HELLO], 1);
    assert_ptr_equal(heard_owner, &heard);
    assert_int_equal(dispatch(START, SLICE("\x02")), 0);
    assert_int_equal(dispatch(WORK, SLICE("\x02")), 0);
    assert_int_equal(heard[IPC_LOG], 1);
}

static void what_the_handler_says_comes_back(void **state) {
    const char secret = IPC_SECRET;

    (void)state;
    assert_int_equal(dispatch(WORK, slice_of(&secret, 1)), -ENOMEM);
    assert_int_equal(heard[IPC_SECRET], 1);
    assert_int_equal(dispatch(START, SLICE("\x01 and something left over")), -EPROTO);
}

/* Every other type, those beyond the table of types among them, and what another phase permits. */
static void nothing_else_is_heard(void **state) {
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        for (unsigned phase = 0; phase <= 4; phase++) {
            bool is_permitted = (type == IPC_HELLO && (phase & START)) ||
                                (type == IPC_LOG && (phase & (START | WORK))) || (type == IPC_SECRET && (phase & WORK));
            char byte = (char)type;

            if (is_permitted)
                continue;
            assert_int_equal(dispatch(phase, slice_of(&byte, 1)), -EPROTO);
            assert_null(heard_owner);
        }
    }
    assert_int_equal(dispatch(START, SLICE_EMPTY), -EPROTO);
    assert_null(heard_owner);
}

static void its_descriptor_is_closed(void **state) {
    struct ipc_message m = ipc_message_of(SLICE("\x05"));
    int before = next_number();

    (void)state;
    m.fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_int_equal(ipc_dispatch(permits, ARRAY_LEN(permits), START, NULL, &m), -EPROTO);
    assert_int_equal(m.fd, -EBADF);
    assert_int_equal(next_number(), before);
}

static void an_empty_table_permits_nothing(void **state) {
    struct ipc_message m = ipc_message_of(SLICE("\x01"));

    (void)state;
    assert_int_equal(ipc_dispatch(permits, 0, START, NULL, &m), -EPROTO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_permitted_is_heard),
        cmocka_unit_test(what_the_handler_says_comes_back),
        cmocka_unit_test(nothing_else_is_heard),
        cmocka_unit_test(its_descriptor_is_closed),
        cmocka_unit_test(an_empty_table_permits_nothing),
    };

    log_set_sink(say_nothing);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
