#include "egress/desk/ways.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "egress/credential_codec.h"
#include "egress/desk/calls.h"
#include "egress/gate/gate_codec.h"
#include "egress/gate/gate_rule.h"

struct ways {
    struct standing gate;
    struct number_table table; /* every way, by the number that the gate and the relay know */
    bool is_serving;           /* the gate has its rules */
};

struct way {
    struct way *next, **at; /* of its holder's */
    struct holder *holder;
    uint32_t number;
    uint32_t call; /* in the relay */
    bool is_open;  /* the relay has it; before, it is the gate's to open or to refuse */
    bool is_told;  /* a line about it was written */
    bool is_plain;
    uint16_t port;
    uint64_t began_ms;
    struct asker asker;
    char host[LIMIT_HOST + 1];
    char rule[GATE_RULE_TEXT_MAX]; /* that let it through */
};

/* Why there is none. The texts look anywhere. */
struct refusal_words {
    enum refusal refusal;
    struct slice rule, reason, hint;
};

static struct refusal_words words_of(enum refusal refusal) {
    const struct refusal_text *text = refusal_text(refusal);

    return (struct refusal_words){.refusal = refusal,
                                  .rule = text->rule,
                                  .reason = slice_of_string(text->reason ? text->reason : text->name),
                                  .hint = text->hint};
}

static unsigned status_of(enum refusal refusal) {
    if (refusal == REFUSAL_UPSTREAM)
        return 502;
    return refusal == REFUSAL_UPSTREAM_TIMEOUT ? 504 : refusal_text(refusal)->status;
}

/* No lease is used: its id has the number 0. */
void ways_account(struct holder *holder, const char *authority, const struct asker *asker,
                  const struct exchange_record *record) {
    struct broker *broker = holder->broker;
    char id[LEASE_ID_MAX];
    struct audit_subject subject = {
        .lease = AUDIT_WAYS,
        .identity = holder->identity,
        .authority = authority,
        .id = id,
        .pid = asker->pid,
        .executable = asker->executable[0] ? asker->executable : NULL,
    };

    lease_id_format((struct lease_id){.pid = (uint32_t)getpid()}, id);
    metrics_way(&broker->metrics, record);
    if (broker->owner.way)
        broker->owner.way(broker->owner.owner, authority, record);
    (void)audit_exchange(broker->audit, &subject, record); /* it says itself what it could not write */
    if (record->refusal == REFUSAL_EXFILTRATION)
        exfiltration_tell(holder, &subject, SLICE("the head or the content"));
}

static void account(struct way *way, const struct exchange_record *record) {
    char authority[GATE_RULE_TEXT_MAX];

    (void)gate_host_format(slice_of_string(way->host), way->port, authority);
    way->is_told = true;
    ways_account(way->holder, authority, &way->asker, record);
}

/* Of one that came to nothing the relay tells no more: what it was to carry is known by its kind alone. */
static struct exchange_record record_of(const struct way *way) {
    return (struct exchange_record){.method = way->is_plain ? SLICE_EMPTY : SLICE("CONNECT"),
                                    .path = SLICE_EMPTY,
                                    .reason = SLICE_EMPTY,
                                    .rule = slice_of_string(way->rule),
                                    .duration_ms = loop_now_ms() - way->began_ms};
}

/* 0, or -errno when the relay cannot be told anything any more. */
static int refuse(struct way *way, const struct refusal_words *words) {
    struct exchange_record record = record_of(way);

    record.status = status_of(words->refusal);
    record.refusal = words->refusal;
    record.rule = words->rule;
    record.reason = words->reason;
    account(way, &record);
    return calls_refuse(way->holder, way->call, record.status, words->rule, words->reason, words->hint);
}

static int refuse_with(struct way *way, enum refusal refusal) {
    struct refusal_words words = words_of(refusal);

    return refuse(way, &words);
}

static void way_free(struct way *way) {
    *way->at = way->next;
    if (way->next)
        way->next->at = way->at;
    way->holder->n_ways--;
    number_table_remove(&way->holder->broker->ways->table, way->number);
    free(way);
}

/* One that was open and of which nothing was told has its line too. */
static void way_over(struct way *way, struct slice reason) {
    struct exchange_record record = record_of(way);

    record.reason = reason;
    if (way->is_open && !way->is_told)
        account(way, &record);
    way_free(way);
}

/* What the gate speaks of: NULL for one whose relay has gone meanwhile. */
static struct way *get_way(struct child *child, struct ipc_message *m, struct ways **ret) {
    struct standing *standing = child->owner;
    struct broker *broker = standing->owner;
    uint64_t number = ipc_get_u64(m);

    *ret = broker->ways;
    if (number > UINT32_MAX)
        ipc_fail(m);
    return number_table_find(&broker->ways->table, (uint32_t)number);
}

static int hand_over(struct way *way, int fd) {
    struct ipc_writer w = ipc_begin(IPC_WAY_OPEN);

    ipc_put_u32(&w, way->call);
    ipc_put_u64(&w, way->number);
    return channel_send(&way->holder->relay.channel, &w, fd);
}

static int on_open(void *owner, struct ipc_message *m) {
    struct ways *ways;
    struct way *way = get_way(owner, m, &ways);
    struct slice rule = ipc_get_bytes(m, GATE_RULE_TEXT_MAX - 1);
    _cleanup_close_ int fd = m->is_fd_lost ? -EBADF : ipc_get_fd(m);

    if (ipc_end(m) < 0 || (way && way->is_open))
        return -EPROTO;
    if (!way)
        return 0;
    memcpy(way->rule, rule.p, rule.n);
    way->rule[rule.n] = '\0';
    if (fd >= 0 && hand_over(way, fd) == 0) {
        way->is_open = true;
        return 0;
    }
    (void)refuse_with(way, REFUSAL_NO_MEMORY);
    way_free(way);
    return 0;
}

static int on_refused(void *owner, struct ipc_message *m) {
    struct ways *ways;
    struct way *way = get_way(owner, m, &ways);
    struct refusal_words words = {.refusal = ipc_get_u8(m)};

    words.rule = ipc_get_bytes(m, LIMIT_REASON);
    words.reason = ipc_get_bytes(m, LIMIT_REASON);
    words.hint = ipc_get_bytes(m, LIMIT_REASON);
    if (ipc_end(m) < 0 || words.refusal == REFUSAL_NONE || words.refusal >= REFUSALS || (way && way->is_open))
        return -EPROTO;
    if (!way)
        return 0;
    (void)refuse(way, &words);
    way_free(way);
    return 0;
}

static int send_rules(struct broker *broker) {
    const struct egress_settings *egress = &broker->settings->egress;
    struct channel *channel = &broker->ways->gate.child.channel;
    struct ipc_writer w;
    int r = 0;

    if (egress->n_allow == 0) {
        w = gate_encode_none();
        return channel_send(channel, &w, -EBADF);
    }
    for (size_t i = 0; r == 0 && i < egress->n_allow; i++) {
        w = gate_encode(&egress->allow[i], i == 0, i + 1 == egress->n_allow);
        r = channel_send(channel, &w, -EBADF);
    }
    return r;
}

static int send_terms(struct broker *broker) {
    struct ipc_writer w = timeouts_encode(&broker->settings->timeouts);
    int r = channel_send(&broker->ways->gate.child.channel, &w, -EBADF);

    return r == 0 ? send_rules(broker) : r;
}

int ways_introduce_resolver(struct broker *broker) {
    bool is_wanted = broker->ways && broker->ways->is_serving;

    return is_wanted ? custody_introduce_resolver(broker, &broker->ways->gate.child.channel) : 0;
}

static void gate_ready(struct standing *standing) {
    struct broker *broker = standing->owner;
    int r = send_terms(broker);

    broker->ways->is_serving = r == 0;
    if (r == 0)
        r = ways_introduce_resolver(broker);
    if (r < 0)
        standing_fail(standing, r);
    else
        broker_go_on(broker);
}

/* Ways that are open stay so: they are the relays'. Those that were being opened will not be. */
static void refuse_waiting(struct broker *broker) {
    for (struct holder *holder = broker->holders; holder; holder = holder->next)
        for (struct way *way = holder->ways, *next; way; way = next) {
            next = way->next;
            if (!way->is_open) {
                (void)refuse_with(way, REFUSAL_GATE);
                way_free(way);
            }
        }
}

static void gate_exited(struct standing *standing, int wait_status) {
    struct broker *broker = standing->owner;
    char what[CHILD_END_TEXT];

    broker->ways->is_serving = false;
    refuse_waiting(broker);
    if (!broker->is_stopping && standing->was_ready) {
        log_error("%s: it is started again", child_describe_end(&standing->child, wait_status, what));
        metrics_restarted(&broker->metrics, METRICS_GATE);
        standing_again(standing);
    } else if (!broker->is_stopping) {
        broker_fail(broker, "credfd-gate could not be started");
    }
    broker_go_on(broker);
}

static const struct ipc_permit gate_permits[] = {
    {IPC_HELLO, 1, standing_on_hello},
    {IPC_LOG, 1, child_on_log},
    {IPC_WAY_OPEN, 1, on_open},
    {IPC_WAY_REFUSED, 1, on_refused},
};
static const struct standing_plan gate_plan = {
    .name = "credfd-gate",
    .permits = gate_permits,
    .n_permits = ARRAY_LEN(gate_permits),
    .on_ready = gate_ready,
    .on_exited = gate_exited,
};

int ways_start(struct broker *broker) {
    int r;

    if (!broker->settings->egress.is_there)
        return 0;
    broker->ways = calloc(1, sizeof(*broker->ways));
    if (!broker->ways)
        return -ENOMEM;
    r = custody_start_resolver(broker); /* whatever its credentials need: a rule that is added may have a name */
    return r == 0 ? standing_start(&broker->ways->gate, &gate_plan, NULL, broker) : r;
}

void ways_stop(struct broker *broker) {
    if (broker->ways)
        standing_stop(&broker->ways->gate);
}

void ways_free(struct broker *broker) {
    if (!broker->ways)
        return;
    number_table_done(&broker->ways->table);
    free(broker->ways);
    broker->ways = NULL;
}

bool ways_is_ready(const struct broker *broker) {
    return !broker->ways || broker->ways->is_serving;
}

bool ways_is_quiet(const struct broker *broker) {
    return !broker->ways || !child_is_running(&broker->ways->gate.child);
}

void ways_reload(struct broker *broker) {
    int r = 0;

    if (!broker->ways && broker->settings->egress.is_there)
        log_error("egress: a proxy is opened when a command starts; start it again to use this");
    else if (broker->ways && broker->ways->is_serving)
        r = send_terms(broker);
    if (r < 0)
        standing_fail(&broker->ways->gate, r);
}

static int ask_gate(struct way *way) {
    struct ways *ways = way->holder->broker->ways;
    struct ipc_writer w = ipc_begin(IPC_WAY);

    ipc_put_u64(&w, way->number);
    ipc_put_bytes(&w, slice_of_string(way->host));
    ipc_put_u16(&w, way->port);
    return channel_send(&ways->gate.child.channel, &w, -EBADF);
}

/* It was judged fit to be asked for. 0, or -errno as refuse. */
static int way_begin(const struct way *asked) {
    struct holder *holder = asked->holder;
    struct ways *ways = holder->broker->ways;
    struct way *way = malloc(sizeof(*way));
    int r;

    if (!way)
        return -ENOMEM;
    *way = *asked;
    if (number_table_give(&ways->table, way, &way->number) < 0) {
        free(way);
        return -ENOMEM;
    }
    way->next = holder->ways;
    way->at = &holder->ways;
    if (way->next)
        way->next->at = &way->next;
    holder->ways = way;
    holder->n_ways++;
    r = ask_gate(way);
    if (r < 0)
        way_free(way);
    return r;
}

/* What the request is refused with before the gate is asked; REFUSAL_NONE for nothing. */
static enum refusal judge(struct way *way, uint16_t from, uint16_t to) {
    const struct broker *broker = way->holder->broker;

    if (!calls_admit(way->holder, from, to, &way->asker))
        return REFUSAL_CALLER;
    if (broker->is_audit_blocked)
        return REFUSAL_AUDIT;
    if (way->holder->n_ways == LIMIT_WAYS)
        return REFUSAL_NO_MEMORY;
    return broker->ways->is_serving ? REFUSAL_NONE : REFUSAL_GATE;
}

int ways_take(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct holder *holder = child->owner;
    struct way asked = {.holder = holder, .call = ipc_get_u32(m), .began_ms = loop_now_ms()};
    uint16_t from = ipc_get_u16(m), to = ipc_get_u16(m);
    struct slice host = ipc_get_bytes(m, LIMIT_HOST);
    uint8_t is_plain;
    enum refusal refusal;

    asked.port = ipc_get_u16(m);
    is_plain = ipc_get_u8(m);
    if (ipc_end(m) < 0 || is_plain > 1 || host.n == 0 || slice_has(host, '\0') || !holder->doors ||
        !holder->broker->ways)
        return -EPROTO;
    memcpy(asked.host, host.p, host.n);
    asked.is_plain = is_plain == 1;
    refusal = judge(&asked, from, to);
    if (refusal == REFUSAL_NONE && way_begin(&asked) < 0)
        refusal = REFUSAL_GATE;
    return refusal == REFUSAL_NONE ? 0 : refuse_with(&asked, refusal);
}

/* One that this very relay has, or the relay lies. */
static struct way *get_open(struct holder *holder, struct ipc_message *m) {
    uint64_t number = ipc_get_u64(m);
    struct way *way = holder->broker->ways && number <= UINT32_MAX
                          ? number_table_find(&holder->broker->ways->table, (uint32_t)number)
                          : NULL;

    if (way && way->holder == holder && way->is_open)
        return way;
    ipc_fail(m);
    return NULL;
}

int ways_take_used(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct way *way = get_open(child->owner, m);
    struct exchange_record record = {.refusal = ipc_get_u8(m)};

    record.status = ipc_get_u16(m);
    record.bytes_in = ipc_get_u64(m);
    record.bytes_out = ipc_get_u64(m);
    record.method = ipc_get_bytes(m, LIMIT_METHOD);
    record.path = ipc_get_bytes(m, LIMIT_TARGET);
    record.reason = ipc_get_bytes(m, LIMIT_REASON);
    if (ipc_end(m) < 0 || !way || record.refusal >= REFUSALS)
        return -EPROTO;
    if (way->is_told)
        return -EPROTO; /* a way is one exchange, or one tunnel: more lines than one would be made up */
    record.rule = refusal_text(record.refusal)->rule;
    if (record.rule.n == 0)
        record.rule = slice_of_string(way->rule);
    record.duration_ms = loop_now_ms() - way->began_ms;
    account(way, &record);
    return 0;
}

int ways_take_close(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct way *way = get_open(child->owner, m);

    if (ipc_end(m) < 0 || !way)
        return -EPROTO;
    way_over(way, SLICE_EMPTY);
    return 0;
}

static void tell_closed(struct ways *ways, const struct way *way) {
    struct ipc_writer w = ipc_begin(IPC_WAY_CLOSED);

    ipc_put_u64(&w, way->number);
    (void)channel_send(&ways->gate.child.channel, &w, -EBADF);
}

void ways_side_gone(struct broker *broker, struct holder *holder) {
    while (holder->ways) {
        if (!holder->ways->is_open)
            tell_closed(broker->ways, holder->ways);
        way_over(holder->ways, SLICE("it was open when its command ended"));
    }
}
