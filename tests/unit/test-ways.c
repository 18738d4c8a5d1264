#include "egress/desk/ways.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "egress/credential_codec.h"
#include "egress/desk/calls.h"
#include "egress/gate/gate_codec.h"
#include "unit_fd.h"
#include "unit_loop.h"

/* The rooms around it, as far as they matter here: who was told what. */
static struct {
    struct slice bytes;
    char memory[64][512];
    size_t n[64];
    size_t n_messages;
} to_gate, to_relay;

static struct broker broker;
static struct settings settings;
static struct holder *holder;
static struct doors doors;
static const struct standing_plan *plan;
static struct standing *gate;
static int handed_fd, gate_result, relay_result, resolvers;
static bool is_admitted, has_gate_failed, has_failed;

static struct {
    unsigned times, told, betrayed;
    char authority[300], method[32], rule[300], reason[600], identity[64], lease[64], id[64];
    unsigned status;
    uint64_t in, out;
    enum refusal refusal;
} line;

int channel_send(struct channel *c, const struct ipc_writer *w, int fd) {
    struct slice bytes = ipc_writer_bytes(w);
    bool is_gate = gate && c == &gate->child.channel;
    int r = is_gate ? gate_result : relay_result;

    assert_true(is_gate || c == &holder->relay.channel);
    assert_true(bytes.n <= sizeof(to_gate.memory[0]));
    if (r < 0)
        return r;
    if (is_gate) {
        memcpy(to_gate.memory[to_gate.n_messages], bytes.p, bytes.n);
        to_gate.n[to_gate.n_messages++] = bytes.n;
    } else {
        memcpy(to_relay.memory[to_relay.n_messages], bytes.p, bytes.n);
        to_relay.n[to_relay.n_messages++] = bytes.n;
        handed_fd = fd;
    }
    return 0;
}

int calls_refuse(struct holder *whose, uint32_t call, unsigned status, struct slice rule, struct slice reason,
                 struct slice hint) {
    struct ipc_writer w = ipc_begin(IPC_CALL_REFUSED);

    ipc_put_u32(&w, call);
    ipc_put_u16(&w, (uint16_t)status);
    ipc_put_bytes(&w, rule);
    ipc_put_bytes(&w, reason);
    ipc_put_bytes(&w, hint);
    return channel_send(&whose->relay.channel, &w, -EBADF);
}

bool calls_admit(const struct holder *whose, uint16_t from, uint16_t to, struct asker *ret) {
    assert_ptr_equal(whose, holder);
    assert_int_equal(from, 4000);
    assert_int_equal(to, 5000);
    ret->pid = 42;
    (void)snprintf(ret->executable, sizeof(ret->executable), "/usr/bin/curl");
    return is_admitted;
}

int audit_exchange(struct audit *audit, const struct audit_subject *subject, const struct exchange_record *record) {
    (void)audit;
    line.times++;
    (void)snprintf(line.authority, sizeof(line.authority), "%s", subject->authority);
    (void)snprintf(line.identity, sizeof(line.identity), "%s", subject->identity);
    (void)snprintf(line.lease, sizeof(line.lease), "%s", subject->lease);
    (void)snprintf(line.id, sizeof(line.id), "%s", subject->id);
    (void)snprintf(line.method, sizeof(line.method), "%.*s", SLICE_ARG(record->method));
    (void)snprintf(line.rule, sizeof(line.rule), "%.*s", SLICE_ARG(record->rule));
    (void)snprintf(line.reason, sizeof(line.reason), "%.*s", SLICE_ARG(record->reason));
    assert_int_equal(subject->pid, 42);
    assert_string_equal(subject->executable, "/usr/bin/curl");
    line.status = record->status;
    line.in = record->bytes_in;
    line.out = record->bytes_out;
    line.refusal = record->refusal;
    return 0;
}

void exfiltration_tell(struct holder *whose, const struct audit_subject *to, struct slice where) {
    assert_ptr_equal(whose, holder);
    assert_string_equal(to->authority, "a.example.net:443");
    assert_slice(where, "the head or the content");
    line.betrayed++;
}
void metrics_way(struct metrics *metrics, const struct exchange_record *record) {
    metrics->ways[record->refusal]++;
}
void metrics_restarted(struct metrics *metrics, enum metrics_role role) {
    metrics->restarts[role]++;
}
int custody_start_resolver(struct broker *b) {
    assert_ptr_equal(b, &broker);
    return 0;
}
int custody_introduce_resolver(struct broker *b, struct channel *channel) {
    assert_ptr_equal(b, &broker);
    assert_ptr_equal(channel, &gate->child.channel);
    resolvers++;
    return 0;
}
int standing_start(struct standing *standing, const struct standing_plan *its, const char *argument, void *owner) {
    assert_null(argument);
    *standing = (struct standing){.plan = its, .owner = owner};
    standing->child.owner = standing;
    plan = its;
    gate = standing;
    return 0;
}
void standing_again(struct standing *standing) {
    standing->delay_ms++;
}
void standing_stop(struct standing *standing) {
    (void)standing;
}
int standing_on_hello(void *owner, struct ipc_message *m) {
    (void)owner;
    return ipc_end(m);
}
int child_on_log(void *owner, struct ipc_message *m) {
    (void)owner;
    return ipc_end(m);
}
const char *child_describe_end(const struct child *child, int wait_status, char text[static CHILD_END_TEXT]) {
    assert_ptr_equal(child, &gate->child);
    (void)snprintf(text, CHILD_END_TEXT, "it ended (%d)", wait_status);
    return text;
}
void standing_fail(struct standing *standing, int error) {
    assert_ptr_equal(standing, gate);
    assert_true(error < 0);
    has_gate_failed = true;
}
void broker_go_on(struct broker *b) {
    assert_ptr_equal(b, &broker);
}
void broker_fail(struct broker *b, const char *error) {
    assert_ptr_equal(b, &broker);
    assert_non_null(error);
    has_failed = true;
}

static void heard_of_way(void *owner, const char *authority, const struct exchange_record *record) {
    assert_ptr_equal(owner, &line);
    assert_string_equal(authority, "a.example.net:443");
    assert_int_equal(record->method.n > 0 ? record->method.p[0] : 'C', 'C');
    line.told++;
}

static char host_a[] = "a.example", host_b[] = "b.example";
static struct gate_rule two[] = {{.host = host_a, .port = 443}, {.host = host_b, .port = 80, .is_wildcard = true}};

static void gate_says_hello(void) {
    gate->was_ready = true;
    plan->on_ready(gate);
}

static int begin(void **state) {
    (void)state;
    memset(&to_gate, 0, sizeof(to_gate));
    memset(&to_relay, 0, sizeof(to_relay));
    memset(&line, 0, sizeof(line));
    memset(&broker, 0, sizeof(broker));
    gate_result = relay_result = resolvers = 0;
    is_admitted = true;
    has_gate_failed = has_failed = false;
    handed_fd = -EBADF;
    settings = (struct settings){.egress = {.is_there = true, .allow = two, .n_allow = 2}};
    broker.settings = &settings;
    broker.owner.way = heard_of_way;
    broker.owner.owner = &line;
    holder = calloc(1, sizeof(*holder));
    if (!holder)
        return -1;
    holder->broker = &broker;
    holder->doors = &doors;
    holder->relay.owner = holder;
    (void)snprintf(holder->identity, sizeof(holder->identity), "alice");
    broker.holders = holder;
    assert_int_equal(ways_start(&broker), 0);
    assert_false(ways_is_ready(&broker));
    gate_says_hello();
    assert_true(ways_is_ready(&broker));
    return 0;
}

static int end(void **state) {
    (void)state;
    ways_side_gone(&broker, holder);
    assert_int_equal(holder->n_ways, 0);
    ways_free(&broker);
    free(holder);
    gate = NULL;
    return 0;
}

static struct ipc_message last(bool is_gate) {
    size_t n = is_gate ? to_gate.n_messages : to_relay.n_messages;

    assert_true(n > 0);
    return is_gate ? ipc_message_of(slice_of(to_gate.memory[n - 1], to_gate.n[n - 1]))
                   : ipc_message_of(slice_of(to_relay.memory[n - 1], to_relay.n[n - 1]));
}

static int hear(int (*take)(void *owner, struct ipc_message *m), void *owner, const struct ipc_writer *w, int fd) {
    _cleanup_slice_ struct slice copy = exact_copy(ipc_writer_bytes(w));
    struct ipc_message m = ipc_message_of(copy);

    m.fd = fd;
    return take(owner, &m);
}

static int (*gate_permit(enum ipc_type type))(void *owner, struct ipc_message *m) {
    for (size_t i = 0; i < plan->n_permits; i++)
        if (plan->permits[i].type == type)
            return plan->permits[i].handle;
    fail();
    return NULL;
}

static int ask_for(struct slice host, uint8_t is_plain) {
    struct ipc_writer w = ipc_begin(IPC_WAY);

    ipc_put_u32(&w, 7);
    ipc_put_u16(&w, 4000);
    ipc_put_u16(&w, 5000);
    ipc_put_bytes(&w, host);
    ipc_put_u16(&w, 443);
    ipc_put_u8(&w, is_plain);
    return hear(ways_take, &holder->relay, &w, -EBADF);
}

/* The number that the gate was given. */
static uint64_t ask(void) {
    struct ipc_message m;
    uint64_t number;

    assert_int_equal(ask_for(SLICE("a.example.net"), 0), 0);
    m = last(true);
    assert_int_equal(m.type, IPC_WAY);
    number = ipc_get_u64(&m);
    assert_slice(ipc_get_bytes(&m, 100), "a.example.net");
    assert_int_equal(ipc_get_u16(&m), 443);
    assert_int_equal(ipc_end(&m), 0);
    return number;
}

static int open_it(uint64_t number) {
    struct ipc_writer w = ipc_begin(IPC_WAY_OPEN);
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

    assert_true(fd >= 0);
    ipc_put_u64(&w, number);
    ipc_put_bytes(&w, SLICE("*.example.net:443"));
    return hear(gate_permit(IPC_WAY_OPEN), &gate->child, &w, fd);
}

static void assert_granted(uint64_t number) {
    struct ipc_message m = last(false);

    assert_int_equal(m.type, IPC_WAY_OPEN);
    assert_int_equal(ipc_get_u32(&m), 7);
    assert_int_equal(ipc_get_u64(&m), number);
    assert_int_equal(ipc_end(&m), 0);
    assert_true(handed_fd >= 0);
}

static void assert_refused(unsigned status, const char *rule, const char *reason, enum refusal refusal) {
    struct ipc_message m = last(false);

    assert_int_equal(m.type, IPC_CALL_REFUSED);
    assert_int_equal(ipc_get_u32(&m), 7);
    assert_int_equal(ipc_get_u16(&m), status);
    assert_slice(ipc_get_bytes(&m, 512), rule);
    assert_slice(ipc_get_bytes(&m, 512), reason);
    (void)ipc_get_bytes(&m, 512);
    assert_int_equal(ipc_end(&m), 0);
    assert_int_equal(line.status, status);
    assert_int_equal(line.refusal, refusal);
    assert_string_equal(line.rule, rule);
    assert_string_equal(line.reason, reason);
    assert_string_equal(line.lease, "egress");
    assert_string_equal(line.identity, "alice");
}

static int use(uint64_t number, uint8_t refusal, unsigned status, struct slice method) {
    struct ipc_writer w = ipc_begin(IPC_WAY_USED);

    ipc_put_u64(&w, number);
    ipc_put_u8(&w, refusal);
    ipc_put_u16(&w, (uint16_t)status);
    ipc_put_u64(&w, 100);
    ipc_put_u64(&w, 200);
    ipc_put_bytes(&w, method);
    ipc_put_bytes(&w, SLICE(""));
    ipc_put_bytes(&w, refusal ? SLICE("no TLS") : SLICE_EMPTY);
    return hear(ways_take_used, &holder->relay, &w, -EBADF);
}

static int close_it(uint64_t number) {
    struct ipc_writer w = ipc_begin(IPC_WAY_CLOSED);

    ipc_put_u64(&w, number);
    return hear(ways_take_close, &holder->relay, &w, -EBADF);
}

static void the_gate_is_told_every_rule(void **state) {
    bool has_rule, is_first, is_last;
    struct gate_rule rule;
    struct ipc_message m;

    (void)state;
    assert_int_equal(to_gate.n_messages, 3);
    m = ipc_message_of(slice_of(to_gate.memory[0], to_gate.n[0]));
    assert_int_equal(m.type, IPC_TIMEOUTS);
    for (size_t i = 0; i < 2; i++) {
        m = ipc_message_of(slice_of(to_gate.memory[i + 1], to_gate.n[i + 1]));
        assert_int_equal(m.type, IPC_GATE);
        assert_int_equal(gate_decode(&m, &rule, &has_rule, &is_first, &is_last), 0);
        assert_string_equal(rule.host, two[i].host);
        assert_true(is_first == (i == 0) && is_last == (i == 1));
        free(rule.host);
    }
    assert_int_equal(resolvers, 1);
    settings.egress.n_allow = 0;
    ways_reload(&broker);
    m = last(true);
    assert_int_equal(gate_decode(&m, &rule, &has_rule, &is_first, &is_last), 0);
    assert_true(!has_rule && is_first && is_last);
    ways_introduce_resolver(&broker);
    assert_int_equal(resolvers, 2);
}

static void a_way_is_handed_over_and_has_its_line_when_it_is_over(void **state) {
    int next = next_number();
    uint64_t number = ask();

    (void)state;
    assert_int_equal(open_it(number), 0);
    assert_granted(number);
    assert_int_equal(line.times, 0);
    assert_int_equal(next_number(), next);
    assert_int_equal(use(number, REFUSAL_NONE, 200, SLICE("CONNECT")), 0);
    assert_int_equal(close_it(number), 0);
    assert_int_equal(line.times, 1);
    assert_int_equal(line.told, 1);
    assert_string_equal(line.authority, "a.example.net:443");
    assert_string_equal(line.method, "CONNECT");
    assert_string_equal(line.rule, "*.example.net:443");
    assert_string_equal(line.reason, "");
    assert_true(line.status == 200 && line.in == 100 && line.out == 200 && line.refusal == REFUSAL_NONE);
    assert_int_equal(broker.metrics.ways[REFUSAL_NONE], 1);
    assert_int_equal(holder->n_ways, 0);
    assert_int_equal(close_it(number), -EPROTO);
}

static void what_went_wrong_in_it_is_told(void **state) {
    uint64_t number = ask();

    (void)state;
    assert_int_equal(open_it(number), 0);
    assert_int_equal(use(number, REFUSAL_NOT_TLS, 403, SLICE("CONNECT")), 0);
    assert_true(line.refusal == REFUSAL_NOT_TLS && line.status == 403);
    assert_string_equal(line.reason, "no TLS");
    assert_string_equal(line.rule, "*.example.net:443");
    assert_int_equal(close_it(number), 0);
    number = ask();
    assert_int_equal(open_it(number), 0);
    assert_int_equal(use(number, REFUSAL_EXFILTRATION, 403, SLICE("CONNECT")), 0);
    assert_string_equal(line.rule, "placeholder");
    assert_int_equal(line.betrayed, 1);
    assert_int_equal(close_it(number), 0);
    assert_int_equal(line.times, 2);
}

/* A relay in a stranger's hands could write as many lines as it likes, and events with them. */
static void a_way_is_told_of_once(void **state) {
    uint64_t number = ask();

    (void)state;
    assert_int_equal(open_it(number), 0);
    assert_int_equal(use(number, REFUSAL_NONE, 200, SLICE("CONNECT")), 0);
    assert_int_equal(use(number, REFUSAL_EXFILTRATION, 403, SLICE("CONNECT")), -EPROTO);
    assert_int_equal(line.times, 1);
    assert_int_equal(line.betrayed, 0);
    assert_int_equal(close_it(number), 0);
    assert_int_equal(line.times, 1);
}

static void one_that_nobody_used_has_its_line_too(void **state) {
    uint64_t number = ask();

    (void)state;
    assert_int_equal(open_it(number), 0);
    assert_int_equal(close_it(number), 0);
    assert_int_equal(line.times, 1);
    assert_true(line.status == 0 && line.refusal == REFUSAL_NONE);
    assert_string_equal(line.method, "CONNECT");
}

static int gate_refuses(uint64_t number, uint8_t refusal, struct slice rule, struct slice reason) {
    struct ipc_writer w = ipc_begin(IPC_WAY_REFUSED);

    ipc_put_u64(&w, number);
    ipc_put_u8(&w, refusal);
    ipc_put_bytes(&w, rule);
    ipc_put_bytes(&w, reason);
    ipc_put_bytes(&w, SLICE("a hint"));
    return hear(gate_permit(IPC_WAY_REFUSED), &gate->child, &w, -EBADF);
}

static void what_the_gate_refuses_is_refused(void **state) {
    static const struct {
        enum refusal refusal;
        unsigned status;
    } rows[] = {{REFUSAL_HOST, 403},
                {REFUSAL_ADDRESS, 403},
                {REFUSAL_UPSTREAM, 502},
                {REFUSAL_UPSTREAM_TIMEOUT, 504},
                {REFUSAL_NO_MEMORY, 503}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(gate_refuses(ask(), (uint8_t)rows[i].refusal, SLICE("a.rule"), SLICE("so it is")), 0);
        assert_refused(rows[i].status, "a.rule", "so it is", rows[i].refusal);
        assert_string_equal(line.method, "CONNECT");
    }
    assert_int_equal(line.times, ARRAY_LEN(rows));
    assert_int_equal(holder->n_ways, 0);
}

static void a_gate_that_lies_is_ended(void **state) {
    uint64_t number = ask();

    (void)state;
    assert_int_equal(gate_refuses(number, REFUSAL_NONE, SLICE(""), SLICE("")), -EPROTO);
    assert_int_equal(gate_refuses(number, REFUSALS, SLICE(""), SLICE("")), -EPROTO);
    assert_int_equal(gate_refuses(UINT64_C(1) << 40, REFUSAL_HOST, SLICE(""), SLICE("")), -EPROTO);
    assert_int_equal(open_it(number), 0);
    assert_int_equal(open_it(number), -EPROTO);
    assert_int_equal(gate_refuses(number, REFUSAL_HOST, SLICE(""), SLICE("")), -EPROTO);
    assert_int_equal(gate_refuses(number + 1, REFUSAL_HOST, SLICE(""), SLICE("")), 0); /* its holder may be gone */
}

static void a_relay_that_lies_is_ended(void **state) {
    uint64_t number = ask();
    struct holder other = {.broker = &broker};

    (void)state;
    assert_int_equal(use(number, REFUSAL_NONE, 200, SLICE("CONNECT")), -EPROTO); /* it is not open */
    assert_int_equal(close_it(number), -EPROTO);
    assert_int_equal(open_it(number), 0);
    assert_int_equal(use(number, REFUSALS, 200, SLICE("CONNECT")), -EPROTO);
    holder->relay.owner = &other;
    assert_int_equal(close_it(number), -EPROTO);
    holder->relay.owner = holder;
    assert_int_equal(ask_for(SLICE(""), 0), -EPROTO);
    assert_int_equal(ask_for(SLICE("a\0b"), 0), -EPROTO);
    assert_int_equal(ask_for(SLICE("a"), 2), -EPROTO);
    holder->doors = NULL;
    assert_int_equal(ask_for(SLICE("a"), 0), -EPROTO);
}

static void nothing_opens_while(void **state) {
    size_t before = to_gate.n_messages;

    (void)state;
    is_admitted = false;
    assert_int_equal(ask_for(SLICE("a.example.net"), 0), 0);
    assert_refused(403, "isolate", refusal_text(REFUSAL_CALLER)->reason, REFUSAL_CALLER);
    is_admitted = true;
    broker.is_audit_blocked = true;
    assert_int_equal(ask_for(SLICE("a.example.net"), 1), 0);
    assert_refused(503, "audit", refusal_text(REFUSAL_AUDIT)->reason, REFUSAL_AUDIT);
    assert_string_equal(line.method, "");
    broker.is_audit_blocked = false;
    holder->n_ways = LIMIT_WAYS;
    assert_int_equal(ask_for(SLICE("a.example.net"), 0), 0);
    assert_refused(503, "", refusal_text(REFUSAL_NO_MEMORY)->reason, REFUSAL_NO_MEMORY);
    holder->n_ways = 0;
    gate_result = -EPIPE;
    assert_int_equal(ask_for(SLICE("a.example.net"), 0), 0);
    assert_refused(503, "", refusal_text(REFUSAL_GATE)->reason, REFUSAL_GATE);
    assert_int_equal(to_gate.n_messages, before);
    assert_int_equal(line.times, 4);
}

static void a_gate_that_dies_takes_only_what_waits(void **state) {
    uint64_t open = ask();

    (void)state;
    assert_int_equal(open_it(open), 0);
    (void)ask();
    plan->on_exited(gate, 9);
    assert_refused(503, "", refusal_text(REFUSAL_GATE)->reason, REFUSAL_GATE);
    assert_int_equal(holder->n_ways, 1);
    assert_int_equal(gate->delay_ms, 1);
    assert_false(has_failed);
    assert_int_equal(broker.metrics.restarts[METRICS_GATE], 1);
    assert_int_equal(ask_for(SLICE("a.example.net"), 0), 0);
    assert_int_equal(line.times, 2);
    gate_says_hello();
    assert_int_equal(open_it(ask()), 0);
    assert_int_equal(use(open, REFUSAL_NONE, 200, SLICE("CONNECT")), 0);
    assert_int_equal(close_it(open), 0);
}

static void a_gate_that_never_begins_fails_the_broker(void **state) {
    (void)state;
    gate->was_ready = false;
    plan->on_exited(gate, 1);
    assert_true(has_failed);
    assert_int_equal(gate->delay_ms, 0);
    assert_false(ways_is_ready(&broker));
}

static void one_that_cannot_be_told_its_rules_is_ended(void **state) {
    (void)state;
    plan->on_exited(gate, 9);
    gate_result = -ENOBUFS;
    gate_says_hello();
    assert_true(has_gate_failed);
    assert_false(ways_is_ready(&broker));
}

static void a_connection_that_cannot_be_handed_over_is_closed(void **state) {
    int next = next_number();
    uint64_t number = ask();

    (void)state;
    relay_result = -EMFILE;
    assert_int_equal(open_it(number), 0);
    assert_int_equal(next_number(), next);
    assert_int_equal(line.refusal, REFUSAL_NO_MEMORY);
    assert_int_equal(holder->n_ways, 0);
}

static void with_a_relay_its_ways_are_gone(void **state) {
    uint64_t open = ask(), waiting = ask();
    struct ipc_message m;

    (void)state;
    assert_int_equal(open_it(open), 0);
    ways_side_gone(&broker, holder);
    assert_int_equal(holder->n_ways, 0);
    assert_int_equal(line.times, 1);
    assert_string_equal(line.reason, "it was open when its command ended");
    m = last(true);
    assert_int_equal(m.type, IPC_WAY_CLOSED);
    assert_int_equal(ipc_get_u64(&m), waiting);
    assert_int_equal(open_it(waiting), 0); /* said before it heard that */
    assert_int_equal(to_relay.n_messages, 1);
}

static void without_the_section_there_is_none(void **state) {
    struct settings none = {0};
    struct broker other = {.settings = &none};

    (void)state;
    assert_int_equal(ways_start(&other), 0);
    assert_true(ways_is_ready(&other) && ways_is_quiet(&other) && !other.ways);
    ways_reload(&other);
    ways_introduce_resolver(&other);
    ways_stop(&other);
    ways_free(&other);
    holder->broker = &other;
    assert_int_equal(ask_for(SLICE("a.example.net"), 0), -EPROTO);
    holder->broker = &broker;
}

#define WITH_GATE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_GATE(the_gate_is_told_every_rule),
        WITH_GATE(a_way_is_handed_over_and_has_its_line_when_it_is_over),
        WITH_GATE(what_went_wrong_in_it_is_told),
        WITH_GATE(a_way_is_told_of_once),
        WITH_GATE(one_that_nobody_used_has_its_line_too),
        WITH_GATE(what_the_gate_refuses_is_refused),
        WITH_GATE(a_gate_that_lies_is_ended),
        WITH_GATE(a_relay_that_lies_is_ended),
        WITH_GATE(nothing_opens_while),
        WITH_GATE(a_gate_that_dies_takes_only_what_waits),
        WITH_GATE(a_gate_that_never_begins_fails_the_broker),
        WITH_GATE(one_that_cannot_be_told_its_rules_is_ended),
        WITH_GATE(a_connection_that_cannot_be_handed_over_is_closed),
        WITH_GATE(with_a_relay_its_ways_are_gone),
        WITH_GATE(without_the_section_there_is_none),
    };

    log_set_level(LOG_ERROR);
    return loop_init() < 0 ? EXIT_FAILURE : cmocka_run_group_tests(tests, NULL, NULL);
}
