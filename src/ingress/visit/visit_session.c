#include "ingress/visit/visit_session.h"

#include "base/macros.h"
#include "ingress/visit/key_hash.h"
#include "ingress/visit/links.h"
#include "ingress/visit/navigation.h"

static void wake(struct visit *v) {
    v->upstream.wake(v->upstream.owner);
}

/* Patterns that the recipe has, or that the instance has told: then `*ret_is_fresh` says whether to ask anew. */
static struct slice names_of(struct visit *v, bool *ret_is_fresh) {
    const struct recipe *recipe = &v->kind->recipe;
    struct slice names = place_names(v->place, ret_is_fresh);
    char joined[LIMIT_RECIPE_COOKIES * (LIMIT_NAME + 2)];
    size_t n = 0;

    if (*ret_is_fresh || recipe->cookie_field)
        return names;
    for (size_t i = 0; i < recipe->n_cookies; i++) {
        struct slice pattern = slice_of_string(recipe->cookies[i]);

        if (pattern.n == 0 || pattern.n > LIMIT_NAME)
            continue;
        memcpy(joined + n, pattern.p, pattern.n);
        memcpy(joined + n + pattern.n, "; ", 2);
        n += pattern.n + 2;
    }
    place_set_names(v->place, slice_of(joined, n));
    return place_names(v->place, ret_is_fresh);
}

static void forward(struct visit *v) {
    v->wants_pair = false;
    way_connect(v);
}

/* Nothing but a document that a person opens is answered with a pairing: see navigation_is_document. */
static void no_session(struct visit *v) {
    if (!v->is_navigation) {
        visit_refuse(v, 401, PAGE_NO_SESSION, 0);
        return;
    }
    v->wants_pair = true;
    way_connect(v);
}

static void cookies_judged(struct visit *v, struct slice names) {
    v->has_cookie = navigation_has_cookie(v->request->fields, v->request->n_fields, names);
}

/* The pairer knows nothing: with a cookie the instance is asked to judge for itself. */
static void fail_open(struct visit *v) {
    bool is_fresh;
    struct slice names = place_names(v->place, &is_fresh);

    if (names.n > 0)
        cookies_judged(v, names);
    if (v->has_cookie)
        forward(v);
    else
        no_session(v);
}

static void looked(struct visit *v, const struct session_answer *answer) {
    switch (answer ? answer->state : SESSION_UNKNOWN) {
    case SESSION_LIVES:
        forward(v);
        break;
    case SESSION_NONE:
        no_session(v);
        break;
    case SESSION_DIED:
        if (v->is_navigation)
            no_session(v);
        else
            forward(v); /* the instance says so itself, in its own words */
        break;
    case SESSION_UNKNOWN:
    case SESSION_PAIRED:
    case SESSION_FAILED:
    case SESSION_LIMITED:
    case SESSION_ROUND:
    case SESSION_STALE:
        fail_open(v);
        break;
    }
}

/* Back to where the person wanted to go, with the instance's own cookies. */
static void send_back(struct visit *v, const struct session_answer *answer) {
    _uninitialised_ char back[NAVIGATION_BACK_MAX];
    struct reply *reply = reply_new(302);
    int r = reply ? reply_add(reply, SLICE("Location"), navigation_back(v->request, back)) : -1;

    if (r == 0)
        r = reply_add(reply, SLICE("Cache-Control"), SLICE("no-store"));
    for (size_t i = 0; r == 0 && i < answer->n_set_cookies; i++)
        r = reply_add(reply, SLICE("Set-Cookie"), answer->set_cookies[i]);
    if (r < 0) {
        reply_free(reply);
        reply = NULL;
    }
    if (reply)
        reply->reason = "paired";
    visit_answer(v, reply);
}

static void paired(struct visit *v, const struct session_answer *answer) {
    switch (answer->state) {
    case SESSION_PAIRED:
        send_back(v, answer);
        break;
    case SESSION_ROUND:
        visit_refuse(v, 403, answer->is_denied ? PAGE_DENIED : PAGE_LOOP, 0);
        break;
    case SESSION_LIVES:
    case SESSION_UNKNOWN:
        forward(v);
        break;
    case SESSION_FAILED:
        visit_refuse(v, pairing_fault_status(answer->fault), pairing_fault_words(answer->fault), 0);
        break;
    case SESSION_LIMITED:
        world_count()->limited++;
        visit_refuse(v, 503, PAGE_LIMITED, MAX_OF(answer->retry_s, 1U));
        break;
    case SESSION_NONE:
    case SESSION_DIED:
    case SESSION_STALE:
        visit_refuse(v, 502, PAGE_REJECTED, 0);
        break;
    }
}

/* Ours and the pairer's tables differ for a moment. */
static void stale(struct visit *v) {
    if (v->was_stale) {
        visit_refuse(v, 503, PAGE_BUSY, 1);
        return;
    }
    v->was_stale = true;
    way_wait(v, WAIT_TABLE, TABLE_WAIT);
}

static void session_answered(struct question *question, const void *of) {
    struct visit *v = container_of(question, struct visit, question);
    const struct session_answer *answer = of;

    timer_cancel(&v->deadline);
    if (answer && answer->cookie_names.n > 0)
        place_set_names(v->place, answer->cookie_names);
    if (answer && answer->state == SESSION_STALE)
        stale(v);
    else if (!v->wants_pair)
        looked(v, answer);
    else if (answer)
        paired(v, answer);
    else
        visit_refuse(v, 503, PAGE_BUSY, 1);
    wake(v);
}

/* Who asks, and for what, as well as it can be told: not a proof of anything, and nothing is granted by it. */
static uint64_t browser_of(const struct visit *v) {
    uint64_t sum = key_hash(visitor_name(v->visitor)) ^ 3 * key_hash(v->line->client) ^ 7 * key_hash(v->line->host) ^
                   11 * key_hash(v->place->key);

    for (size_t i = 0; i < v->request->n_fields; i++)
        if (slice_equals_nocase(v->request->fields[i].name, SLICE("User-Agent")))
            sum ^= 5 * key_hash(v->request->fields[i].value);
    return sum;
}

/* The scheme as the browser sees it: with the Host, what an instance may make its cookie's name of. */
static struct slice proto_of(const struct visit *v, struct forwarded *forwarded) {
    _uninitialised_ struct http_field kept[LIMIT_FIELDS];
    size_t n;

    front_forward(&world.front, v->peer, v->request, NULL, NULL, kept, &n, forwarded);
    return forwarded->proto;
}

static void ask(struct visit *v, enum session_want want) {
    _uninitialised_ char cookies[LIMIT_COOKIE];
    _uninitialised_ struct forwarded forwarded;
    struct session_question what = {
        .table = v->place->table,
        .instance = v->place->number,
        .want = want,
        .browser = browser_of(v),
        .host = v->request->host,
        .proto = proto_of(v, &forwarded),
        .cookie = navigation_cookies(v->request->fields, v->request->n_fields, cookies),
    };

    v->question.answered = session_answered;
    way_wait(v, WAIT_SESSION, world.front.response_ms);
    if (pairer_ask(&v->question, &what) == 0)
        return;
    if (want == SESSION_LOOK)
        fail_open(v);
    else
        visit_refuse(v, 503, PAGE_BUSY, 1);
}

void way_pair(struct visit *v) {
    ask(v, SESSION_PAIR);
}

void way_session(struct visit *v) {
    const struct recipe *recipe = &v->kind->recipe;
    struct slice names;
    bool is_fresh;

    if (!recipe->pairs) {
        if (navigation_is_foreign(v->request))
            visit_refuse(v, 403, PAGE_FOREIGN, 0);
        else
            forward(v);
        return;
    }
    v->is_navigation = navigation_is_document(v->request);
    names = names_of(v, &is_fresh);
    cookies_judged(v, is_fresh ? names : SLICE("*")); /* any may be one, for all that is known here */
    if (!v->has_cookie) {
        no_session(v);
        return;
    }
    if (!is_fresh || (v->is_navigation && recipe->session_path))
        ask(v, SESSION_LOOK);
    else
        forward(v);
    if (!is_fresh)
        place_asks_names(v->place);
}
