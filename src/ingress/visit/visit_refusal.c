/*
 * A request that breaks HTTP's rules: its sender is told so in words that fit, a person by a page, and it stands in the
 * log as far as it was read.
 */
#include "ingress/visit/navigation.h"
#include "ingress/visit/visit_way.h"

/* What never came to be a request of the visit: all that is known of it stands in the refusal. */
static void begin(struct visit *v, const struct refusal *refusal) {
    const struct request_head head = {.method = refusal->method,
                                      .path = refusal->path,
                                      .host = refusal->host,
                                      .fields = refusal->fields.at,
                                      .n_fields = refusal->fields.n};

    v->began_us = world_now_us();
    v->line = visit_line_new(v, &head); /* without memory the log does without */
    v->form = page_form_for(head.fields, head.n_fields);
}

/* Programs get JSON, also those that did not come to say what they accept. */
static int write_words(const struct visit *v, const struct refusal *refusal, struct buf *body,
                       struct exchange_words *ret) {
    static struct http_field fields[PAGE_FIELDS];
    enum page_form form = v->form == PAGE_HTML ? PAGE_HTML : PAGE_JSON;
    struct page page = page_for(refusal->status, refusal->reason);
    int r;

    page.field = refusal->field;
    buf_consume(body, buf_length(body));
    r = page_write(&page, form, body);
    if (r == 0)
        *ret =
            (struct exchange_words){.fields = fields, .n_fields = page_fields(form, fields), .body = buf_slice(body)};
    return r;
}

int visit_explain(struct visit *v, const struct refusal *refusal, struct exchange_words *ret) {
    static struct buf body = {.cap = LIMIT_STATUS};
    int r;

    if (visit_is_idle(v))
        begin(v, refusal);
    r = write_words(v, refusal, &body, ret);
    if (v->status == 0) {
        v->status = refusal->status;
        if (r == 0 && !v->exchange->is_head)
            v->bytes_out += ret->body.n;
    }
    if (!v->reason)
        v->reason = refusal->reason;
    v->field = refusal->field;
    visit_settle(v, "request");
    return r;
}
