#include "ingress/visit/visit.h"

#include <signal.h>

#include "unit_visit.h"

#define OK(body) "HTTP/1.1 200 OK\r\nContent-Length: " #body "\r\n\r\n"

static void answers_health_to_anybody(void **state) {
    static const char *const paths[] = {"/healthz", "/probe/healthz"};
    struct peer stranger = {.kind = PEER_ADDRESS, .address.in = {.sin_family = AF_INET}};
    struct browser b = browser_open_as(&stranger);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        char text[128];

        (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
        browser_forget(&b);
        browser_say(&b, text);
        browser_expect(&b, "\r\n\r\nok\n");
        assert_true(strncmp(b.heard, "HTTP/1.1 200 ", 13) == 0);
    }
    browser_forget(&b);
    browser_say(&b, "POST /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    browser_expect(&b, "HTTP/1.1 405 ");
    browser_close(&b);
    assert_int_equal(instance.n, 0);
}

static void refuses_whom_it_does_not_know(void **state) {
    static const struct {
        const char *request, *status, *words;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "403", "no t3 instance provisioned for this user"},
        {"GET / HTTP/1.1\r\nHost: x\r\nX-authentik-username: mallory\r\n\r\n", "403",
         "no t3 instance provisioned for this user"},
        {"GET / HTTP/1.1\r\nHost: x\r\nX-authentik-username: alice\r\nX-authentik-username: bob\r\n\r\n", "400", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct browser b = browser_open();

        browser_say(&b, rows[i].request);
        browser_expect(&b, "\r\n\r\n");
        browser_expect(&b, rows[i].words);
        assert_true(strncmp(b.heard + 9, rows[i].status, 3) == 0);
        assert_non_null(strstr(b.heard, "Cache-Control: no-store"));
        browser_close(&b);
    }
    assert_int_equal(instance.n, 0);
}

static void refuses_a_stranger(void **state) {
    struct peer stranger = {.kind = PEER_ADDRESS, .address.in = {.sin_family = AF_INET}};
    struct browser b = browser_open_as(&stranger);

    (void)state;
    browser_say(&b, HEAD("/") "\r\n");
    browser_expect_close(&b);
    assert_true(strncmp(b.heard, "HTTP/1.1 403 ", 13) == 0);
    browser_close(&b);
    assert_int_equal(instance.n, 0);
}

static void passes_a_request_on(void **state) {
    struct browser b = browser_open();

    (void)state;
    browser_say(&b, HEAD("/a?b=c") "Origin: https://w.example\r\nAccept-Encoding: gzip\r\nCookie: x=y\r\n\r\n");
    browser_expect(&b, "hello");
    assert_int_equal(instance.n, 1);
    assert_true(strncmp(far_of(0)->heard, "GET /a?b=c HTTP/1.1\r\nHost: w.example\r\n", 38) == 0);
    assert_non_null(strstr(far_of(0)->heard, "\r\nOrigin: https://w.example\r\n"));
    assert_non_null(strstr(far_of(0)->heard, "\r\nAccept-Encoding: gzip\r\n"));
    assert_non_null(strstr(far_of(0)->heard, "\r\nCookie: x=y\r\n"));
    assert_null(strstr(far_of(0)->heard, "authentik"));
    assert_null(strstr(far_of(0)->heard, "Connection:"));
    browser_close(&b);
}

static void uses_one_connection_for_many(void **state) {
    struct browser a = browser_open(), b = browser_open();

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        browser_forget(i % 2 ? &a : &b);
        browser_say(i % 2 ? &a : &b, HEAD("/") "\r\n");
        browser_expect(i % 2 ? &a : &b, "hello");
    }
    assert_int_equal(instance.n, 1);
    assert_int_equal(instance.requests, 5);
    browser_close(&a);
    browser_close(&b);
}

static void streams_a_body_both_ways(void **state) {
    struct browser b = browser_open();

    (void)state;
    instance.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    browser_say(&b, "POST /up HTTP/1.1\r\nHost: w.example\r\nX-authentik-username: alice\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    browser_expect(&b, "3\r\nabc\r\n"); /* before the request is through */
    assert_non_null(strstr(far_of(0)->heard, "first"));
    assert_null(strstr(far_of(0)->heard, "0\r\n\r\n"));
    browser_close(&b);
}

static void tries_again_where_a_warm_connection_was_dead(void **state) {
    struct browser b = browser_open();

    (void)state;
    browser_say(&b, HEAD("/") "\r\n");
    browser_expect(&b, "hello");
    instance.closes = 1;
    browser_forget(&b);
    browser_say(&b, HEAD("/again") "\r\n");
    browser_expect(&b, "hello");
    assert_int_equal(instance.requests, 3);
    browser_close(&b);
}

static void sends_a_post_but_once(void **state) {
    struct browser b = browser_open();

    (void)state;
    browser_say(&b, HEAD("/") "\r\n");
    browser_expect(&b, "hello");
    instance.closes = 2;
    browser_forget(&b);
    browser_say(&b, "POST / HTTP/1.1\r\nHost: x\r\nX-authentik-username: alice\r\nContent-Length: 0\r\n\r\n");
    browser_expect(&b, "HTTP/1.1 502 ");
    assert_int_equal(instance.requests, 2);
    browser_close(&b);
}

static void says_that_it_is_down(void **state) {
    struct browser b = browser_open();

    (void)state;
    fd_close(&steward.fd); /* nobody could start it */
    watch_remove(&instance.listening);
    fd_close(&instance.fd);
    browser_say(&b, HEAD("/") DOCUMENT "\r\n");
    browser_expect(&b, "</html>");
    assert_true(strncmp(b.heard, "HTTP/1.1 502 ", 13) == 0);
    browser_close(&b);
}

static void answers_for_an_instance_that_does_not(void **state) {
    struct browser b = browser_open();

    (void)state;
    instance.answer = "SSH-2.0-OpenSSH\r\n\r\n";
    browser_say(&b, HEAD("/") "\r\n");
    browser_expect(&b, "HTTP/1.1 502 ");
    instance.answer = NULL;
    world.front.response_ms = 20;
    browser_forget(&b);
    browser_say(&b, HEAD("/") "\r\n");
    browser_expect(&b, "HTTP/1.1 504 ");
    browser_close(&b);
}

static void cuts_what_the_instance_cuts(void **state) {
    struct browser b = browser_open();

    (void)state;
    instance.answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    browser_say(&b, HEAD("/") "\r\n");
    browser_expect(&b, "half");
    far_close(far_of(0));
    browser_expect_close(&b);
    assert_non_null(strstr(b.heard, "Content-Length: 10"));
    browser_close(&b);
}

#define UPGRADE                                                                                                        \
    HEAD("/ws")                                                                                                        \
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"                                       \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define SWITCHES                                                                                                       \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                                \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi"

static struct browser open_tunnel(void) {
    struct browser b = browser_open();

    instance.answer = SWITCHES;
    browser_say(&b, UPGRADE);
    browser_expect(&b, "\x81\x02hi");
    assert_true(strncmp(b.heard, "HTTP/1.1 101 ", 13) == 0);
    assert_int_equal(passages_count(), 1);
    assert_int_equal(guests_count(), 0);
    browser_forget(&b);
    return b;
}

static bool far_has_frame(const void *unused) {
    (void)unused;
    return strstr(far_of(0)->heard, "\x81\x81") != NULL;
}

static void opens_a_tunnel(void **state) {
    struct browser b = open_tunnel();

    (void)state;
    assert_non_null(strstr(far_of(0)->heard, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"));
    browser_say(&b, "\x81\x81"
                    "abcd!");
    loop_until(far_has_frame, NULL);
    browser_close(&b);
    loop_until(nobody_is_left, NULL);
}

static void ends_the_tunnel_of_whoever_was_removed(void **state) {
    struct browser b = open_tunnel();

    (void)state;
    use_alice(", \"bob\": {\"os_user\": \"bob\", \"port\": 1}");
    loop_settle();
    assert_int_equal(passages_count(), 1); /* she is still there */
    use_table("{\"bob\": {\"os_user\": \"bob\", \"port\": 1}}");
    browser_expect(&b, "\x88\x02\x03\xf0");
    browser_close(&b);
}

static void ends_the_request_of_whoever_was_removed(void **state) {
    struct browser waiting = browser_open(), streaming = browser_open();

    (void)state;
    instance.answer = NULL;
    browser_say(&waiting, HEAD("/") "\r\n");
    instance_expect(1);
    instance.answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    browser_say(&streaming, HEAD("/") "\r\n");
    browser_expect(&streaming, "half");
    use_table("{\"bob\": {\"os_user\": \"bob\", \"port\": 1}}");
    browser_expect(&waiting, "HTTP/1.1 403 ");
    browser_expect_close(&streaming);
    browser_close(&waiting);
    browser_close(&streaming);
}

/* And until its grace is over, in which whoever has just come is waited for: it would last into the next test. */
static void begin_drain(void) {
    struct browser newcomer = browser_open();

    world.is_draining = true;
    guests_drain();
    browser_expect_close(&newcomer);
    browser_close(&newcomer);
}

static void drains(void **state) {
    struct browser idle = browser_open(), busy = browser_open();

    (void)state;
    browser_say(&idle, HEAD("/") "\r\n");
    browser_expect(&idle, "hello");
    instance.answer = NULL;
    browser_say(&busy, HEAD("/") "\r\n");
    instance_expect(2);
    begin_drain();
    browser_expect_close(&idle);
    assert_int_equal(guests_count(), 1);
    assert_int_equal(fd_write_all(far_of(0)->fd, OK(3) "end", sizeof(OK(3) "end") - 1), 0);
    browser_expect(&busy, "end");
    assert_non_null(strstr(busy.heard, "\r\nConnection: close\r\n"));
    browser_expect_close(&busy);
    browser_close(&idle);
    browser_close(&busy);
}

static void says_goodbye_at_the_drains_end(void **state) {
    struct browser b = open_tunnel();

    (void)state;
    begin_drain();
    assert_int_equal(passages_count(), 1);
    passages_drain();
    browser_expect(&b, "\x88\x02\x03\xe9");
    browser_close(&b);
}

static void probes_for_anybody(void **state) {
    struct peer stranger = {.kind = PEER_ADDRESS, .address.in = {.sin_family = AF_INET}};
    struct browser b = browser_open_as(&stranger);

    (void)state;
    browser_say(&b, "GET /probe/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                    "\x81\x82\x01\x01\x01\x01ih"); /* early, masked: "hi" */
    browser_expect(&b, "\x81\x02hi");
    assert_non_null(strstr(b.heard, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    browser_close(&b);
    loop_until(nobody_is_left, NULL);
}

static void adds_to_documents_what_the_recipe_says(void **state) {
    static char head[] = "<link rel=manifest>", manifest[] = "{\"name\":\"x\"}", path[] = "/app.webmanifest";
    static const struct recipe app = {.app_head = head, .app_manifest = manifest, .app_manifest_path = path};
    struct browser b = browser_open();

    (void)state;
    use_recipe(&app);
    instance.answer =
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 26\r\n\r\n<html><head></head></html>";
    browser_say(&b, HEAD("/") DOCUMENT "Accept-Encoding: gzip\r\n\r\n");
    browser_expect(&b, "<html><head><link rel=manifest></head></html>");
    assert_non_null(strstr(b.heard, "Content-Length: 45\r\n"));
    assert_null(strstr(far_of(0)->heard, "Accept-Encoding"));
    browser_forget(&b);
    browser_say(&b, HEAD("/app.webmanifest") "\r\n");
    browser_expect(&b, manifest);
    assert_int_equal(instance.requests, 1);
    browser_close(&b);
}

/* The supervisor hears the sums, the steward which instances are in use; and once more when they no longer are. */
static void tells_what_was_done(void **state) {
    struct browser b = browser_open();

    (void)state;
    world_tell();
    memset(&told, 0, sizeof(told));
    browser_say(&b, HEAD("/") "\r\n");
    browser_expect(&b, "hello");
    browser_forget(&b);
    browser_say(&b, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    browser_expect(&b, "HTTP/1.1 403 ");
    world_tell();
    assert_true(told.tally.requests[2] == 1 && told.tally.requests[4] == 1);
    assert_true(told.tally.refused[TALLY_NOBODY] == 1);
    assert_true(told.tally.upstream_opened == 1 && told.tally.open_connections == 1);
    assert_int_equal(told.seens, 1);
    assert_true(told.seen.requests == 1 && told.seen.bytes_out == 5);
    world_tell();
    assert_true(told.tally.requests[2] == 0 && told.tally.open_connections == 1);
    assert_int_equal(told.seens, 1);

    told.is_busy = true; /* then it is told later, and nothing is lost */
    browser_say(&b, HEAD("/") "\r\n");
    browser_expect(&b, "hello");
    assert_true(visitors_tell());
    assert_int_equal(told.seens, 1);
    told.is_busy = false;
    assert_false(visitors_tell());
    assert_int_equal(told.seens, 2);
    assert_true(told.seen.requests == 1 && told.seen.bytes_out == 5);
    world_tell();

    for (unsigned i = 0; i < 2; i++) {
        places_tell();
        loop_until(has_come, &steward);
        assert_int_equal(steward.message.type, IPC_ACTIVITY);
        assert_true(ipc_get_u64(&steward.message) == last_table);
        assert_int_equal(ipc_get_u32(&steward.message), 0);
        assert_int_equal(ipc_get_u32(&steward.message), i == 0 ? 2 : 0);
        assert_int_equal(ipc_get_u32(&steward.message), 0);
    }
    places_tell();
    assert_true(is_unasked(&steward));
    browser_close(&b);
}

int main(void) {
#define ROW(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        ROW(answers_health_to_anybody),
        ROW(refuses_whom_it_does_not_know),
        ROW(refuses_a_stranger),
        ROW(passes_a_request_on),
        ROW(uses_one_connection_for_many),
        ROW(streams_a_body_both_ways),
        ROW(tries_again_where_a_warm_connection_was_dead),
        ROW(sends_a_post_but_once),
        ROW(says_that_it_is_down),
        ROW(answers_for_an_instance_that_does_not),
        ROW(cuts_what_the_instance_cuts),
        ROW(opens_a_tunnel),
        ROW(ends_the_tunnel_of_whoever_was_removed),
        ROW(ends_the_request_of_whoever_was_removed),
        ROW(drains),
        ROW(says_goodbye_at_the_drains_end),
        ROW(probes_for_anybody),
        ROW(adds_to_documents_what_the_recipe_says),
        ROW(tells_what_was_done),
    };

    if (loop_init() < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR) /* as in every role */
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
