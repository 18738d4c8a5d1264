#include "fleet/link/talk.h"

#include <errno.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "fleet/link/tell.h"

#define CODE_INTERNAL_ERROR 1011 /* RFC 6455 §7.4.1 */
#define TYPE_SHOWN 40            /* of a type that we do not know */

static void set_state(struct talk *talk, enum talk_state state) {
    talk->state = state;
}

/* Whether a line about the hub's messages may be written; where there were too many it is counted. */
static bool may_complain(struct talk *talk) {
    if (loop_now_ms() - talk->lines_since_ms >= HUB_LINES_EVERY) {
        if (talk->lines > LIMIT_HUB_LINES)
            log_warning("%u more lines about messages of the hub were not written", talk->lines - LIMIT_HUB_LINES);
        talk->lines = 0;
        talk->lines_since_ms = loop_now_ms();
    }
    return ++talk->lines <= LIMIT_HUB_LINES;
}

/* What waits goes out, as far as the hub takes it. */
static void send_more(struct talk *talk) {
    if (talk->state == WAIT_WORD && outbox_send(&talk->outbox, talk->frames) < 0)
        frames_close(talk->frames, CODE_INTERNAL_ERROR, "out of memory");
}

static void say(struct talk *talk, const struct buf *json) {
    struct slice part = buf_slice(json);

    (void)frames_send(talk->frames, &part, 1); /* where that does not go, the link is about to end */
}

static void send_heartbeat(struct talk *talk, const struct machine *machine) {
    struct buf json;

    buf_init(&json, LIMIT_FRAME);
    if (hub_words_heartbeat(&talk->worknode, talk->settings, machine, &json) == 0)
        say(talk, &json);
    buf_release(&json);
    timer_set(&talk->heartbeat, HEARTBEAT_EVERY);
}

static void heartbeat_due(struct timer *timer) {
    send_heartbeat(container_of(timer, struct talk, heartbeat), NULL);
}

/* The supervisor may send results from now on. */
static void come_up(struct talk *talk) {
    const struct worknode *who = &talk->worknode;

    if (talk->state == WAIT_WELCOME) {
        timer_cancel(&talk->welcome);
        set_state(talk, WAIT_WORD);
        log_info("connected to %s as %s (worknode %s), %s the broker", talk->settings->url,
                 who->name[0] != '\0' ? who->name : "nobody", who->id[0] != '\0' ? who->id : "unknown",
                 talk->has_broker ? "with" : "without");
        send_heartbeat(talk, talk->machine);
    }
    tell_up(talk->outbox.by_word, slice_of_string(who->id), slice_of_string(who->name));
    send_more(talk);
}

static void not_welcomed(struct timer *timer) {
    struct talk *talk = container_of(timer, struct talk, welcome);

    log_warning("the hub has not welcomed this runner in %d s: it goes on without", TIMEOUT_WELCOME / 1000);
    come_up(talk);
}

static void hear_welcome(struct talk *talk, const struct hub_message *message) {
    worknode_take(&talk->worknode, message);
    outbox_welcome(&talk->outbox, message);
    come_up(talk);
}

static void hear_request(struct talk *talk, const struct hub_message *message) {
    (void)talk;
    tell_task(message);
}

static void hear_cancel(struct talk *talk, const struct hub_message *message) {
    (void)talk;
    tell_cancel(message->task_id);
}

static void hear_ack(struct talk *talk, const struct hub_message *message) {
    outbox_acknowledge(&talk->outbox, message->task_id);
}

static void hear_call(struct talk *talk, const struct hub_message *message) {
    struct buf json;

    buf_init(&json, LIMIT_HEAD);
    if (hub_words_no_call(message->call_id, &json) == 0)
        say(talk, &json);
    buf_release(&json);
}

static void hear_unknown(struct talk *talk, const struct hub_message *message) {
    if (may_complain(talk))
        log_debug("a message of the hub of the type %.*s is passed over",
                  SLICE_ARG(slice_first(message->type_name, TYPE_SHOWN)));
}

static void on_text(void *owner, struct slice text) {
    static void (*const hear[])(struct talk * talk, const struct hub_message *message) = {
        [HUB_WELCOME] = hear_welcome, [HUB_TASK_REQUEST] = hear_request, [HUB_TASK_CANCEL] = hear_cancel,
        [HUB_TASK_ACK] = hear_ack,    [HUB_MCP_CALL] = hear_call,        [HUB_UNKNOWN] = hear_unknown,
    };
    struct talk *talk = owner;
    struct hub_message message;
    const char *fault;

    if (hub_message_parse(text, &message, &fault) == 0)
        hear[message.type](talk, &message);
    else if (may_complain(talk))
        log_warning("a message of the hub cannot be used: %s", fault);
    hub_message_done(&message);
}

static void on_pong(void *owner, struct slice payload) {
    struct talk *talk = owner;

    outbox_take_pong(&talk->outbox, payload);
    send_more(talk);
}

static void on_clear(void *owner) {
    send_more(owner);
}

static void on_over(void *owner, const char *why) {
    struct talk *talk = owner;

    timer_cancel(&talk->welcome);
    timer_cancel(&talk->heartbeat);
    talk->frames = NULL;
    set_state(talk, NO_LINK);
    outbox_reset(&talk->outbox);
    worknode_done(&talk->worknode);
    talk->over(talk, why);
}

void talk_init(struct talk *talk, const struct link_settings *settings, const struct machine *machine,
               void (*over)(struct talk *talk, const char *why)) {
    *talk = (struct talk){.settings = settings,
                          .machine = machine,
                          .over = over,
                          .welcome.on_expiry = not_welcomed,
                          .heartbeat.on_expiry = heartbeat_due};
    outbox_init(&talk->outbox);
    worknode_init(&talk->worknode);
}

int talk_open(struct talk *talk, struct stream *stream, struct slice early, bool has_broker) {
    static const struct frames_events events = {.text = on_text, .pong = on_pong, .clear = on_clear, .over = on_over};
    int r = frames_open(stream, early, &events, talk, &talk->frames);

    if (r < 0)
        return r;
    talk->has_broker = has_broker;
    set_state(talk, WAIT_WELCOME);
    timer_set(&talk->welcome, TIMEOUT_WELCOME);
    return 0;
}

void talk_close(struct talk *talk, uint16_t code, const char *why) {
    if (talk->state != NO_LINK)
        frames_close(talk->frames, code, why);
}

void talk_output(struct talk *talk, struct slice task_id, enum task_stream stream, struct slice text) {
    if (talk->state == NO_LINK) {
        outbox_lose_output(&talk->outbox, text);
        return;
    }
    outbox_add_output(&talk->outbox, task_id, stream, text);
    send_more(talk);
}

int talk_result(struct talk *talk, uint64_t number, struct slice task_id, int record) {
    int r = 0;

    if (talk->state == NO_LINK)
        fd_close(&record);
    else
        r = outbox_add_result(&talk->outbox, number, task_id, record);
    if (r == 0)
        send_more(talk);
    return r;
}
