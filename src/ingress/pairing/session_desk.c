#include "ingress/pairing/session_desk.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"
#include "ingress/pairing/cookie.h"
#include "ingress/pairing/session_looks.h"

enum question_state {
    WAIT_TABLE,   /* for the table that it is about: the asker has it already, we do not */
    WAIT_NAME,    /* for the instance to tell what its cookie is called */
    WAIT_VERDICT, /* for the instance to tell whether the session lives */
    WAIT_SESSION, /* for a pairing */
};

static void name_known(struct look_waiter *waiter, enum session_verdict verdict);
static void verdict_known(struct look_waiter *waiter, enum session_verdict verdict);
static void session_had(struct pairing_waiter *waiter, const struct pairing_outcome *outcome);

struct question {
    struct question *next;
    struct session_desk *desk;
    void *asker;
    enum question_state state;
    struct session_question asked; /* its slices look into `text` */
    struct buf text;
    struct target *target;
    struct buf names;    /* of the session's cookies */
    struct buf sessions; /* those of them that came along */
    bool is_puzzled;     /* what the instance has said of itself is not understood: it is not asked a second time */
    struct look_waiter look;
    struct pairing_waiter pairing;
};

struct session_desk {
    const struct session_desk_ops *ops;
    struct session_looks *looks;
    struct pairing_queue *queue;
    struct table *table;
    struct recipe_kept *recipes[LIMIT_RECIPES];
    struct question *questions;
};

struct session_desk *session_desk_new(const struct session_desk_ops *ops) {
    struct session_desk *desk = calloc(1, sizeof(*desk));

    if (!desk)
        return NULL;
    *desk = (struct session_desk){.ops = ops, .looks = session_looks_new(), .queue = pairing_queue_new(&ops->queue)};
    if (!desk->looks || !desk->queue) {
        session_desk_free(desk);
        return NULL;
    }
    return desk;
}

static void question_free(struct question *q) {
    for (struct question **at = &q->desk->questions; *at; at = &(*at)->next)
        if (*at == q) {
            *at = q->next;
            break;
        }
    look_cancel(&q->look);
    pairing_cancel(&q->pairing);
    target_unref(q->target);
    buf_release(&q->text);
    buf_release(&q->names);
    buf_release(&q->sessions);
    free(q);
}

void session_desk_free(struct session_desk *desk) {
    if (!desk)
        return;
    while (desk->questions)
        question_free(desk->questions);
    session_looks_free(desk->looks);
    pairing_queue_free(desk->queue);
    for (size_t i = 0; i < LIMIT_RECIPES; i++)
        recipe_unref(desk->recipes[i]);
    table_unref(desk->table);
    free(desk);
}

struct pairing_queue *session_desk_queue(struct session_desk *desk) {
    return desk->queue;
}

void session_desk_set_rules(struct session_desk *desk, const struct pairing_rules *rules) {
    session_looks_set_times(desk->looks, rules->times);
    pairing_queue_set_rules(desk->queue, rules);
}

int session_desk_set_recipe(struct session_desk *desk, struct recipe *recipe) {
    uint8_t number = recipe->number;
    struct recipe_kept *kept = number < LIMIT_RECIPES ? recipe_keep(recipe) : NULL;

    if (!kept)
        return number < LIMIT_RECIPES ? -ENOMEM : -EPROTO;
    recipe_unref(desk->recipes[number]);
    desk->recipes[number] = kept;
    return 0;
}

static void set_state(struct question *q, enum question_state state) {
    q->state = state;
}

/* The question is over with it. */
static void answer(struct question *q, struct session_answer answer) {
    answer.number = q->asked.number;
    answer.cookie_names = buf_slice(&q->names);
    q->desk->ops->answer(q->asker, &answer);
    question_free(q);
}

static void answer_state(struct question *q, enum session_state state) {
    answer(q, (struct session_answer){.state = state});
}

static bool is_of_older_table(const struct question *q) {
    return q->desk->table && table_number(q->desk->table) > q->asked.table;
}

static void session_had(struct pairing_waiter *waiter, const struct pairing_outcome *outcome) {
    struct question *q = container_of(waiter, struct question, pairing);
    const struct pairing_result *result = outcome->result;
    struct session_answer a = {.state = SESSION_LIMITED, .retry_s = outcome->retry_s};

    if (!result && outcome->refusal != PAIRING_TOO_MANY) {
        a.state = SESSION_ROUND;
        a.is_denied = outcome->refusal == PAIRING_DENIED;
    }

    if (result && result->was_not_started && is_of_older_table(q)) {
        a.state = SESSION_STALE; /* the supervisor, too, knows only the new one */
    } else if (result && result->fault != PAIRING_WORKED) {
        a.state = SESSION_FAILED;
        a.fault = result->fault;
    } else if (result) {
        a.state = SESSION_PAIRED;
        a.n_set_cookies = MIN_OF(result->n_set_cookies, (size_t)LIMIT_SET_COOKIES);
        for (size_t i = 0; i < a.n_set_cookies; i++)
            a.set_cookies[i] = result->set_cookies[i];
    }
    answer(q, a);
}

/* There is no session that lives. */
static void lack_session(struct question *q, enum session_state state) {
    int r;

    if (q->asked.want != SESSION_PAIR) {
        answer_state(q, state);
        return;
    }
    set_state(q, WAIT_SESSION);
    q->pairing.on_outcome = session_had;
    q->pairing.browser = q->asked.browser;
    q->pairing.names = buf_slice(&q->names);
    q->pairing.denied = state == SESSION_DIED ? buf_slice(&q->sessions) : SLICE_EMPTY;
    r = pairing_want(q->desk->queue, q->target, &q->pairing);
    if (r < 0)
        answer(q, (struct session_answer){.state = SESSION_LIMITED, .retry_s = 1});
}

static void take_verdict(struct question *q, enum session_verdict verdict) {
    switch (verdict) {
    case VERDICT_LIVES:
        pairing_settled(q->desk->queue, q->target, q->asked.browser);
        answer_state(q, SESSION_LIVES);
        break;
    case VERDICT_DIED:
        lack_session(q, SESSION_DIED);
        break;
    case VERDICT_UNKNOWN:
        answer_state(q, SESSION_UNKNOWN); /* fails open: the instance judges the request itself */
        break;
    }
}

static void verdict_known(struct look_waiter *waiter, enum session_verdict verdict) {
    take_verdict(container_of(waiter, struct question, look), verdict);
}

/* Which cookies are sessions stands in `names`: whether one of them is there, and whether it lives. */
static void look_at_cookies(struct question *q) {
    enum session_verdict verdict = VERDICT_UNKNOWN;
    bool has_any;
    int r;

    buf_release(&q->sessions);
    (void)cookie_select(q->asked.cookie, buf_slice(&q->names),
                        &q->sessions); /* what does not fit was never asked for */
    has_any = !buf_is_empty(&q->sessions);
    set_state(q, WAIT_VERDICT);
    q->look.on_answer = verdict_known;
    r = has_any && q->target->recipe->session_path && !q->is_puzzled
            ? look_start(q->desk->looks, q->target, buf_slice(&q->sessions), &q->look, &verdict)
            : 1;
    if (!has_any)
        lack_session(q, SESSION_NONE);
    else if (!q->target->recipe->session_path)
        take_verdict(q, VERDICT_LIVES);
    else if (r != 0)
        take_verdict(q, r == 1 ? verdict : VERDICT_UNKNOWN);
}

/* What the instance told; as long as it has told nothing, the recipe's patterns. */
static int set_names(struct question *q) {
    const struct recipe *recipe = q->target->recipe;
    struct slice told = SLICE_EMPTY;
    int r = 0;

    if (recipe->cookie_field)
        (void)session_looks_name(q->desk->looks, q->target, &told);
    buf_release(&q->names);
    if (told.n > 0)
        return buf_append(&q->names, told);
    for (size_t i = 0; r == 0 && i < recipe->n_cookies; i++) {
        if (i > 0)
            r = buf_append(&q->names, SLICE("; "));
        if (r == 0)
            r = buf_append(&q->names, slice_of_string(recipe->cookies[i]));
    }
    return r;
}

static void go_on_with_names(struct question *q) {
    if (set_names(q) < 0)
        answer_state(q, SESSION_UNKNOWN);
    else
        look_at_cookies(q);
}

static void name_known(struct look_waiter *waiter, enum session_verdict verdict) {
    struct question *q = container_of(waiter, struct question, look);

    q->is_puzzled = verdict == VERDICT_UNKNOWN; /* of no session at all it says that there is none */
    go_on_with_names(q);
}

static void ask_for_name(struct question *q) {
    enum session_verdict none;
    struct slice told;

    set_state(q, WAIT_NAME);
    q->look.on_answer = name_known;
    if (!q->target->recipe->cookie_field || session_looks_name(q->desk->looks, q->target, &told) ||
        look_start(q->desk->looks, q->target, SLICE_EMPTY, &q->look, &none) != 0)
        go_on_with_names(q);
}

/* Whom it is about, by our own table. */
static void begin(struct question *q) {
    struct session_desk *desk = q->desk;
    uint64_t number = desk->table ? table_number(desk->table) : 0;
    struct instance instance;

    if (!desk->table || q->asked.table > number) {
        set_state(q, WAIT_TABLE);
        return;
    }
    if (q->asked.table < number || !table_instance(desk->table, q->asked.instance, &instance) ||
        instance.recipe >= LIMIT_RECIPES || !desk->recipes[instance.recipe]) {
        answer_state(q, SESSION_STALE);
        return;
    }
    q->target = target_new(desk->table, &instance, desk->recipes[instance.recipe], q->asked.host,
                           slice_equals(q->asked.proto, SLICE("https")));
    if (!q->target || !q->target->recipe->pairs)
        answer_state(q, SESSION_UNKNOWN);
    else
        ask_for_name(q);
}

static struct question *find_waiting(const struct session_desk *desk) {
    struct question *q = desk->questions;

    while (q && (q->state != WAIT_TABLE || q->asked.table > table_number(desk->table)))
        q = q->next;
    return q;
}

void session_desk_set_table(struct session_desk *desk, struct table *table) {
    struct question *q;

    table_unref(desk->table);
    desk->table = table;
    /* each that begins may take others with it: nothing is kept of the list from one to the next */
    while ((q = find_waiting(desk)) != NULL)
        begin(q);
}

static size_t count_questions(const struct session_desk *desk, const void *asker) {
    size_t n = 0;

    for (const struct question *q = desk->questions; q; q = q->next)
        n += q->asker == asker;
    return n;
}

/* A copy of what the question says: the message it came in is gone when it waits. */
static int copy_text(struct question *q) {
    struct slice *parts[] = {&q->asked.host, &q->asked.proto, &q->asked.cookie};
    size_t at[ARRAY_LEN(parts)];

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        at[i] = buf_length(&q->text);
        if (buf_append(&q->text, *parts[i]) < 0)
            return -ENOMEM;
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        *parts[i] = slice_first(slice_from(buf_slice(&q->text), at[i]), parts[i]->n);
    return 0;
}

/* Too much is asked at once: whoever only looks goes on without an answer. */
static void refuse(struct session_desk *desk, void *asker, const struct session_question *question) {
    struct session_answer answer = {.number = question->number, .state = SESSION_UNKNOWN, .cookie_names = SLICE_EMPTY};

    if (question->want == SESSION_PAIR) {
        answer.state = SESSION_LIMITED;
        answer.retry_s = 1;
    }
    desk->ops->answer(asker, &answer);
}

void session_desk_ask(struct session_desk *desk, void *asker, const struct session_question *question) {
    struct question *q = count_questions(desk, asker) < LIMIT_SESSION_QUESTIONS ? calloc(1, sizeof(*q)) : NULL;

    if (!q) {
        refuse(desk, asker, question);
        return;
    }
    *q = (struct question){.next = desk->questions, .desk = desk, .asker = asker, .asked = *question};
    desk->questions = q;
    buf_init_secret(&q->text, LIMIT_AUTHORITY + sizeof("https") + LIMIT_COOKIE);
    buf_init_secret(&q->sessions, LIMIT_COOKIE);
    buf_init(&q->names, LIMIT_RECIPE_COOKIES * (LIMIT_COOKIE_NAME + 2));
    if (copy_text(q) < 0)
        answer_state(q, SESSION_UNKNOWN);
    else
        begin(q);
}

void session_desk_forget(struct session_desk *desk, void *asker) {
    for (struct question *q = desk->questions, *next; q; q = next) {
        next = q->next;
        if (q->asker == asker)
            question_free(q);
    }
}
