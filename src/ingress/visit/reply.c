#include "ingress/visit/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/num.h"

struct reply *reply_new(unsigned status) {
    struct reply *reply = calloc(1, sizeof(*reply));

    if (!reply)
        return NULL;
    reply->status = status;
    reply->reason = "";
    buf_init(&reply->body, LIMIT_STATUS);
    return reply;
}

void reply_free(struct reply *reply) {
    if (!reply)
        return;
    for (size_t i = 0; i < reply->n; i++) {
        explicit_bzero(reply->values[i], reply->fields[i].value.n); /* a cookie may be among them */
        free(reply->values[i]);
    }
    buf_release(&reply->body);
    free(reply);
}

int reply_add(struct reply *reply, struct slice name, struct slice value) {
    char *copy;

    if (reply->n == REPLY_FIELDS)
        return -ENOBUFS;
    copy = malloc(value.n + 1);
    if (!copy)
        return -ENOMEM;
    if (value.n > 0)
        memcpy(copy, value.p, value.n);
    reply->values[reply->n] = copy;
    reply->fields[reply->n++] = (struct http_field){.name = name, .value = slice_of(copy, value.n)};
    return 0;
}

struct reply *reply_text(unsigned status, const char *type, struct slice body) {
    struct reply *reply = reply_new(status);

    if (!reply)
        return NULL;
    if (reply_add(reply, SLICE("Content-Type"), slice_of_string(type)) < 0 || buf_append(&reply->body, body) < 0) {
        reply_free(reply);
        return NULL;
    }
    return reply;
}

/* What goes with some statuses, whatever the page says. */
static int add_due(struct reply *reply, unsigned again_s) {
    char digits[NUM_DIGITS];
    int r = 0;

    if (reply->status == 401) /* S 15.5.2: it must say; no browser knows this one, and none asks for a password */
        r = reply_add(reply, SLICE("WWW-Authenticate"), SLICE("Session realm=\"instance\""));
    if (r == 0 && (reply->status == 503 || again_s > 0))
        r = reply_add(reply, SLICE("Retry-After"), num_format(again_s > 0 ? again_s : 1, digits));
    return r;
}

struct reply *reply_page(unsigned status, const char *reason, enum page_form form, unsigned again_s) {
    struct reply *reply = reply_new(status);
    struct page page = page_for(status, reason);
    struct http_field fields[PAGE_FIELDS];
    size_t n = page_fields(form, fields);
    int r = 0;

    if (!reply)
        return NULL;
    page.refresh_s = again_s;
    reply->reason = reason;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = reply_add(reply, fields[i].name, fields[i].value);
    if (r == 0)
        r = add_due(reply, again_s);
    if (r == 0)
        r = page_write(&page, form, &reply->body);
    if (r == 0)
        return reply;
    reply_free(reply);
    return NULL;
}

void reply_receive(struct reply *reply, struct upstream_event *ret) {
    struct slice body = buf_slice(&reply->body), part = slice_first(slice_from(body, reply->told), LIMIT_READ);

    *ret = (struct upstream_event){.type = reply->is_begun ? UPSTREAM_DATA : UPSTREAM_RESPONSE, .data = part};
    if (!reply->is_begun) {
        struct http_framing whole = {HTTP_BODY_LENGTH, body.n};

        ret->response = (struct response_head){
            .status = reply->status, .fields = reply->fields, .n_fields = reply->n, .body = whole, .declared = whole};
    }
    reply->is_begun = true;
    reply->told += part.n;
    ret->is_end = reply->told == body.n;
}
