#include "egress/keeper/filter.h"

#include "base/limits.h"
#include "base/weaken.h"

void filter_begin(struct filter *f, const struct mask *mask, bool passes_cookies) {
    *f = (struct filter){.mask = mask, .passes_cookies = passes_cookies};
    if (mask)
        mask_stream_init(&f->stream, mask);
}

void filter_done(struct filter *f) {
    if (f->mask)
        mask_stream_done(&f->stream);
    *f = (struct filter){0};
}

/* What was received is ours to change; events show it as constant to everybody else. */
static char *writable(struct client *client, struct slice part) {
    return part.n == 0 ? client->in.memory : client->in.memory + (part.p - client->in.memory);
}

/* Where they stand in what was received: one behind the other, whatever was taken out between them. */
static struct slice all_fields(const struct http_fields *fields) {
    const struct http_field *last = &fields->at[fields->n - 1];
    struct slice end = last->value.n > 0 ? last->value : last->name;
    const char *begin = fields->at[0].name.p;

    return slice_of(begin, (size_t)(end.p + end.n - begin));
}

/* Nearly always there is nothing in any, and one look at them all tells that. */
static uint64_t mask_fields(const struct filter *f, struct client *client) {
    const struct http_fields *fields = &client->response->fields;
    uint64_t masked = 0;

    if (fields->n == 0 || !mask_may_find(f->mask, all_fields(fields)))
        return 0;
    for (size_t i = 0; i < fields->n; i++) {
        masked += mask_apply(f->mask, writable(client, fields->at[i].name), fields->at[i].name.n);
        masked += mask_apply(f->mask, writable(client, fields->at[i].value), fields->at[i].value.n);
    }
    return masked;
}

/* A session that the upstream opens for the key would outlive the lease in the workload's hands. */
static void strip_cookies(struct filter *f, struct client *client) {
    (void)http_fields_remove(&client->response->fields, HTTP_NAME_SET(SET_COOKIE) | HTTP_NAME_SET(SET_COOKIE2));
    f->event.response.n_fields = client->response->fields.n;
}

static bool is_head_alone(const struct upstream_event *event) {
    return event->type == UPSTREAM_INTERIM || event->type == UPSTREAM_SWITCH;
}

int filter_push(struct filter *f, struct client *client, const struct upstream_event *event) {
    bool has_head = event->type == UPSTREAM_RESPONSE || is_head_alone(event);

    f->event = *event;
    f->is_pending = true;
    if (has_head && !f->passes_cookies && !WEAKENED(COOKIES))
        strip_cookies(f, client);
    if (has_head && f->mask)
        f->masked_fields += mask_fields(f, client);
    if (!f->mask || is_head_alone(event))
        return 0;
    return mask_stream_push(&f->stream, writable(client, event->data), event->data.n, event->is_end);
}

int filter_break_off(struct filter *f) {
    f->event = (struct upstream_event){.type = UPSTREAM_DATA};
    f->is_pending = f->mask != NULL;
    return f->mask ? mask_stream_push(&f->stream, NULL, 0, true) : 0;
}

uint64_t filter_masked(const struct filter *f) {
    return f->masked_fields + (f->mask ? mask_stream_found(&f->stream) : 0);
}

bool filter_pull(struct filter *f, struct upstream_event *ret) {
    bool has_head = f->event.type == UPSTREAM_RESPONSE;

    if (!f->is_pending)
        return false;
    *ret = f->event;
    if (!f->mask || is_head_alone(&f->event)) {
        f->is_pending = false;
        return true;
    }
    ret->data = mask_stream_pull(&f->stream, LIMIT_PIECE);
    f->is_pending = !mask_stream_is_drained(&f->stream);
    ret->is_end = f->event.is_end && !f->is_pending;
    f->event.type = UPSTREAM_DATA; /* the head goes once */
    return has_head || ret->data.n > 0 || ret->is_end;
}
