/* What dispatchers ask, and what they are told: with an instance that answers, and mints that the test runs itself. */
#include "ingress/pairing/session_desk.h"

#include <signal.h>

#include "ingress/pairing/mint_output.h"
#include "unit_fd.h"
#include "unit_pairing.h"

#define MINTS_MAX 64

static struct session_desk *desk;
static char one, two; /* askers */

static struct told {
    enum session_state state;
    enum pairing_fault fault;
    uint32_t retry_s;
    bool is_denied;
    char names[256], cookie[256];
    const void *asker;
    bool is_told;
} told[256]; /* by the question's number */

static struct {
    uint64_t table;
    uint32_t instance;
    bool is_stopped;
} mints[MINTS_MAX];
static size_t n_mints;

static struct {
    enum pairing_fault fault;
    size_t exchange;
} paired[MINTS_MAX];
static size_t n_paired;

static unsigned refused[PAIRING_REFUSALS];

static void on_refused(const struct target *target, enum pairing_refusal refusal) {
    assert_true(target->instance.os_user.n > 0);
    refused[refusal]++;
}

static void on_answer(void *asker, const struct session_answer *answer) {
    struct told *t = &told[answer->number];

    assert_false(t->is_told);
    *t = (struct told){.state = answer->state,
                       .fault = answer->fault,
                       .retry_s = answer->retry_s,
                       .is_denied = answer->is_denied,
                       .asker = asker,
                       .is_told = true};
    (void)snprintf(t->names, sizeof(t->names), "%.*s", SLICE_ARG(answer->cookie_names));
    if (answer->n_set_cookies > 0)
        (void)snprintf(t->cookie, sizeof(t->cookie), "%.*s", SLICE_ARG(answer->set_cookies[0]));
}

static void on_mint(uint32_t mint, const struct target *target) {
    assert_int_equal(mint, n_mints);
    mints[mint].table = table_number(target->table);
    mints[n_mints++].instance = target->instance.number;
}

static void on_stop(uint32_t mint) {
    mints[mint].is_stopped = true;
}

static void on_paired(const struct target *target, const struct pairing_result *result) {
    assert_true(target->instance.os_user.n > 0);
    paired[n_paired].fault = result->fault;
    paired[n_paired++].exchange = result->exchange;
}

static const struct session_desk_ops ops = {
    .answer = on_answer, .queue = {.mint = on_mint, .mint_stop = on_stop, .paired = on_paired, .refused = on_refused}};

#define TABLE                                                                                                          \
    "{\"ann\":{\"os_user\":\"u_ann\",\"port\":PORT},\"bob\":{\"os_user\":\"u_bob\",\"port\":PORT},"                    \
    "\"ann2\":{\"os_user\":\"u_ann\",\"port\":1}}"

static struct instance ann, bob, ann2;

static void set_table(uint64_t number) {
    struct table *table = table_of(TABLE, number);

    ann = instance_of(table, "ann");
    bob = instance_of(table, "bob");
    ann2 = instance_of(table, "ann2");
    session_desk_set_table(desk, table);
}

static void set_rules(uint64_t count) {
    session_desk_set_rules(desk,
                           &(struct pairing_rules){.rate = {count, 60000}, .mint_ms = 9000, .times = {9000, 9000}});
}

static int begin(void **state) {
    struct recipe recipe = t3_recipe();

    (void)state;
    memset(told, 0, sizeof(told));
    memset(mints, 0, sizeof(mints));
    memset(refused, 0, sizeof(refused));
    n_mints = n_paired = 0;
    instance_start();
    desk = session_desk_new(&ops);
    set_rules(0);
    assert_int_equal(session_desk_set_recipe(desk, &recipe), 0);
    set_table(7);
    return 0;
}

static int end(void **state) {
    (void)state;
    session_desk_free(desk);
    instance_stop();
    return loop_run();
}

static struct session_question about(uint32_t number, const struct instance *whose, enum session_want want,
                                     const char *cookie) {
    return (struct session_question){.number = number,
                                     .table = 7,
                                     .instance = whose->number,
                                     .want = want,
                                     .host = SLICE("box.example.org"),
                                     .proto = SLICE("https"),
                                     .cookie = slice_of_string(cookie)};
}

static void ask(uint32_t number, const struct instance *whose, enum session_want want, const char *cookie) {
    struct session_question question = about(number, whose, want, cookie);

    session_desk_ask(desk, &one, &question);
}

static struct told *answer_to(uint32_t number) {
    loop_until_set(&told[number].is_told);
    return &told[number];
}

static bool has_minted(const void *n) {
    return n_mints >= *(const size_t *)n;
}

/* The mint of that number has been asked for, prints `text` and ends. */
static void mint(uint32_t number, const char *text) {
    const size_t n = number + 1;
    int ends[2];

    loop_until(has_minted, &n);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(fd_write_all(ends[1], text, strlen(text)), 0);
    fd_close(&ends[1]);
    assert_int_equal(pairing_queue_mint_output(session_desk_queue(desk), number, ends[0]), 0);
    assert_int_equal(pairing_queue_mint_ended(session_desk_queue(desk), number, COMMAND_EXITED, 0), 0);
}

#define KEY "{\"credential\":\"k\"}"

static void a_session_that_lives(void **state) {
    (void)state;
    instance_says("GET /api/auth/session", SESSION_LIVES_ANSWER);
    ask(1, &ann, SESSION_PAIR, "sid=other; t3_session_1=a; t3_session=old");
    assert_int_equal(answer_to(1)->state, SESSION_LIVES);
    assert_string_equal(told[1].names, "t3_session_1");
    assert_int_equal(n_mints, 0);
    /* exactly the session's own cookie went there */
    assert_non_null(strstr(instance_request("GET"), "\r\nCookie: t3_session_1=a\r\n"));
    assert_non_null(strstr(instance_request("GET"), "\r\nHost: box.example.org\r\n"));
}

static void the_name_is_asked_for_once_and_then_known(void **state) {
    (void)state;
    instance_says("GET /api/auth/session", SESSION_LIVES_ANSWER);
    ask(1, &ann, SESSION_LOOK, "");
    ask(2, &ann, SESSION_LOOK, "");
    assert_int_equal(answer_to(1)->state, SESSION_NONE);
    assert_int_equal(answer_to(2)->state, SESSION_NONE);
    ask(3, &ann, SESSION_LOOK, "t3_session=not-of-that-name");
    assert_int_equal(answer_to(3)->state, SESSION_NONE);
    assert_int_equal(instance.n_visitors, 1);
    assert_null(strstr(instance.visitors[0].request, "Cookie:"));
}

static void the_same_question_is_one_look(void **state) {
    (void)state;
    instance_says("GET /api/auth/session", SESSION_LIVES_ANSWER);
    ask(1, &ann, SESSION_LOOK, "");
    (void)answer_to(1);
    for (uint32_t i = 2; i < 50; i++)
        ask(i, &ann, SESSION_LOOK, "t3_session_1=a");
    for (uint32_t i = 2; i < 50; i++)
        assert_int_equal(answer_to(i)->state, SESSION_LIVES);
    ask(50, &ann, SESSION_LOOK, "x=1; t3_session_1=a"); /* the same session, and known by now */
    assert_int_equal(answer_to(50)->state, SESSION_LIVES);
    assert_int_equal(instance.n_visitors, 2);
}

static void a_dead_one_is_only_told_of(void **state) {
    (void)state;
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    ask(1, &ann, SESSION_LOOK, "t3_session_1=a");
    assert_int_equal(answer_to(1)->state, SESSION_DIED);
    assert_int_equal(n_mints, 0);
}

static void whatever_is_not_definite_fails_open(void **state) {
    static const char *const answers[] = {"garbage\r\n\r\n", HEAD_200 "Content-Length: 2\r\n\r\n{}",
                                          "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
                                          HEAD_200 "Content-Length: 99\r\n\r\n{\"authenticated\":false}", ""};

    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        if (i > 0)
            (void)begin(state);
        instance_says("GET", answers[i]);
        ask(1, &ann, SESSION_PAIR, "t3_session=a");
        assert_int_equal(answer_to(1)->state, SESSION_UNKNOWN);
        assert_string_equal(told[1].names, "t3_session*"); /* as long as it has told nothing */
        assert_int_equal(n_mints, 0);
        if (i + 1 < ARRAY_LEN(answers))
            assert_int_equal(end(state), 0);
    }
}

static void no_session_is_made_into_one(void **state) {
    (void)state;
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    instance_says("POST /api/auth/browser-session", NOT_FOUND);
    instance_says("POST /api/auth/bootstrap", EXCHANGED);
    ask(1, &ann, SESSION_PAIR, "");
    mint(0, KEY);
    assert_int_equal(answer_to(1)->state, SESSION_PAIRED);
    assert_string_equal(told[1].cookie, "t3_session_1=fresh; Path=/; HttpOnly; SameSite=Lax");
    assert_string_equal(told[1].names, "t3_session_1");
    assert_true(mints[0].table == 7 && mints[0].instance == ann.number);
    assert_true(n_paired == 1 && paired[0].fault == PAIRING_WORKED && paired[0].exchange == 1);
    ask(2, &ann, SESSION_PAIR, "t3_session_1=dead");
    mint(1, KEY);
    assert_int_equal(answer_to(2)->state, SESSION_PAIRED);
}

/* The third redirect would not be the last; and what it is that does not work is told by what came along. */
static void who_goes_round_is_not_sent_round_again(void **state) {
    static const struct {
        const char *cookie;
        bool is_denied;
    } rows[] = {{"", false},
                {"t3_session_1=dead; theme=dark", false},
                {"theme=dark; t3_session_1=dead; t3_session_1=fresh", true},
                {"t3_session_1=fresh", true}};

    (void)state;
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    instance_says("POST", EXCHANGED);
    for (uint32_t i = 0; i < LOOP_PAIRINGS; i++) {
        ask(i, &ann, SESSION_PAIR, "");
        mint(i, KEY);
        assert_int_equal(answer_to(i)->state, SESSION_PAIRED);
    }
    for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(10 + i, &ann, SESSION_PAIR, rows[i].cookie);
        assert_int_equal(answer_to(10 + i)->state, SESSION_ROUND);
        assert_int_equal(told[10 + i].is_denied, rows[i].is_denied);
    }
    assert_int_equal(n_mints, LOOP_PAIRINGS);                                    /* no credential is spent on it */
    assert_true(refused[PAIRING_NOT_KEPT] == 1 && refused[PAIRING_DENIED] == 1); /* and the log is not filled by it */
    ask(20, &bob, SESSION_PAIR, "");
    mint(LOOP_PAIRINGS, KEY);
    assert_int_equal(answer_to(20)->state, SESSION_PAIRED);
}

static void a_session_that_lives_ends_the_round(void **state) {
    (void)state;
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    instance_says("POST", EXCHANGED);
    for (uint32_t i = 0; i < LOOP_PAIRINGS; i++) {
        ask(i, &ann, SESSION_PAIR, "");
        mint(i, KEY);
        (void)answer_to(i);
    }
    instance.answers[0].answer = SESSION_LIVES_ANSWER;
    ask(10, &ann, SESSION_LOOK, "t3_session_1=fresh");
    assert_int_equal(answer_to(10)->state, SESSION_LIVES);
    ask(11, &ann, SESSION_PAIR, "");
    mint(LOOP_PAIRINGS, KEY);
    assert_int_equal(answer_to(11)->state, SESSION_PAIRED);
}

static void one_mint_at_a_time_and_others_share_it(void **state) {
    (void)state;
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    instance_says("POST", EXCHANGED);
    for (uint32_t i = 1; i <= 40; i++)
        ask(i, &ann, SESSION_PAIR, "");
    mint(0, KEY);
    for (uint32_t i = 1; i <= 40; i++)
        assert_int_equal(answer_to(i)->state, SESSION_PAIRED);
    assert_int_equal(n_mints, 1);
}

static void another_session_of_the_same_user_has_its_turn(void **state) {
    struct session_question question;

    (void)state;
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    instance_says("POST", EXCHANGED);
    ask(1, &ann, SESSION_PAIR, "");
    question = about(2, &ann, SESSION_PAIR, "");
    question.host = SLICE("other.example.org");
    session_desk_ask(desk, &one, &question);
    ask(3, &bob, SESSION_PAIR, "");
    loop_settle();
    loop_settle();
    assert_int_equal(n_mints, 2); /* ann's first and bob's: users do not wait for each other */
    mint(0, KEY);
    mint(1, KEY);
    assert_int_equal(answer_to(1)->state, SESSION_PAIRED);
    assert_int_equal(answer_to(3)->state, SESSION_PAIRED);
    assert_false(told[2].is_told);
    mint(2, KEY);
    assert_int_equal(answer_to(2)->state, SESSION_PAIRED);
    assert_non_null(strstr(instance_request("POST"), "\r\nHost: other.example.org\r\n"));
}

static void a_failure_is_shared_too(void **state) {
    (void)state;
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    ask(1, &ann, SESSION_PAIR, "");
    ask(2, &ann, SESSION_PAIR, "");
    mint(0, "oops");
    assert_true(answer_to(1)->state == SESSION_FAILED && told[1].fault == PAIRING_UNPARSEABLE);
    assert_true(answer_to(2)->state == SESSION_FAILED && told[2].fault == PAIRING_UNPARSEABLE);
    assert_int_equal(n_mints, 1);
    assert_int_equal(paired[0].fault, PAIRING_UNPARSEABLE);
}

static void so_many_and_no_more(void **state) {
    (void)state;
    set_rules(2);
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    for (uint32_t i = 0; i < 2; i++) {
        ask(i, &ann, SESSION_PAIR, "");
        mint(i, "oops");
        (void)answer_to(i);
    }
    ask(3, &ann, SESSION_PAIR, "");
    assert_int_equal(answer_to(3)->state, SESSION_LIMITED);
    assert_int_equal(refused[PAIRING_TOO_MANY], 1);
    assert_true(told[3].retry_s > 0 && told[3].retry_s <= 30);
    ask(4, &bob, SESSION_PAIR, ""); /* he has his own */
    mint(2, "oops");
    assert_int_equal(answer_to(4)->state, SESSION_FAILED);
}

static void too_many_waiting_are_turned_away(void **state) {
    uint32_t limited = 0;

    (void)state;
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    for (uint32_t i = 0; i < LIMIT_PERSON_QUESTIONS + 10; i++)
        ask(i, &ann, SESSION_PAIR, "");
    loop_settle();
    loop_settle();
    for (uint32_t i = 0; i < LIMIT_PERSON_QUESTIONS + 10; i++)
        limited += told[i].is_told && told[i].state == SESSION_LIMITED;
    assert_int_equal(limited, 10);
    assert_int_equal(n_mints, 1);
}

static void a_mint_that_was_not_started(void **state) {
    (void)state;
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    ask(1, &ann, SESSION_PAIR, "");
    loop_until(has_minted, &(const size_t){1});
    assert_int_equal(pairing_queue_mint_output(session_desk_queue(desk), 0, -EBADF), 0);
    assert_true(answer_to(1)->state == SESSION_FAILED && told[1].fault == PAIRING_MINT_FAILED);
    /* what is said of it too late does no harm; what is said of another is a lie */
    assert_int_equal(pairing_queue_mint_ended(session_desk_queue(desk), 0, COMMAND_NOT_STARTED, 0), 0);
    assert_int_equal(pairing_queue_mint_ended(session_desk_queue(desk), 1, COMMAND_EXITED, 0), -EPROTO);
    assert_int_equal(pairing_queue_mint_output(session_desk_queue(desk), 1, -EBADF), -EPROTO);
    /* unless the table has changed meanwhile: then the supervisor did not know whom it was for */
    ask(2, &ann, SESSION_PAIR, "");
    loop_until(has_minted, &(const size_t){2});
    set_table(8);
    assert_int_equal(pairing_queue_mint_output(session_desk_queue(desk), 1, -EBADF), 0);
    assert_int_equal(answer_to(2)->state, SESSION_STALE);
}

static void an_instance_that_is_not_there_costs_one_mint(void **state) {
    (void)state;
    set_rules(2);
    ask(1, &ann2, SESSION_PAIR, ""); /* nobody listens on port 1 */
    mint(0, KEY);
    assert_true(answer_to(1)->state == SESSION_FAILED && told[1].fault == PAIRING_UNREACHABLE);
    for (uint32_t i = 2; i < 12; i++) {
        ask(i, &ann2, SESSION_PAIR, "");
        assert_true(answer_to(i)->state == SESSION_FAILED && told[i].fault == PAIRING_UNREACHABLE);
    }
    assert_int_equal(n_mints, 1);
    /* somebody is there: the same user's other instance is not kept waiting for it */
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    instance_says("POST", EXCHANGED);
    ask(12, &ann, SESSION_PAIR, "");
    mint(1, KEY);
    assert_int_equal(answer_to(12)->state, SESSION_PAIRED);
}

/* So many users that mints are bounded, each with a recipe's instance behind the same port. */
static void set_crowd(struct instance crowd[LIMIT_MINTS + 1]) {
    char json[64 * (LIMIT_MINTS + 1)], name[8];
    struct table *table;
    size_t n = 0;

    for (int i = 0; i <= LIMIT_MINTS; i++)
        n += (size_t)snprintf(json + n, sizeof(json) - n, "%c\"p%d\":{\"os_user\":\"u%d\",\"port\":PORT}",
                              i ? ',' : '{', i, i);
    (void)snprintf(json + n, sizeof(json) - n, "}");
    table = table_of(json, 7);
    for (int i = 0; i <= LIMIT_MINTS; i++) {
        (void)snprintf(name, sizeof(name), "p%d", i);
        crowd[i] = instance_of(table, name);
    }
    session_desk_set_table(desk, table);
}

static void so_many_mints_run_at_once(void **state) {
    struct instance crowd[LIMIT_MINTS + 1];

    (void)state;
    set_crowd(crowd);
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    for (uint32_t i = 0; i <= LIMIT_MINTS; i++)
        ask(i, &crowd[i], SESSION_PAIR, "");
    loop_until(has_minted, &(const size_t){LIMIT_MINTS});
    loop_settle();
    assert_int_equal(n_mints, LIMIT_MINTS);
    mint(3, "oops");
    loop_until(has_minted, &(const size_t){LIMIT_MINTS + 1});
}

static void instances_that_hang_keep_nobody_from_minting(void **state) {
    struct instance crowd[LIMIT_MINTS + 1];

    (void)state;
    set_crowd(crowd);
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    instance_says("POST", NULL);
    for (uint32_t i = 0; i < LIMIT_MINTS; i++) {
        ask(i, &crowd[i], SESSION_PAIR, "");
        mint(i, KEY);
    }
    ask(LIMIT_MINTS, &crowd[LIMIT_MINTS], SESSION_PAIR, "");
    loop_until(has_minted, &(const size_t){LIMIT_MINTS + 1});
    for (uint32_t i = 0; i < LIMIT_MINTS; i++)
        assert_false(told[i].is_told);
}

static void an_instance_that_hangs_costs_one_mint(void **state) {
    size_t n_visitors;

    (void)state;
    session_desk_set_rules(desk, &(struct pairing_rules){.mint_ms = 9000, .times = {9000, 200}});
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    instance_says("POST", NULL);
    ask(1, &ann, SESSION_PAIR, "");
    mint(0, KEY);
    assert_true(answer_to(1)->state == SESSION_FAILED && told[1].fault == PAIRING_UNREACHABLE);
    n_visitors = instance.n_visitors;
    for (uint32_t i = 2; i < 12; i++) {
        ask(i, &ann, SESSION_PAIR, "");
        assert_true(answer_to(i)->state == SESSION_FAILED && told[i].fault == PAIRING_UNREACHABLE);
    }
    assert_int_equal(n_mints, 1);
    assert_int_equal(instance.n_visitors, n_visitors);
    ask(12, &ann2, SESSION_PAIR, ""); /* of the same user: nobody is there, which is looked at first */
    assert_true(answer_to(12)->state == SESSION_FAILED && told[12].fault == PAIRING_UNREACHABLE);
    instance.answers[1].answer = EXCHANGED;
    ask(13, &bob, SESSION_PAIR, "");
    mint(1, KEY);
    assert_int_equal(answer_to(13)->state, SESSION_PAIRED);
}

/* Whoever opens a page waits for one answer that does not come, and not for two. */
static void an_instance_that_hangs_is_asked_once(void **state) {
    (void)state;
    session_desk_set_rules(desk, &(struct pairing_rules){.mint_ms = 9000, .times = {9000, 50}});
    instance_says("GET /api/auth/session", NULL);
    ask(1, &ann, SESSION_LOOK, "t3_session=a");
    assert_int_equal(answer_to(1)->state, SESSION_UNKNOWN);
    assert_int_equal(instance.n_visitors, 1);
}

static void tables_change(void **state) {
    struct session_question question;

    (void)state;
    instance_says("GET /api/auth/session", SESSION_LIVES_ANSWER);
    question = about(1, &ann, SESSION_LOOK, "");
    question.table = 6;
    session_desk_ask(desk, &one, &question);
    assert_int_equal(answer_to(1)->state, SESSION_STALE);
    question.number = 2;
    question.table = 8; /* the asker has it first */
    session_desk_ask(desk, &one, &question);
    loop_settle();
    assert_false(told[2].is_told);
    set_table(8);
    assert_int_equal(answer_to(2)->state, SESSION_NONE);
    question.number = 3;
    question.instance = 1000;
    session_desk_ask(desk, &one, &question);
    assert_int_equal(answer_to(3)->state, SESSION_STALE);
}

static void who_is_gone_is_told_nothing(void **state) {
    struct session_question question = about(1, &ann, SESSION_PAIR, ""), looks = about(2, &ann, SESSION_LOOK, "");

    (void)state;
    instance_says("GET /api/auth/session", SESSION_DIED_ANSWER);
    instance_says("POST", EXCHANGED);
    session_desk_ask(desk, &two, &looks);
    session_desk_ask(desk, &two, &question);
    ask(3, &ann, SESSION_PAIR, "");
    loop_until(has_minted, &(const size_t){1});
    session_desk_forget(desk, &two);
    mint(0, KEY);
    assert_int_equal(answer_to(3)->state, SESSION_PAIRED);
    assert_ptr_equal(told[3].asker, &one);
    assert_false(told[1].is_told);
}

static void recipes_without_a_pairing_have_no_sessions(void **state) {
    struct recipe recipe = {.number = 0, .name = strdup("none")},
                  bad = {.number = LIMIT_RECIPES, .name = strdup("bad")};

    (void)state;
    assert_int_equal(session_desk_set_recipe(desk, &recipe), 0);
    assert_int_equal(session_desk_set_recipe(desk, &bad), -EPROTO);
    recipe_done(&bad);
    ask(1, &ann, SESSION_PAIR, "");
    assert_int_equal(answer_to(1)->state, SESSION_UNKNOWN);
    assert_int_equal(instance.n_visitors, 0);
}

static void looks_at_one_instance_are_few(void **state) {
    char cookie[32];
    uint32_t unknown = 0;

    (void)state;
    instance_says("GET /api/auth/session", SESSION_LIVES_ANSWER);
    ask(0, &ann, SESSION_LOOK, "");
    (void)answer_to(0);
    instance.answers[0].answer = NULL; /* it hangs */
    for (uint32_t i = 1; i <= 40; i++) {
        (void)snprintf(cookie, sizeof(cookie), "t3_session_1=%u", i);
        ask(i, &ann, SESSION_LOOK, cookie);
    }
    loop_settle();
    for (uint32_t i = 1; i <= 40; i++)
        unknown += told[i].is_told && told[i].state == SESSION_UNKNOWN;
    assert_int_equal(unknown, 40 - LIMIT_INSTANCE_LOOKS);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

static int init(void **state) {
    (void)state;
    mint_json_init();
    (void)signal(SIGPIPE, SIG_IGN);
    return loop_init();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_session_that_lives),
        TEST(the_name_is_asked_for_once_and_then_known),
        TEST(the_same_question_is_one_look),
        TEST(a_dead_one_is_only_told_of),
        TEST(whatever_is_not_definite_fails_open),
        TEST(no_session_is_made_into_one),
        TEST(who_goes_round_is_not_sent_round_again),
        TEST(a_session_that_lives_ends_the_round),
        TEST(one_mint_at_a_time_and_others_share_it),
        TEST(another_session_of_the_same_user_has_its_turn),
        TEST(a_failure_is_shared_too),
        TEST(so_many_and_no_more),
        TEST(too_many_waiting_are_turned_away),
        TEST(a_mint_that_was_not_started),
        TEST(an_instance_that_is_not_there_costs_one_mint),
        TEST(so_many_mints_run_at_once),
        TEST(instances_that_hang_keep_nobody_from_minting),
        TEST(an_instance_that_hangs_costs_one_mint),
        TEST(an_instance_that_hangs_is_asked_once),
        TEST(tables_change),
        TEST(who_is_gone_is_told_nothing),
        TEST(recipes_without_a_pairing_have_no_sessions),
        TEST(looks_at_one_instance_are_few),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}
