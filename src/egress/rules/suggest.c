#include "egress/rules/suggest.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/num.h"
#include "egress/gate/gate_rule.h"
#include "egress/rules/suggest_state.h"
#include "net/address.h"
#include "wire/glob.h"
#include "wire/http_head.h"
#include "wire/uri.h"

#define ROOM_LEAST 64

/* What else there is to say of a refusal, behind its words. */
enum detail { DETAIL_NONE, DETAIL_REQUEST, DETAIL_RULE, DETAIL_EXECUTABLE, DETAIL_AUTHORITY };

static const struct remark {
    const char *words; /* NULL: it is no remark */
    enum detail detail;
} remarks[REFUSALS] = {
    [REFUSAL_DENIED] = {"this deny rule would have to go: ", DETAIL_RULE},
    [REFUSAL_AMBIGUOUS] = {"no rule can allow it, for servers may read another path; send it without dot segments, "
                           "empty segments or escapes: ",
                           DETAIL_REQUEST},
    [REFUSAL_EXECUTABLE] = {"this program would have to be in `executables`: ", DETAIL_EXECUTABLE},
    [REFUSAL_REQUESTS] = {"`limits.requests` was reached", DETAIL_NONE},
    [REFUSAL_BYTES] = {"`limits.bytes` was reached", DETAIL_NONE},
    [REFUSAL_RATE] = {"`limits.rate` was reached; a program that waits as Retry-After says needs no other",
                      DETAIL_NONE},
    [REFUSAL_CONCURRENT] = {"`limits.concurrent` was reached", DETAIL_NONE},
    [REFUSAL_MAX_BODY] = {"`limits.max_body` is less than what was sent: ", DETAIL_REQUEST},
    [REFUSAL_TTL] = {"`limits.ttl` was over", DETAIL_NONE},
    [REFUSAL_REVOKED] = {"the lease was revoked: by a person, not by a setting", DETAIL_NONE},
    [REFUSAL_REMOVED] = {"the credential was taken out of the configuration", DETAIL_NONE},
    [REFUSAL_MALFORMED] = {"the request was no sound HTTP, and no setting lets it pass", DETAIL_NONE},
    [REFUSAL_PLACE] = {"the key's place (`inject`) could not be filled: ", DETAIL_REQUEST},
    [REFUSAL_TOO_LARGE] = {"the request was too large, and no setting lets it pass: ", DETAIL_REQUEST},
    [REFUSAL_AUDIT] = {"the audit could not be written (`audit.on_error`)", DETAIL_NONE},
    [REFUSAL_SECRET] = {"the key could not be had (`secret`)", DETAIL_NONE},
    [REFUSAL_NO_MEMORY] = {"memory was out", DETAIL_NONE},
    [REFUSAL_KEEPER] = {"the keeper ended", DETAIL_NONE},
    [REFUSAL_UPSTREAM] = {"the upstream could not be reached, or broke off", DETAIL_NONE},
    [REFUSAL_UPSTREAM_TIMEOUT] = {"the upstream took too long (`response_timeout`)", DETAIL_NONE},
    [REFUSAL_ADDRESS] =
        {"this name stands for an address that is not public; write the address itself, if it is meant: ",
         DETAIL_AUTHORITY},
    [REFUSAL_EXFILTRATION] =
        {"the placeholder of a key was on its way to where it does not belong, and no setting lets "
         "it pass: ",
         DETAIL_AUTHORITY},
    [REFUSAL_CALLER] = {"whoever connected was none of the command's processes, and no setting lets it pass",
                        DETAIL_NONE},
    [REFUSAL_GATE] = {"the gate ended", DETAIL_NONE},
    [REFUSAL_WEBSOCKET] = {"a WebSocket was asked for, which `websocket: true` lets through: ", DETAIL_REQUEST},
    [REFUSAL_SCHEME] =
        {"a host was asked for by http where the lease's upstream is https, or the other way round, and no "
         "setting lets it pass",
         DETAIL_NONE},
    [REFUSAL_DISTRUSTED] = {"the client did not trust the certificate of the lease's host, as it seems: one that pins "
                            "its own may use {base_url}",
                            DETAIL_NONE},
    [REFUSAL_NOT_TLS] = {"what was sent was no TLS for this host, and no setting lets it pass: ", DETAIL_AUTHORITY},
};

struct suggest *suggest_new(void) {
    return calloc(1, sizeof(struct suggest));
}

void suggest_free(struct suggest *suggest) {
    if (!suggest)
        return;
    name_index_done(&suggest->index);
    for (size_t i = 0; i < suggest->n_items; i++)
        free(suggest->items[i]);
    free(suggest->items);
    free(suggest);
}

void suggest_free_pointer(struct suggest **suggest) {
    suggest_free(*suggest);
}

/* Its key says everything in which it differs from others; lengths first, as the texts may hold any bytes. */
static struct suggest_item *make_item(const struct suggest_item *like) {
    const struct slice parts[] = {slice_of_string(like->words), like->lease, like->method, like->path};
    const size_t head[] = {like->kind, like->is_way, parts[0].n, parts[1].n, parts[2].n};
    size_t n = sizeof(head), at[ARRAY_LEN(parts)];
    struct suggest_item *item;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        at[i] = n;
        n += parts[i].n;
    }
    item = malloc(sizeof(*item) + n);
    if (!item)
        return NULL;
    *item = *like;
    memcpy(item->key, head, sizeof(head));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i].n > 0)
            memcpy(item->key + at[i], parts[i].p, parts[i].n);
    item->lease = slice_of(item->key + at[1], parts[1].n);
    item->method = slice_of(item->key + at[2], parts[2].n);
    item->path = slice_of(item->key + at[3], parts[3].n);
    item->place = (struct name_place){.name = slice_of(item->key, n)};
    return item;
}

static int make_room(struct suggest *suggest) {
    size_t room = suggest->n_room > 0 ? 2 * suggest->n_room : ROOM_LEAST;
    struct suggest_item **items;

    if (suggest->n_items < suggest->n_room)
        return 0;
    items = reallocarray(suggest->items, room, sizeof(struct suggest_item *));
    if (!items)
        return -ENOMEM;
    suggest->items = items;
    suggest->n_room = room;
    return 0;
}

static int keep(struct suggest *suggest, struct suggest_item *item) {
    int r = make_room(suggest);

    if (r == 0)
        r = name_index_add(&suggest->index, &item->place, item->place.name);
    if (r < 0) {
        free(item);
        return r;
    }
    suggest->items[suggest->n_items++] = item;
    return 0;
}

static void count_in(struct suggest_item *item, const struct suggest_item *like) {
    item->n += like->n;
    item->has_passed = item->has_passed || like->has_passed;
    item->status = like->status > 0 ? like->status : item->status;
}

static int note(struct suggest *suggest, const struct suggest_item *like) {
    struct suggest_item *item = make_item(like);
    struct name_place *known = item ? name_index_find(&suggest->index, item->place.name) : NULL;

    if (!item)
        return -ENOMEM;
    if (!known && suggest->n_items < LIMIT_SUGGESTED)
        return keep(suggest, item);
    free(item);
    if (known)
        count_in(container_of(known, struct suggest_item, place), like);
    else
        suggest->n_lost += like->n;
    return 0;
}

/* No more of a text than a rule may have: it is for the eye. */
static int note_remark(struct suggest *suggest, const struct suggest_item *like, const char *words, struct slice method,
                       struct slice path) {
    struct suggest_item remark = *like;

    remark.kind = SUGGESTION_REMARK;
    remark.words = words;
    remark.method = slice_first(method, LIMIT_METHOD);
    remark.path = slice_first(path, LIMIT_RULE);
    return note(suggest, &remark);
}

static bool is_exact(struct slice path) {
    return path.n <= LIMIT_RULE && !glob_check(path) && !slice_has(path, '*');
}

/* A byte that a rule can name, and that stands for nothing but itself. */
static bool is_nameable(char c) {
    const char path[] = {'/', c};

    return c != '%' && is_exact(slice_of(path, sizeof(path)));
}

static size_t escape_length(struct slice text) {
    bool is_escape = text.n >= 3 && text.p[0] == '%' && num_hex_digit(text.p[1]) >= 0 && num_hex_digit(text.p[2]) >= 0;

    return is_escape ? 3 : 1;
}

/* One star for each run of what no rule can name, and for every escape. */
static struct slice widen(struct slice path, char to[static LIMIT_RULE]) {
    size_t n = 0;

    for (size_t i = 0; i < path.n; i += escape_length(slice_from(path, i))) {
        if (is_nameable(path.p[i]))
            to[n++] = path.p[i];
        else if (n == 0 || to[n - 1] != '*')
            to[n++] = '*';
    }
    return slice_of(to, n);
}

static bool covers(struct slice pattern, struct slice path, struct slice reading) {
    return !glob_check(pattern) && glob_matches(pattern, path) && glob_matches(pattern, reading);
}

static int note_wider(struct suggest *suggest, const struct suggest_item *like, struct slice reading) {
    struct suggest_item wider = *like;
    char bytes[LIMIT_RULE];

    if (like->path.n <= LIMIT_RULE) {
        wider.path = widen(like->path, bytes);
        wider.kind = SUGGESTION_WIDER;
        if (covers(wider.path, like->path, reading))
            return note(suggest, &wider);
    }
    return note_remark(suggest, like, "no rule can be written for it: ", like->method, like->path);
}

/* Two rules where servers may read another path than was sent: an allowance must match both (rule.h). */
static int note_path(struct suggest *suggest, const struct suggest_item *like) {
    struct suggest_item rule = *like;
    char bytes[LIMIT_TARGET + 1];
    ptrdiff_t n = like->path.n <= LIMIT_TARGET ? uri_normalise_path(like->path, bytes) : -1;
    struct slice reading = slice_of(bytes, n < 0 ? 0 : (size_t)n);
    int r;

    if (n < 0)
        return note_remark(suggest, like, remarks[REFUSAL_AMBIGUOUS].words, like->method, like->path);
    if (!is_exact(like->path) || !is_exact(reading))
        return note_wider(suggest, like, reading);
    r = note(suggest, &rule);
    if (r < 0 || slice_equals(like->path, reading))
        return r;
    rule.path = reading;
    rule.n = 0;
    return note(suggest, &rule);
}

/* Those in small letters are methods too, and yet hardly what somebody meant (settings_rules.c). */
static bool is_method(struct slice method) {
    for (size_t i = 0; i < method.n; i++)
        if (ascii_lower(method.p[i]) == method.p[i] && method.p[i] >= 'a' && method.p[i] <= 'z')
            return false;
    return method.n <= LIMIT_METHOD && http_is_token(method) && !slice_has(method, '*');
}

static int note_request(struct suggest *suggest, const struct suggest_item *like) {
    if (!is_method(like->method))
        return note_remark(suggest, like, "no rule is made for such a method: ", like->method, like->path);
    if (slice_equals(like->path, SLICE("*")))
        return note_remark(suggest, like, "only `allow: all` lets it pass: ", like->method, like->path);
    return note_path(suggest, like);
}

/* An address of its own, or this machine: a rule that names it opens what names are kept from (net/address.h). */
static bool is_private(const struct gate_rule *rule) {
    struct address address;

    return rule->is_special &&
           (address_parse(slice_of_string(rule->host), rule->port, &address) < 0 || !address_is_public(&address));
}

/* Neither a wildcard nor anything else that would let more through than the host that was asked for. */
static int note_host(struct suggest *suggest, const struct suggest_item *like, struct slice authority, bool is_used) {
    char text[GATE_RULE_TEXT_MAX];
    struct suggest_item host = *like;
    struct gate_rule rule;
    const char *fault = gate_rule_parse(authority, &rule);
    int r;

    if (fault)
        return *fault ? note_remark(suggest, like, "no rule of `egress.allow` can be written for it: ", SLICE_EMPTY,
                                    authority)
                      : -ENOMEM;
    host.method = SLICE_EMPTY;
    host.path = slice_of(text, gate_rule_format(&rule, text));
    if (rule.is_wildcard) {
        r = note_remark(suggest, like, "this is no host: ", SLICE_EMPTY, authority);
    } else if (is_private(&rule) && !is_used) { /* of one that was used, somebody has said that it is meant */
        r = note_remark(
            suggest, &host,
            "not a public address; only this very line in `egress.allow` would let it through, if it is meant: ",
            SLICE_EMPTY, host.path);
    } else {
        host.kind = SUGGESTION_HOST;
        r = note(suggest, &host);
    }
    gate_rule_done(&rule);
    return r;
}

static struct suggest_item item_of(const struct suggest_request *request) {
    bool is_refused = request->status >= 400 && request->status < 500;

    return (struct suggest_item){
        .kind = SUGGESTION_RULE,
        .words = "",
        .lease = request->lease,
        .method = request->method,
        .path = request->path,
        .n = 1,
        .has_passed = !is_refused,
        .status = is_refused ? request->status : 0,
    };
}

static bool is_of_way(const struct suggest_request *request) {
    return slice_equals(request->lease, SLICE(AUDIT_WAYS));
}

int suggest_used(struct suggest *suggest, const struct suggest_request *request) {
    struct suggest_item item = item_of(request);

    if (!is_of_way(request))
        return note_request(suggest, &item);
    item.is_way = item.has_passed = true; /* what its host answered is no word of credfd's, nor of a rule */
    item.lease = SLICE_EMPTY;
    return note_host(suggest, &item, request->authority, true);
}

int suggest_refused(struct suggest *suggest, const struct suggest_request *request, enum refusal refusal) {
    const struct remark *remark = &remarks[refusal];
    struct suggest_item item = item_of(request);
    const struct slice details[] = {
        [DETAIL_NONE] = SLICE_EMPTY,
        [DETAIL_REQUEST] = request->path,
        [DETAIL_RULE] = request->rule,
        [DETAIL_EXECUTABLE] = request->executable,
        [DETAIL_AUTHORITY] = request->authority,
    };
    enum detail detail;

    item.has_passed = !request->is_not_wanted; /* it was not the upstream's refusal */
    item.status = 0;
    if (refusal == REFUSAL_NO_RULE)
        return note_request(suggest, &item);
    item.is_way = refusal == REFUSAL_HOST || is_of_way(request);
    item.lease = item.is_way ? SLICE_EMPTY : item.lease;
    if (refusal == REFUSAL_HOST)
        return note_host(suggest, &item, request->authority, false);
    if (!remark->words)
        return 0;
    /* on a lease it is its own host that was asked, and what for says more */
    detail = remark->detail == DETAIL_AUTHORITY && !item.is_way ? DETAIL_REQUEST : remark->detail;
    return note_remark(suggest, &item, remark->words, detail == DETAIL_REQUEST ? request->method : SLICE_EMPTY,
                       details[detail]);
}
