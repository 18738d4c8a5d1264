#include "fleet/link/outbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/num.h"
#include "fleet/link/hub_words.h"
#include "fleet/link/tell.h"
#include "fleet/spool/record.h"

#define LOW (64 * 1024) /* less than that waits: the next may be put together */

struct outbox_item {
    struct outbox_item *next;
    bool is_result;
    uint64_t number; /* of a result */
    int record;
    enum task_stream stream; /* of output */
    char task_id[LIMIT_TASK_ID + 1];
    size_t n;
    char text[];
};

static void keep_id(char to[static LIMIT_TASK_ID + 1], struct slice task_id) {
    (void)snprintf(to, LIMIT_TASK_ID + 1, "%.*s", SLICE_ARG(task_id));
}

void outbox_init(struct outbox *outbox) {
    *outbox = (struct outbox){0};
    outbox->end = &outbox->first;
}

static struct outbox_item *item_new(struct slice task_id, size_t n) {
    struct outbox_item *item = malloc(sizeof(*item) + n);

    if (!item)
        return NULL;
    *item = (struct outbox_item){.record = -EBADF, .n = n};
    keep_id(item->task_id, task_id);
    return item;
}

static void append(struct outbox *outbox, struct outbox_item *item) {
    *outbox->end = item;
    outbox->end = &item->next;
}

/* What an output costs while it waits. */
static size_t weight(const struct outbox_item *item) {
    return item->is_result ? 0 : sizeof(*item) + item->n;
}

/* Takes the item out to which `at` points. */
static void drop(struct outbox *outbox, struct outbox_item **at) {
    struct outbox_item *item = *at;

    *at = item->next;
    if (!item->next)
        outbox->end = at;
    outbox->backlog -= weight(item);
    fd_close(&item->record);
    free(item);
}

void outbox_lose_output(struct outbox *outbox, struct slice text) {
    outbox->lost++;
    outbox->lost_bytes += text.n;
}

void outbox_reset(struct outbox *outbox) {
    while (outbox->first) {
        if (!outbox->first->is_result)
            outbox_lose_output(outbox, slice_of(outbox->first->text, outbox->first->n));
        drop(outbox, &outbox->first);
    }
    free(outbox->received);
    outbox->received = NULL;
    outbox->n_received = outbox->n_results = outbox->n_sent = 0;
    outbox->place = outbox->asked = 0;
    outbox->by_word = false;
}

static void say_what_was_lost(struct outbox *outbox) {
    if (outbox->lost > 0)
        log_warning(
            "%llu pieces of output (%llu bytes) were not told to the hub, which was away or took them too slowly",
            (unsigned long long)outbox->lost, (unsigned long long)outbox->lost_bytes);
    outbox->lost = outbox->lost_bytes = 0;
}

void outbox_add_output(struct outbox *outbox, struct slice task_id, enum task_stream stream, struct slice text) {
    struct outbox_item *item = outbox->backlog < LIMIT_LINK_BACKLOG ? item_new(task_id, text.n) : NULL;

    if (!item) {
        outbox_lose_output(outbox, text);
        return;
    }
    say_what_was_lost(outbox);
    memcpy(item->text, text.p, text.n);
    item->stream = stream;
    outbox->backlog += weight(item);
    append(outbox, item);
}

static bool has_received(const struct outbox *outbox, struct slice task_id) {
    for (size_t i = 0; i < outbox->n_received; i++)
        if (slice_equals(slice_of_string(outbox->received[i]), task_id))
            return true;
    return false;
}

int outbox_add_result(struct outbox *outbox, uint64_t number, struct slice task_id, int record) {
    struct outbox_item *item;

    if (has_received(outbox, task_id)) {
        fd_close(&record);
        tell_settled(number, true);
        return 0;
    }
    item = outbox->n_results < LIMIT_UNSETTLED ? item_new(task_id, 0) : NULL;
    if (!item) {
        fd_close(&record);
        return outbox->n_results < LIMIT_UNSETTLED ? -ENOMEM : -EPROTO;
    }
    item->is_result = true;
    item->number = number;
    item->record = record;
    outbox->n_results++;
    append(outbox, item);
    return 0;
}

static void settle(struct outbox *outbox, uint64_t number, bool is_acknowledged) {
    outbox->n_results--;
    tell_settled(number, is_acknowledged);
}

/* The hub has said that it has it: also one that it has from before, and that waits here still. */
void outbox_acknowledge(struct outbox *outbox, struct slice task_id) {
    size_t kept = 0;

    for (size_t i = 0; i < outbox->n_sent; i++) {
        if (slice_equals(slice_of_string(outbox->sent[i].task_id), task_id))
            settle(outbox, outbox->sent[i].number, true);
        else
            outbox->sent[kept++] = outbox->sent[i];
    }
    outbox->n_sent = kept;
    for (struct outbox_item **at = &outbox->first; *at;) {
        if ((*at)->is_result && slice_equals(slice_of_string((*at)->task_id), task_id)) {
            settle(outbox, (*at)->number, true);
            drop(outbox, at);
        } else {
            at = &(*at)->next;
        }
    }
}

static size_t count_received(const struct hub_message *welcome) {
    struct slice task_id;
    size_t n = 0, at = 0;

    while (n < LIMIT_REMEMBERED && hub_message_received(welcome, &at, &task_id))
        n++;
    return n;
}

/* Without memory for them they are sent once more, which does no harm. */
void outbox_welcome(struct outbox *outbox, const struct hub_message *welcome) {
    size_t n = count_received(welcome), at = 0;
    struct slice task_id;

    outbox->by_word = welcome->acknowledges;
    free(outbox->received);
    outbox->n_received = 0;
    outbox->received = n > 0 ? calloc(n, sizeof(*outbox->received)) : NULL;
    while (outbox->received && outbox->n_received < n && hub_message_received(welcome, &at, &task_id)) {
        keep_id(outbox->received[outbox->n_received++], task_id);
        outbox_acknowledge(outbox, task_id);
    }
}

static int send_output(const struct outbox_item *item, struct frames *frames) {
    struct buf json;
    struct slice part;
    int r;

    buf_init(&json, LIMIT_FRAME);
    r = hub_words_output(slice_of_string(item->task_id), item->stream, slice_of(item->text, item->n), &json);
    part = buf_slice(&json);
    if (r == 0)
        r = frames_send(frames, &part, 1);
    buf_release(&json);
    return r;
}

/* The payload goes out as it lies in the record. */
static int send_record(const struct outbox_item *item, struct frames *frames) {
    _cleanup_record_ struct slice bytes = SLICE_EMPTY;
    struct buf before, behind;
    struct record record = {.payload = SLICE_EMPTY};
    int r = record_map(item->record, &bytes);

    if (r == 0)
        r = record_parse(bytes, &record);
    if (r < 0)
        return r;
    if (record.payload.n == 0 || !slice_equals(record.task_id, slice_of_string(item->task_id)))
        return -EBADMSG;
    buf_init(&before, LIMIT_HEAD);
    buf_init(&behind, LIMIT_HEAD);
    r = hub_words_result(record.task_id, record.at_ms, &before, &behind);
    if (r == 0) {
        const struct slice parts[] = {buf_slice(&before), record.payload, buf_slice(&behind)};

        r = frames_send(frames, parts, ARRAY_LEN(parts));
    }
    buf_release(&before);
    buf_release(&behind);
    return r;
}

/* One that cannot be read is settled: the supervisor has looked at it before, and it would stop all others for ever. */
static int send_result(struct outbox *outbox, const struct outbox_item *item, struct frames *frames) {
    int r = send_record(item, frames);

    if (r == -EPIPE || r == -ENOMEM)
        return r;
    if (r < 0) {
        log_error("task %s: its result cannot be sent, and is given up: %s", item->task_id,
                  r == -EBADMSG ? "its record is damaged" : strerror(-r));
        settle(outbox, item->number, true);
        return 0;
    }
    outbox->sent[outbox->n_sent].number = item->number;
    outbox->sent[outbox->n_sent].place = ++outbox->place;
    keep_id(outbox->sent[outbox->n_sent++].task_id, slice_of_string(item->task_id));
    return 0;
}

/* Its answer proves that the hub has read all that was sent before (RFC 6455 §5.5.3). One is under way at a time. */
static int ask(struct outbox *outbox, struct frames *frames) {
    char digits[NUM_DIGITS];
    int r;

    if (outbox->by_word || outbox->asked > 0 || outbox->n_sent == 0)
        return 0;
    r = frames_ping(frames, num_format(outbox->place, digits));
    if (r == 0)
        outbox->asked = outbox->place;
    return r == -EMSGSIZE ? 0 : r;
}

int outbox_send(struct outbox *outbox, struct frames *frames) {
    while (outbox->first && frames_waiting(frames) < LOW) {
        int r =
            outbox->first->is_result ? send_result(outbox, outbox->first, frames) : send_output(outbox->first, frames);

        if (r < 0)
            return r;
        drop(outbox, &outbox->first);
    }
    return ask(outbox, frames);
}

void outbox_take_pong(struct outbox *outbox, struct slice payload) {
    uint64_t place;
    size_t kept = 0;

    if (outbox->by_word || num_parse(payload, outbox->asked, &place) < 0 || place != outbox->asked)
        return; /* nobody is obliged to answer only what was asked */
    outbox->asked = 0;
    for (size_t i = 0; i < outbox->n_sent; i++) {
        if (outbox->sent[i].place <= place)
            settle(outbox, outbox->sent[i].number, false);
        else
            outbox->sent[kept++] = outbox->sent[i];
    }
    outbox->n_sent = kept;
}
