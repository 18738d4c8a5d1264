#include "ingress/visit/addition.h"

#include <stdlib.h>

#include "base/macros.h"
#include "ingress/visit/app.h"
#include "ingress/visit/held.h"

struct addition {
    struct app app;
    struct held_response *held;
    struct slice parts[3]; /* of what was pushed last */
    size_t n, at;
    bool is_end; /* behind them */
    bool is_head_told, is_end_told;
};

struct addition *addition_new(const char *head, bool is_head, struct response_head *response,
                              struct http_field *fields) {
    struct addition *addition = calloc(1, sizeof(*addition));

    if (!addition)
        return NULL;
    if (app_begin(&addition->app, head, is_head, response, fields))
        addition->held = held_response_new(response);
    if (addition->held)
        return addition;
    addition_free(addition);
    return NULL;
}

void addition_free(struct addition *addition) {
    if (!addition)
        return;
    app_done(&addition->app);
    held_response_free(addition->held);
    free(addition);
}

void addition_push(struct addition *addition, struct slice data, bool is_end) {
    addition->n = app_take(&addition->app, data, is_end, addition->parts);
    addition->at = 0;
    addition->is_end = is_end;
}

/* The next part, or nothing; whether it is the last of all. */
static struct slice next_part(struct addition *addition, bool *ret_is_end) {
    struct slice part = addition->at < addition->n ? addition->parts[addition->at++] : SLICE_EMPTY;

    *ret_is_end = addition->is_end && addition->at == addition->n;
    addition->is_end_told = *ret_is_end;
    return part;
}

bool addition_pull(struct addition *addition, struct upstream_event *ret) {
    bool is_more = addition->at < addition->n || (addition->is_end && !addition->is_end_told);

    if (!app_is_decided(&addition->app))
        return false;
    if (!addition->is_head_told) {
        addition->is_head_told = true;
        app_settle(&addition->app, &addition->held->head, addition->held->fields);
        *ret = (struct upstream_event){.type = UPSTREAM_RESPONSE, .response = addition->held->head};
    } else if (is_more) {
        *ret = (struct upstream_event){.type = UPSTREAM_DATA};
    } else {
        return false;
    }
    ret->data = next_part(addition, &ret->is_end);
    return true;
}
