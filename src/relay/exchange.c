#include "relay/exchange.h"

#include <errno.h>

#include "base/macros.h"
#include "base/weaken.h"
#include "wire/http_write.h"
#include "wire/websocket.h"

#define ALLOWED "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"

static bool is_target_for(enum exchange_door door, const struct http_target *target) {
    if (target->form == HTTP_TARGET_ORIGIN || target->form == HTTP_TARGET_ASTERISK)
        return true;
    /* at a lease's door an authority of the client's own, CONNECT's too, aims the key elsewhere */
    return door != DOOR_LEASE && target->form == HTTP_TARGET_ABSOLUTE;
}

/* At a proxy's door: it is for the authority that the connection was made for, and by the same scheme. */
static bool is_for_authority(const struct exchange_rules *rules, const struct http_target *target, struct slice host) {
    if (rules->door != DOOR_PROXY || WEAKENED(AUTHORITY))
        return true;
    if (target->form == HTTP_TARGET_ABSOLUTE && target->default_port != rules->default_port)
        return false;
    return http_authority_equals(host, rules->authority, rules->default_port);
}

/* How long it takes tells nothing of how much of it was right. */
static bool is_same_secretly(struct slice a, struct slice b) {
    volatile unsigned char differs = a.n != b.n;

    for (size_t i = 0; i < a.n && i < b.n; i++)
        differs |= (unsigned char)(a.p[i] ^ b.p[i]);
    return differs == 0;
}

/* What stands behind `front` in a path; the root, where nothing does. */
static struct slice path_behind(struct slice path, size_t front) {
    struct slice rest = slice_from(path, front);

    return rest.n > 0 ? rest : SLICE("/");
}

static enum http_fault cut_prefix(struct slice prefix, struct slice *path) {
    struct slice first = slice_from(*path, 1);

    if (prefix.n == 0)
        return HTTP_OK;
    first.n = slice_index(first, '/');
    if (!is_same_secretly(first, prefix) && !WEAKENED(PREFIX))
        return HTTP_NO_PREFIX;
    *path = path_behind(*path, 1 + first.n);
    return HTTP_OK;
}

static enum http_fault cut_base(struct slice base, struct slice *path) {
    struct slice rest = slice_from(*path, base.n);

    if (base.n == 0 || slice_equals(*path, SLICE("*")))
        return HTTP_OK;
    if (!slice_starts_with(*path, base) || (rest.n > 0 && rest.p[0] != '/'))
        return HTTP_OUTSIDE_BASE;
    *path = path_behind(*path, base.n);
    return HTTP_OK;
}

/* §3.2.2: an absolute-form's authority is the one that counts, and a Host beside it says the same or is a trap. */
static enum http_fault accept_target(const struct http_request *request, const struct exchange_rules *rules,
                                     struct request_head *ret) {
    struct http_target target;
    struct slice host;
    enum http_fault fault = http_target_parse(request->method, request->target, &target);

    if (fault != HTTP_OK)
        return fault;
    if (!is_target_for(rules->door, &target) && !WEAKENED(TARGET))
        return HTTP_BAD_TARGET;
    fault = http_host_check(request, &host);
    if (fault != HTTP_OK)
        return fault;
    if (rules->door != DOOR_LEASE && target.form == HTTP_TARGET_ABSOLUTE) {
        if (host.n > 0 && !http_authority_equals(host, target.authority, target.default_port))
            return HTTP_BAD_HOST;
        host = target.authority;
    }
    fault = cut_prefix(rules->prefix, &target.path);
    if (fault != HTTP_OK)
        return fault;
    if (!is_for_authority(rules, &target, host))
        return HTTP_MISDIRECTED;
    fault = cut_base(rules->base_path, &target.path);
    if (fault != HTTP_OK)
        return fault;
    ret->method = request->method;
    ret->path = target.path;
    ret->query = target.query;
    ret->has_query = target.has_query;
    ret->host = host;
    return HTTP_OK;
}

static bool is_handled_here(struct slice name) {
    static const struct slice names[] = {SLICE("Host"), SLICE("Content-Length"), SLICE("Expect")};

    for (size_t i = WEAKENED(FIELDS) ? 1 : 0; i < ARRAY_LEN(names); i++)
        if (name.n == names[i].n && slice_equals_nocase(name, names[i]))
            return true;
    return false;
}

static void remove_handled(struct http_fields *fields) {
    size_t kept = 0;

    for (size_t i = 0; i < fields->n; i++)
        if (!is_handled_here(fields->at[i].name))
            fields->at[kept++] = fields->at[i];
    fields->n = kept;
}

static enum http_fault accept_fields(struct exchange *x, struct http_request *request,
                                     const struct exchange_rules *rules, struct request_head *ret) {
    bool closes, keeps_alive;
    enum http_fault fault = http_request_framing(request, &ret->body);

    if (fault == HTTP_OK && rules->door == DOOR_LISTENER && !WEAKENED(IDENTITY) &&
        http_fields_find_alias(&request->fields, rules->protected_fields, rules->n_protected))
        fault = HTTP_ALIAS_FIELD;
    if (fault == HTTP_OK)
        fault = http_expect_check(request, &x->expects_continue);
    x->is_upgrade = rules->may_upgrade && websocket_is_asked_for(request);
    if (fault == HTTP_OK)
        fault = http_fields_strip_hop_by_hop(&request->fields, rules->protected_fields, rules->n_protected, &closes,
                                             &keeps_alive);
    if (fault != HTTP_OK)
        return fault;
    x->must_close = closes || rules->is_single || (request->minor == 0 && !keeps_alive);
    remove_handled(&request->fields);
    return HTTP_OK;
}

/* A body would stand between the handshake and the frames, and be either. */
static enum http_fault accept_upgrade(const struct exchange *x, const struct http_request *request,
                                      const struct http_framing *body) {
    if (!x->is_upgrade)
        return HTTP_OK;
    if (body->kind == HTTP_BODY_CHUNKED || body->length > 0)
        return HTTP_BAD_UPGRADE;
    return websocket_request_check(&request->fields);
}

/* S 7.6.2: counted down for OPTIONS; for every other method it means nothing. */
static enum http_fault count_forward(struct exchange *x, struct http_request *request, bool *ret_ends_here) {
    const struct http_field *field;
    uint64_t left;
    size_t at;

    *ret_ends_here = false;
    if (!slice_equals(request->method, SLICE("OPTIONS")))
        return HTTP_OK;
    field = http_fields_find(&request->fields, HTTP_NAME_MAX_FORWARDS, 0, &at);
    if (!field)
        return HTTP_OK;
    if (num_parse(field->value, UINT32_MAX, &left) < 0)
        return HTTP_BAD_FIELD;
    *ret_ends_here = left == 0;
    if (left > 0)
        request->fields.at[at].value = num_format(left - 1, x->max_forwards);
    return HTTP_OK;
}

enum exchange_verdict exchange_accept(struct exchange *x, struct http_request *request,
                                      const struct exchange_rules *rules, struct request_head *ret,
                                      enum http_fault *ret_fault) {
    enum http_fault fault;
    bool ends_here = false;

    *ret = (struct request_head){0};
    x->minor = request->minor;
    x->is_head = slice_equals(request->method, SLICE("HEAD"));
    fault = accept_target(request, rules, ret);
    if (fault == HTTP_OK)
        fault = accept_fields(x, request, rules, ret);
    if (fault == HTTP_OK)
        fault = accept_upgrade(x, request, &ret->body);
    if (fault == HTTP_OK)
        fault = count_forward(x, request, &ends_here);
    if (fault != HTTP_OK) {
        *ret_fault = fault;
        return EXCHANGE_REFUSE;
    }
    ret->fields = request->fields.at;
    ret->n_fields = request->fields.n;
    ret->expects_continue = x->expects_continue;
    ret->is_upgrade = x->is_upgrade;
    http_body_init(&x->request_body, ret->body);
    x->request_body.protected_names = rules->protected_fields;
    x->request_body.n_protected = rules->n_protected;
    return ends_here ? EXCHANGE_ANSWER_HERE : EXCHANGE_FORWARD;
}

int exchange_write_interim(struct exchange *x, const struct response_head *response, struct buf *out) {
    int r;

    if (response->status == 101 || ++x->interims > LIMIT_INTERIM_RESPONSES)
        return -EPROTO;
    if (x->minor == 0)
        return 0; /* S 15.2: an HTTP/1.0 client does not know them */
    if (response->status == 100) {
        if (!x->expects_continue)
            return 0;
        x->expects_continue = false;
    }
    r = http_write_status_line(out, response->status);
    if (r == 0)
        r = http_write_fields(out, response->fields, response->n_fields);
    return r == 0 ? http_write_head_end(out) : r;
}

int exchange_write_switch(struct exchange *x, const struct response_head *response, struct buf *out) {
    static const struct http_field hop_by_hop[] = {{SLICE("Upgrade"), SLICE("websocket")},
                                                   {SLICE("Connection"), SLICE("Upgrade")}};
    int r;

    if (!x->is_upgrade || x->is_begun)
        return -EPROTO;
    x->is_begun = true;
    x->status = 101;
    r = http_write_status_line(out, 101);
    if (r == 0)
        r = http_write_fields(out, hop_by_hop, ARRAY_LEN(hop_by_hop));
    if (r == 0)
        r = http_write_fields(out, response->fields, response->n_fields);
    return r == 0 ? http_write_head_end(out) : r;
}

/* §6.3 for what we send: a length where it is known, chunks where the client knows them, else the connection's end. */
static void choose_framing(struct exchange *x, const struct response_head *response) {
    x->framing = response->body;
    if (x->is_head)
        x->framing.kind = HTTP_BODY_NONE;
    else if (response->body.kind == HTTP_BODY_CHUNKED && x->minor == 0)
        x->framing.kind = HTTP_BODY_CLOSE;
    x->remaining = x->framing.kind == HTTP_BODY_LENGTH ? x->framing.length : 0;
    if (x->framing.kind == HTTP_BODY_CLOSE)
        x->must_close = true;
}

static int write_framing(const struct exchange *x, const struct response_head *response, struct buf *out) {
    const struct http_framing *shown = x->framing.kind == HTTP_BODY_NONE ? &response->declared : &x->framing;

    if (shown->kind == HTTP_BODY_LENGTH)
        return http_write_field_number(out, SLICE("Content-Length"), shown->length);
    if (x->framing.kind == HTTP_BODY_CHUNKED)
        return http_write_field(out, SLICE("Transfer-Encoding"), SLICE("chunked"));
    return 0;
}

static int write_persistence(const struct exchange *x, struct buf *out) {
    if (x->must_close)
        return http_write_field(out, SLICE("Connection"), SLICE("close"));
    return x->minor == 0 ? http_write_field(out, SLICE("Connection"), SLICE("keep-alive")) : 0;
}

int exchange_write_response(struct exchange *x, const struct response_head *response, struct buf *out) {
    int r;

    choose_framing(x, response);
    x->is_begun = true;
    x->status = response->status;
    r = http_write_status_line(out, response->status);
    if (r == 0)
        r = http_write_fields(out, response->fields, response->n_fields);
    if (r == 0)
        r = write_framing(x, response, out);
    if (r == 0)
        r = write_persistence(x, out);
    return r == 0 ? http_write_head_end(out) : r;
}

/* What some statuses must say, whatever the words are. */
static size_t due_fields(unsigned status, struct http_field to[static 3]) {
    switch (status) {
    case 405: /* S 15.5.6 */
        to[0] = (struct http_field){SLICE("Allow"), SLICE(ALLOWED)};
        return 1;
    case 426: /* S 15.5.22, RFC 6455 §4.4 */
        to[0] = (struct http_field){SLICE("Upgrade"), SLICE("websocket")};
        to[1] = (struct http_field){SLICE("Connection"), SLICE("Upgrade")};
        to[2] = (struct http_field){SLICE("Sec-WebSocket-Version"), SLICE("13")};
        return 3;
    case 503: /* S 10.2.3: what failed is started again */
        to[0] = (struct http_field){SLICE("Retry-After"), SLICE("1")};
        return 1;
    default:
        return 0;
    }
}

int exchange_write_words(struct exchange *x, unsigned status, const struct exchange_words *words, bool keep,
                         struct buf *out) {
    struct http_field fields[EXCHANGE_WORDS_FIELDS + 3];
    struct http_framing framing = {HTTP_BODY_LENGTH, words->body.n};
    struct response_head response = {.status = status, .fields = fields, .body = framing, .declared = framing};
    int r;

    for (size_t i = 0; i < words->n_fields && i < EXCHANGE_WORDS_FIELDS; i++)
        fields[response.n_fields++] = words->fields[i];
    response.n_fields += due_fields(status, fields + response.n_fields);
    x->must_close = x->must_close || !keep;
    r = exchange_write_response(x, &response, out);
    if (r == 0 && !x->is_head)
        r = buf_append(out, words->body);
    x->is_complete = true;
    return r;
}

int exchange_write_refusal(struct exchange *x, const struct problem *problem, bool keep, struct buf *out) {
    static const struct http_field type = {SLICE("Content-Type"), SLICE("application/json")};
    _uninitialised_ char body[PROBLEM_MAX];
    struct slice text = slice_of(body, problem_body(body, problem));

    return exchange_write_words(x, problem->status,
                                &(struct exchange_words){.fields = &type, .n_fields = 1, .body = text}, keep, out);
}
