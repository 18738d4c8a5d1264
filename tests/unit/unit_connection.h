/*
 * For tests of a connection: the far half as a test wants it to be, the client's end, and what has been said to whom.
 */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "relay/connection.h"
#include "unit_loop.h"
#include "unit_stream.h"

#define HOST "Host: x\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

/* The far half, as a test wants it to be: what it was given, and what it is to say. */
static struct {
    struct upstream upstream;
    char trace[4096]; /* one word for each call but receive; a request with its parts */
    size_t n;
    char body[1200000];
    size_t body_n;
    int begin_result, send_result;
    struct upstream_event events[16];
    size_t n_events, at;
    bool answers_itself; /* each whole request with its own path */
    char path[16][64];
    size_t n_paths;
    char host[64]; /* of the last request */
} far;

static struct connection connection;
static int client = -EBADF;
static char said[400000]; /* what the client has been told */
static size_t said_n;
static struct {
    unsigned status, times, closed;
    bool is_closed;
    char reason[128];
} owner_heard;

static inline void note(const char *format, ...) _printf_(1, 2);
static inline void note(const char *format, ...) {
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(far.trace + far.n, sizeof(far.trace) - far.n, format, arguments);
    va_end(arguments);
    assert_true(n >= 0 && (size_t)n < sizeof(far.trace) - far.n);
    far.n += (size_t)n;
}

static inline void answer(const struct upstream_event *event) {
    assert_true(far.n_events < ARRAY_LEN(far.events));
    far.events[far.n_events++] = *event;
}

static inline struct upstream_event whole(unsigned status, struct slice body) {
    return (struct upstream_event){
        .type = UPSTREAM_RESPONSE,
        .response = {.status = status, .body = {HTTP_BODY_LENGTH, body.n}, .declared = {HTTP_BODY_LENGTH, body.n}},
        .data = body,
        .is_end = true};
}

static inline void take_body(struct slice data, bool is_end) {
    assert_true(far.body_n + data.n <= sizeof(far.body));
    if (data.n > 0)
        memcpy(far.body + far.body_n, data.p, data.n);
    far.body_n += data.n;
    if (!is_end)
        return;
    note("end ");
    if (far.answers_itself) {
        struct upstream_event event = whole(200, slice_of_string(far.path[far.n_paths - 1]));

        answer(&event);
    }
}

static inline int far_begin(struct upstream *u, const struct request_head *request, struct slice data, bool is_end) {
    static const char *const framings[] = {"none", "length", "chunked", "close"};

    assert_ptr_equal(u, &far.upstream);
    if (far.begin_result < 0)
        return far.begin_result;
    note("%.*s %.*s%s%.*s %s ", SLICE_ARG(request->method), SLICE_ARG(request->path), request->has_query ? "?" : "",
         SLICE_ARG(request->query), framings[request->body.kind]);
    for (size_t i = 0; i < request->n_fields; i++)
        note("%.*s=%.*s ", SLICE_ARG(request->fields[i].name), SLICE_ARG(request->fields[i].value));
    if (request->expects_continue)
        note("expects ");
    if (request->is_upgrade)
        note("upgrade ");
    (void)snprintf(far.host, sizeof(far.host), "%.*s", SLICE_ARG(request->host));
    assert_true(far.n_paths < ARRAY_LEN(far.path));
    (void)snprintf(far.path[far.n_paths++], sizeof(far.path[0]), "%.*s", SLICE_ARG(request->path));
    take_body(data, is_end);
    return 0;
}

static inline int far_send(struct upstream *u, struct slice data, bool is_end) {
    assert_ptr_equal(u, &far.upstream);
    if (far.send_result < 0)
        return far.send_result;
    take_body(data, is_end);
    return 0;
}

static inline int far_receive(struct upstream *u, struct upstream_event *ret) {
    assert_ptr_equal(u, &far.upstream);
    if (far.at == far.n_events) {
        far.at = far.n_events = 0;
        return -EAGAIN;
    }
    *ret = far.events[far.at++];
    return 1;
}

static inline void far_abandon(struct upstream *u, unsigned status, const char *reason) {
    assert_ptr_equal(u, &far.upstream);
    assert_non_null(reason);
    note("abandoned:%u ", status);
}

static const struct upstream_ops far_ops = {
    .begin = far_begin, .send = far_send, .receive = far_receive, .abandon = far_abandon};

static inline void refused(struct connection *c, unsigned status, struct slice reason) {
    assert_ptr_equal(c, &connection);
    owner_heard.times++;
    owner_heard.status = status;
    assert_true(reason.n < sizeof(owner_heard.reason));
    memcpy(owner_heard.reason, reason.p, reason.n);
    owner_heard.reason[reason.n] = '\0';
}

static inline void closed(struct connection *c) {
    assert_ptr_equal(c, &connection);
    owner_heard.closed++;
    owner_heard.is_closed = true;
}

static struct connection_timeouts timeouts;

/* `owner` has our `refused`, `closed` and `timeouts`. */
static inline int open_for(const struct connection_owner *owner) {
    int ends[2];

    far.n = far.body_n = far.n_events = far.at = far.n_paths = 0;
    far.trace[0] = '\0';
    far.begin_result = far.send_result = 0;
    far.answers_itself = false;
    far.upstream = (struct upstream){.ops = &far_ops};
    memset(&owner_heard, 0, sizeof(owner_heard));
    timeouts = (struct connection_timeouts){60000, 60000, 60000, 60000};
    said_n = 0;
    if (fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends) < 0)
        return -1;
    client = ends[1];
    return connection_init(&connection, ends[0], &far.upstream, owner);
}

static inline int close_connection(void **state) {
    (void)state;
    connection_done(&connection);
    fd_close(&client);
    return loop_run();
}

/* Does all that can be done now, and reads what the client has been told. */
static inline void step(void) {
    for (unsigned i = 0; i < 20 && connection.state != CLOSED; i++) {
        stream_look(&connection.client);
        connection_step(&connection);
        if (client >= 0)
            said_n = hear(client, said, said_n, sizeof(said));
    }
    if (client >= 0)
        said_n = hear(client, said, said_n, sizeof(said));
}

static inline void send_and_step(struct slice bytes) {
    say(client, bytes);
    step();
}

static inline void forget_what_was_said(void) {
    said_n = 0;
    said[0] = '\0';
}

#define assert_said(text) assert_slice(slice_of(said, said_n), text)

static inline bool is_at_end(void) {
    char byte;

    return recv(client, &byte, 1, MSG_DONTWAIT) == 0;
}

/* It said its last word, waits for the client to go, and goes then. */
static inline void assert_closes(void) {
    assert_true(is_at_end());
    assert_int_equal(owner_heard.closed, 0);
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    step();
    assert_int_equal(owner_heard.closed, 1);
    assert_int_equal(connection.client.fd <= 0 ? 0 : is_open(connection.client.fd), 0);
}

static inline void assert_stays(void) {
    far.answers_itself = true;
    forget_what_was_said();
    send_and_step(SLICE(GET("/still/here")));
    assert_said("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n/still/here");
}

static inline const char *body_of(const char *response) {
    const char *end = strstr(response, "\r\n\r\n");

    return end ? end + 4 : "";
}
