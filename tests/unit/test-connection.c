#include "relay/connection.h"

#include "unit_connection.h"

static const struct exchange_rules rules = {.lease = "alpha"};
static const struct connection_owner owner = {
    .rules = &rules, .timeouts = &timeouts, .refused = refused, .closed = closed};

static int open_connection(void **state) {
    (void)state;
    return open_for(&owner);
}

static void a_request_and_its_response(void **state) {
    static const struct http_field fields[] = {{SLICE("Server"), SLICE("s")}};
    struct upstream_event event = whole(404, SLICE("hello"));

    (void)state;
    event.response.fields = fields;
    event.response.n_fields = 1;
    send_and_step(SLICE("POST /a/b?c=d HTTP/1.1\r\n" HOST "Accept: */*\r\nContent-Length: 3\r\nX-Y: z\r\n\r\nabc"));
    assert_string_equal(far.trace, "POST /a/b?c=d length Accept=*/* X-Y=z end ");
    assert_slice(slice_of(far.body, far.body_n), "abc");
    assert_said("");
    answer(&event);
    step();
    assert_said("HTTP/1.1 404 Not Found\r\nServer: s\r\nContent-Length: 5\r\n\r\nhello");
    assert_null(connection.in.memory); /* idle, it holds nothing */
    assert_null(connection.out.memory);
    assert_int_equal(owner_heard.times, 0);
    assert_stays();
}

/* The upstream wakes it when it has something to say, and no event of the client's is needed. */
static void the_upstream_wakes_it(void **state) {
    struct upstream_event event = whole(200, SLICE("hi"));

    (void)state;
    send_and_step(SLICE(GET("/")));
    answer(&event);
    far.upstream.wake(far.upstream.owner);
    step();
    assert_said("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
}

static void what_belongs_to_one_hop_stays_here(void **state) {
    (void)state;
    send_and_step(SLICE("GET / HTTP/1.1\r\n" HOST
                        "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
                        "Proxy-Authorization: x\r\nX-Kept: 2\r\n\r\n"));
    assert_string_equal(far.trace, "GET / none X-Kept=2 end ");
}

static void a_request_byte_by_byte(void **state) {
    static const struct slice request =
        SLICE("POST /a HTTP/1.1\r\n" HOST
              "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x\r\n world\r\n0\r\nX: y\r\n\r\n");

    (void)state;
    far.answers_itself = true;
    for (size_t i = 0; i < request.n; i++)
        send_and_step(slice_first(slice_from(request, i), 1));
    assert_string_equal(far.trace, "POST /a chunked end ");
    assert_slice(slice_of(far.body, far.body_n), "hello world");
    assert_said("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/a");
    assert_stays();
}

/* One after another: the second begins when the first's response is complete, however early it was sent. */
static void pipelined_requests(void **state) {
    struct upstream_event first = whole(200, SLICE("1")), part = first;

    (void)state;
    send_and_step(SLICE(GET("/1") "POST /2 HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nxx" GET("/3")));
    assert_string_equal(far.trace, "GET /1 none end ");
    part.response.body.length = part.response.declared.length = 2;
    part.is_end = false;
    answer(&part);
    step();
    assert_string_equal(far.trace, "GET /1 none end ");
    answer(&(struct upstream_event){.type = UPSTREAM_DATA, .data = SLICE("!"), .is_end = true});
    step();
    assert_string_equal(far.trace, "GET /1 none end POST /2 length end ");
    far.answers_itself = true;
    first = whole(200, SLICE("2"));
    answer(&first);
    step();
    assert_string_equal(far.trace, "GET /1 none end POST /2 length end GET /3 none end ");
    assert_said("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1!"
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2"
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/3");
}

static void a_body_of_unknown_length(void **state) {
    struct upstream_event event = {
        .type = UPSTREAM_RESPONSE, .response = {.status = 200, .body = {HTTP_BODY_CHUNKED, 0}}, .data = SLICE("hello")};

    (void)state;
    send_and_step(SLICE(GET("/")));
    answer(&event);
    answer(&(struct upstream_event){.type = UPSTREAM_DATA, .data = SLICE_EMPTY});
    answer(&(struct upstream_event){.type = UPSTREAM_DATA, .data = SLICE(", world")});
    step();
    assert_said("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n");
    answer(&(struct upstream_event){.type = UPSTREAM_DATA, .data = SLICE_EMPTY, .is_end = true});
    step();
    assert_said("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n");
    assert_stays();
}

static void http_1_0(void **state) {
    struct upstream_event chunked = {.type = UPSTREAM_RESPONSE,
                                     .response = {.status = 200, .body = {HTTP_BODY_CHUNKED, 0}},
                                     .data = SLICE("hello"),
                                     .is_end = true},
                          known = whole(200, SLICE("hi"));

    (void)state;
    send_and_step(SLICE("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    answer(&(struct upstream_event){.type = UPSTREAM_INTERIM, .response = {.status = 103}});
    answer(&known);
    step();
    assert_said("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nhi");
    forget_what_was_said();
    send_and_step(SLICE("GET /2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    answer(&chunked); /* which it does not know: the end of the connection is the end of the body */
    step();
    assert_said("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
    assert_closes();
}

static void http_1_0_closes(void **state) {
    (void)state;
    far.answers_itself = true;
    send_and_step(SLICE("GET /1 HTTP/1.0\r\n\r\n" GET("/2")));
    assert_said("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n/1");
    assert_string_equal(far.trace, "GET /1 none end ");
    assert_closes();
}

static void a_client_that_asks_to_close(void **state) {
    (void)state;
    far.answers_itself = true;
    send_and_step(SLICE("GET /1 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    assert_said("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n/1");
    assert_closes();
}

static void head(void **state) {
    struct upstream_event event = {
        .type = UPSTREAM_RESPONSE,
        .response = {.status = 200, .body = {HTTP_BODY_NONE, 0}, .declared = {HTTP_BODY_LENGTH, 5}},
        .is_end = true};

    (void)state;
    send_and_step(SLICE("HEAD / HTTP/1.1\r\n" HOST "\r\n"));
    answer(&event);
    step();
    assert_said("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_stays();
}

/* Whatever an upstream says, behind the answer to a HEAD there is no body for a client to take for the next head. */
static void head_with_a_body(void **state) {
    struct upstream_event event = whole(200, SLICE("hello"));

    (void)state;
    send_and_step(SLICE("HEAD / HTTP/1.1\r\n" HOST "\r\n"));
    answer(&event);
    step();
    assert_said("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
}

static void interims(void **state) {
    static const struct http_field link[] = {{SLICE("Link"), SLICE("x")}};
    struct upstream_event final = whole(200, SLICE("hi"));
    const struct upstream_event go_on = {.type = UPSTREAM_INTERIM, .response = {.status = 100}};

    (void)state;
    send_and_step(SLICE("POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    assert_string_equal(far.trace, "POST / length expects ");
    assert_said(""); /* it is not ours to say */
    answer(&go_on);
    answer(&go_on); /* once is enough */
    answer(
        &(struct upstream_event){.type = UPSTREAM_INTERIM, .response = {.status = 103, .fields = link, .n_fields = 1}});
    step();
    assert_said("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    forget_what_was_said();
    send_and_step(SLICE("xx"));
    answer(&final);
    step();
    assert_said("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    assert_stays();
}

static void a_switch_that_nobody_asked_for(void **state) {
    (void)state;
    send_and_step(SLICE(GET("/")));
    answer(&(struct upstream_event){.type = UPSTREAM_INTERIM, .response = {.status = 101}});
    step();
    assert_said("");
    assert_int_equal(owner_heard.closed, 1);
}

/* Each is answered in our own name, closes the connection, and never reaches the upstream. */
static void requests_that_are_refused(void **state) {
    static char long_target[LIMIT_TARGET + 100], many_fields[200 * 8 + 64];
    static const struct {
        struct slice request;
        unsigned status;
    } rows[] = {
        {SLICE("GET / HTTP/1.1\r\n\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST HOST "\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400},
        {SLICE("GET  / HTTP/1.1\r\n" HOST "\r\n"), 400},
        {SLICE("GET / HTTP/1.1\n" HOST "\n"), 400},
        {SLICE("GET / HTTP/2.0\r\n" HOST "\r\n"), 505},
        {SLICE("GET http://evil.example/ HTTP/1.1\r\n" HOST "\r\n"), 400},
        {SLICE("CONNECT evil.example:443 HTTP/1.1\r\n" HOST "\r\n"), 400},
        {SLICE("GET * HTTP/1.1\r\n" HOST "\r\n"), 400},
        {SLICE("GET /a\\b HTTP/1.1\r\n" HOST "\r\n"), 400},
        {SLICE("GET /a%00 HTTP/1.1\r\n" HOST "\r\n"), 400},
        {SLICE("TRACE / HTTP/1.1\r\n" HOST "\r\n"), 405},
        {SLICE("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" HOST "\r\n"), 501},
        {SLICE("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
        {SLICE("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400},
        {SLICE("POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n"), 400},
        {SLICE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n"), 501},
        {SLICE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), 400},
        {SLICE("POST / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\nContent-Length: 0\r\n\r\n"), 417},
        {SLICE("GET / HTTP/1.1\r\n" HOST "Connection: Authorization\r\n\r\n"), 400},
        {SLICE("GET / HTTP/1.1\r\n" HOST " folded: x\r\n\r\n"), 400},
        {SLICE("OPTIONS / HTTP/1.1\r\n" HOST "Max-Forwards: x\r\n\r\n"), 400},
        {{long_target, sizeof(long_target)}, 414},
        {{many_fields, sizeof(many_fields)}, 431},
    };

    (void)state;
    memset(long_target, 'a', sizeof(long_target));
    memcpy(long_target, "GET /", 5);
    for (size_t i = 0; i < sizeof(many_fields); i += 8)
        memcpy(many_fields + i, "Abc: d\r\n", 8);
    memcpy(many_fields, "GET / HTTP/1.1\r\n", 16);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char start[32];

        assert_int_equal(open_connection(NULL), 0);
        send_and_step(rows[i].request);
        (void)snprintf(start, sizeof(start), "HTTP/1.1 %u ", rows[i].status);
        assert_row(slice_first(rows[i].request, 64), slice_starts_with(slice_of(said, said_n), slice_of_string(start)));
        assert_non_null(strstr(said, "\r\nContent-Type: application/json\r\n"));
        assert_non_null(strstr(said, "\r\nConnection: close\r\n"));
        assert_non_null(strstr(body_of(said), "\"lease\":\"alpha\""));
        assert_row(slice_first(rows[i].request, 64), slice_ends_with(slice_of(said, said_n), SLICE("\"}\n")));
        assert_int_equal(strstr(said, "\r\nAllow: ") != NULL, rows[i].status == 405);
        assert_int_equal(owner_heard.times, 1);
        assert_int_equal(owner_heard.status, rows[i].status);
        assert_non_null(strstr(said, owner_heard.reason));
        assert_string_equal(far.trace, "");
        assert_closes();
        assert_int_equal(close_connection(NULL), 0);
    }
}

static void the_length_of_a_refusal(void **state) {
    char expected[64];

    (void)state;
    send_and_step(SLICE("GET / HTTP/1.1\r\n\r\n"));
    (void)snprintf(expected, sizeof(expected), "\r\nContent-Length: %zu\r\n", strlen(body_of(said)));
    assert_non_null(strstr(said, expected));
}

static void a_refused_head_has_no_body(void **state) {
    (void)state;
    send_and_step(SLICE("HEAD http://evil.example/ HTTP/1.1\r\n" HOST "\r\n"));
    assert_non_null(strstr(said, "HTTP/1.1 400 "));
    assert_string_equal(body_of(said), "");
    assert_closes();
}

/* What came before it was good, and is answered first; what comes behind it is not looked at. */
static void a_bad_request_behind_a_good_one(void **state) {
    struct upstream_event event = whole(200, SLICE("1"));

    (void)state;
    send_and_step(SLICE(GET("/1") "bad\r\n\r\n" GET("/2")));
    assert_said("");
    answer(&event);
    step();
    assert_true(
        slice_starts_with(slice_of(said, said_n), SLICE("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 400 ")));
    assert_string_equal(far.trace, "GET /1 none end ");
    assert_closes();
}

static void max_forwards(void **state) {
    (void)state;
    send_and_step(SLICE("OPTIONS /a HTTP/1.1\r\n" HOST "Max-Forwards: 3\r\n\r\n"));
    assert_string_equal(far.trace, "OPTIONS /a none Max-Forwards=2 end ");
}

static void no_more_forwards(void **state) {
    (void)state;
    send_and_step(SLICE("OPTIONS * HTTP/1.1\r\n" HOST "Max-Forwards: 0\r\n\r\n"));
    assert_string_equal(far.trace, "");
    assert_said("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_closes();
}

/* The answer comes before the question is finished: it is passed on, and the rest of the upload is not waited for. */
static void an_early_response(void **state) {
    struct upstream_event event = whole(413, SLICE("no"));

    (void)state;
    send_and_step(SLICE("POST /1 HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n12345"));
    answer(&event);
    step();
    assert_said("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    assert_string_equal(far.trace, "POST /1 length abandoned:0 ");
    send_and_step(SLICE("67890" GET("/2"))); /* read, so that the client sees its answer, and thrown away */
    assert_string_equal(far.trace, "POST /1 length abandoned:0 ");
    assert_closes();
}

static void a_client_that_has_said_all(void **state) {
    struct upstream_event event = whole(200, SLICE("1"));

    (void)state;
    say(client, SLICE(GET("/1")));
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    step();
    assert_int_equal(owner_heard.closed, 0);
    answer(&event);
    step();
    assert_said("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
    assert_int_equal(owner_heard.closed, 1);
}

static void a_client_that_says_nothing(void **state) {
    (void)state;
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    step();
    assert_said("");
    assert_int_equal(owner_heard.closed, 1);
    assert_int_equal(owner_heard.times, 0);
}

static void a_head_that_is_cut(void **state) {
    (void)state;
    say(client, SLICE("GET / HTTP/1.1\r\nHo"));
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    step();
    assert_non_null(strstr(said, "HTTP/1.1 400 "));
    assert_int_equal(owner_heard.status, 400);
    assert_string_equal(far.trace, "abandoned:0 "); /* at the end of the connection, of which there was nothing */
}

/* An upstream must never take a cut request for a whole one. */
static void a_body_that_is_cut(void **state) {
    static const struct slice requests[] = {
        SLICE("POST /1 HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n12345"),
        SLICE("POST /1 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"),
        SLICE("POST /1 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        assert_int_equal(open_connection(NULL), 0);
        say(client, requests[i]);
        assert_int_equal(shutdown(client, SHUT_WR), 0);
        step();
        assert_null(strstr(far.trace, "end "));
        assert_non_null(strstr(far.trace, "abandoned:400 "));
        assert_non_null(strstr(said, "HTTP/1.1 400 "));
        assert_int_equal(owner_heard.closed, 1);
        assert_int_equal(close_connection(NULL), 0);
    }
}

static void a_body_that_breaks(void **state) {
    (void)state;
    send_and_step(SLICE("POST /1 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"));
    send_and_step(SLICE("what is this\r\n0\r\n\r\n"));
    assert_string_equal(far.trace, "POST /1 chunked abandoned:400 ");
    assert_slice(slice_of(far.body, far.body_n), "12345");
    assert_non_null(strstr(said, "HTTP/1.1 400 "));
    assert_int_equal(owner_heard.times, 1);
    assert_closes();
}

/* The same with a response on its way already: there is nothing left to say, but it must not look complete. */
static void a_body_that_breaks_under_a_response(void **state) {
    struct upstream_event event = {
        .type = UPSTREAM_RESPONSE, .response = {.status = 200, .body = {HTTP_BODY_CHUNKED, 0}}, .data = SLICE("hello")};

    (void)state;
    send_and_step(SLICE("POST /1 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"));
    answer(&event);
    step();
    send_and_step(SLICE("what is this\r\n"));
    assert_said("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n");
    assert_int_equal(owner_heard.closed, 1);
}

/* An upstream that takes nothing: the client is not read on, and all arrives when it takes again. */
static void an_upstream_that_is_slow(void **state) {
    enum { SIZE = 1000000 };
    static char bytes[SIZE];
    size_t at = 0, stuck;
    unsigned rounds = 0;

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)('a' + i % 23);
    send_and_step(SLICE("POST /1 HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n"));
    far.send_result = -EAGAIN;
    for (ssize_t n; (n = send(client, bytes + at, SIZE - at, MSG_DONTWAIT)) > 0; at += (size_t)n)
        step();
    stuck = at;
    assert_true(stuck < SIZE);
    assert_int_equal(far.body_n, 0);
    assert_true(buf_length(&connection.in) <= LIMIT_READ && connection.in.size <= 2 * (LIMIT_HEAD + LIMIT_READ));
    assert_false(timer_is_set(&connection.read_timer)); /* it is not the client who is slow */
    step();
    assert_int_equal(far.body_n, 0);
    while (far.body_n < SIZE) {
        ssize_t n = send(client, bytes + at, SIZE - at, MSG_DONTWAIT);

        at += n > 0 ? (size_t)n : 0;
        far.send_result = rounds++ % 3 == 0 ? -EAGAIN : 0;
        far.upstream.wake(far.upstream.owner);
        step();
        assert_true(rounds < 10000);
    }
    assert_int_equal(far.body_n, SIZE);
    assert_memory_equal(far.body, bytes, SIZE);
    assert_string_equal(far.trace, "POST /1 length end ");
}

/* A client that reads nothing: no more of the response is asked for than what did not fit. */
static void a_client_that_is_slow(void **state) {
    static char block[30000];
    struct upstream_event event = {.type = UPSTREAM_RESPONSE,
                                   .response = {.status = 200, .body = {HTTP_BODY_LENGTH, 10 * sizeof(block)}}};
    int small = 1;

    (void)state;
    memset(block, 'x', sizeof(block));
    assert_int_equal(setsockopt(connection.client.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    say(client, SLICE(GET("/")));
    stream_look(&connection.client);
    connection_step(&connection);
    answer(&event);
    for (unsigned i = 1; i <= 10; i++)
        answer(
            &(struct upstream_event){.type = UPSTREAM_DATA, .data = slice_of(block, sizeof(block)), .is_end = i == 10});
    for (unsigned i = 0; i < 10; i++) {
        stream_look(&connection.client);
        connection_step(&connection);
    }
    assert_in_range(far.at, 1, 3);
    assert_true(timer_is_set(&connection.write_timer));
    assert_true(buf_length(&connection.out) < 2 * sizeof(block));
    for (unsigned i = 0; i < 1000 && said_n < 10 * sizeof(block); i++)
        step();
    assert_int_equal(strlen(body_of(said)), 10 * sizeof(block));
    assert_false(timer_is_set(&connection.write_timer));
    assert_stays();
}

static void an_upstream_that_takes_no_request(void **state) {
    static const int results[] = {-EAGAIN, -EPIPE};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(results); i++) {
        assert_int_equal(open_connection(NULL), 0);
        far.begin_result = results[i];
        send_and_step(SLICE(GET("/")));
        assert_non_null(strstr(said, "HTTP/1.1 503 "));
        assert_non_null(strstr(said, "\"error\":\"unavailable\""));
        assert_int_equal(owner_heard.status, 503);
        assert_closes();
        assert_int_equal(close_connection(NULL), 0);
    }
}

/* The end of a chunked body is decoded once, however often the upstream has to be asked to take it. */
static void an_upstream_that_is_busy_at_the_very_end(void **state) {
    (void)state;
    send_and_step(SLICE("POST /1 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"));
    far.send_result = -EAGAIN;
    send_and_step(SLICE("0\r\nX: y\r\n\r\n" GET("/2")));
    step();
    far.send_result = 0;
    step();
    assert_string_equal(far.trace, "POST /1 chunked end ");
    answer(&(struct upstream_event){.type = UPSTREAM_RESPONSE, .response = {.status = 204}, .is_end = true});
    step();
    assert_int_equal(far.n_paths, 2);
    assert_string_equal(far.path[1], "/2");
}

static void an_abort_before_the_response(void **state) {
    (void)state;
    send_and_step(SLICE(GET("/")));
    answer(
        &(struct upstream_event){.type = UPSTREAM_ABORT, .status = 504, .reason = SLICE("it took \"too\" long\r\n")});
    step();
    assert_non_null(strstr(said, "HTTP/1.1 504 Gateway Timeout\r\n"));
    assert_true(slice_starts_with(
        slice_of_string(body_of(said)),
        SLICE("{\"error\":\"upstream_timeout\",\"lease\":\"alpha\",\"reason\":\"it took \\\"too\\\" long??\"")));
    assert_null(strstr(said, "Connection: close"));
    assert_stays();
}

static void an_abort_before_the_request_is_complete(void **state) {
    (void)state;
    send_and_step(SLICE("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"));
    answer(&(struct upstream_event){.type = UPSTREAM_ABORT, .status = 403, .reason = SLICE("no rule allows it")});
    step();
    assert_non_null(strstr(said, "HTTP/1.1 403 Forbidden\r\n"));
    assert_non_null(strstr(said, "\r\nConnection: close\r\n"));
    assert_closes();
}

/* What has begun cannot be taken back: it ends so that nobody takes it for the whole. */
static void an_abort_within_the_response(void **state) {
    static const struct upstream_event starts[] = {
        {.type = UPSTREAM_RESPONSE, .response = {.status = 200, .body = {HTTP_BODY_CHUNKED, 0}}, .data = SLICE("hel")},
        {.type = UPSTREAM_RESPONSE, .response = {.status = 200, .body = {HTTP_BODY_LENGTH, 5}}, .data = SLICE("hel")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        assert_int_equal(open_connection(NULL), 0);
        send_and_step(SLICE(GET("/")));
        answer(&starts[i]);
        answer(&(struct upstream_event){.type = UPSTREAM_ABORT, .status = 502, .reason = SLICE("cut")});
        step();
        assert_true(
            slice_ends_with(slice_of(said, said_n), i == 0 ? SLICE("\r\n\r\n3\r\nhel\r\n") : SLICE("\r\n\r\nhel")));
        assert_int_equal(owner_heard.closed, 1);
        assert_true(is_at_end());
        assert_int_equal(close_connection(NULL), 0);
    }
}

/* A keeper that breaks its word: whatever comes out must not look like a good response. */
static void an_upstream_that_counts_wrongly(void **state) {
    static const struct http_field splitting[] = {{SLICE("A"), SLICE("b\r\nSet-Cookie: c")}};
    static const struct {
        struct slice name;
        struct upstream_event events[2];
    } rows[] = {
        {SLICE("too much"),
         {{.type = UPSTREAM_RESPONSE,
           .response = {.status = 200, .body = {HTTP_BODY_LENGTH, 2}},
           .data = SLICE("123")}}},
        {SLICE("too little"),
         {{.type = UPSTREAM_RESPONSE,
           .response = {.status = 200, .body = {HTTP_BODY_LENGTH, 2}},
           .data = SLICE("1"),
           .is_end = true}}},
        {SLICE("too much, later"),
         {{.type = UPSTREAM_RESPONSE, .response = {.status = 200, .body = {HTTP_BODY_LENGTH, 2}}, .data = SLICE("1")},
          {.type = UPSTREAM_DATA, .data = SLICE("23"), .is_end = true}}},
        {SLICE("two responses"),
         {{.type = UPSTREAM_RESPONSE, .response = {.status = 200, .body = {HTTP_BODY_CHUNKED, 0}}, .data = SLICE("1")},
          {.type = UPSTREAM_RESPONSE,
           .response = {.status = 200, .body = {HTTP_BODY_LENGTH, 0}},
           .data = SLICE_EMPTY,
           .is_end = true}}},
        {SLICE("an interim within"),
         {{.type = UPSTREAM_RESPONSE, .response = {.status = 200, .body = {HTTP_BODY_CHUNKED, 0}}, .data = SLICE("1")},
          {.type = UPSTREAM_INTERIM, .response = {.status = 103}}}},
        {SLICE("data before a response"), {{.type = UPSTREAM_DATA, .data = SLICE("123"), .is_end = true}}},
        {SLICE("a field that ends its line"),
         {{.type = UPSTREAM_RESPONSE,
           .response = {.status = 200, .fields = splitting, .n_fields = 1, .body = {HTTP_BODY_LENGTH, 0}},
           .data = SLICE_EMPTY,
           .is_end = true}}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(open_connection(NULL), 0);
        send_and_step(SLICE(GET("/")));
        answer(&rows[i].events[0]);
        if (rows[i].events[1].response.status > 0 || rows[i].events[1].type == UPSTREAM_DATA)
            answer(&rows[i].events[1]);
        step();
        assert_row(rows[i].name, owner_heard.closed == 1);
        assert_row(rows[i].name, !strstr(said, "Set-Cookie"));
        assert_row(rows[i].name, !strstr(said, "0\r\n\r\n") || strstr(said, "Content-Length"));
        assert_int_equal(close_connection(NULL), 0);
    }
}

/* Whatever is under way is for nobody any more. */
static void a_client_that_is_gone(void **state) {
    (void)state;
    send_and_step(SLICE(GET("/")));
    fd_close(&client);
    step();
    assert_int_equal(owner_heard.closed, 1);
    assert_string_equal(far.trace, "GET / none end abandoned:0 ");
}

static void without_a_word(void **state) {
    (void)state;
    send_and_step(SLICE(GET("/")));
    connection_done(&connection);
    assert_int_equal(owner_heard.closed, 0);
    assert_true(is_at_end());
}

static bool has_something_to_read(const void *unused) {
    struct pollfd now = {.fd = client, .events = POLLIN};

    (void)unused;
    return poll(&now, 1, 0) == 1;
}

/* The times run on the loop. */
static void an_idle_client(void **state) {
    (void)state;
    timeouts.idle_ms = 20;
    far.answers_itself = true;
    send_and_step(SLICE(GET("/1")));
    loop_until_set(&owner_heard.is_closed);
    assert_true(is_at_end()); /* nothing was asked, so nothing is answered */
    assert_int_equal(owner_heard.times, 0);
}

static void a_slow_head(void **state) {
    (void)state;
    timeouts.head_ms = 20;
    send_and_step(SLICE("GET / HT"));
    loop_until(has_something_to_read, NULL);
    step();
    assert_non_null(strstr(said, "HTTP/1.1 408 "));
    assert_int_equal(owner_heard.status, 408);
    assert_closes();
}

static void a_slow_body(void **state) {
    (void)state;
    timeouts.body_ms = 20;
    send_and_step(SLICE("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n12"));
    loop_until(has_something_to_read, NULL);
    step();
    assert_non_null(strstr(said, "HTTP/1.1 408 "));
    assert_string_equal(far.trace, "POST / length abandoned:408 ");
    assert_closes();
}

static void a_client_that_takes_nothing(void **state) {
    static char block[60000];
    struct upstream_event event = whole(200, slice_of(block, sizeof(block)));
    int small = 1;

    (void)state;
    timeouts.write_ms = 20;
    assert_int_equal(setsockopt(connection.client.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    say(client, SLICE(GET("/")));
    answer(&event);
    loop_until_set(&owner_heard.is_closed);
    assert_int_equal(owner_heard.closed, 1);
}

#define connection_test(name) cmocka_unit_test_setup_teardown(name, open_connection, close_connection)

int main(void) {
    const struct CMUnitTest tests[] = {
        connection_test(a_request_and_its_response),
        connection_test(the_upstream_wakes_it),
        connection_test(what_belongs_to_one_hop_stays_here),
        connection_test(a_request_byte_by_byte),
        connection_test(pipelined_requests),
        connection_test(a_body_of_unknown_length),
        connection_test(http_1_0),
        connection_test(http_1_0_closes),
        connection_test(a_client_that_asks_to_close),
        connection_test(head),
        connection_test(head_with_a_body),
        connection_test(interims),
        connection_test(a_switch_that_nobody_asked_for),
        cmocka_unit_test(requests_that_are_refused),
        connection_test(the_length_of_a_refusal),
        connection_test(a_refused_head_has_no_body),
        connection_test(a_bad_request_behind_a_good_one),
        connection_test(max_forwards),
        connection_test(no_more_forwards),
        connection_test(an_early_response),
        connection_test(a_client_that_has_said_all),
        connection_test(a_client_that_says_nothing),
        connection_test(a_head_that_is_cut),
        cmocka_unit_test(a_body_that_is_cut),
        connection_test(a_body_that_breaks),
        connection_test(a_body_that_breaks_under_a_response),
        connection_test(an_upstream_that_is_slow),
        connection_test(a_client_that_is_slow),
        cmocka_unit_test(an_upstream_that_takes_no_request),
        connection_test(an_upstream_that_is_busy_at_the_very_end),
        connection_test(an_abort_before_the_response),
        connection_test(an_abort_before_the_request_is_complete),
        cmocka_unit_test(an_abort_within_the_response),
        cmocka_unit_test(an_upstream_that_counts_wrongly),
        connection_test(a_client_that_is_gone),
        connection_test(without_a_word),
        connection_test(an_idle_client),
        connection_test(a_slow_head),
        connection_test(a_slow_body),
        connection_test(a_client_that_takes_nothing),
    };

    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
