#include "egress/door/proxy_client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "egress/door/door_canary.h"
#include "egress/door/house.h"
#include "egress/door/lease_stream.h"
#include "egress/door/listener.h"
#include "egress/door/proxy_door.h"
#include "egress/door/proxy_route.h"
#include "proc/role.h"
#include "unit_loop.h"
#include "unit_refusal.h"
#include "unit_stream.h"

#define CANARY "ghp_0123456789abcdefghijABCDEFGHIJ0123456789"

/* The rest of the relay, as far as a client of the proxy sees it: what was asked of it stands here. */
static struct {
    bool is_way, is_plain, is_cancelled;
    uint32_t door;
    char host[LIMIT_HOST + 1];
    uint16_t port;
    call_answered *answered;
    void *owner;
} asked;

static struct {
    unsigned n;
    uint64_t id;
    struct stream stream;
    char early[4096];
    size_t early_n;
    bool is_single;
    void (*closed)(void *owner);
} served;

static struct {
    unsigned n_used, n_closed, n_turned, n_ended;
    uint64_t stream;
    uint32_t door;
    char authority[256];
    uint64_t way;
    uint8_t refusal;
    uint16_t status;
    uint64_t in, out;
    char method[64], path[256], reason[256];
} told;

static unsigned n_left;
static int client = -EBADF, host = -EBADF; /* the far ends */
static char heard[1 << 17], arrived[1 << 17];
static size_t n_heard, n_arrived;

static const struct connection_timeouts timeouts = {60000, 60000, 60000, 60000};

const struct connection_timeouts *house_timeouts(void) {
    return &timeouts;
}

const struct exchange_rules *house_rules(uint32_t door) {
    (void)door;
    return NULL;
}

void listener_left(void) {
    n_left++;
}

int listener_init(struct listener *listener, int fd, enum door_kind kind,
                  void (*on_client)(struct listener *listener, int fd, const struct caller *caller), void *owner) {
    (void)listener, (void)fd, (void)kind, (void)on_client, (void)owner;
    return -ENOSYS;
}

struct tls_terminator *proxy_terminator(struct slice of) {
    (void)of;
    return NULL;
}

static struct call *note_call(call_answered *answered, void *owner) {
    static char something;

    assert_null(asked.answered);
    asked.answered = answered;
    asked.owner = owner;
    return (struct call *)(void *)&something;
}

struct call *call_lease(uint32_t door, const struct caller *caller, call_answered *answered, void *owner) {
    assert_int_equal(caller->port_from, 4711);
    asked.door = door;
    return note_call(answered, owner);
}

struct call *call_way(struct slice to, uint16_t port, bool is_plain, const struct caller *caller,
                      call_answered *answered, void *owner) {
    assert_int_equal(caller->port_from, 4711);
    asked.is_way = true;
    asked.is_plain = is_plain;
    asked.port = port;
    memcpy(asked.host, to.p, to.n);
    asked.host[to.n] = '\0';
    return note_call(answered, owner);
}

void call_cancel(struct call *call) {
    if (call)
        asked.is_cancelled = true;
}

static void nothing_is_ready(struct watch *watch) {
    (void)watch;
}

int lease_stream_serve(const struct lease_stream_plan *plan, struct stream *stream, struct slice early,
                       struct lease_stream **ret) {
    int pair = plan->pair;

    (void)ret;
    served.n++;
    served.id = plan->id;
    served.is_single = plan->rules->is_single;
    served.closed = plan->closed;
    assert_true(early.n < sizeof(served.early));
    memcpy(served.early, early.p, early.n);
    served.early_n = early.n;
    fd_close(&pair);
    return stream_move(stream, &served.stream, nothing_is_ready);
}

static void get_text(struct ipc_message *m, char *to, size_t size) {
    struct slice text = ipc_get_bytes(m, size - 1);

    memcpy(to, text.p, text.n);
    to[text.n] = '\0';
}

static void take_used(struct ipc_message *m) {
    told.n_used++;
    told.way = ipc_get_u64(m);
    told.refusal = ipc_get_u8(m);
    told.status = ipc_get_u16(m);
    told.in = ipc_get_u64(m);
    told.out = ipc_get_u64(m);
    get_text(m, told.method, sizeof(told.method));
    get_text(m, told.path, sizeof(told.path));
    get_text(m, told.reason, sizeof(told.reason));
}

static void take_turned_away(struct ipc_message *m) {
    told.n_turned++;
    told.stream = told.way = ipc_get_u64(m);
    told.door = ipc_get_u32(m);
    assert_int_equal(ipc_get_u16(m), 4711);
    assert_int_equal(ipc_get_u16(m), 80);
    assert_int_equal(ipc_get_u32(m), 0);
    told.refusal = ipc_get_u8(m);
    told.status = ipc_get_u16(m);
    get_text(m, told.method, sizeof(told.method));
    get_text(m, told.authority, sizeof(told.authority));
    get_text(m, told.path, sizeof(told.path));
    get_text(m, told.reason, sizeof(told.reason));
}

void role_send(const struct ipc_writer *w, int fd) {
    struct ipc_message m = ipc_message_of(ipc_writer_bytes(w));

    assert_int_equal(fd, -EBADF);
    if (m.type == IPC_WAY_USED) {
        take_used(&m);
    } else if (m.type == IPC_TURNED_AWAY) {
        take_turned_away(&m);
    } else {
        assert_true(m.type == IPC_WAY_CLOSED || m.type == IPC_STREAM_ENDED);
        assert_int_equal(ipc_get_u64(&m), told.way);
        *(m.type == IPC_WAY_CLOSED ? &told.n_closed : &told.n_ended) += 1;
    }
    assert_int_equal(ipc_end(&m), 0);
}

/* The leases: https://api.example.com, http://plain.example.com/base */
static int prepare(void **state) {
    static const struct exchange_rules rules = {.lease = "api"};
    static const struct door_place places[] = {{1, true, false, SLICE("api.example.com"), 443, SLICE_EMPTY},
                                               {2, false, false, SLICE("plain.example.com"), 80, SLICE("/base")}};
    struct ipc_writer w = ipc_begin(IPC_PLACEHOLDER);
    struct ipc_message m;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        assert_int_equal(proxy_route_add(&places[i], &rules), 0);
    ipc_put_u32(&w, 1);
    ipc_put_bytes(&w, SLICE(CANARY));
    m = ipc_message_of(ipc_writer_bytes(&w));
    assert_int_equal(door_canary_take(NULL, &m), 0);
    return loop_init();
}

static int open_client(void **state) {
    int ends[2];

    (void)state;
    memset(&asked, 0, sizeof(asked));
    memset(&served, 0, sizeof(served));
    memset(&told, 0, sizeof(told));
    n_left = 0;
    n_heard = n_arrived = 0;
    assert_int_equal(fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends), 0);
    client = ends[1];
    proxy_client_new(ends[0], &(struct caller){.port_from = 4711, .port_to = 80, .pidfd = -EBADF});
    return 0;
}

/* Whatever happened, at its end nothing is left on the loop, and its place at the listener is free again, once. */
static int close_client(void **state) {
    (void)state;
    fd_close(&client);
    fd_close(&host);
    if (served.n > 0) {
        stream_done(&served.stream);
        served.closed(NULL);
    }
    assert_int_equal(loop_run(), 0);
    assert_int_equal(n_left, 1);
    return 0;
}

static void settle(void) {
    loop_settle();
    if (client >= 0)
        n_heard = hear(client, heard, n_heard, sizeof(heard));
    if (host >= 0)
        n_arrived = hear(host, arrived, n_arrived, sizeof(arrived));
}

static void tell_client(struct slice bytes) {
    say(client, bytes);
    settle();
}

static void grant(uint64_t id) {
    struct call_answer answer = {.is_granted = true, .id = id};
    call_answered *answered = asked.answered;
    int ends[2];

    assert_non_null(answered);
    asked.answered = NULL;
    assert_int_equal(fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends), 0);
    host = ends[1];
    answer.fd = ends[0];
    answered(asked.owner, &answer);
    settle();
}

static void refuse(unsigned status) {
    struct call_answer answer = {.fd = -EBADF,
                                 .status = status,
                                 .rule = SLICE("egress.allow"),
                                 .reason = SLICE("no rule lets it through"),
                                 .hint = SLICE("add \"b.example:443\"")};

    asked.answered(asked.owner, &answer);
    asked.answered = NULL;
    settle();
}

static bool is_at_end(int fd) {
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

#define CONNECTED "HTTP/1.1 200 Connection established\r\n\r\n"
#define CONNECT(to) SLICE("CONNECT " to " HTTP/1.1\r\nHost: " to "\r\n\r\n")

/* A ClientHello with that name, or with none. */
static struct slice hello_for(const char *name) {
    static char bytes[512];
    size_t n = strlen(name), extension = n > 0 ? n + 9 : 0, body = 2 + 32 + 1 + 4 + 2 + 2 + extension;
    struct slice head = SLICE("\x03\x03");
    char *at = bytes;

    memset(bytes, 0, sizeof(bytes));
    *at++ = 0x16;
    *at++ = 3;
    *at++ = 1;
    at++;
    *at++ = (char)(body + 4);
    *at++ = 1;
    at += 2;
    *at++ = (char)body;
    memcpy(at, head.p, head.n);
    at += 2 + 32 + 1;
    memcpy(at, "\0\x02\x13\x01\x01\0\0", 7);
    at += 7;
    *at++ = (char)extension;
    if (n > 0) {
        const char lengths[] = {0, 0, 0, (char)(n + 5), 0, (char)(n + 3), 0, 0, (char)n};

        memcpy(at, lengths, sizeof(lengths));
        memcpy(at + sizeof(lengths), name, n);
        at += sizeof(lengths) + n;
    }
    return slice_of(bytes, (size_t)(at - bytes));
}

static void open_tunnel(void) {
    tell_client(CONNECT("b.example:443"));
    assert_true(asked.is_way && !asked.is_plain && asked.port == 443);
    assert_string_equal(asked.host, "b.example");
    assert_int_equal(n_heard, 0);
    grant(77);
    assert_string_equal(heard, CONNECTED);
    assert_int_equal(n_arrived, 0);
}

static void a_tunnel_carries_tls_for_its_host(void **state) {
    struct slice hello = hello_for("b.example");

    (void)state;
    open_tunnel();
    n_heard = 0;
    tell_client(hello);
    assert_true(slice_equals(slice_of(arrived, n_arrived), hello));
    say(host, SLICE("\x16\x03\x03 server"));
    tell_client(SLICE("\x17 more"));
    assert_string_equal(heard, "\x16\x03\x03 server");
    assert_int_equal(n_arrived, hello.n + 6);
    fd_close(&client);
    settle();
    assert_true(is_at_end(host));
    fd_close(&host);
    settle();
    assert_int_equal(told.n_used, 1);
    assert_int_equal(told.n_closed, 1);
    assert_int_equal(told.way, 77);
    assert_string_equal(refusal_name(told.refusal), "");
    assert_int_equal(told.status, 200);
    assert_int_equal(told.in, hello.n + 6);
    assert_int_equal(told.out, 10);
    assert_string_equal(told.method, "CONNECT");
}

static void what_came_with_the_head_is_not_lost(void **state) {
    static char both[1024];
    struct slice head = CONNECT("b.example:443"), hello = hello_for("b.example");

    (void)state;
    memcpy(both, head.p, head.n);
    memcpy(both + head.n, hello.p, hello.n);
    tell_client(slice_of(both, head.n + hello.n));
    grant(77);
    assert_string_equal(heard, CONNECTED);
    assert_true(slice_equals(slice_of(arrived, n_arrived), hello));
}

static void a_hello_may_come_byte_by_byte(void **state) {
    struct slice hello = hello_for("b.example");

    (void)state;
    open_tunnel();
    for (size_t i = 0; i < hello.n; i++) {
        assert_int_equal(n_arrived, 0);
        say(client, slice_of(hello.p + i, 1));
        if (i % 16 == 0 || i + 1 == hello.n)
            settle();
    }
    assert_true(slice_equals(slice_of(arrived, n_arrived), hello));
}

static void assert_cut(const char *reason) {
    assert_int_equal(n_arrived, 0); /* not a byte of it */
    assert_true(is_at_end(host));
    assert_int_equal(told.n_used, 1);
    assert_int_equal(told.n_closed, 1);
    assert_string_equal(refusal_name(told.refusal), "not_tls");
    assert_non_null(strstr(told.reason, reason));
}

static void a_foreign_name_is_cut(void **state) {
    (void)state;
    open_tunnel();
    n_heard = 0;
    tell_client(hello_for("evil.example"));
    assert_cut("another host");
    assert_true(slice_equals(slice_of(heard, n_heard), SLICE("\x15\x03\x03\0\x02\x02\x70")));
}

static void no_name_is_cut(void **state) {
    (void)state;
    open_tunnel();
    tell_client(hello_for(""));
    assert_cut("names no host");
}

static void what_is_no_tls_is_cut_in_words(void **state) {
    (void)state;
    open_tunnel();
    n_heard = 0;
    tell_client(SLICE("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n"));
    assert_cut("no TLS");
    assert_true(slice_starts_with(slice_of(heard, n_heard), SLICE("HTTP/1.1 403 ")));
    assert_non_null(strstr(heard, "\"reason\":"));
}

static void an_address_is_not_named(void **state) {
    (void)state;
    tell_client(CONNECT("127.0.0.1:443"));
    grant(5);
    tell_client(hello_for(""));
    assert_true(n_arrived > 0);
}

static void an_address_with_a_foreign_name_is_cut(void **state) {
    (void)state;
    tell_client(CONNECT("127.0.0.1:443"));
    grant(5);
    tell_client(hello_for("evil.example"));
    assert_cut("where an address was asked for");
}

static void a_silent_client_that_leaves_is_told_of(void **state) {
    (void)state;
    open_tunnel();
    fd_close(&client);
    settle();
    assert_true(is_at_end(host));
    assert_int_equal(told.n_used, 1);
    assert_int_equal(told.n_closed, 1);
    assert_string_equal(refusal_name(told.refusal), "");
    assert_non_null(strstr(told.reason, "left before"));
}

static void a_refused_way_says_which_rule_to_add(void **state) {
    (void)state;
    tell_client(CONNECT("b.example:443"));
    refuse(403);
    assert_true(slice_starts_with(slice_of(heard, n_heard), SLICE("HTTP/1.1 403 ")));
    assert_non_null(strstr(heard, "\"rule\":\"egress.allow\""));
    assert_non_null(strstr(heard, "add \\\"b.example:443\\\""));
    assert_null(strstr(heard, "\"lease\""));
}

static void who_leaves_while_he_is_asked_about_is_forgotten(void **state) {
    (void)state;
    tell_client(CONNECT("b.example:443"));
    fd_close(&client);
    settle();
    assert_true(asked.is_cancelled);
    assert_int_equal(told.n_used, 0);
}

static void a_lease_is_asked_for_by_its_authority_alone(void **state) {
    (void)state;
    tell_client(CONNECT("API.example.com:443"));
    assert_false(asked.is_way);
    assert_int_equal(asked.door, 1);
    refuse(429);
    assert_true(slice_starts_with(slice_of(heard, n_heard), SLICE("HTTP/1.1 429 ")));
    assert_non_null(strstr(heard, "\"lease\":\"api\""));
}

static void another_port_of_it_is_another_host(void **state) {
    (void)state;
    tell_client(CONNECT("api.example.com:8443"));
    assert_true(asked.is_way);
    refuse(403);
}

static void a_stream_that_cannot_be_served_is_told_of(void **state) {
    (void)state;
    tell_client(CONNECT("api.example.com:443"));
    grant(9);
    assert_string_equal(heard, CONNECTED);
    assert_int_equal(told.n_turned, 0);
    tell_client(SLICE("\x16\x03\x01"));
    assert_int_equal(told.n_turned, 1); /* there is no certificate in this test */
    assert_string_equal(refusal_name(told.refusal), "no_memory");
    assert_int_equal(told.n_ended, 1);
    assert_int_equal(told.stream, 9);
    assert_true(is_at_end(host));
}

static void who_leaves_before_tls_has_only_changed_his_mind(void **state) {
    (void)state;
    tell_client(CONNECT("api.example.com:443"));
    told.way = 9; /* no line comes before it */
    grant(9);
    fd_close(&client);
    settle();
    assert_int_equal(told.n_turned, 0);
    assert_int_equal(told.n_ended, 1);
}

static void assert_turned_away(unsigned status, const char *refusal, const char *method, const char *authority,
                               const char *path) {
    char line[64];

    (void)snprintf(line, sizeof(line), "HTTP/1.1 %u ", status);
    assert_true(slice_starts_with(slice_of(heard, n_heard), slice_of_string(line)));
    assert_int_equal(told.n_turned, 1);
    assert_int_equal(told.status, status);
    assert_string_equal(refusal_name(told.refusal), refusal);
    assert_string_equal(told.method, method);
    assert_string_equal(told.authority, authority);
    assert_string_equal(told.path, path);
    assert_true(told.reason[0] != '\0');
}

static void what_is_no_tls_for_a_lease_is_told_so_in_words(void **state) {
    (void)state;
    tell_client(CONNECT("api.example.com:443"));
    grant(9);
    n_heard = 0;
    tell_client(SLICE("GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n"));
    assert_turned_away(403, "not_tls", "CONNECT", "", "");
    assert_non_null(strstr(heard, "no TLS"));
    assert_non_null(strstr(heard, "\"lease\":\"api\""));
    assert_int_equal(told.stream, 9);
    assert_int_equal(told.n_ended, 1);
    assert_true(is_at_end(host));
}

static void tls_for_a_plain_upstream_is_refused(void **state) {
    (void)state;
    tell_client(CONNECT("plain.example.com:80"));
    assert_null(asked.answered);
    assert_true(slice_starts_with(slice_of(heard, n_heard), SLICE("HTTP/1.1 403 ")));
    assert_non_null(strstr(heard, "use http://"));
    assert_turned_away(403, "scheme", "CONNECT", "plain.example.com:80", "");
    assert_int_equal(told.door, 2);
}

static void plain_http_for_a_tls_upstream_is_refused(void **state) {
    (void)state;
    tell_client(SLICE("GET http://api.example.com/x HTTP/1.1\r\nHost: api.example.com\r\n\r\n"));
    assert_null(asked.answered);
    assert_true(slice_starts_with(slice_of(heard, n_heard), SLICE("HTTP/1.1 403 ")));
    assert_non_null(strstr(heard, "use https://"));
    assert_turned_away(403, "scheme", "GET", "api.example.com", "/x");
    assert_int_equal(told.door, 1);
    assert_int_equal(told.stream, 0);
}

/* Nothing of a password, a query, or a byte that nobody can read goes into the line. */
static void what_is_malformed_is_told_of_by_its_first_line(void **state) {
    (void)state;
    tell_client(SLICE("CONNECT u:p@a\0b:443 HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_turned_away(400, "malformed", "CONNECT", "a?b:443", "");
    assert_int_equal(told.door, UINT32_MAX);
}

static void a_head_that_ends_early_is_told_of(void **state) {
    (void)state;
    tell_client(SLICE("GET http://u@b.example/x?secret HTTP/1.1\r\nHo"));
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    settle();
    assert_turned_away(400, "malformed", "GET", "b.example", "/x");
}

static void assert_strayed(uint32_t door) {
    assert_turned_away(403, "exfiltration", told.method, told.authority, told.path);
    assert_non_null(strstr(heard, "\"rule\":\"placeholder\""));
    assert_int_equal(told.door, door);
    assert_null(asked.answered);
    assert_null(strstr(told.path, CANARY));
    assert_null(strstr(told.authority, CANARY));
    assert_null(strstr(heard, CANARY));
}

static void a_placeholder_for_the_other_scheme_is_seen(void **state) {
    (void)state;
    tell_client(SLICE("GET http://api.example.com/" CANARY "?t=" CANARY " HTTP/1.1\r\nHost: api.example.com\r\n\r\n"));
    assert_strayed(1);
}

static void a_placeholder_in_a_field_of_a_connect_is_seen(void **state) {
    (void)state;
    tell_client(SLICE("CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\nX: " CANARY "\r\n\r\n"));
    assert_strayed(1);
}

static void a_placeholder_for_the_proxy_itself_is_seen(void **state) {
    (void)state;
    tell_client(SLICE("GET http://plain.example.com/x HTTP/1.1\r\nHost: plain.example.com\r\n"
                      "Proxy-Authorization: Bearer " CANARY "\r\n\r\n"));
    assert_strayed(2);
}

static void a_placeholder_in_the_host_s_name_is_seen(void **state) {
    (void)state;
    tell_client(SLICE("CONNECT " CANARY ".b.example:443 HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_strayed(UINT32_MAX);
}

static void a_placeholder_behind_garbage_is_seen(void **state) {
    (void)state;
    tell_client(SLICE("\x05 " CANARY));
    assert_strayed(UINT32_MAX);
}

static void a_placeholder_in_a_body_that_came_along_is_seen(void **state) {
    static char request[8000];
    struct slice head = SLICE("POST http://b.example/ HTTP/1.1\r\nHost: b.example\r\nContent-Length: 7000\r\n\r\n");

    (void)state;
    memset(request, '.', sizeof(request));
    memcpy(request, head.p, head.n);
    memcpy(request + 6000, CANARY, sizeof(CANARY) - 1);
    tell_client(slice_of(request, sizeof(request)));
    assert_strayed(UINT32_MAX);
}

/* Its keeper knows where in a request it belongs. */
static void a_placeholder_for_a_lease_is_its_keeper_s_business(void **state) {
    (void)state;
    tell_client(SLICE("GET http://plain.example.com/base/x HTTP/1.1\r\nHost: plain.example.com\r\n"
                      "Authorization: " CANARY "\r\n\r\n"));
    assert_int_equal(told.n_turned, 0);
    grant(11);
    assert_int_equal(served.n, 1);
}

static void a_placeholder_in_a_tunnel_that_is_none_is_seen(void **state) {
    (void)state;
    open_tunnel();
    tell_client(SLICE("GET / HTTP/1.1\r\nX: " CANARY "\r\n\r\n"));
    assert_int_equal(n_arrived, 0);
    assert_int_equal(told.n_used, 1);
    assert_string_equal(refusal_name(told.refusal), "exfiltration");
}

static void one_request_goes_to_its_lease(void **state) {
    static const struct slice head =
        SLICE("POST http://plain.example.com/base/x HTTP/1.1\r\nHost: plain.example.com\r\nContent-Length: 3\r\n\r\n");

    (void)state;
    tell_client(SLICE("POST http://plain.example.com/base/x HTTP/1.1\r\nHost: plain.example.com\r\nContent-Length: "
                      "3\r\n\r\nabc"));
    assert_int_equal(asked.door, 2);
    grant(11);
    assert_int_equal(served.n, 1);
    assert_int_equal(served.id, 11);
    assert_true(served.is_single);
    assert_true(slice_equals(slice_of(served.early, served.early_n), head));
    assert_int_equal(stream_read(&served.stream, arrived, sizeof(arrived)), 3); /* the body is still to be read */
}

static void https_without_connect_to_a_lease_is_served(void **state) {
    (void)state;
    tell_client(SLICE("GET https://api.example.com/x HTTP/1.1\r\nHost: api.example.com\r\n\r\n"));
    assert_int_equal(asked.door, 1);
    grant(12);
    assert_int_equal(served.n, 1);
}

static void https_without_connect_to_another_host_is_refused(void **state) {
    (void)state;
    tell_client(SLICE("GET https://b.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n"));
    assert_null(asked.answered);
    assert_non_null(strstr(heard, "CONNECT"));
    assert_turned_away(400, "malformed", "GET", "b.example", "/x");
}

static void strangers_are_told_what_this_is(void **state) {
    (void)state;
    tell_client(SLICE("\x05\x01\0"));
    assert_true(slice_starts_with(slice_of(heard, n_heard), SLICE("HTTP/1.1 400 ")));
    assert_non_null(strstr(heard, "SOCKS 5"));
    assert_non_null(strstr(heard, "Content-Type: application/json"));
    assert_turned_away(400, "malformed", "", "", "");
}

static void forward(struct slice request) {
    tell_client(request);
    assert_true(asked.is_way && asked.is_plain);
    grant(21);
}

static void a_plain_request_goes_on_without_its_hop(void **state) {
    (void)state;
    forward(SLICE("GET http://b.example/x?y=1 HTTP/1.1\r\nHost: b.example\r\nProxy-Authorization: Basic eA==\r\n"
                  "Proxy-Connection: keep-alive\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n\r\n"));
    assert_string_equal(arrived, "GET /x?y=1 HTTP/1.1\r\nHost: b.example\r\nX-End: 2\r\nConnection: close\r\n\r\n");
    say(host, SLICE("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello"));
    settle();
    assert_true(slice_starts_with(slice_of(heard, n_heard), SLICE("HTTP/1.1 200 OK\r\n")));
    assert_non_null(strstr(heard, "X-A: b\r\n"));
    assert_non_null(strstr(heard, "Connection: close\r\n"));
    assert_non_null(strstr(heard, "\r\n\r\nhello"));
    fd_close(&client);
    settle();
    assert_int_equal(told.n_used, 1);
    assert_int_equal(told.n_closed, 1);
    assert_string_equal(refusal_name(told.refusal), "");
    assert_int_equal(told.status, 200);
    assert_int_equal(told.out, 5);
    assert_string_equal(told.method, "GET");
    assert_string_equal(told.path, "/x"); /* never a query */
}

static void a_body_goes_on_in_its_framing(void **state) {
    (void)state;
    forward(SLICE("POST http://b.example:81/ HTTP/1.1\r\nHost: b.example:81\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n"
                  "abc\r\n"));
    tell_client(SLICE("2\r\nde\r\n0\r\n\r\n"));
    assert_non_null(strstr(arrived, "Host: b.example:81\r\n"));
    assert_non_null(strstr(arrived, "Transfer-Encoding: chunked\r\n"));
    assert_non_null(strstr(arrived, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
    say(host, SLICE("HTTP/1.1 204 No Content\r\n\r\n"));
    settle();
    assert_true(slice_starts_with(slice_of(heard, n_heard), SLICE("HTTP/1.1 204 ")));
    assert_int_equal(told.n_used, 1);
    assert_int_equal(told.in, 5);
}

static void a_foreign_host_field_is_misdirected(void **state) {
    (void)state;
    forward(SLICE("GET http://b.example/ HTTP/1.1\r\nHost: c.example\r\n\r\n"));
    assert_int_equal(n_arrived, 0);
    assert_true(slice_starts_with(slice_of(heard, n_heard), SLICE("HTTP/1.1 4")));
    assert_int_equal(told.n_used, 1);
    assert_string_equal(refusal_name(told.refusal), "malformed");
}

static void assert_betrayed(void) {
    assert_true(slice_starts_with(slice_of(heard, n_heard), SLICE("HTTP/1.1 403 ")));
    assert_non_null(strstr(heard, "\"rule\":\"placeholder\""));
    assert_int_equal(told.n_used, 1);
    assert_string_equal(refusal_name(told.refusal), "exfiltration");
    assert_int_equal(told.status, 403);
    assert_null(strstr(told.path, CANARY));
}

static void a_placeholder_in_a_field_goes_no_further(void **state) {
    (void)state;
    tell_client(SLICE("GET http://b.example/ HTTP/1.1\r\nHost: b.example\r\nAuthorization: token " CANARY "\r\n\r\n"));
    assert_strayed(UINT32_MAX);
}

static void a_placeholder_in_the_path_goes_no_further(void **state) {
    (void)state;
    tell_client(SLICE("GET http://b.example/" CANARY " HTTP/1.1\r\nHost: b.example\r\n\r\n"));
    assert_strayed(UINT32_MAX);
}

static void a_placeholder_in_a_body_goes_no_further(void **state) {
    (void)state;
    forward(
        SLICE("POST http://b.example/ HTTP/1.1\r\nHost: b.example\r\nContent-Length: 100\r\n\r\nghp_0123456789abc"));
    assert_non_null(strstr(arrived, "ghp_0123456789abc"));
    tell_client(SLICE("defghijABCDEFGHIJ0123456789..................."));
    assert_null(strstr(arrived, "defghij"));
    assert_betrayed();
}

static void a_host_that_breaks_off_is_502(void **state) {
    (void)state;
    forward(SLICE("GET http://b.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n"));
    fd_close(&host);
    settle();
    assert_true(slice_starts_with(slice_of(heard, n_heard), SLICE("HTTP/1.1 502 ")));
    assert_int_equal(told.n_used, 1);
    assert_string_equal(refusal_name(told.refusal), "upstream");
}

static void half_a_response_is_seen_to_be_half(void **state) {
    (void)state;
    forward(SLICE("GET http://b.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n"));
    say(host, SLICE("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"));
    settle();
    fd_close(&host);
    settle();
    assert_non_null(strstr(heard, "half"));
    assert_true(is_at_end(client));
    assert_int_equal(told.n_used, 1);
    assert_int_equal(told.status, 200);
    assert_string_equal(refusal_name(told.refusal), "upstream");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_client, close_client)
    const struct CMUnitTest tests[] = {
        TEST(a_tunnel_carries_tls_for_its_host),
        TEST(what_came_with_the_head_is_not_lost),
        TEST(a_hello_may_come_byte_by_byte),
        TEST(a_foreign_name_is_cut),
        TEST(no_name_is_cut),
        TEST(what_is_no_tls_is_cut_in_words),
        TEST(an_address_is_not_named),
        TEST(an_address_with_a_foreign_name_is_cut),
        TEST(a_silent_client_that_leaves_is_told_of),
        TEST(a_refused_way_says_which_rule_to_add),
        TEST(who_leaves_while_he_is_asked_about_is_forgotten),
        TEST(a_lease_is_asked_for_by_its_authority_alone),
        TEST(another_port_of_it_is_another_host),
        TEST(a_stream_that_cannot_be_served_is_told_of),
        TEST(who_leaves_before_tls_has_only_changed_his_mind),
        TEST(what_is_no_tls_for_a_lease_is_told_so_in_words),
        TEST(what_is_malformed_is_told_of_by_its_first_line),
        TEST(a_head_that_ends_early_is_told_of),
        TEST(a_placeholder_for_the_other_scheme_is_seen),
        TEST(a_placeholder_in_a_field_of_a_connect_is_seen),
        TEST(a_placeholder_for_the_proxy_itself_is_seen),
        TEST(a_placeholder_in_the_host_s_name_is_seen),
        TEST(a_placeholder_behind_garbage_is_seen),
        TEST(a_placeholder_in_a_body_that_came_along_is_seen),
        TEST(a_placeholder_for_a_lease_is_its_keeper_s_business),
        TEST(a_placeholder_in_a_tunnel_that_is_none_is_seen),
        TEST(tls_for_a_plain_upstream_is_refused),
        TEST(plain_http_for_a_tls_upstream_is_refused),
        TEST(one_request_goes_to_its_lease),
        TEST(https_without_connect_to_a_lease_is_served),
        TEST(https_without_connect_to_another_host_is_refused),
        TEST(strangers_are_told_what_this_is),
        TEST(a_plain_request_goes_on_without_its_hop),
        TEST(a_body_goes_on_in_its_framing),
        TEST(a_foreign_host_field_is_misdirected),
        TEST(a_placeholder_in_a_field_goes_no_further),
        TEST(a_placeholder_in_the_path_goes_no_further),
        TEST(a_placeholder_in_a_body_goes_no_further),
        TEST(a_host_that_breaks_off_is_502),
        TEST(half_a_response_is_seen_to_be_half),
    };

    return cmocka_run_group_tests(tests, prepare, NULL);
}
