#include "ingress/visit/visit.h"

#include "unit_visit.h"

#define COOKIE "Cookie: other=1; t3_session=abc\r\n"

static char session_path[] = "/api/auth/session", cookie_field[] = "auth.sessionCookieName", pattern[] = "t3_session";

static const struct recipe paired = {.pairs = true, .session_path = session_path, .cookies = {pattern}, .n_cookies = 1};
static const struct recipe tells = {.pairs = true, .session_path = session_path, .cookie_field = cookie_field};

/* What the steward is asked, answered with `state`. */
static void wake_with(enum wake_state state) {
    struct ipc_writer w;
    uint32_t question;

    loop_until(has_come, &steward);
    assert_int_equal(steward.message.type, IPC_WAKE);
    question = ipc_get_u32(&steward.message);
    assert_true(ipc_get_u64(&steward.message) == last_table);
    assert_int_equal(ipc_get_u32(&steward.message), 0);
    assert_int_equal(ipc_end(&steward.message), 0);
    w = ipc_begin(IPC_AWAKE);
    ipc_put_u32(&w, question);
    ipc_put_u8(&w, (uint8_t)state);
    ipc_put_bytes(&w, SLICE("because"));
    assert_int_equal(ipc_send(steward.fd, &w, -EBADF), 0);
}

static void asks_the_steward_to_start_it(void **state) {
    static const struct {
        enum wake_state state;
        const char *status, *field;
    } rows[] = {{WAKE_STARTING, "503", "Retry-After: 2"},
                {WAKE_FAILED, "502", "no-store"},
                {WAKE_NOT_MINE, "502", "no-store"},
                {WAKE_UP, "502", "no-store"}}; /* and still refuses */

    (void)state;
    watch_remove(&instance.listening);
    fd_close(&instance.fd);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct browser b = browser_open();

        browser_say(&b, HEAD("/") DOCUMENT "\r\n");
        wake_with(rows[i].state);
        browser_expect(&b, "</html>");
        assert_true(strncmp(b.heard + 9, rows[i].status, 3) == 0);
        assert_non_null(strstr(b.heard, rows[i].field));
        browser_close(&b);
    }
}

static void pairs_a_person_who_opens_a_document(void **state) {
    struct browser b = browser_open();
    struct session_question question;
    struct session_answer answer = {.state = SESSION_PAIRED, .cookie_names = SLICE("t3_session")};

    (void)state;
    use_recipe(&paired);
    browser_say(&b, HEAD("/lab?x=1") DOCUMENT "Cookie: other=1\r\n\r\n");
    question = next_question(&pairer);
    assert_int_equal(question.want, SESSION_PAIR);
    assert_true(question.table == last_table);
    assert_int_equal(question.instance, 0);
    assert_slice(question.host, "w.example");
    assert_slice(question.cookie, "other=1");
    answer.number = question.number;
    answer.set_cookies[0] = SLICE("t3_session=new; Path=/; HttpOnly");
    answer.set_cookies[1] = SLICE("second=1");
    answer.n_set_cookies = 2;
    answer_question(&pairer, &answer);
    browser_expect(&b, "\r\n\r\n");
    assert_true(strncmp(b.heard, "HTTP/1.1 302 ", 13) == 0);
    assert_non_null(strstr(b.heard, "\r\nLocation: /lab?x=1\r\n"));
    assert_non_null(strstr(b.heard, "\r\nSet-Cookie: t3_session=new; Path=/; HttpOnly\r\n"));
    assert_non_null(strstr(b.heard, "\r\nSet-Cookie: second=1\r\n"));
    assert_non_null(strstr(b.heard, "\r\nCache-Control: no-store\r\n"));
    assert_int_equal(instance.requests, 0);
    browser_close(&b);
}

static void pairs_for_nothing_but_a_document(void **state) {
    static const char *const requests[] = {
        HEAD("/") "Sec-Fetch-Dest: empty\r\n\r\n",
        HEAD("/") "Sec-Fetch-Dest: image\r\n\r\n",
        HEAD("/") DOCUMENT "Sec-Purpose: prefetch\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nX-authentik-username: alice\r\nContent-Length: 0\r\n" DOCUMENT "\r\n",
        HEAD("/ws") "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    };

    (void)state;
    use_recipe(&paired);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct browser b = browser_open();

        browser_say(&b, requests[i]);
        browser_expect(&b, "\r\n\r\n");
        if (strncmp(b.heard, "HTTP/1.1 401 ", 13) != 0)
            fail_msg("%s: %s", requests[i], b.heard);
        assert_non_null(strstr(b.heard, "Cache-Control: no-store"));
        browser_close(&b);
    }
    assert_true(is_unasked(&pairer));
    assert_int_equal(instance.n, 0);
}

static void asks_nobody_with_a_cookie(void **state) {
    struct browser b = browser_open();

    (void)state;
    use_recipe(&paired);
    browser_say(&b, HEAD("/api") COOKIE "\r\n");
    browser_expect(&b, "hello");
    assert_true(is_unasked(&pairer));
    browser_close(&b);
}

static void looks_whether_the_session_lives(void **state) {
    static const struct {
        enum session_state state;
        bool pairs;
    } rows[] = {{SESSION_LIVES, false}, {SESSION_UNKNOWN, false}, {SESSION_DIED, true}, {SESSION_NONE, true}};

    (void)state;
    use_recipe(&paired);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct browser b = browser_open();
        struct session_question question;

        browser_say(&b, HEAD("/") DOCUMENT COOKIE "\r\n");
        question = next_question(&pairer);
        assert_int_equal(question.want, SESSION_LOOK);
        assert_slice(question.cookie, "other=1; t3_session=abc");
        answer_question(&pairer, &(struct session_answer){.number = question.number, .state = rows[i].state});
        if (rows[i].pairs) {
            question = next_question(&pairer);
            assert_int_equal(question.want, SESSION_PAIR);
            answer_question(&pairer, &(struct session_answer){.number = question.number, .state = SESSION_LIVES});
        }
        browser_expect(&b, "hello");
        browser_close(&b);
    }
}

/* What the instance calls its cookie is asked for once. */
static void learns_the_cookies_name(void **state) {
    struct browser b = browser_open();
    struct session_question question;

    (void)state;
    use_recipe(&tells);
    browser_say(&b, HEAD("/api") COOKIE "\r\n");
    question = next_question(&pairer);
    assert_int_equal(question.want, SESSION_LOOK);
    answer_question(&pairer, &(struct session_answer){.number = question.number,
                                                      .state = SESSION_LIVES,
                                                      .cookie_names = SLICE("t3_session; t3_session_*")});
    browser_expect(&b, "hello");
    for (unsigned i = 0; i < 3; i++) {
        browser_forget(&b);
        browser_say(&b, HEAD("/api") "Cookie: t3_session_80=x\r\n\r\n");
        browser_expect(&b, "hello");
    }
    browser_forget(&b);
    browser_say(&b, HEAD("/api") "Cookie: unrelated=x\r\n\r\n");
    browser_expect(&b, "HTTP/1.1 401 ");
    assert_true(is_unasked(&pairer));
    browser_close(&b);
}

static void lets_cookies_pass_without_a_pairer(void **state) {
    struct browser b = browser_open();

    (void)state;
    use_recipe(&tells);
    fd_close(&pairer.fd);
    browser_say(&b, HEAD("/api") COOKIE "\r\n");
    browser_expect(&b, "hello");
    browser_forget(&b);
    browser_say(&b, HEAD("/") DOCUMENT "\r\n");
    browser_expect(&b, "HTTP/1.1 503 ");
    browser_close(&b);
}

static void fails_over_to_words_when_the_pairer_dies(void **state) {
    struct browser b = browser_open();

    (void)state;
    use_recipe(&paired);
    browser_say(&b, HEAD("/") DOCUMENT "\r\n");
    (void)next_question(&pairer);
    fd_close(&pairer.fd);
    browser_expect(&b, "HTTP/1.1 503 ");
    browser_close(&b);
}

#define PAGE_LOOP_SHOWN "the session&#39;s cookie is not kept by the browser"

static void says_why_pairing_failed(void **state) {
    static const struct {
        struct session_answer answer;
        const char *status, *words;
    } rows[] = {
        {{.state = SESSION_FAILED, .fault = PAIRING_MINT_FAILED}, "500", "pairing mint failed"},
        {{.state = SESSION_FAILED, .fault = PAIRING_UNPARSEABLE}, "500", "unparseable pairing output"},
        {{.state = SESSION_FAILED, .fault = PAIRING_UNREACHABLE}, "502", "bootstrap request failed"},
        {{.state = SESSION_FAILED, .fault = PAIRING_REJECTED}, "502", "bootstrap rejected"},
        {{.state = SESSION_LIMITED, .retry_s = 7}, "503", "Retry-After: 7"},
        {{.state = SESSION_ROUND}, "403", PAGE_LOOP_SHOWN},
        {{.state = SESSION_ROUND, .is_denied = true}, "403", PAGE_DENIED},
    };

    (void)state;
    use_recipe(&paired);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct browser b = browser_open();
        struct session_answer answer = rows[i].answer;

        browser_say(&b, HEAD("/") DOCUMENT "\r\n");
        answer.number = next_question(&pairer).number;
        answer_question(&pairer, &answer);
        browser_expect(&b, "</html>");
        browser_expect(&b, rows[i].words);
        assert_true(strncmp(b.heard + 9, rows[i].status, 3) == 0);
        assert_non_null(strstr(b.heard, "Cache-Control: no-store"));
        assert_null(strstr(b.heard, "Location"));
        assert_null(strstr(b.heard, "Set-Cookie"));
        browser_close(&b);
    }
}

static void asks_again_with_the_newer_table(void **state) {
    struct browser b = browser_open();
    struct session_question question;

    (void)state;
    use_recipe(&paired);
    browser_say(&b, HEAD("/") DOCUMENT "\r\n");
    question = next_question(&pairer);
    use_alice(", \"bob\": {\"os_user\": \"bob\", \"port\": 1}");
    answer_question(&pairer, &(struct session_answer){.number = question.number, .state = SESSION_STALE});
    question = next_question(&pairer);
    assert_true(question.table == last_table);
    answer_question(&pairer, &(struct session_answer){.number = question.number, .state = SESSION_STALE});
    browser_expect(&b, "HTTP/1.1 503 "); /* not for ever */
    browser_close(&b);
}

/* Alice is named by an assertion, and by nothing else. */
static void use_assertions(void) {
    struct front front = world.front;

    (void)snprintf(front.assertion_header, sizeof(front.assertion_header), "X-Jwt");
    world_set_front(&front);
    verifier_clear();
}

static void answer_assertion(bool is_good, struct slice text) {
    struct ipc_writer w;
    uint32_t question;

    loop_until(has_come, &verifier);
    assert_int_equal(verifier.message.type, IPC_ASSERTION);
    question = ipc_get_u32(&verifier.message);
    assert_slice(ipc_get_bytes(&verifier.message, LIMIT_ASSERTION), "aaa.bbb.ccc");
    assert_int_equal(ipc_end(&verifier.message), 0);
    w = ipc_begin(IPC_ASSERTED);
    ipc_put_u32(&w, question);
    ipc_put_u8(&w, is_good);
    ipc_put_u64(&w, 60000);
    ipc_put_bytes(&w, text);
    assert_int_equal(ipc_send(verifier.fd, &w, -EBADF), 0);
}

static void believes_an_assertion_once_verified(void **state) {
    struct browser b = browser_open();

    (void)state;
    use_assertions();
    browser_say(&b, "GET / HTTP/1.1\r\nHost: w.example\r\nX-Jwt: aaa.bbb.ccc\r\n\r\n");
    answer_assertion(true, SLICE("alice"));
    browser_expect(&b, "hello");
    assert_null(strstr(far_of(0)->heard, "aaa.bbb"));
    browser_forget(&b);
    browser_say(&b, "GET / HTTP/1.1\r\nHost: w.example\r\nX-Jwt: aaa.bbb.ccc\r\n\r\n");
    browser_expect(&b, "hello");
    assert_true(is_unasked(&verifier));
    browser_close(&b);
}

static void believes_no_other(void **state) {
    static const struct {
        bool is_good;
        const char *text;
    } rows[] = {{false, "it has expired"}, {true, "mallory"}, {true, ""}};

    (void)state;
    use_assertions();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct browser b = browser_open();

        verifier_clear();
        browser_say(&b, "GET / HTTP/1.1\r\nHost: w.example\r\nX-Jwt: aaa.bbb.ccc\r\n\r\n");
        answer_assertion(rows[i].is_good, slice_of_string(rows[i].text));
        browser_expect(&b, "HTTP/1.1 403 ");
        browser_close(&b);
    }
    assert_int_equal(instance.n, 0);
}

static void believes_nobody_without_a_verifier(void **state) {
    struct browser b = browser_open();

    (void)state;
    use_assertions();
    browser_say(&b, "GET / HTTP/1.1\r\nHost: w.example\r\nX-Jwt: aaa.bbb.ccc\r\n\r\n");
    loop_until(has_come, &verifier);
    fd_close(&verifier.fd);
    browser_expect(&b, "HTTP/1.1 503 ");
    browser_forget(&b);
    browser_say(&b, "GET / HTTP/1.1\r\nHost: w.example\r\nX-Jwt: aaa.bbb.ccc\r\n\r\n");
    browser_expect(&b, "HTTP/1.1 503 ");
    browser_close(&b);
    assert_int_equal(instance.n, 0);
}

/* A body that began to come is held for as long as somebody is asked, and goes on whole. */
static void holds_what_has_come_of_a_body(void **state) {
    struct browser b = browser_open();

    (void)state;
    use_assertions();
    browser_say(&b, "POST /p HTTP/1.1\r\nHost: w.example\r\nX-Jwt: aaa.bbb.ccc\r\nContent-Length: 9\r\n\r\nfirst");
    loop_settle();
    browser_say(&b, "last");
    answer_assertion(true, SLICE("alice"));
    browser_expect(&b, "hello");
    loop_settle();
    assert_string_equal(strstr(far_of(0)->heard, "\r\n\r\n"), "\r\n\r\nfirstlast");
    browser_close(&b);
}

static void say_status(uint32_t question, bool is_end, struct slice html) {
    struct ipc_writer w = ipc_begin(IPC_STATUS);
    struct ipc_message m;

    ipc_put_u32(&w, question);
    ipc_put_u8(&w, is_end);
    ipc_put_bytes(&w, html);
    m = ipc_message_of(ipc_writer_bytes(&w));
    assert_int_equal(status_on_part(NULL, &m), 0);
}

static void shows_administrators_the_status(void **state) {
    static uint32_t question;
    struct browser b = browser_open();

    (void)state;
    browser_say(&b, HEAD("/-/status") "\r\n");
    loop_until(role_was_asked, &question);
    say_status(question, false, SLICE("<p>one"));
    say_status(question, true, SLICE("<p>two"));
    browser_expect(&b, "<p>one<p>two");
    assert_non_null(strstr(b.heard, "Cache-Control: no-store"));
    assert_non_null(strstr(b.heard, "Content-Security-Policy: default-src 'none'"));
    browser_close(&b);
    assert_int_equal(instance.n, 0);
}

static void shows_it_to_nobody_else(void **state) {
    struct browser b = browser_open();

    (void)state;
    world.front.n_admins = 0;
    browser_say(&b, HEAD("/-/status") "\r\n");
    browser_expect(&b, "hello"); /* it is a path like any other, the instance's own */
    browser_close(&b);
}

int main(void) {
#define ROW(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        ROW(asks_the_steward_to_start_it),
        ROW(pairs_a_person_who_opens_a_document),
        ROW(pairs_for_nothing_but_a_document),
        ROW(asks_nobody_with_a_cookie),
        ROW(looks_whether_the_session_lives),
        ROW(learns_the_cookies_name),
        ROW(lets_cookies_pass_without_a_pairer),
        ROW(fails_over_to_words_when_the_pairer_dies),
        ROW(says_why_pairing_failed),
        ROW(asks_again_with_the_newer_table),
        ROW(believes_an_assertion_once_verified),
        ROW(believes_no_other),
        ROW(believes_nobody_without_a_verifier),
        ROW(holds_what_has_come_of_a_body),
        ROW(shows_administrators_the_status),
        ROW(shows_it_to_nobody_else),
    };

    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
