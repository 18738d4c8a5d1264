#include "egress/desk/calls.h"

#include <errno.h>

#include "base/limits.h"
#include "unit_fd.h"

/* The rooms around it: what the audit was told of, and what the relay. */
static struct {
    unsigned times;
    enum refusal refusal;
    unsigned status;
    pid_t pid;
    struct slice reason;
} line;

static struct broker broker;
static struct holder *holder;
static struct doors doors;
static struct possession possession;
static struct credential credential;
static struct stream_entry made;
static enum caller_kind kind;
static unsigned refused_with;
static bool has_memory;
static int connects;

int channel_send(struct channel *c, const struct ipc_writer *w, int fd) {
    struct ipc_message m = ipc_message_of(ipc_writer_bytes(w));

    assert_ptr_equal(c, &holder->relay.channel);
    assert_true(fd < 0);
    assert_int_equal(m.type, IPC_CALL_REFUSED);
    assert_int_equal(ipc_get_u32(&m), 9);
    refused_with = ipc_get_u16(&m);
    return 0;
}

void broker_account(struct broker *whose, const struct stream_entry *entry, const struct exchange_record *record) {
    assert_ptr_equal(whose, &broker);
    assert_ptr_equal(entry->possession, &possession);
    line.times++;
    line.refusal = record->refusal;
    line.status = record->status;
    line.reason = record->reason;
    line.pid = entry->asker.pid;
}

enum caller_kind caller_identify(struct asker *ret, int diag, uint16_t from, uint16_t to, pid_t descends) {
    (void)diag;
    assert_true(from == 4000 && to == 5000 && descends == 77);
    ret->pid = 42;
    return kind;
}

bool caller_descends(pid_t pid, int pidfd, pid_t ancestor) {
    (void)pid, (void)pidfd, (void)ancestor;
    return kind == CALLER_OURS;
}

void asker_identify(struct asker *ret, pid_t claimed, int pidfd) {
    (void)pidfd;
    ret->pid = claimed;
}

bool asker_is_over(int pidfd) {
    (void)pidfd;
    return false;
}

struct stream_entry *stream_new(struct holder *whose, uint32_t door, bool is_called) {
    assert_true(is_called);
    made = (struct stream_entry){.holder = whose, .door = door, .possession = &possession};
    return has_memory ? &made : NULL;
}

void stream_forgo(struct holder *whose, struct stream_entry *entry) {
    assert_ptr_equal(whose, holder);
    assert_ptr_equal(entry, &made);
}

int stream_connect(struct holder *whose, struct stream_entry *entry, uint32_t number, stream_teller *tell) {
    assert_ptr_equal(whose, holder);
    assert_ptr_equal(entry, &made);
    assert_int_equal(number, 9);
    assert_non_null(tell);
    return connects;
}

static int begin(void **state) {
    static char name[] = "api";

    (void)state;
    memset(&line, 0, sizeof(line));
    refused_with = 0;
    has_memory = true;
    connects = 0;
    kind = CALLER_OURS;
    doors = (struct doors){.command = 77};
    credential.name = name;
    possession.credential = &credential;
    holder = calloc(1, sizeof(*holder) + sizeof(holder->grants[0]));
    if (!holder)
        return -1;
    holder->broker = &broker;
    holder->doors = &doors;
    holder->relay.owner = holder;
    holder->n_grants = 1;
    holder->grants[0].possession = &possession;
    return 0;
}

static int end(void **state) {
    (void)state;
    free(holder);
    return 0;
}

static int call(uint32_t door) {
    struct ipc_writer w = ipc_begin(IPC_CALL);
    struct ipc_message m;

    ipc_put_u32(&w, 9);
    ipc_put_u32(&w, door);
    ipc_put_u16(&w, 4000);
    ipc_put_u16(&w, 5000);
    ipc_put_u32(&w, 0);
    m = ipc_message_of(ipc_writer_bytes(&w));
    return calls_take(&holder->relay, &m);
}

static void who_belongs_to_the_command_is_served(void **state) {
    (void)state;
    assert_int_equal(call(0), 0);
    assert_true(refused_with == 0 && line.times == 0);
}

static void a_stranger_is_refused_with_his_line(void **state) {
    (void)state;
    kind = CALLER_STRANGER;
    assert_int_equal(call(0), 0);
    assert_int_equal(refused_with, 403);
    assert_true(line.times == 1 && line.refusal == REFUSAL_CALLER && line.status == 403 && line.pid == 42);
}

static void one_who_is_gone_has_no_line(void **state) {
    (void)state;
    kind = CALLER_GONE;
    assert_int_equal(call(0), 0);
    assert_true(refused_with == 403 && line.times == 0);
}

static void assert_busy(const char *reason) {
    assert_int_equal(call(0), 0);
    assert_int_equal(refused_with, 503);
    assert_true(line.times == 1 && line.refusal == REFUSAL_NO_MEMORY && line.status == 503 && line.pid == 42);
    assert_slice(line.reason, reason);
}

static void one_too_many_has_a_line(void **state) {
    (void)state;
    holder->grants[0].n_called = LIMIT_STREAMS;
    assert_busy("too many connections to this lease are open at once");
}

static void without_memory_there_is_a_line(void **state) {
    (void)state;
    has_memory = false;
    assert_busy("out of memory");
}

static void without_a_stream_there_is_a_line(void **state) {
    (void)state;
    connects = -EMFILE;
    assert_busy("no stream can be made now");
}

static void a_relay_that_lies_is_ended(void **state) {
    (void)state;
    assert_int_equal(call(1), -EPROTO);
    holder->doors = NULL;
    assert_int_equal(call(0), -EPROTO);
}

#define WITH_HOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_HOLDER(who_belongs_to_the_command_is_served), WITH_HOLDER(a_stranger_is_refused_with_his_line),
        WITH_HOLDER(one_who_is_gone_has_no_line),          WITH_HOLDER(one_too_many_has_a_line),
        WITH_HOLDER(without_memory_there_is_a_line),       WITH_HOLDER(without_a_stream_there_is_a_line),
        WITH_HOLDER(a_relay_that_lies_is_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
