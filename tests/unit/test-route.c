#include "fleet/link/route.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "net/listen.h"
#include "unit_hub.h"

static struct proxy proxy = {.host = "127.0.0.1"};
static struct route_plan plan = {.host = "hub.example.org", .port = 443, .proxy = &proxy, .timeout_ms = 60000};
static struct tls_sessions sessions;
static struct route *route;
static struct stream stream;
static bool is_done, has_stream;
static char why[256], request[2048];

static struct {
    struct watch watch;
    int fd;
} server = {.fd = -EBADF};

static void accept_step(struct watch *watch) {
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0)
        hub_take(fd);
}

static void nothing(struct watch *watch) {
    (void)watch;
}

static void on_done(void *owner, struct stream *made, const char *reason) {
    assert_ptr_equal(owner, &route);
    route = NULL;
    is_done = true;
    has_stream = made != NULL;
    if (made)
        assert_int_equal(stream_move(made, &stream, nothing), 0);
    (void)snprintf(why, sizeof(why), "%s", reason ? reason : "");
}

static int make_all(void **state) {
    struct address address;

    (void)state;
    assert_int_equal(loop_init(), 0);
    assert_int_equal(address_parse(SLICE("127.0.0.1"), 0, &address), 0);
    assert_int_equal(listen_tcp(&address, 8, &server.fd), 0);
    assert_int_equal(getsockname(server.fd, &address.any, &address.n), 0);
    proxy.port = ntohs(address.in.sin_port);
    assert_int_equal(watch_add(&server.watch, server.fd, accept_step), 0);
    return 0;
}

static int free_all(void **state) {
    (void)state;
    watch_remove(&server.watch);
    fd_close(&server.fd);
    return 0;
}

static int begin(void **state) {
    (void)state;
    is_done = has_stream = false;
    plan.host = "hub.example.org";
    plan.proxy = &proxy;
    plan.sessions = &sessions;
    proxy.user_info = SLICE_EMPTY;
    return 0;
}

static int end(void **state) {
    (void)state;
    route_cancel(route);
    route = NULL;
    stream_done(&stream);
    hub_drop();
    return 0;
}

static bool has_request(const void *unused) {
    (void)unused;
    return hub_peer.n >= 4 && memcmp(hub_peer.in + hub_peer.n - 4, "\r\n\r\n", 4) == 0;
}

static void ask(void) {
    route = route_start(&plan, on_done, &route);
    assert_non_null(route);
    loop_until(has_request, NULL);
    (void)snprintf(request, sizeof(request), "%.*s", (int)hub_peer.n, (char *)hub_peer.in);
    hub_peer.n = 0;
}

static void what_goes_through_is_the_hubs(void **state) {
    char bytes[8];

    (void)state;
    ask();
    assert_string_equal(request, "CONNECT hub.example.org:443 HTTP/1.1\r\nHost: hub.example.org:443\r\n\r\n");
    hub_write(SLICE("HTTP/1.1 200 Connec"));
    loop_settle();
    assert_false(is_done);
    hub_write(SLICE("tion established\r\nVia: x\r\n\r\n"));
    loop_until_set(&is_done);
    assert_true(has_stream);
    assert_int_equal(send(hub_peer.fd, "later", 5, MSG_NOSIGNAL), 5);
    assert_int_equal(stream_read(&stream, bytes, sizeof(bytes)), 5);
}

static void its_password_is_shown_to_the_proxy(void **state) {
    (void)state;
    proxy.user_info = SLICE("us%40er:pass");
    plan.host = "::1";
    ask();
    assert_string_equal(request, "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic "
                                 "dXNAZXI6cGFzcw==\r\n\r\n");
}

static void a_proxy_that_refuses_is_told(void **state) {
    static const struct {
        struct slice answer;
        const char *why;
    } rows[] = {
        {SLICE("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"),
         "the proxy refuses us: it wants a name and a password, or others (HTTP 407)"},
        {SLICE("HTTP/1.1 503 No\r\n\r\n"), "the proxy refuses (HTTP 503)"},
        {SLICE("HTTP/1.1 302 No\r\nLocation: x\r\n\r\n"), "the proxy refuses (HTTP 302)"},
        {SLICE("HTTP/1.1 100 Continue\r\n\r\n"), "the proxy refuses (HTTP 100)"},
        {SLICE("HTTP/1.1 200 OK\r\n\r\nhello"), "the proxy says more than its answer"},
        {SLICE("HTTP/1.1 200 OK\nX: y\n\n"), "the proxy's answer is malformed"},
        {SLICE("<html>"), "the proxy's answer is malformed"},
        {SLICE("\x16\x03\x01"), "the proxy's answer is malformed"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(state);
        ask();
        hub_write(rows[i].answer);
        loop_until_set(&is_done);
        assert_row(rows[i].answer, !has_stream);
        assert_string_equal(why, rows[i].why);
        hub_drop();
    }
}

static void an_answer_without_end_is_given_up(void **state) {
    static char much[4096];

    (void)state;
    ask();
    hub_write(SLICE("HTTP/1.1 200 OK\r\n"));
    memset(much, 'x', sizeof(much));
    for (unsigned i = 0; i < 64 && !is_done; i++) {
        (void)send(hub_peer.fd, much, sizeof(much), MSG_NOSIGNAL | MSG_DONTWAIT);
        loop_settle();
    }
    loop_until_set(&is_done);
    assert_false(has_stream);
}

static void a_proxy_that_goes_away_is_told(void **state) {
    (void)state;
    ask();
    hub_drop();
    loop_until_set(&is_done);
    assert_string_equal(why, "the proxy broke the connection off");
}

static void without_a_proxy_there_is_none(void **state) {
    (void)state;
    plan.proxy = NULL;
    plan.host = "127.0.0.1";
    plan.port = proxy.port;
    route = route_start(&plan, on_done, &route);
    assert_non_null(route);
    loop_until_set(&is_done);
    assert_true(has_stream);
    plan.port = 443;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_goes_through_is_the_hubs, begin, end),
        cmocka_unit_test_setup_teardown(its_password_is_shown_to_the_proxy, begin, end),
        cmocka_unit_test(a_proxy_that_refuses_is_told),
        cmocka_unit_test_setup_teardown(an_answer_without_end_is_given_up, begin, end),
        cmocka_unit_test_setup_teardown(a_proxy_that_goes_away_is_told, begin, end),
        cmocka_unit_test_setup_teardown(without_a_proxy_there_is_none, begin, end),
    };

    return cmocka_run_group_tests(tests, make_all, free_all);
}
