/* The base_url door, from the connection to its end: with this test as the supervisor and the keeper. */
#include "egress/door/base_url.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

#include "egress/door/call.h"
#include "egress/exchange_codec.h"
#include "net/listen.h"
#include "proc/role.h"
#include "unit_loop.h"
#include "unit_stream.h"

#define PREFIX "0123456789abcdef0123456789abcdef"
#define STREAM_ID 0x700000003ULL

static int relay_end = -EBADF, supervisor = -EBADF; /* of the relay's channel */
static int client = -EBADF, keeper = -EBADF;
static struct sockaddr_in at;
static char said[70000];

static const struct exchange_rules rules = {.lease = "acme"};
static const struct connection_timeouts timeouts = {60000, 60000, 60000, 60000};

void role_send(const struct ipc_writer *w, int fd) {
    assert_int_equal(ipc_send(relay_end, w, fd), 0);
}

static bool can_be_read(const void *fd) {
    struct pollfd now = {.fd = *(const int *)fd, .events = POLLIN};

    return poll(&now, 1, 0) == 1;
}

/* What the supervisor is told next. */
static void hear_relay(enum ipc_type type, struct ipc_message *ret) {
    loop_until(can_be_read, &supervisor);
    assert_int_equal(ipc_receive(supervisor, ret), 1);
    assert_int_equal(ret->type, type);
}

/* What the relay is told, as if it had come over its channel. */
static int tell_relay(struct ipc_writer *w, int fd, int (*take)(void *owner, struct ipc_message *m)) {
    struct ipc_message m;

    assert_int_equal(ipc_send(supervisor, w, fd), 0);
    assert_int_equal(ipc_receive(relay_end, &m), 1);
    return take(NULL, &m);
}

struct heard_call {
    uint32_t number, door, pid;
    uint16_t from, to;
    int pidfd;
};

static struct heard_call hear_call(void) {
    struct heard_call call = {.pidfd = -EBADF};
    struct ipc_message m;

    hear_relay(IPC_CALL, &m);
    call.number = ipc_get_u32(&m);
    call.door = ipc_get_u32(&m);
    call.from = ipc_get_u16(&m);
    call.to = ipc_get_u16(&m);
    call.pid = ipc_get_u32(&m);
    if (ipc_has_fd(&m))
        call.pidfd = ipc_get_fd(&m);
    assert_int_equal(ipc_end(&m), 0);
    return call;
}

static void grant(const struct heard_call *call, bool has_keeper) {
    struct ipc_writer w = ipc_begin(IPC_CALL_STREAM);
    int ends[2] = {-EBADF, -EBADF};

    ipc_put_u32(&w, call->number);
    ipc_put_u64(&w, STREAM_ID);
    if (has_keeper)
        assert_int_equal(fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends), 0);
    assert_int_equal(tell_relay(&w, ends[0], call_take_stream), 0);
    fd_close(&ends[0]);
    keeper = ends[1];
}

static struct ipc_writer refusal_of(uint32_t number) {
    struct ipc_writer w = ipc_begin(IPC_CALL_REFUSED);

    ipc_put_u32(&w, number);
    ipc_put_u16(&w, 403);
    ipc_put_bytes(&w, SLICE("isolate"));
    ipc_put_bytes(&w, SLICE("whoever you are"));
    ipc_put_bytes(&w, SLICE("go away"));
    return w;
}

static void expect_end(void) {
    struct ipc_message m;

    hear_relay(IPC_STREAM_ENDED, &m);
    assert_int_equal(ipc_get_u64(&m), STREAM_ID);
    assert_int_equal(ipc_end(&m), 0);
}

static void connect_client(void) {
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&at, sizeof(at)), 0);
}

/* With the address the port says who it is; by itself it says nothing. */
static void connect_from(const char *text) {
    struct address from;

    assert_int_equal(address_parse(slice_of_string(text), 0, &from), 0);
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(client, &from.any, from.n), 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&at, sizeof(at)), 0);
}

static bool is_answered(const void *mark) {
    size_t n = hear(client, said, strlen(said), sizeof(said));

    return n > 0 && strstr(said, mark) != NULL;
}

static bool is_over(const void *unused) {
    char byte;

    (void)unused;
    return recv(client, &byte, 1, MSG_DONTWAIT) == 0;
}

static int open_door(void **state) {
    socklen_t n = sizeof(at);
    struct address address;
    int ends[2], fd;

    (void)state;
    said[0] = '\0';
    if (fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends) < 0 || address_parse(SLICE("127.0.0.1"), 0, &address) < 0 ||
        listen_tcp(&address, 16, &fd) < 0 || getsockname(fd, (struct sockaddr *)&at, &n) < 0)
        return -1;
    relay_end = ends[0];
    supervisor = ends[1];
    return base_url_open(5, DOOR_KIND_BASE_URL, fd, SLICE(PREFIX), &rules, &timeouts);
}

static int close_door(void **state) {
    (void)state;
    fd_close(&client);
    fd_close(&keeper);
    loop_settle();
    fd_close(&relay_end);
    fd_close(&supervisor);
    return 0;
}

static void accept_stream(void) {
    struct ipc_writer w = ipc_begin(IPC_ACCEPTED);

    assert_int_equal(ipc_send(keeper, &w, -EBADF), 0);
}

/* The path of the request that the keeper gets, which it answers. */
static void serve_one(const char *path) {
    const struct http_framing length = {HTTP_BODY_LENGTH, 2};
    struct http_fields fields;
    struct request_head request;
    struct upstream_event event = {.type = UPSTREAM_RESPONSE,
                                   .response = {.status = 200, .body = length, .declared = length},
                                   .data = SLICE("ok"),
                                   .is_end = true};
    struct ipc_message m;
    struct ipc_writer w;
    struct slice data;
    bool is_end;

    loop_until(can_be_read, &keeper);
    assert_int_equal(ipc_receive(keeper, &m), 1);
    assert_int_equal(m.type, IPC_REQUEST);
    assert_int_equal(request_decode(&m, &fields, &request, &data, &is_end), 0);
    assert_slice(request.path, path);
    w = event_encode(&event);
    assert_int_equal(ipc_send(keeper, &w, -EBADF), 0);
}

static void who_may_is_served(void **state) {
    struct heard_call call;

    (void)state;
    connect_client();
    say(client, SLICE("GET /" PREFIX "/a HTTP/1.1\r\nHost: x\r\n\r\n"));
    call = hear_call();
    assert_int_equal(call.door, 5);
    assert_int_equal(call.to, ntohs(at.sin_port));
    assert_true(call.from > 0 && call.from != call.to);
    assert_int_equal(call.pid, 0);
    assert_true(call.pidfd < 0);
    grant(&call, true);
    loop_settle();
    assert_false(can_be_read(&keeper)); /* nothing before it has accepted */
    accept_stream();
    serve_one("/a");
    loop_until(is_answered, "\r\n\r\nok");
    fd_close(&client);
    expect_end();
}

static void who_comes_from_another_address_is_cut(void **state) {
    (void)state;
    connect_from("127.0.0.2");
    loop_until(is_over, NULL);
    assert_false(can_be_read(&supervisor));
}

static void who_may_not_is_told(void **state) {
    struct heard_call call;
    struct ipc_writer w;

    (void)state;
    connect_client();
    call = hear_call();
    w = refusal_of(call.number);
    assert_int_equal(tell_relay(&w, -EBADF, call_take_refusal), 0);
    loop_until(is_answered, "}\n");
    assert_non_null(strstr(said, "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(said,
                           "Connection: close\r\n\r\n{\"error\":\"forbidden\",\"lease\":\"acme\",\"rule\":\"isolate\","
                           "\"reason\":\"whoever you are\",\"hint\":\"go away\"}\n"));
    loop_until(is_over, NULL);
}

static void a_wrong_path_reaches_nobody(void **state) {
    struct heard_call call;
    struct ipc_message m;

    (void)state;
    connect_client();
    say(client, SLICE("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
    call = hear_call();
    grant(&call, true);
    accept_stream();
    loop_until(is_answered, "there is nothing here");
    assert_non_null(strstr(said, "HTTP/1.1 404 Not Found\r\n"));
    hear_relay(IPC_REFUSAL, &m);
    assert_false(can_be_read(&keeper));
    fd_close(&client);
    expect_end();
}

/* There is none at the moment; or there is one that will not serve; or one that dies before it says so. */
static void without_a_keeper_it_is_503(void **state) {
    struct ipc_message m;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct heard_call call;
        struct ipc_writer w;

        said[0] = '\0';
        connect_client();
        say(client, SLICE("GET /" PREFIX " HTTP/1.1\r\nHost: x\r\n\r\n"));
        call = hear_call();
        grant(&call, i > 0);
        w = ipc_begin(IPC_ABORT);
        if (i == 1)
            assert_int_equal(ipc_send(keeper, &w, -EBADF), 0);
        fd_close(&keeper);
        loop_until(is_answered, "}\n");
        assert_non_null(strstr(said, "HTTP/1.1 503 "));
        hear_relay(IPC_REFUSAL, &m);
        fd_close(&client);
        expect_end();
    }
}

/* The supervisor has answered only when nobody is there any more. */
static void who_has_gone_leaves_nothing(void **state) {
    int before = next_number();
    struct heard_call call;

    (void)state;
    connect_client();
    call = hear_call();
    fd_close(&client);
    loop_settle();
    grant(&call, true);
    accept_stream();
    expect_end();
    fd_close(&keeper);
    loop_settle();
    assert_int_equal(next_number(), before);
}

static void a_socket_tells_whose_it_is(void **state) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct heard_call call;
    int fd;

    (void)state;
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "/tmp/test-base-url-%d", (int)getpid());
    assert_int_equal(listen_unix(name.sun_path, SOCK_STREAM, 16, &fd), 0);
    assert_int_equal(base_url_open(6, DOOR_KIND_SOCKET, fd, SLICE_EMPTY, &rules, &timeouts), 0);
    client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&name, sizeof(name)), 0);
    (void)unlink(name.sun_path);
    say(client, SLICE("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
    call = hear_call();
    assert_int_equal(call.door, 6);
    assert_int_equal(call.from, 0);
    assert_int_equal(call.to, 0);
    assert_int_equal(call.pid, getpid());
    fd_close(&call.pidfd); /* since 6.5 there is one */
    grant(&call, true);
    accept_stream();
    serve_one("/a");
    loop_until(is_answered, "\r\n\r\nok");
    fd_close(&client);
    expect_end();
}

static void answers_to_calls_that_nobody_made_are_malformed(void **state) {
    struct ipc_writer w = refusal_of(77);
    struct heard_call call;

    (void)state;
    assert_int_equal(tell_relay(&w, -EBADF, call_take_refusal), -EPROTO);
    connect_client();
    call = hear_call();
    w = refusal_of(call.number);
    assert_int_equal(tell_relay(&w, -EBADF, call_take_refusal), 0);
    w = refusal_of(call.number); /* twice */
    assert_int_equal(tell_relay(&w, -EBADF, call_take_refusal), -EPROTO);
    w = ipc_begin(IPC_WAY_OPEN);
    ipc_put_u32(&w, call.number);
    ipc_put_u64(&w, 1);
    assert_int_equal(tell_relay(&w, STDERR_FILENO, call_take_way), -EPROTO);
    fd_close(&client);
}

static struct call_answer got;
static unsigned times;

static void answered(void *owner, struct call_answer *answer) {
    assert_ptr_equal(owner, &got);
    got = *answer;
    times++;
}

/* What comes for one who does not wait any more is told as ended, and is closed. */
static void a_cancelled_call_is_told_as_ended(void **state) {
    static const struct caller nobody = {.pidfd = -EBADF};
    struct heard_call heard;
    int before;

    (void)state;
    times = 0;
    call_cancel(call_lease(9, &nobody, answered, &got));
    heard = hear_call();
    before = next_number();
    grant(&heard, true);
    expect_end();
    fd_close(&keeper);
    assert_int_equal(next_number(), before);
    assert_int_equal(times, 0);
}

static void so_many_calls_wait_and_no_more(void **state) {
    static const struct caller nobody = {.pidfd = -EBADF};
    uint32_t numbers[LIMIT_CALLS];

    (void)state;
    times = 0;
    for (size_t i = 0; i < LIMIT_CALLS; i++) {
        assert_int_equal(call_has_room(), i < LIMIT_CALLING);
        assert_non_null(call_lease(9, &nobody, answered, &got));
        numbers[i] = hear_call().number;
    }
    assert_null(call_lease(9, &nobody, answered, &got));
    for (size_t i = 0; i < LIMIT_CALLS; i++) {
        struct ipc_writer w = refusal_of(numbers[i]);

        assert_int_equal(tell_relay(&w, -EBADF, call_take_refusal), 0);
    }
    assert_int_equal(times, LIMIT_CALLS);
    assert_int_equal(got.status, 403);
    assert_true(call_has_room());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_may_is_served, open_door, close_door),
        cmocka_unit_test_setup_teardown(who_comes_from_another_address_is_cut, open_door, close_door),
        cmocka_unit_test_setup_teardown(who_may_not_is_told, open_door, close_door),
        cmocka_unit_test_setup_teardown(a_wrong_path_reaches_nobody, open_door, close_door),
        cmocka_unit_test_setup_teardown(without_a_keeper_it_is_503, open_door, close_door),
        cmocka_unit_test_setup_teardown(who_has_gone_leaves_nothing, open_door, close_door),
        cmocka_unit_test_setup_teardown(a_socket_tells_whose_it_is, open_door, close_door),
        cmocka_unit_test_setup_teardown(answers_to_calls_that_nobody_made_are_malformed, open_door, close_door),
        cmocka_unit_test_setup_teardown(a_cancelled_call_is_told_as_ended, open_door, close_door),
        cmocka_unit_test_setup_teardown(so_many_calls_wait_and_no_more, open_door, close_door),
    };

    assert_int_equal(loop_init(), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
