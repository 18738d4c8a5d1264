#include "ingress/visit/links.h"

#include <errno.h>

#include "unit_visit.h"

static struct {
    struct question question;
    unsigned answers, nothings;
    enum session_state state;
    enum wake_state wake;
    bool is_good, asks_again;
    char text[64];
} one, other;

static void heard(struct question *question, const void *answer) {
    bool is_one = question == &one.question;

    assert_false(question->is_open);
    if (!answer)
        (is_one ? &one.nothings : &other.nothings)[0]++;
    else
        (is_one ? &one.answers : &other.answers)[0]++;
    if (one.asks_again && !answer)
        assert_true(pairer_ask(question, &(struct session_question){
                                             .proto = SLICE("http"), .host = SLICE_EMPTY, .cookie = SLICE_EMPTY}) < 0);
}

static int clear(void **state) {
    (void)state;
    memset(&one, 0, sizeof(one));
    memset(&other, 0, sizeof(other));
    one.question.answered = other.question.answered = heard;
    return 0;
}

static struct session_question question(void) {
    return (struct session_question){.proto = SLICE("https"), .host = SLICE("w.example"), .cookie = SLICE_EMPTY};
}

static void answers_find_their_questions(void **state) {
    struct session_question first = question(), second = question();

    (void)state;
    pairer = role_open(pairer_link_init);
    assert_int_equal(pairer_ask(&one.question, &first), 0);
    assert_int_equal(pairer_ask(&other.question, &second), 0);
    assert_int_not_equal(first.number, second.number);
    answer_question(&pairer, &(struct session_answer){.number = second.number, .state = SESSION_LIVES});
    loop_settle();
    assert_int_equal(one.answers, 0);
    assert_int_equal(other.answers, 1);
    answer_question(&pairer, &(struct session_answer){.number = first.number, .state = SESSION_LIVES});
    answer_question(&pairer, &(struct session_answer){.number = first.number, .state = SESSION_LIVES}); /* once more */
    loop_settle();
    assert_int_equal(one.answers, 1);
    fd_close(&pairer.fd);
    loop_settle();
}

static void nobody_hears_what_was_forgotten(void **state) {
    struct session_question what = question();

    (void)state;
    pairer = role_open(pairer_link_init);
    assert_int_equal(pairer_ask(&one.question, &what), 0);
    pairer_forget(&one.question);
    pairer_forget(&one.question);
    answer_question(&pairer, &(struct session_answer){.number = what.number, .state = SESSION_LIVES});
    loop_settle();
    fd_close(&pairer.fd);
    loop_settle();
    assert_int_equal(one.answers + one.nothings, 0);
}

static void a_dead_role_answers_nothing(void **state) {
    struct session_question what = question();

    (void)state;
    pairer = role_open(pairer_link_init);
    one.asks_again = true;
    assert_int_equal(pairer_ask(&one.question, &what), 0);
    assert_int_equal(pairer_ask(&other.question, &what), 0);
    fd_close(&pairer.fd);
    loop_settle();
    assert_int_equal(one.nothings, 1);
    assert_int_equal(other.nothings, 1);
    assert_true(pairer_ask(&one.question, &what) < 0);
    assert_false(one.question.is_open);
}

static void a_new_role_takes_over(void **state) {
    struct asked before = role_open(pairer_link_init);
    struct session_question what = question();

    (void)state;
    assert_int_equal(pairer_ask(&one.question, &what), 0);
    pairer = role_open(pairer_link_init);
    assert_int_equal(one.nothings, 1);
    assert_int_equal(pairer_ask(&one.question, &what), 0);
    assert_int_equal(next_question(&pairer).number, what.number);
    answer_question(&pairer, &(struct session_answer){.number = what.number, .state = SESSION_LIVES});
    loop_settle();
    assert_int_equal(one.answers, 1);
    fd_close(&before.fd);
    fd_close(&pairer.fd);
    loop_settle();
}

static void a_role_that_talks_nonsense_is_heard_no_more(void **state) {
    struct ipc_writer w;

    (void)state;
    steward = role_open(steward_link_init);
    assert_int_equal(steward_ask(&one.question, 1, 0), 0);
    w = ipc_begin(IPC_AWAKE);
    ipc_put_u32(&w, one.question.number);
    ipc_put_u8(&w, WAKE_STATES);
    ipc_put_bytes(&w, SLICE_EMPTY);
    assert_int_equal(ipc_send(steward.fd, &w, -EBADF), 0);
    loop_settle();
    assert_int_equal(one.answers, 0);
    assert_int_equal(one.nothings, 1);
    fd_close(&steward.fd);
}

static void say_asserted(struct asked *role, uint32_t number, bool is_good, uint64_t ms, struct slice text) {
    struct ipc_writer w = ipc_begin(IPC_ASSERTED);

    ipc_put_u32(&w, number);
    ipc_put_u8(&w, is_good);
    ipc_put_u64(&w, ms);
    ipc_put_bytes(&w, text);
    assert_int_equal(ipc_send(role->fd, &w, -EBADF), 0);
    loop_settle();
}

static void a_good_assertion_is_asked_for_once(void **state) {
    struct slice token = SLICE("aaa.bbb.ccc");

    (void)state;
    verifier = role_open(verifier_link_init);
    assert_null(verifier_knows(token));
    assert_int_equal(verifier_ask(&one.question, token), 0);
    say_asserted(&verifier, one.question.number, true, 60000, SLICE("alice"));
    assert_int_equal(one.answers, 1);
    assert_non_null(verifier_knows(token));
    assert_slice(verifier_knows(token)->text, "alice");
    assert_null(verifier_knows(SLICE("aaa.bbb.ccd")));
    assert_null(verifier_knows(SLICE("aaa.bbb.cc")));
    verifier_clear();
    assert_null(verifier_knows(token));
    fd_close(&verifier.fd);
    loop_settle();
}

static void a_bad_or_old_assertion_is_not_remembered(void **state) {

    (void)state;
    verifier = role_open(verifier_link_init);
    assert_int_equal(verifier_ask(&one.question, SLICE("bad")), 0);
    say_asserted(&verifier, one.question.number, false, 60000, SLICE("alice"));
    assert_null(verifier_knows(SLICE("bad")));
    assert_int_equal(verifier_ask(&one.question, SLICE("old")), 0);
    say_asserted(&verifier, one.question.number, true, 0, SLICE("alice"));
    assert_null(verifier_knows(SLICE("old")));
    assert_int_equal(verifier_ask(&one.question, SLICE("short")), 0);
    say_asserted(&verifier, one.question.number, true, 1, SLICE("alice"));
    loop_settle(); /* more than 1 ms of turns */
    assert_null(verifier_knows(SLICE("short")));
    fd_close(&verifier.fd);
    loop_settle();
}

/* The rules have changed, and the answer to an older question comes over another channel than that news. */
static void an_answer_by_old_rules_is_not_remembered(void **state) {
    struct slice token = SLICE("aaa.bbb.ccc");

    (void)state;
    verifier = role_open(verifier_link_init);
    assert_int_equal(verifier_ask(&one.question, token), 0);
    verifier_clear();
    assert_int_equal(verifier_ask(&other.question, SLICE("newer")), 0);
    say_asserted(&verifier, one.question.number, true, 60000, SLICE("alice"));
    say_asserted(&verifier, other.question.number, true, 60000, SLICE("bob"));
    assert_int_equal(one.answers, 1);
    assert_null(verifier_knows(token));
    assert_non_null(verifier_knows(SLICE("newer")));
    fd_close(&verifier.fd);
    loop_settle();
}

int main(void) {
#define ROW(test) cmocka_unit_test_setup(test, clear)
    const struct CMUnitTest tests[] = {
        ROW(answers_find_their_questions),
        ROW(nobody_hears_what_was_forgotten),
        ROW(a_dead_role_answers_nothing),
        ROW(a_new_role_takes_over),
        ROW(a_role_that_talks_nonsense_is_heard_no_more),
        ROW(a_good_assertion_is_asked_for_once),
        ROW(a_bad_or_old_assertion_is_not_remembered),
        ROW(an_answer_by_old_rules_is_not_remembered),
    };

    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
