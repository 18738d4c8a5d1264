#include "fleet/link/hub_words.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "base/macros.h"

static uint64_t unix_now_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* `{"id":"msg_…","type":…,"payload":`, the id being `bytes` as hex digits. */
static struct json_write begin_with_id(struct slice bytes, struct slice type, struct buf *to) {
    static const char digits[] = "0123456789abcdef";
    struct json_write w = json_write_begin(to);
    char id[4 + 2 * LIMIT_TASK_ID] = "msg_";
    size_t n = 4;

    for (size_t i = 0; i < MIN_OF(bytes.n, (size_t)LIMIT_TASK_ID); i++) {
        id[n++] = digits[(unsigned char)bytes.p[i] >> 4];
        id[n++] = digits[(unsigned char)bytes.p[i] & 0xf];
    }
    json_write_open(&w, '{');
    json_write_text_member(&w, SLICE("id"), slice_of(id, n));
    json_write_text_member(&w, SLICE("type"), type);
    json_write_name(&w, SLICE("payload"));
    return w;
}

static struct json_write begin(struct slice type, struct buf *to) {
    char random[12] = {0};

    (void)!getrandom(random, sizeof(random), 0); /* of so few bytes it always gives all */
    return begin_with_id(slice_of(random, sizeof(random)), type, to);
}

static int end(struct json_write *w, uint64_t at_ms) {
    json_write_number_member(w, SLICE("timestamp"), at_ms);
    json_write_close(w, '}');
    return w->error;
}

void worknode_init(struct worknode *worknode) {
    *worknode = (struct worknode){0};
    buf_init(&worknode->labels, 2 * LIMIT_LABELS * (6 * LIMIT_WORKNODE + 3));
}

void worknode_done(struct worknode *worknode) {
    buf_release(&worknode->labels);
    worknode->id[0] = worknode->name[0] = '\0';
}

void worknode_take(struct worknode *worknode, const struct hub_message *welcome) {
    struct json_write w = json_write_begin(&worknode->labels);
    struct slice label;
    size_t at = 0;

    worknode_done(worknode);
    (void)snprintf(worknode->id, sizeof(worknode->id), "%.*s", SLICE_ARG(welcome->worknode_id));
    (void)snprintf(worknode->name, sizeof(worknode->name), "%.*s", SLICE_ARG(welcome->name));
    json_write_open(&w, '[');
    for (unsigned i = 0; i < LIMIT_LABELS && hub_message_label(welcome, &at, &label); i++)
        json_write_text(&w, label);
    json_write_close(&w, ']');
    if (w.error < 0)
        buf_release(&worknode->labels);
}

int hub_words_heartbeat(const struct worknode *worknode, const struct link_settings *settings,
                        const struct machine *machine, struct buf *to) {
    struct json_write w = begin(SLICE("heartbeat"), to);
    uint64_t now_ms = unix_now_ms();

    json_write_open(&w, '{');
    json_write_text_member(&w, SLICE("worknode_id"), slice_of_string(worknode->id));
    json_write_text_member(&w, SLICE("name"), slice_of_string(worknode->name));
    json_write_name(&w, SLICE("labels"));
    json_write_value(&w, buf_is_empty(&worknode->labels) ? SLICE("[]") : buf_slice(&worknode->labels));
    json_write_text_member(&w, SLICE("version"), slice_of_string(settings->version));
    if (machine) {
        json_write_name(&w, SLICE("environment"));
        machine_write(machine, settings, (int64_t)(now_ms / 1000), &w);
    }
    json_write_close(&w, '}');
    return end(&w, now_ms);
}

int hub_words_output(struct slice task_id, enum task_stream stream, struct slice text, struct buf *to) {
    struct json_write w = begin(SLICE("task.output"), to);

    json_write_open(&w, '{');
    json_write_text_member(&w, SLICE("task_id"), task_id);
    json_write_text_member(&w, SLICE("stream"), stream == TASK_STDERR ? SLICE("stderr") : SLICE("stdout"));
    json_write_text_member(&w, SLICE("data"), text);
    json_write_close(&w, '}');
    return end(&w, unix_now_ms());
}

int hub_words_no_call(struct slice call_id, struct buf *to) {
    struct json_write w = begin(SLICE("mcp.result"), to);

    json_write_open(&w, '{');
    json_write_text_member(&w, SLICE("call_id"), call_id);
    json_write_bool_member(&w, SLICE("success"), false);
    json_write_text_member(&w, SLICE("error"), SLICE("unknown operation: mcp_call"));
    json_write_close(&w, '}');
    return end(&w, unix_now_ms());
}

int hub_words_result(struct slice task_id, uint64_t at_ms, struct buf *before, struct buf *behind) {
    struct json_write w = begin_with_id(task_id, SLICE("task.result"), before);
    struct json_write last = {.to = behind, .has_sibling = true};

    return w.error < 0 ? w.error : end(&last, at_ms);
}
