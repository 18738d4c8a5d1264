#include "ingress/visit/visit_way.h"

#include <errno.h>

#include "base/macros.h"
#include "base/weaken.h"
#include "ingress/desk/status.h"
#include "ingress/visit/guest.h"
#include "ingress/visit/links.h"
#include "ingress/visit/pool.h"
#include "ingress/visit/visit_session.h"

static struct visit *visit_of(struct question *question) {
    return container_of(question, struct visit, question);
}

static void wake(struct visit *v) {
    v->upstream.wake(v->upstream.owner);
}

void way_stop(struct visit *v) {
    /* each is harmless on a question that is not open, and a question is open at one role at most */
    if (v->state == WAIT_NAME)
        verifier_forget(&v->question);
    else if (v->state == WAIT_SESSION)
        pairer_forget(&v->question);
    else if (v->state == WAIT_START)
        steward_forget(&v->question);
    else if (v->state == WAIT_PAGE)
        status_forget(&v->question);
    pool_cancel(v->attempt);
    v->attempt = NULL;
    timer_pause(&v->deadline);
    held_request_free(v->held);
    v->held = NULL;
    v->request = NULL;
}

void way_release(struct visit *v) {
    if (v->place)
        place_close(v->place);
    place_unref(v->place);
    visitor_unref(v->visitor);
    kind_unref(v->kind);
    v->place = NULL;
    v->visitor = NULL;
    v->kind = NULL;
}

void way_wait(struct visit *v, enum visit_state state, uint64_t ms) {
    visit_set_state(v, state);
    timer_set(&v->deadline, ms);
}

/* "/healthz" and the like: for anybody, before all else. */
static bool is_get(const struct visit *v) {
    return slice_equals(v->request->method, SLICE("GET")) || v->is_head;
}

static void refuse_method(struct visit *v) {
    struct reply *reply = reply_text(405, "text/plain; charset=utf-8", SLICE("GET or HEAD\n"));

    if (reply)
        (void)reply_add(reply, SLICE("Allow"), SLICE("GET, HEAD")); /* S 15.5.6 */
    visit_answer(v, reply);
}

static void answer_health(struct visit *v) {
    if (is_get(v))
        visit_answer(v, reply_text(200, "text/plain; charset=utf-8", SLICE("ok\n")));
    else
        refuse_method(v);
}

static void answer_probe(struct visit *v) {
    char accept[WEBSOCKET_ACCEPT_LENGTH];
    struct reply *reply;

    if (!v->is_upgrade) {
        reply = reply_text(426, "text/plain; charset=utf-8", SLICE("a WebSocket\n"));
        if (reply) /* S 15.5.22 */
            (void)reply_add(reply, SLICE("Upgrade"), SLICE("websocket"));
        visit_answer(v, reply);
        return;
    }
    websocket_accept(websocket_key(v->request->fields, v->request->n_fields), accept);
    reply = reply_new(101);
    v->is_probe = reply && reply_add(reply, SLICE("Sec-WebSocket-Accept"), slice_of(accept, sizeof(accept))) == 0;
    visit_answer(v, reply);
}

static bool answers_anybody(struct visit *v) {
    if (slice_equals(v->request->path, SLICE("/healthz")) || slice_equals(v->request->path, SLICE("/probe/healthz")))
        answer_health(v);
    else if (slice_equals(v->request->path, SLICE("/probe/ws")))
        answer_probe(v);
    else
        return false;
    return true;
}

static void page_part(struct question *question, const void *answer) {
    struct visit *v = visit_of(question);
    const struct status_part *part = answer;

    if (!part || (part->is_end && part->html.n == 0 && buf_is_empty(&v->reply->body)) ||
        buf_append(&v->reply->body, part->html) < 0) {
        status_forget(question);
        visit_refuse(v, 503, PAGE_BUSY, 0);
    } else if (part->is_end) {
        struct reply *reply = v->reply;

        v->reply = NULL;
        visit_answer(v, reply);
    } else {
        return;
    }
    wake(v);
}

/* The page for administrators. To anybody else there is no such page. */
static bool answers_admin(struct visit *v, const char *name) {
    struct slice path = slice_of_string(world.front.status_path);

    if (path.n == 0 || !slice_equals(v->request->path, path) ||
        !(front_is_admin(&world.front, name) || WEAKENED(ADMIN)))
        return false;
    v->visitor = visitor_ref(slice_of_string(name)); /* for the log */
    if (!is_get(v)) {
        refuse_method(v);
        return true;
    }
    v->reply = reply_text(200, "text/html; charset=utf-8", SLICE_EMPTY);
    if (!v->reply || reply_add(v->reply, SLICE("Cache-Control"), SLICE("no-store")) < 0 ||
        reply_add(v->reply, SLICE("Content-Security-Policy"), SLICE(STATUS_POLICY)) < 0) {
        visit_answer(v, NULL);
        return true;
    }
    v->question.answered = page_part;
    way_wait(v, WAIT_PAGE, world.front.response_ms);
    if (status_ask(&v->question) < 0)
        visit_refuse(v, 503, PAGE_BUSY, 0);
    return true;
}

static void refuse_nobody(struct visit *v) {
    world_count()->refused[TALLY_NOBODY]++;
    visit_refuse(v, 403, PAGE_NOBODY, 0);
}

static bool answers_manifest(struct visit *v) {
    const struct recipe *recipe = &v->kind->recipe;

    if (!recipe->app_manifest || !recipe->app_manifest_path || !is_get(v) ||
        !slice_equals(v->request->path, slice_of_string(recipe->app_manifest_path)))
        return false;
    visit_answer(v, reply_text(200, "application/manifest+json", slice_of_string(recipe->app_manifest)));
    return true;
}

/* The person is known: which instance is it, and what does it take to get there. */
static void lead(struct visit *v, struct slice name) {
    struct instance instance;

    if (!world.table) {
        visit_refuse(v, 503, PAGE_BUSY, 1);
        return;
    }
    v->visitor = visitor_ref(name);
    if (!table_find(world.table, name, v->request->host, v->request->path, &instance)) {
        refuse_nobody(v);
        return;
    }
    v->kind = kind_ref(instance.recipe);
    v->place = place_ref(&instance);
    if (v->place)
        place_open(v->place);
    if (!v->kind || !v->visitor || !v->place)
        visit_refuse(v, 503, PAGE_BUSY, 1);
    else if (v->visitor->refs > guests_share())
        visit_refuse(v, 503, PAGE_CROWDED, AGAIN_S);
    else if (!answers_manifest(v))
        way_session(v);
}

static void name_known(struct visit *v, const char *name) {
    if (!answers_admin(v, name))
        lead(v, slice_of_string(name));
}

static void use_asserted(struct visit *v, const struct asserted *asserted) {
    struct named named;

    if (!asserted->is_good) {
        world_count()->refused[TALLY_STRANGER]++;
        visit_refuse(v, 403, PAGE_NOT_ASSERTED, 0);
    } else if (front_name(&world.front, asserted->text, &named) == NAMED) {
        name_known(v, named.name);
    } else {
        refuse_nobody(v);
    }
}

static void name_answered(struct question *question, const void *answer) {
    struct visit *v = visit_of(question);

    timer_cancel(&v->deadline);
    if (answer)
        use_asserted(v, answer);
    else
        visit_refuse(v, 503, PAGE_BUSY, 1);
    wake(v);
}

/* Good ones are remembered by their bytes: the verifier sees each once. */
static void verify(struct visit *v, struct slice assertion) {
    const struct asserted *known = verifier_knows(assertion);

    if (known) {
        use_asserted(v, known);
        return;
    }
    v->question.answered = name_answered;
    way_wait(v, WAIT_NAME, world.front.response_ms);
    if (verifier_ask(&v->question, assertion) < 0)
        visit_refuse(v, 503, PAGE_BUSY, 1);
}

void way_begin(struct visit *v) {
    struct named named;

    if (answers_anybody(v))
        return;
    switch (front_identify(&world.front, v->peer, v->request, &named)) {
    case NAMED:
        name_known(v, named.name);
        break;
    case NAMED_BY:
        verify(v, named.assertion);
        break;
    case NAMED_NOBODY:
        refuse_nobody(v);
        break;
    case NAMED_BADLY:
        world_count()->refused[TALLY_BADLY_NAMED]++;
        v->exchange->must_close = true;
        visit_refuse(v, 400, PAGE_BAD_NAME, 0);
        v->reason = named.reason ? named.reason : v->reason;
        break;
    case NAMED_BY_STRANGER:
        world_count()->refused[TALLY_STRANGER]++;
        v->exchange->must_close = true;
        visit_refuse(v, 403, PAGE_STRANGER, 0);
        v->reason = named.reason ? named.reason : v->reason;
        break;
    }
}

static void connected(void *owner, struct client *client, int error);

/* There is a connection: for the exchange, or only to see that the instance is up before somebody pairs with it. */
static void reached(struct visit *v, struct client *client, bool is_warm) {
    if (!v->wants_pair) {
        visit_begin_on(v, client, is_warm);
        return;
    }
    pool_give_back(v->place, client);
    way_pair(v);
}

/*
 * What is sent for the second time, and what could not be sent a second time because it is not whole yet, goes out on a
 * connection of its own.
 */
void way_connect(struct visit *v) {
    struct client *warm = NULL;

    if (v->wants_pair || (v->is_whole && buf_is_empty(&v->again)))
        warm = pool_take(v->place, !v->is_idempotent);
    if (warm) {
        reached(v, warm, true);
        return;
    }
    visit_set_state(v, WAIT_INSTANCE);
    v->attempt = pool_connect(v->place, connected, v);
    if (!v->attempt)
        visit_refuse(v, 503, PAGE_BUSY, 1);
}

/* It neither answers nor will be started. */
static void refuse_down(struct visit *v, int error) {
    if (v->wants_pair)
        visit_refuse(v, 502, PAGE_UNREACHABLE, 0);
    else if (error == -ETIMEDOUT)
        visit_refuse(v, 504, PAGE_SLOW, 0);
    else
        visit_refuse(v, 502, PAGE_DOWN, 0);
}

static void awake(struct question *question, const void *answer) {
    struct visit *v = visit_of(question);
    const struct awake *awake = answer;

    timer_cancel(&v->deadline);
    switch (awake ? awake->state : WAKE_NOT_MINE) {
    case WAKE_UP:
        way_connect(v);
        break;
    case WAKE_STARTING:
        visit_refuse(v, 503, PAGE_STARTING, AGAIN_S);
        break;
    case WAKE_FAILED:
        visit_refuse(v, 502, PAGE_NOT_STARTED, 0);
        break;
    case WAKE_NOT_MINE:
    case WAKE_STATES:
        refuse_down(v, v->connect_error);
        break;
    }
    wake(v);
}

/* It does not answer: perhaps it only has to be started. Once for each request. */
static void not_reached(struct visit *v, int error) {
    if (error == -EMFILE || error == -ENFILE || error == -ENOMEM) {
        if (places_cool())
            way_connect(v); /* what is only kept for those who have gone makes room */
        else
            visit_refuse(v, 503, PAGE_BUSY, 1);
        return;
    }
    v->connect_error = error;
    v->question.answered = awake;
    if (v->was_woken) {
        refuse_down(v, error);
        return;
    }
    v->was_woken = true;
    way_wait(v, WAIT_START, world.front.response_ms);
    if (steward_ask(&v->question, v->place->table, v->place->number) < 0)
        refuse_down(v, error);
}

static void connected(void *owner, struct client *client, int error) {
    struct visit *v = owner;

    v->attempt = NULL;
    if (client)
        reached(v, client, false);
    else
        not_reached(v, error);
    wake(v);
}

/* The pairer has a table that has not come here yet, or had not when it answered. */
static void lead_again(struct visit *v) {
    struct visitor *visitor = v->visitor;

    v->visitor = NULL;
    way_release(v);
    v->wants_pair = false;
    lead(v, visitor_name(visitor));
    visitor_unref(visitor);
}

void way_late(struct visit *v) {
    if (v->state == WAIT_TABLE)
        lead_again(v);
    else
        visit_refuse(v, 504, PAGE_BUSY, 1);
}
