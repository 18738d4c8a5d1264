#include "egress/desk/turned_away.h"

#include <errno.h>
#include <stdio.h>

#include "egress/desk/calls.h"
#include "egress/desk/ways.h"
#include "unit_fd.h"

/* The rooms around it: who was named, and what was written. */
static struct {
    unsigned way, lease, betrayed;
    char authority[400], name[64], path[64];
    enum refusal refusal;
    unsigned status;
    pid_t pid;
    uint32_t lease_number;
} line;

static struct broker broker;
static struct holder *holder;
static struct doors doors;
static struct credential credential;
static struct possession possession;
static struct stream_entry granted;
static enum caller_kind kind;

enum caller_kind calls_identify(const struct holder *whose, uint16_t from, uint16_t to, pid_t pid, int pidfd,
                                struct asker *ret) {
    assert_ptr_equal(whose, holder);
    assert_int_equal(from, 4000);
    assert_int_equal(to, 5000);
    assert_int_equal(pid, 0);
    assert_true(pidfd < 0);
    ret->pid = 42;
    return kind;
}

static void note(const struct exchange_record *record, pid_t pid) {
    line.refusal = record->refusal;
    line.status = record->status;
    line.pid = pid;
    (void)snprintf(line.path, sizeof(line.path), "%.*s", SLICE_ARG(record->path));
}

void ways_account(struct holder *whose, const char *authority, const struct asker *asker,
                  const struct exchange_record *record) {
    assert_ptr_equal(whose, holder);
    line.way++;
    (void)snprintf(line.authority, sizeof(line.authority), "%s", authority);
    note(record, asker->pid);
}

void broker_account(struct broker *whose, const struct stream_entry *entry, const struct exchange_record *record) {
    assert_ptr_equal(whose, &broker);
    assert_string_equal(entry->identity, "alice");
    line.lease++;
    line.lease_number = entry->lease_number;
    (void)snprintf(line.name, sizeof(line.name), "%s", entry->possession->credential->name);
    note(record, entry->asker.pid);
}

void exfiltration_tell(struct holder *whose, const struct audit_subject *to, struct slice where) {
    assert_ptr_equal(whose, holder);
    assert_string_equal(to->lease, "api");
    assert_string_equal(to->authority, "api.example");
    assert_true(where.n > 0);
    line.betrayed++;
}

struct stream_entry *stream_table_find(const struct stream_table *table, uint64_t id) {
    assert_ptr_equal(table, &broker.streams);
    return id == 7 ? &granted : NULL;
}

static int begin(void **state) {
    static char name[] = "api", host[] = "api.example";

    (void)state;
    memset(&line, 0, sizeof(line));
    kind = CALLER_OURS;
    holder = calloc(1, sizeof(*holder) + sizeof(holder->grants[0]));
    if (!holder)
        return -1;
    credential =
        (struct credential){.name = name, .authority = {.is_tls = true, .host = {host, sizeof(host) - 1}, .port = 443}};
    possession = (struct possession){.credential = &credential};
    holder->broker = &broker;
    holder->doors = &doors;
    holder->relay.owner = holder;
    holder->n_grants = 1;
    holder->grants[0] = (struct grant){.possession = &possession, .number = 3};
    (void)snprintf(holder->identity, sizeof(holder->identity), "alice");
    granted = (struct stream_entry){
        .id = 7, .holder = holder, .possession = &possession, .lease_number = 3, .asker = {.pid = 43}};
    memcpy(granted.identity, holder->identity, sizeof(granted.identity));
    return 0;
}

static int end(void **state) {
    (void)state;
    free(holder);
    return 0;
}

static int tell(uint64_t stream, uint32_t door, uint8_t refusal, struct slice authority) {
    struct ipc_writer w = ipc_begin(IPC_TURNED_AWAY);
    struct ipc_message m;

    ipc_put_u64(&w, stream);
    ipc_put_u32(&w, door);
    ipc_put_u16(&w, 4000);
    ipc_put_u16(&w, 5000);
    ipc_put_u32(&w, 0);
    ipc_put_u8(&w, refusal);
    ipc_put_u16(&w, 400);
    ipc_put_bytes(&w, SLICE("GET"));
    ipc_put_bytes(&w, authority);
    ipc_put_bytes(&w, SLICE("/x"));
    ipc_put_bytes(&w, SLICE("why"));
    m = ipc_message_of(ipc_writer_bytes(&w));
    return turned_away_take(&holder->relay, &m);
}

static void without_a_lease_it_is_a_way_s_line(void **state) {
    (void)state;
    assert_int_equal(tell(0, UINT32_MAX, REFUSAL_MALFORMED, SLICE("b.example:443")), 0);
    assert_true(line.way == 1 && line.lease == 0 && line.refusal == REFUSAL_MALFORMED && line.status == 400);
    assert_string_equal(line.authority, "b.example:443");
    assert_string_equal(line.path, "/x");
    assert_int_equal(line.pid, 42);
}

static void a_lease_s_host_has_its_line_there(void **state) {
    (void)state;
    assert_int_equal(tell(0, 0, REFUSAL_SCHEME, SLICE("x")), 0);
    assert_true(line.way == 0 && line.lease == 1 && line.refusal == REFUSAL_SCHEME && line.lease_number == 3);
    assert_string_equal(line.name, "api");
    assert_int_equal(line.betrayed, 0);
    assert_int_equal(tell(0, 0, REFUSAL_EXFILTRATION, SLICE("x")), 0);
    assert_int_equal(line.betrayed, 1);
}

static void of_a_stream_it_is_known_who_asked(void **state) {
    (void)state;
    assert_int_equal(tell(7, 0, REFUSAL_DISTRUSTED, SLICE("")), 0);
    assert_true(line.lease == 1 && line.pid == 43 && line.refusal == REFUSAL_DISTRUSTED);
}

static void a_stranger_is_called_one(void **state) {
    (void)state;
    kind = CALLER_STRANGER;
    assert_int_equal(tell(0, UINT32_MAX, REFUSAL_MALFORMED, SLICE("b.example:443")), 0);
    assert_int_equal(line.refusal, REFUSAL_CALLER);
    assert_int_equal(tell(0, UINT32_MAX, REFUSAL_EXFILTRATION, SLICE("b.example:443")), 0);
    assert_int_equal(line.refusal, REFUSAL_EXFILTRATION);
}

static void a_relay_that_lies_is_ended(void **state) {
    static char long_text[LIMIT_AUTHORITY + 1];
    struct holder other = {.broker = &broker};

    (void)state;
    assert_int_equal(tell(0, 1, REFUSAL_MALFORMED, SLICE("x")), -EPROTO);
    assert_int_equal(tell(0, 0, REFUSAL_NONE, SLICE("x")), -EPROTO);
    assert_int_equal(tell(0, 0, REFUSALS, SLICE("x")), -EPROTO);
    assert_int_equal(tell(0, 0, REFUSAL_MALFORMED, SLICE("a\0b")), -EPROTO);
    assert_int_equal(tell(0, 0, REFUSAL_MALFORMED, slice_of(long_text, sizeof(long_text))), -EPROTO);
    assert_int_equal(tell(8, 0, REFUSAL_MALFORMED, SLICE("x")), -EPROTO);
    granted.is_relay_done = true;
    assert_int_equal(tell(7, 0, REFUSAL_MALFORMED, SLICE("x")), -EPROTO);
    granted.is_relay_done = false;
    granted.holder = &other;
    assert_int_equal(tell(7, 0, REFUSAL_MALFORMED, SLICE("x")), -EPROTO);
    holder->doors = NULL;
    assert_int_equal(tell(0, 0, REFUSAL_MALFORMED, SLICE("x")), -EPROTO);
    assert_true(line.way == 0 && line.lease == 0);
}

#define WITH_HOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_HOLDER(without_a_lease_it_is_a_way_s_line), WITH_HOLDER(a_lease_s_host_has_its_line_there),
        WITH_HOLDER(of_a_stream_it_is_known_who_asked),  WITH_HOLDER(a_stranger_is_called_one),
        WITH_HOLDER(a_relay_that_lies_is_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
