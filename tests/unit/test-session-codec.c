#include "ingress/pairing/session_codec.h"

#include <errno.h>

#include "unit.h"

static struct session_question sound_question(void) {
    return (struct session_question){.number = 7,
                                     .table = 1ULL << 40,
                                     .instance = 3,
                                     .want = SESSION_PAIR,
                                     .browser = 11,
                                     .host = SLICE("box.example.org:8443"),
                                     .proto = SLICE("https"),
                                     .cookie = SLICE("a=1; t3_session=x")};
}

static struct session_answer sound_answer(void) {
    return (struct session_answer){.number = 7,
                                   .state = SESSION_PAIRED,
                                   .cookie_names = SLICE("t3_session_3773; key*"),
                                   .set_cookies = {SLICE("t3_session_3773=x; Path=/; HttpOnly"), SLICE("b=2")},
                                   .n_set_cookies = 2};
}

/* The message as the other side gets it; the type is taken already. */
static struct ipc_message received(const struct ipc_writer *w) {
    return ipc_message_of(ipc_writer_bytes(w));
}

static void a_question_arrives_as_it_was(void **state) {
    struct session_question sent = sound_question(), got;
    struct ipc_writer w = session_question_encode(&sent);
    struct ipc_message m = received(&w);

    (void)state;
    assert_int_equal(session_question_decode(&m, &got), 0);
    assert_true(got.number == 7 && got.table == 1ULL << 40 && got.instance == 3 && got.want == SESSION_PAIR);
    assert_true(got.browser == 11);
    assert_slice(got.host, "box.example.org:8443");
    assert_slice(got.proto, "https");
    assert_slice(got.cookie, "a=1; t3_session=x");
}

static void an_answer_arrives_as_it_was(void **state) {
    struct session_answer sent = sound_answer(), got;
    struct ipc_writer w = session_answer_encode(&sent);
    struct ipc_message m = received(&w);

    (void)state;
    assert_int_equal(session_answer_decode(&m, &got), 0);
    assert_true(got.number == 7 && got.state == SESSION_PAIRED && got.fault == PAIRING_WORKED);
    assert_slice(got.cookie_names, "t3_session_3773; key*");
    assert_int_equal(got.n_set_cookies, 2);
    assert_slice(got.set_cookies[0], "t3_session_3773=x; Path=/; HttpOnly");
    assert_slice(got.set_cookies[1], "b=2");
}

static void who_goes_round_is_told_why(void **state) {
    struct session_answer sent = {.number = 7, .state = SESSION_ROUND, .is_denied = true}, got;
    struct ipc_writer w = session_answer_encode(&sent);
    struct ipc_message m = received(&w);

    (void)state;
    assert_int_equal(session_answer_decode(&m, &got), 0);
    assert_true(got.state == SESSION_ROUND && got.is_denied);
    sent.state = SESSION_DIED; /* of nobody else it makes sense */
    w = session_answer_encode(&sent);
    m = received(&w);
    assert_int_equal(session_answer_decode(&m, &got), -EPROTO);
}

static void nothing_may_be_missing_or_left(void **state) {
    struct session_question question = sound_question(), q;
    struct session_answer answer = sound_answer(), a;
    struct ipc_writer w = session_question_encode(&question);
    struct slice bytes = ipc_writer_bytes(&w);

    (void)state;
    for (size_t n = 1; n < bytes.n; n++) {
        struct ipc_message m = ipc_message_of(slice_first(bytes, n));

        assert_int_equal(session_question_decode(&m, &q), -EPROTO);
    }
    w = session_answer_encode(&answer);
    bytes = ipc_writer_bytes(&w);
    for (size_t n = 1; n < bytes.n; n++) {
        struct ipc_message m = ipc_message_of(slice_first(bytes, n));

        assert_int_equal(session_answer_decode(&m, &a), -EPROTO);
    }
    ipc_put_u8(&w, 0);
    {
        struct ipc_message m = received(&w);

        assert_int_equal(session_answer_decode(&m, &a), -EPROTO);
    }
}

static void refuse_question(struct session_question question) {
    struct ipc_writer w = session_question_encode(&question);
    struct ipc_message m = received(&w);

    assert_int_equal(session_question_decode(&m, &question), -EPROTO);
}

static void a_question_splits_no_request(void **state) {
    static char long_cookie[LIMIT_COOKIE + 1];
    struct session_question question;

    (void)state;
    memset(long_cookie, 'a', sizeof(long_cookie));
#define WITH(field, value) (question = sound_question(), question.field = (value), refuse_question(question))
    WITH(host, SLICE("a\r\nX: y"));
    WITH(host, SLICE("a b"));
    WITH(host, SLICE("a\x80"));
    WITH(host, slice_of(long_cookie, LIMIT_AUTHORITY + 1));
    WITH(cookie, SLICE("a=1\r\nX: y"));
    WITH(cookie, SLICE("a=\x01"));
    WITH(cookie, slice_of(long_cookie, sizeof(long_cookie)));
    WITH(proto, SLICE("ftp"));
    WITH(proto, SLICE(""));
    WITH(want, SESSION_PAIR + 1);
#undef WITH
}

static void refuse_answer(struct session_answer answer) {
    struct ipc_writer w = session_answer_encode(&answer);
    struct ipc_message m = received(&w);

    assert_int_equal(session_answer_decode(&m, &answer), -EPROTO);
}

static void an_answer_makes_sense(void **state) {
    struct session_answer answer;

    (void)state;
#define WITH(field, value) (answer = sound_answer(), answer.field = (value), refuse_answer(answer))
    WITH(state, SESSION_STALE + 1);
    WITH(state, SESSION_LIVES); /* with cookies */
    WITH(fault, PAIRING_FAULTS);
    WITH(fault, PAIRING_REJECTED); /* and paired */
    WITH(n_set_cookies, 0);
    WITH(cookie_names, SLICE("a\nb"));
    WITH(set_cookies[1], SLICE("a=1\r\nSet-Cookie: b=2"));
#undef WITH
    answer = (struct session_answer){.state = SESSION_FAILED, .cookie_names = SLICE_EMPTY}; /* and no fault */
    refuse_answer(answer);
}

static void words_are_the_contracts(void **state) {
    (void)state;
    assert_int_equal(pairing_fault_status(PAIRING_MINT_FAILED), 500);
    assert_string_equal(pairing_fault_words(PAIRING_MINT_FAILED), "pairing mint failed");
    assert_int_equal(pairing_fault_status(PAIRING_UNPARSEABLE), 500);
    assert_string_equal(pairing_fault_words(PAIRING_UNPARSEABLE), "unparseable pairing output");
    assert_int_equal(pairing_fault_status(PAIRING_UNREACHABLE), 502);
    assert_string_equal(pairing_fault_words(PAIRING_UNREACHABLE), "bootstrap request failed");
    assert_int_equal(pairing_fault_status(PAIRING_REJECTED), 502);
    assert_string_equal(pairing_fault_words(PAIRING_REJECTED), "bootstrap rejected");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_arrives_as_it_was), cmocka_unit_test(an_answer_arrives_as_it_was),
        cmocka_unit_test(who_goes_round_is_told_why),   cmocka_unit_test(nothing_may_be_missing_or_left),
        cmocka_unit_test(a_question_splits_no_request), cmocka_unit_test(an_answer_makes_sense),
        cmocka_unit_test(words_are_the_contracts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
