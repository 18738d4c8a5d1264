/* One pairing, from what the mint prints to the cookies: contract 4's list of errors, line by line. */
#include "ingress/pairing/pairing.h"

#include <signal.h>
#include <sys/un.h>

#include "ingress/pairing/mint_output.h"
#include "unit_fd.h"
#include "unit_pairing.h"

static struct pairing *pairing;
static struct target *target;
static struct table *table;
static int mint = -EBADF; /* what the mint command writes to */
static unsigned stopped;

static struct {
    bool is_done;
    enum pairing_fault fault;
    char reason[128];
    unsigned status;
    size_t exchange, n_set_cookies;
    bool was_not_started;
    char cookies[LIMIT_SET_COOKIES][256];
} told;

static void stop_mint(void *owner) {
    assert_ptr_equal(owner, &told);
    stopped++;
}

static void done(void *owner, const struct pairing_result *result) {
    assert_ptr_equal(owner, &told);
    assert_false(told.is_done);
    told.is_done = true;
    told.fault = result->fault;
    told.status = result->status;
    told.exchange = result->exchange;
    told.was_not_started = result->was_not_started;
    told.n_set_cookies = result->n_set_cookies;
    (void)snprintf(told.reason, sizeof(told.reason), "%s", result->reason);
    for (size_t i = 0; i < result->n_set_cookies; i++)
        (void)snprintf(told.cookies[i], sizeof(told.cookies[i]), "%.*s", SLICE_ARG(result->set_cookies[i]));
}

static const struct pairing_owner owner = {.stop_mint = stop_mint, .done = done, .owner = &told};

#define TABLE "{\"ann\":{\"os_user\":\"u_ann\",\"port\":PORT}}"

static void aim(const char *json, uint64_t mint_ms, uint64_t ms) {
    struct recipe recipe = t3_recipe();
    struct recipe_kept *kept = recipe_keep(&recipe);
    struct instance ann;

    table = table_of(json, 1);
    ann = instance_of(table, "ann");
    target = target_new(table, &ann, kept, SLICE("box.example.org"), true);
    recipe_unref(kept);
    memset(&told, 0, sizeof(told));
    stopped = 0;
    pairing = pairing_new(target, mint_ms, (struct call_times){ms, ms}, &owner);
    assert_non_null(pairing);
}

static int begin(void **state) {
    (void)state;
    instance_start();
    aim(TABLE, 10000, 10000);
    return 0;
}

static int end(void **state) {
    (void)state;
    pairing_free(pairing);
    target_unref(target);
    table_unref(table);
    fd_close(&mint);
    instance_stop();
    return loop_run();
}

static void give_output(void) {
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    mint = ends[1];
    pairing_mint_output(pairing, ends[0]);
}

static void print(const char *text) {
    assert_int_equal(fd_write_all(mint, text, strlen(text)), 0);
}

#define KEY "{\n  \"credential\": \"k\\\"1\",\n  \"expiresAt\": \"soon\"\n}\n"

/* The mint prints `text` and ends well. */
static void mint_prints(const char *text) {
    give_output();
    print(text);
    fd_close(&mint);
    pairing_mint_ended(pairing, COMMAND_EXITED, 0);
}

static void expect(enum pairing_fault fault) {
    loop_until_set(&told.is_done);
    if (told.fault != fault)
        fail_msg("%s: %s", pairing_fault_words(told.fault), told.reason);
    assert_int_equal(told.n_set_cookies > 0, fault == PAIRING_WORKED);
}

static void hands_the_cookies_over_as_they_are(void **state) {
    const char *request;

    (void)state;
    instance_says("POST /api/auth/browser-session",
                  HEAD_200 "Set-Cookie: t3_session_1=a; Path=/; HttpOnly\r\nContent-Length: 2\r\n"
                           "set-cookie: second=\"x y\"; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n{}");
    mint_prints(KEY);
    expect(PAIRING_WORKED);
    assert_int_equal(told.n_set_cookies, 2);
    assert_string_equal(told.cookies[0], "t3_session_1=a; Path=/; HttpOnly");
    assert_string_equal(told.cookies[1], "second=\"x y\"; Expires=Wed, 21 Oct 2026 07:28:00 GMT");
    assert_true(told.exchange == 0 && told.status == 200 && stopped == 0);
    request = instance_request("POST /api/auth/browser-session HTTP/1.1\r\n");
    assert_non_null(strstr(request, "\r\nHost: box.example.org\r\n"));
    assert_non_null(strstr(request, "\r\nX-Forwarded-Proto: https\r\n"));
    assert_non_null(strstr(request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(request, "\r\n\r\n{\"credential\":\"k\\u00221\"}"));
    assert_null(strstr(request, "Cookie:"));
}

static void falls_back_on_404_alone(void **state) {
    (void)state;
    instance_says("POST /api/auth/browser-session", NOT_FOUND);
    instance_says("POST /api/auth/bootstrap", EXCHANGED);
    mint_prints(KEY);
    expect(PAIRING_WORKED);
    assert_int_equal(told.exchange, 1);
    assert_int_equal(instance_heard("POST"), 2);
}

static void both_endpoints_are_gone(void **state) {
    (void)state;
    instance_says("POST", NOT_FOUND);
    mint_prints(KEY);
    expect(PAIRING_REJECTED);
    assert_true(told.status == 404 && told.exchange == 1);
}

/* What an instance may answer to the exchange, and what that is called. */
static const struct {
    struct slice name;
    const char *answer;
    bool resets;
    enum pairing_fault fault;
} answers[] = {
    {SLICE("401"), "HTTP/1.1 401 Unauthorized\r\nContent-Length: 23\r\n\r\n{\"code\":\"auth_invalid\"}", false,
     PAIRING_REJECTED},
    {SLICE("400"), "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", false, PAIRING_REJECTED},
    {SLICE("500"), "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\n\r\n", false, PAIRING_REJECTED},
    {SLICE("201 with a cookie"), "HTTP/1.1 201 Created\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\n\r\n", false,
     PAIRING_REJECTED},
    {SLICE("200 without a cookie"), HEAD_200 "Content-Length: 2\r\n\r\n{}", false, PAIRING_REJECTED},
    {SLICE("200 with an empty cookie"), HEAD_200 "Set-Cookie:\r\nContent-Length: 2\r\n\r\n{}", false, PAIRING_REJECTED},
    {SLICE("a TAB in a cookie"), HEAD_200 "Set-Cookie: a=b\tc\r\nContent-Length: 2\r\n\r\n{}", false, PAIRING_REJECTED},
    {SLICE("garbage"), "hello, world\r\n\r\n", false, PAIRING_UNREACHABLE},
    {SLICE("nothing"), "", false, PAIRING_UNREACHABLE},
    {SLICE("half a head"), "HTTP/1.1 200 OK\r\nSet-Coo", false, PAIRING_UNREACHABLE},
    {SLICE("half a body"), HEAD_200 "Set-Cookie: a=b\r\nContent-Length: 20\r\n\r\n{\"auth", false, PAIRING_UNREACHABLE},
    {SLICE("a reset in the middle"), HEAD_200 "Set-Cookie: a=b\r\nContent-Length: 20\r\n\r\n{\"auth", true,
     PAIRING_UNREACHABLE},
    {SLICE("two lengths"), HEAD_200 "Set-Cookie: a=b\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", false,
     PAIRING_UNREACHABLE},
    {SLICE("a switch"), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", false, PAIRING_UNREACHABLE},
    {SLICE("early words first"), "HTTP/1.1 102 Processing\r\n\r\n" EXCHANGED, false, PAIRING_WORKED},
    {SLICE("a body till the end"), HEAD_200 "Set-Cookie: a=b\r\nConnection: close\r\n\r\n{}", false, PAIRING_WORKED},
};

static void every_answer_has_its_name(void **state) {
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        if (i > 0)
            (void)begin(state);
        instance_says("POST", answers[i].answer);
        instance.answers[0].resets = answers[i].resets;
        mint_prints(KEY);
        loop_until_set(&told.is_done);
        assert_row(answers[i].name, told.fault == answers[i].fault);
        if (i + 1 < ARRAY_LEN(answers))
            assert_int_equal(end(state), 0);
    }
}

static void too_many_cookies_are_none(void **state) {
    static char answer[LIMIT_COOKIE + 1024];
    size_t n = 0;

    (void)state;
    n += (size_t)snprintf(answer, sizeof(answer), HEAD_200 "Content-Length: 0\r\n");
    for (unsigned i = 0; i <= LIMIT_SET_COOKIES; i++)
        n += (size_t)snprintf(answer + n, sizeof(answer) - n, "Set-Cookie: c%u=1\r\n", i);
    (void)snprintf(answer + n, sizeof(answer) - n, "\r\n");
    instance_says("POST", answer);
    mint_prints(KEY);
    expect(PAIRING_REJECTED);
}

static void a_body_has_a_limit(void **state) {
    static char answer[LIMIT_INSTANCE_ANSWER + 1024];
    size_t head;

    (void)state;
    head = (size_t)snprintf(answer, sizeof(answer), HEAD_200 "Set-Cookie: a=b\r\nContent-Length: %d\r\n\r\n",
                            LIMIT_INSTANCE_ANSWER + 1);
    memset(answer + head, ' ', LIMIT_INSTANCE_ANSWER + 1);
    instance_says("POST", answer);
    mint_prints(KEY);
    expect(PAIRING_REJECTED);
}

static void nobody_listens(void **state) {
    (void)state;
    instance_stop();
    mint_prints(KEY);
    expect(PAIRING_UNREACHABLE);
    assert_string_equal(told.reason, "the instance refused the connection");
}

static void an_instance_that_says_nothing(void **state) {
    assert_int_equal(end(state), 0);
    instance_start();
    aim(TABLE, 10000, 20);
    instance_says("POST", NULL);
    mint_prints(KEY);
    expect(PAIRING_UNREACHABLE);
    assert_string_equal(told.reason, "the instance's answer took too long");
}

static void an_instance_at_a_socket(void **state) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char json[256];

    assert_int_equal(end(state), 0);
    instance_start();
    watch_remove(&instance.watch);
    fd_close(&instance.listener);
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/credfd-test-%d.sock", getpid());
    (void)snprintf(json, sizeof(json), "{\"ann\":{\"os_user\":\"u_ann\",\"unix\":\"%s\"}}", at.sun_path);
    instance.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(instance.listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(instance.listener, 1), 0);
    assert_int_equal(watch_add(&instance.watch, instance.listener, accept_visitor), 0);
    aim(json, 10000, 10000);
    instance_says("POST", EXCHANGED);
    mint_prints(KEY);
    expect(PAIRING_WORKED);
    assert_int_equal(unlink(at.sun_path), 0);
}

static void a_mint_that_fails(void **state) {
    (void)state;
    give_output();
    print(KEY);
    pairing_mint_ended(pairing, COMMAND_EXITED, 7 << 8);
    expect(PAIRING_MINT_FAILED);
    assert_string_equal(told.reason, "the mint command ended with 7");
    assert_int_equal(instance_heard("POST"), 0);
}

static void a_mint_that_was_killed_for_its_time(void **state) {
    (void)state;
    give_output();
    pairing_mint_ended(pairing, COMMAND_TIMED_OUT, 9);
    expect(PAIRING_MINT_FAILED);
}

static void a_mint_that_cannot_be_started(void **state) {
    (void)state;
    pairing_mint_output(pairing, -EBADF);
    expect(PAIRING_MINT_FAILED);
    assert_true(told.was_not_started);
}

static void a_mint_that_prints_garbage(void **state) {
    (void)state;
    mint_prints("Error: no such user\n");
    expect(PAIRING_UNPARSEABLE);
    assert_int_equal(instance_heard("POST"), 0);
}

static void a_mint_that_prints_without_end(void **state) {
    static char blanks[LIMIT_COMMAND_OUTPUT / 2];

    (void)state;
    memset(blanks, ' ', sizeof(blanks));
    give_output();
    for (unsigned i = 0; i < 3 && stopped == 0; i++) {
        assert_int_equal(fd_write_all(mint, blanks, sizeof(blanks)), 0);
        loop_settle();
    }
    assert_int_equal(stopped, 1);
    assert_false(told.is_done); /* one at a time: the next waits till this one is gone */
    pairing_mint_ended(pairing, COMMAND_EXITED, 9);
    expect(PAIRING_UNPARSEABLE);
}

static void a_mint_nobody_tells_the_end_of(void **state) {
    assert_int_equal(end(state), 0);
    instance_start();
    aim(TABLE, 1, 10000);
    give_output();
    expect(PAIRING_MINT_FAILED);
    assert_int_equal(stopped, 1);
}

/* A child of it holds the pipe open: what was printed by its own end counts. */
static void a_mint_that_leaves_somebody_behind(void **state) {
    (void)state;
    instance_says("POST", EXCHANGED);
    give_output();
    print(KEY);
    pairing_mint_ended(pairing, COMMAND_EXITED, 0);
    expect(PAIRING_WORKED);
}

static void its_words_in_another_order(void **state) {
    (void)state;
    instance_says("POST", EXCHANGED);
    give_output();
    loop_settle();
    pairing_mint_ended(pairing, COMMAND_EXITED, 0);
    print("{\"credential\":");
    loop_settle();
    print("\"k\"}");
    fd_close(&mint);
    expect(PAIRING_WORKED);
}

static void can_be_given_up_at_any_time(void **state) {
    (void)state;
    instance_says("POST", NULL);
    mint_prints(KEY);
    loop_settle();
    pairing_free(pairing);
    pairing = NULL;
    loop_settle();
    assert_false(told.is_done);
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
        TEST(hands_the_cookies_over_as_they_are),
        TEST(falls_back_on_404_alone),
        TEST(both_endpoints_are_gone),
        TEST(every_answer_has_its_name),
        TEST(too_many_cookies_are_none),
        TEST(a_body_has_a_limit),
        TEST(nobody_listens),
        TEST(an_instance_that_says_nothing),
        TEST(an_instance_at_a_socket),
        TEST(a_mint_that_fails),
        TEST(a_mint_that_was_killed_for_its_time),
        TEST(a_mint_that_cannot_be_started),
        TEST(a_mint_that_prints_garbage),
        TEST(a_mint_that_prints_without_end),
        TEST(a_mint_nobody_tells_the_end_of),
        TEST(a_mint_that_leaves_somebody_behind),
        TEST(its_words_in_another_order),
        TEST(can_be_given_up_at_any_time),
    };

    return cmocka_run_group_tests(tests, init, NULL);
}
