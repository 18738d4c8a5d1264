#include <errno.h>

#include "base/log.h"
#include "egress/desk/broker_state.h"
#include "unit_fd.h"

/* The rooms around it, as far as they matter here: who was told what. */
static struct {
    struct ipc_message regions[8], place;
    char memory[9][64];
    int fds[8];
    size_t n_regions;
} to_keeper;

static struct broker broker;
static struct holder borrower;
static char fault[256];
static unsigned went_on;

int channel_send(struct channel *c, const struct ipc_writer *w, int fd) {
    struct slice bytes = ipc_writer_bytes(w);
    bool is_place = bytes.p[0] == IPC_SECRET_PLACE;
    size_t row = is_place ? ARRAY_LEN(to_keeper.regions) : to_keeper.n_regions;

    assert_ptr_equal(c, &broker.keeper.child.channel);
    assert_true(row < ARRAY_LEN(to_keeper.memory) && bytes.n <= sizeof(to_keeper.memory[0]));
    memcpy(to_keeper.memory[row], bytes.p, bytes.n);
    if (is_place) {
        to_keeper.place = ipc_message_of(slice_of(to_keeper.memory[row], bytes.n));
        return 0;
    }
    assert_int_equal(bytes.p[0], IPC_VAULT);
    to_keeper.regions[row] = ipc_message_of(slice_of(to_keeper.memory[row], bytes.n));
    to_keeper.fds[to_keeper.n_regions++] = fd;
    return 0;
}

void holder_go_on(struct holder *holder) {
    assert_ptr_equal(holder, &borrower);
    went_on++;
}

void holder_fail(struct holder *holder, struct slice why) {
    assert_ptr_equal(holder, &borrower);
    assert_true(why.n < sizeof(fault));
    memcpy(fault, why.p, why.n);
    fault[why.n] = '\0';
}

static int begin(void **state) {
    (void)state;
    broker = (struct broker){.bundle = -EBADF};
    memset(&to_keeper, 0, sizeof(to_keeper));
    fault[0] = '\0';
    went_on = 0;
    return 0;
}

static int end(void **state) {
    (void)state;
    vault_done(&broker);
    number_table_done(&broker.possessions);
    return 0;
}

enum region_word { MADE, GONE, LOST };

/* What the keeper says of a region. The descriptor that it gave is in `*ret_fd`, which may be NULL. */
static int say_region(uint32_t number, enum region_word word, int *ret_fd) {
    struct ipc_writer w = ipc_begin(IPC_VAULT);
    struct ipc_message m;

    ipc_put_u32(&w, number);
    m = ipc_message_of(ipc_writer_bytes(&w));
    m.fd = word == MADE ? dup(STDERR_FILENO) : -EBADF;
    m.is_fd_lost = word == LOST;
    if (ret_fd)
        *ret_fd = m.fd;
    return vault_take(&broker, &m);
}

static int say_kept(uint32_t number, struct secret_place place, uint32_t error) {
    struct ipc_writer w = ipc_begin(IPC_KEPT);
    struct ipc_message m;

    ipc_put_u32(&w, number);
    ipc_put_u32(&w, place.region);
    ipc_put_u16(&w, place.slot);
    ipc_put_u16(&w, place.n);
    ipc_put_u32(&w, error);
    m = ipc_message_of(ipc_writer_bytes(&w));
    return vault_take_kept(&broker, &m);
}

static void keeps_a_descriptor_of_each_region_until_it_is_gone(void **state) {
    int fds[2];

    (void)state;
    assert_int_equal(say_region(3, MADE, &fds[0]), 0);
    assert_int_equal(say_region(4, MADE, &fds[1]), 0);
    assert_true(is_open(fds[0]) && is_open(fds[1]));
    assert_int_equal(say_region(3, GONE, NULL), 0);
    assert_false(is_open(fds[0]));
    assert_true(is_open(fds[1]));
    assert_int_equal(broker.regions.n, 1);
}

static void refuses_a_region_that_is_there_already(void **state) {
    (void)state;
    assert_int_equal(say_region(3, MADE, NULL), 0);
    assert_int_equal(say_region(3, MADE, NULL), -EPROTO);
    assert_int_equal(say_region(3, LOST, NULL), -EPROTO);
    assert_int_equal(broker.regions.n, 1);
}

/* For want of a descriptor: the keeper does not know that, and speaks of it again. */
static void a_region_that_found_no_room_may_go(void **state) {
    (void)state;
    assert_int_equal(say_region(3, LOST, NULL), 0);
    assert_int_equal(broker.regions.n, 0);
    assert_int_equal(say_region(3, GONE, NULL), 0);
}

static struct possession *lend(struct possession *possession, struct credential *credential) {
    static char name[] = "api";

    credential->name = name;
    *possession = (struct possession){.broker = &broker,
                                      .credential = credential,
                                      .lent = credential,
                                      .sealed = dup(STDERR_FILENO),
                                      .borrower = &borrower};
    assert_int_equal(number_table_give(&broker.possessions, possession, &possession->number), 0);
    return possession;
}

static void a_key_that_lies_in_a_region_needs_no_descriptor(void **state) {
    struct credential credential = {0};
    struct possession possession;
    int sealed;

    (void)state;
    sealed = lend(&possession, &credential)->sealed;
    assert_int_equal(say_region(7, MADE, NULL), 0);
    assert_int_equal(say_kept(possession.number, (struct secret_place){.region = 7, .slot = 2, .n = 40}, 0), 0);
    assert_true(possession.is_kept);
    assert_int_equal(went_on, 1);
    assert_int_equal(possession.sealed, -EBADF);
    assert_false(is_open(sealed));
    assert_int_equal(possession.place.region, 7);

    assert_int_equal(vault_send_place(&possession, 1234), 0);
    assert_int_equal(ipc_get_u32(&to_keeper.place), possession.number);
    assert_int_equal(ipc_get_u64(&to_keeper.place), 1234);
    assert_int_equal(ipc_get_u32(&to_keeper.place), 7);
    assert_int_equal(ipc_get_u16(&to_keeper.place), 2);
    assert_int_equal(ipc_get_u16(&to_keeper.place), 40);
    assert_int_equal(ipc_end(&to_keeper.place), 0);
}

/* The next keeper could not be told where it is. */
static void a_key_in_a_region_that_found_no_room_keeps_its_own(void **state) {
    struct credential credential = {0};
    struct possession possession;

    (void)state;
    (void)lend(&possession, &credential);
    assert_int_equal(say_region(7, LOST, NULL), 0);
    assert_int_equal(say_kept(possession.number, (struct secret_place){.region = 7, .slot = 2, .n = 40}, 0), 0);
    assert_true(possession.is_kept);
    assert_true(is_open(possession.sealed));
    assert_int_equal(possession.place.n, 0);
    fd_close(&possession.sealed);
}

static void whoever_borrowed_hears_why_there_is_no_key(void **state) {
    struct credential credential = {0};
    struct possession possession;

    (void)state;
    (void)lend(&possession, &credential);
    assert_int_equal(say_kept(possession.number, (struct secret_place){0}, EAGAIN), 0);
    assert_false(possession.is_kept);
    assert_non_null(strstr(fault, "RLIMIT_MEMLOCK"));
    assert_int_equal(say_kept(possession.number, (struct secret_place){0}, EINVAL), 0);
    assert_string_equal(fault, strerror(EINVAL));
    fd_close(&possession.sealed);
}

static void a_word_of_what_is_gone_changes_nothing(void **state) {
    (void)state;
    assert_int_equal(say_kept(12, (struct secret_place){.region = 7, .n = 40}, 0), 0);
    assert_int_equal(say_kept(12, (struct secret_place){0}, EAGAIN), 0);
    assert_int_equal(say_kept(12, (struct secret_place){0}, UINT32_MAX), -EPROTO);
}

static void the_next_keeper_gets_every_region_and_an_end(void **state) {
    int fds[2];

    (void)state;
    assert_int_equal(say_region(3, MADE, &fds[0]), 0);
    assert_int_equal(say_region(4, MADE, &fds[1]), 0);
    assert_int_equal(vault_send_regions(&broker), 0);
    assert_int_equal(to_keeper.n_regions, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(to_keeper.fds[i], fds[ipc_get_u32(&to_keeper.regions[i]) - 3]);
    assert_int_equal(vault_send_end(&broker), 0);
    assert_int_equal(to_keeper.n_regions, 3);
    assert_int_equal(to_keeper.fds[2], -EBADF);
}

static void say_nothing(enum log_level level, struct slice text) {
    (void)level;
    (void)text;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_a_descriptor_of_each_region_until_it_is_gone, begin, end),
        cmocka_unit_test_setup_teardown(refuses_a_region_that_is_there_already, begin, end),
        cmocka_unit_test_setup_teardown(a_region_that_found_no_room_may_go, begin, end),
        cmocka_unit_test_setup_teardown(a_key_that_lies_in_a_region_needs_no_descriptor, begin, end),
        cmocka_unit_test_setup_teardown(a_key_in_a_region_that_found_no_room_keeps_its_own, begin, end),
        cmocka_unit_test_setup_teardown(whoever_borrowed_hears_why_there_is_no_key, begin, end),
        cmocka_unit_test_setup_teardown(a_word_of_what_is_gone_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(the_next_keeper_gets_every_region_and_an_end, begin, end),
    };

    log_set_sink(say_nothing);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
