#include "fleet/link/hub.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "fleet/link/hub_json.h"
#include "net/listen.h"
#include "unit_hub.h"
#include "unit_tell.h"
#include "wire/websocket.h"

enum { TEXT = 1, CLOSE = 8, PING = 9 };

static struct hub hub;
static struct machine machine = {.os_version = "12", .arch = "amd64", .hostname = "here", .processors = 4};
static bool has_ended;

/* Where the hub listens, and who came. */
static struct {
    struct watch watch;
    int fd;
    unsigned port, asked;
    char request[4096];
} server = {.fd = -EBADF};

static void accept_step(struct watch *watch) {
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    hub_drop();
    hub_take(fd);
    server.asked++;
}

static int make_all(void **state) {
    struct address address;

    (void)state;
    log_set_level(LOG_ERROR);
    hub_json_init(1);
    assert_int_equal(loop_init(), 0);
    assert_int_equal(address_parse(SLICE("127.0.0.1"), 0, &address), 0);
    assert_int_equal(listen_tcp(&address, 8, &server.fd), 0);
    assert_int_equal(getsockname(server.fd, &address.any, &address.n), 0);
    server.port = ntohs(address.in.sin_port);
    assert_int_equal(watch_add(&server.watch, server.fd, accept_step), 0);
    return 0;
}

static int free_all(void **state) {
    (void)state;
    watch_remove(&server.watch);
    fd_close(&server.fd);
    return 0;
}

static void take_token(const char *text) {
    struct secret *token;
    int fd;

    assert_int_equal(secret_seal(slice_of_string(text), &fd), 0);
    assert_int_equal(secret_open(fd, &token), 0);
    hub_take_token(&hub, token);
}

static int begin(void **state) {
    (void)state;
    memset(&told, 0, sizeof(told));
    server.asked = 0;
    has_ended = false;
    hub_init(&hub, &machine);
    (void)snprintf(hub.settings.url, sizeof(hub.settings.url), "ws://127.0.0.1:%u/safari/ws", server.port);
    assert_null(uri_parse_upstream(slice_of_string(hub.settings.url), &hub.settings.hub));
    (void)snprintf(hub.settings.version, sizeof(hub.settings.version), "1.2");
    return 0;
}

static void set_ended(void) {
    has_ended = true;
}

static int end(void **state) {
    (void)state;
    hub_end(&hub, set_ended);
    hub_drop();
    loop_until_set(&has_ended);
    timer_cancel(&hub.deadline);
    secret_free(hub.token);
    return 0;
}

/* The settings, the token and the resolver are there: it asks for leave. */
static void be_ready(void) {
    assert_int_equal(hub_point(&hub, NULL), 0);
    take_token("to ken&");
    assert_int_equal(told.wants, 0);
    hub_has_resolver(&hub);
    assert_int_equal(told.wants, 1);
}

static bool has_request(const void *unused) {
    (void)unused;
    return hub_peer.n >= 4 && memcmp(hub_peer.in + hub_peer.n - 4, "\r\n\r\n", 4) == 0;
}

/* Until its request is there. */
static void await_request(void) {
    loop_until(has_request, NULL);
    (void)snprintf(server.request, sizeof(server.request), "%.*s", (int)hub_peer.n, (char *)hub_peer.in);
    hub_peer.n = 0;
}

static void answer(const char *head) {
    hub_write(slice_of_string(head));
}

static void accept_it(const char *more) {
    const char *key = strstr(server.request, "Sec-WebSocket-Key: ") + strlen("Sec-WebSocket-Key: ");
    char accept[WEBSOCKET_ACCEPT_LENGTH], head[512];

    websocket_accept(slice_of(key, WEBSOCKET_KEY_LENGTH), accept);
    (void)snprintf(head, sizeof(head),
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Accept: %.*s\r\n%s\r\n",
                   WEBSOCKET_ACCEPT_LENGTH, accept, more);
    answer(head);
}

static void link_up(void) {
    be_ready();
    assert_int_equal(hub_connect(&hub, true), 0);
    await_request();
    accept_it("");
    hub_text("{\"type\":\"welcome\",\"payload\":{\"worknode_id\":\"w-1\",\"name\":\"one\",\"labels\":[\"l\"]}}");
    await_told(ups, 1);
}

static void it_connects_with_its_token_and_says_who_it_is(void **state) {
    struct hub_heard heard;

    (void)state;
    link_up();
    assert_true(slice_starts_with(slice_of_string(server.request),
                                  SLICE("GET /safari/ws?token=to%20ken%26&broker=1 HTTP/1.1\r\nHost: 127.0.0.1:")));
    assert_null(strstr(server.request, "Sec-WebSocket-Extensions"));
    assert_non_null(strstr(server.request, "User-Agent: credfd/1.2\r\n"));
    assert_string_equal(told.worknode_id, "w-1");
    assert_string_equal(told.name, "one");
    heard = hub_await(TEXT);
    assert_true(hub_says(heard, "\"type\":\"heartbeat\"") && hub_says(heard, "\"worknode_id\":\"w-1\"") &&
                hub_says(heard, "\"labels\":[\"l\"]") && hub_says(heard, "\"environment\":{\"os\":\"linux\""));
    assert_true(timer_is_set(&hub.talk.heartbeat));
    hub.talk.heartbeat.on_expiry(&hub.talk.heartbeat);
    heard = hub_await(TEXT);
    assert_true(hub_says(heard, "heartbeat") && !hub_says(heard, "environment"));
}

static void what_the_hub_asks_is_told(void **state) {
    (void)state;
    link_up();
    (void)hub_await(TEXT);
    hub_text("{\"type\":\"task.request\",\"payload\":{\"task_id\":\"t\",\"operation\":\"bash\",\"args\":{\"command\":"
             "\"x\",\"credential\":{\"key\":\"sk\",\"base_url\":\"u\"}}}}");
    await_told(tasks, 1);
    assert_string_equal(told.key, "sk");
    hub_text("nonsense");
    hub_text("{\"type\":\"task.cancel\",\"payload\":{\"task_id\":\"u\"}}");
    await_told(cancels, 1);
    assert_string_equal(told.task_id, "u");
    hub_text("{\"type\":\"mcp.call\",\"payload\":{\"call_id\":\"c-1\"}}");
    assert_true(
        hub_says(hub_await(TEXT), "{\"call_id\":\"c-1\",\"success\":false,\"error\":\"unknown operation: mcp_call\"}"));
}

static bool is_talking(const void *unused) {
    (void)unused;
    return hub.talk.state == WAIT_WELCOME;
}

/* Output waits for the welcome; the hub that never says it is not waited for for ever. */
static void without_a_welcome_it_goes_on(void **state) {
    (void)state;
    be_ready();
    assert_int_equal(hub_connect(&hub, false), 0);
    await_request();
    assert_null(strstr(server.request, "broker"));
    accept_it("Sec-WebSocket-Protocol: odd\r\n");
    loop_until(is_talking, NULL);
    talk_output(&hub.talk, SLICE("t"), TASK_STDOUT, SLICE("early"));
    assert_int_equal(told.ups, 0);
    assert_true(timer_is_set(&hub.talk.welcome));
    hub.talk.welcome.on_expiry(&hub.talk.welcome);
    assert_int_equal(told.ups, 1);
    assert_true(hub_says(hub_await(TEXT), "heartbeat"));
    assert_true(hub_says(hub_await(TEXT), "early"));
    hub_text("{\"type\":\"welcome\",\"payload\":{\"worknode_id\":\"late\",\"acks\":true}}");
    await_told(ups, 2);
    assert_true(told.acknowledges);
    assert_string_equal(told.worknode_id, "late");
}

static void answers_that_are_no_handshake_are_told(void **state) {
    static const struct {
        const char *head, *reason;
    } rows[] = {
        {"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "the hub refuses the token (HTTP 401)"},
        {"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "the hub refuses the token (HTTP 403)"},
        {"HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/?token=x\r\nContent-Length: 0\r\n\r\n",
         "the hub redirects, which is not followed (HTTP 302)"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "the hub has another answer than a WebSocket (HTTP 200)"},
        {"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n",
         NULL},
        {"HTTP/1.1 101 Switching\nUpgrade: websocket\r\n", NULL},
        {"SSH-2.0-OpenSSH\r\n", NULL},
    };

    be_ready();
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(hub_connect(&hub, true), 0);
        await_request();
        answer(rows[i].head);
        await_told(downs, i + 1);
        if (rows[i].reason)
            assert_string_equal(told.reason, rows[i].reason);
        assert_int_equal(hub.state, WAIT_RETRY);
        hub.deadline.on_expiry(&hub.deadline);
        assert_int_equal(told.wants, i + 2);
    }
    assert_int_equal(told.ups, 0);
}

static void an_extension_that_nobody_offered_is_no_handshake(void **state) {
    (void)state;
    be_ready();
    assert_int_equal(hub_connect(&hub, true), 0);
    await_request();
    accept_it("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    await_told(downs, 1);
    assert_non_null(strstr(told.reason, "extension"));
}

/* From a second on, twice as long each time, and never more than five minutes; by chance up to a half less. */
static void the_waits_grow_and_are_bounded(void **state) {
    uint64_t most = RETRY_HUB;

    (void)state;
    be_ready();
    for (unsigned i = 1; i <= 12; i++) {
        assert_int_equal(hub_connect(&hub, true), 0);
        await_request();
        hub_drop();
        await_told(downs, i);
        assert_in_range(told.retry_ms, most / 2, most);
        most = MIN_OF(2 * most, (uint64_t)RETRY_HUB_MAX);
        hub.deadline.on_expiry(&hub.deadline);
    }
    assert_int_equal(most, RETRY_HUB_MAX);
}

static void a_link_that_lasted_begins_anew(void **state) {
    (void)state;
    hub.delay_ms = RETRY_HUB_MAX;
    link_up();
    hub_drop();
    await_told(downs, 1);
    assert_true(told.retry_ms > RETRY_HUB); /* it lived for a moment only */
    hub.deadline.on_expiry(&hub.deadline);
    assert_int_equal(hub_connect(&hub, true), 0);
    await_request();
    accept_it("");
    hub_text("{\"type\":\"welcome\",\"payload\":{}}");
    await_told(ups, 2);
    hub.opened_ms -= HUB_SETTLED;
    hub_drop();
    await_told(downs, 2);
    assert_in_range(told.retry_ms, RETRY_HUB / 2, RETRY_HUB);
}

static void a_hub_that_does_not_answer_is_given_up(void **state) {
    (void)state;
    be_ready();
    assert_int_equal(hub_connect(&hub, true), 0);
    await_request();
    assert_true(hub.state == WAIT_HANDSHAKE && timer_is_set(&hub.deadline));
    hub.deadline.on_expiry(&hub.deadline);
    assert_int_equal(told.downs, 1);
    assert_string_equal(told.reason, "the hub did not answer the handshake in time");
}

static void leave_that_was_not_asked_for_breaks_the_rules(void **state) {
    (void)state;
    assert_int_equal(hub_connect(&hub, true), -EPROTO);
    be_ready();
    assert_int_equal(hub_connect(&hub, true), 0);
    assert_int_equal(hub_connect(&hub, true), -EPROTO);
}

static void in_the_clear_only_to_this_machine(void **state) {
    (void)state;
    log_set_level(LOG_ERROR);
    (void)snprintf(hub.settings.url, sizeof(hub.settings.url), "ws://hub.example.org/ws");
    assert_null(uri_parse_upstream(slice_of_string(hub.settings.url), &hub.settings.hub));
    assert_int_equal(hub_point(&hub, NULL), -EINVAL);
}

static void at_the_end_the_hub_is_told(void **state) {
    struct hub_heard heard;

    (void)state;
    link_up();
    (void)hub_await(TEXT);
    hub_end(&hub, set_ended);
    heard = hub_await(CLOSE);
    assert_true(slice_equals(heard.payload, SLICE("\x03\xe9")));
}

/* One that waits long for its next attempt tries at once: results are to leave before the end. */
static void at_a_drain_nothing_is_waited_for(void **state) {
    (void)state;
    hub.delay_ms = RETRY_HUB_MAX;
    be_ready();
    assert_int_equal(hub_connect(&hub, true), 0);
    await_request();
    hub_drop();
    await_told(downs, 1);
    hub_drain(&hub);
    await_told(wants, 2);
    assert_int_equal(hub_connect(&hub, true), 0);
    await_request();
    hub_drop();
    await_told(downs, 2);
    assert_true(told.retry_ms <= RETRY_HUB);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_connects_with_its_token_and_says_who_it_is, begin, end),
        cmocka_unit_test_setup_teardown(what_the_hub_asks_is_told, begin, end),
        cmocka_unit_test_setup_teardown(without_a_welcome_it_goes_on, begin, end),
        cmocka_unit_test_setup_teardown(answers_that_are_no_handshake_are_told, begin, end),
        cmocka_unit_test_setup_teardown(an_extension_that_nobody_offered_is_no_handshake, begin, end),
        cmocka_unit_test_setup_teardown(the_waits_grow_and_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(a_link_that_lasted_begins_anew, begin, end),
        cmocka_unit_test_setup_teardown(a_hub_that_does_not_answer_is_given_up, begin, end),
        cmocka_unit_test_setup_teardown(leave_that_was_not_asked_for_breaks_the_rules, begin, end),
        cmocka_unit_test_setup_teardown(in_the_clear_only_to_this_machine, begin, end),
        cmocka_unit_test_setup_teardown(at_the_end_the_hub_is_told, begin, end),
        cmocka_unit_test_setup_teardown(at_a_drain_nothing_is_waited_for, begin, end),
    };

    return cmocka_run_group_tests(tests, make_all, free_all);
}
