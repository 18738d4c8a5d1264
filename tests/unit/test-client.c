#include "relay/client.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "unit_loop.h"
#include "unit_stream.h"

#define GET "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

static struct client client;
static int upstream = -EBADF;

/* What the client said of one exchange. */
static struct {
    char trace[1024]; /* one word for each event, and for each field of a head */
    size_t n;
    char body[200000];
    size_t body_n;
    bool is_over;
} told;

static void on_ready(struct watch *watch) {
    (void)watch;
}

static int connect_client(void **state) {
    struct stream stream;
    int ends[2];

    (void)state;
    memset(&told, 0, sizeof(told));
    if (fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends) < 0)
        return -1;
    upstream = ends[1];
    if (stream_init(&stream, ends[0], on_ready) < 0)
        return -1;
    return client_init(&client, &stream, on_ready);
}

static int disconnect_client(void **state) {
    (void)state;
    client_done(&client);
    fd_close(&upstream);
    return loop_run();
}

static void note(const char *format, ...) _printf_(1, 2);
static void note(const char *format, ...) {
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(told.trace + told.n, sizeof(told.trace) - told.n, format, arguments);
    va_end(arguments);
    assert_true(n >= 0 && (size_t)n < sizeof(told.trace) - told.n);
    told.n += (size_t)n;
}

static void note_head(char letter, const struct response_head *head) {
    note("%c%u ", letter, head->status);
    for (size_t i = 0; i < head->n_fields; i++)
        note("%.*s=%.*s ", SLICE_ARG(head->fields[i].name), SLICE_ARG(head->fields[i].value));
    if (letter == 'I' || letter == 'S')
        return;
    if (head->body.kind == HTTP_BODY_LENGTH)
        note("L%llu ", (unsigned long long)head->body.length);
    else
        note("%s ", head->body.kind == HTTP_BODY_CHUNKED ? "C" : "N");
    if (head->body.kind == HTTP_BODY_NONE && head->declared.kind == HTTP_BODY_LENGTH)
        note("declared=%llu ", (unsigned long long)head->declared.length);
}

static void take(const struct upstream_event *event) {
    assert_false(told.is_over);
    if (event->type == UPSTREAM_INTERIM)
        note_head('I', &event->response);
    else if (event->type == UPSTREAM_SWITCH)
        note_head('S', &event->response);
    else if (event->type == UPSTREAM_RESPONSE)
        note_head('R', &event->response);
    else if (event->type == UPSTREAM_ABORT)
        note("A%u ", event->status);
    assert_true(told.body_n + event->data.n <= sizeof(told.body));
    if (event->data.n > 0)
        memcpy(told.body + told.body_n, event->data.p, event->data.n);
    told.body_n += event->data.n;
    if (event->is_end)
        note("E ");
    told.is_over = event->is_end || event->type == UPSTREAM_ABORT;
    assert_int_equal(client.fault != NULL, event->type == UPSTREAM_ABORT);
}

/* All events that can be had now. */
static void receive(void) {
    struct upstream_event event;

    stream_look(&client.stream);
    while (client_receive(&client, &event) == 1)
        take(&event);
}

static void begin(struct slice request, bool is_head, bool is_end) {
    stream_look(&client.stream);
    assert_int_equal(client_begin(&client, request, is_head, (struct http_framing){HTTP_BODY_NONE, 0}, is_end), 0);
    memset(&told, 0, sizeof(told));
}

#define OK "HTTP/1.1 200 OK\r\n"
#define INTERIM "HTTP/1.1 102 Processing\r\n\r\n"

enum after { REUSABLE, SPENT };

static const struct row {
    struct slice name, bytes;
    const char *trace, *body;
    bool is_head, closes; /* the request is HEAD; the upstream closes behind its bytes */
    enum after after;
} rows[] = {
    {SLICE("a length"), SLICE(OK "Content-Length: 5\r\n\r\nhello"), "R200 L5 E ", "hello", false, false, REUSABLE},
    {SLICE("a length of nothing"), SLICE(OK "Content-Length: 0\r\n\r\n"), "R200 L0 E ", "", false, false, REUSABLE},
    {SLICE("chunks"), SLICE(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n"),
     "R200 C E ", "hello, world", false, false, REUSABLE},
    {SLICE("trailers"), SLICE(OK "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n"), "R200 C E ", "x",
     false, false, REUSABLE},
    {SLICE("fields"),
     SLICE(OK "Server: s\r\nConnection: x\r\nX: gone\r\nKeep-Alive: 5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
              "Content-Length: 0\r\n\r\n"),
     "R200 Server=s Set-Cookie=a Set-Cookie=b L0 E ", "", false, false, REUSABLE},
    {SLICE("until it closes"), SLICE(OK "\r\nhello"), "R200 C E ", "hello", false, true, SPENT},
    {SLICE("nothing until it closes"), SLICE(OK "\r\n"), "R200 C E ", "", false, true, SPENT},
    {SLICE("asks to close"), SLICE(OK "Connection: close\r\nContent-Length: 2\r\n\r\nhi"), "R200 L2 E ", "hi", false,
     false, SPENT},
    {SLICE("HTTP/1.0"), SLICE("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"), "R200 L2 E ", "hi", false, false,
     SPENT},
    {SLICE("HTTP/1.0 that stays"), SLICE("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"),
     "R200 L2 E ", "hi", false, false, REUSABLE},
    {SLICE("HTTP/1.0 until it closes"), SLICE("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhi"), "R200 C E ", "hi",
     false, true, SPENT},
    {SLICE("it closes behind a whole one"), SLICE(OK "Content-Length: 2\r\n\r\nhi"), "R200 L2 E ", "hi", false, true,
     REUSABLE},

    {SLICE("204"), SLICE("HTTP/1.1 204 No Content\r\n\r\n"), "R204 N E ", "", false, false, REUSABLE},
    {SLICE("204 with a length"), SLICE("HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n"), "R204 N E ", "", false,
     false, REUSABLE},
    {SLICE("304"), SLICE("HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"), "R304 ETag=x N E ", "", false, false,
     REUSABLE},
    {SLICE("304 with a length"), SLICE("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
     "R304 N declared=7 E ", "", false, false, REUSABLE},
    {SLICE("HEAD"), SLICE(OK "Content-Length: 7\r\n\r\n"), "R200 N declared=7 E ", "", true, false, REUSABLE},
    {SLICE("HEAD with chunks"), SLICE(OK "Transfer-Encoding: chunked\r\n\r\n"), "R200 N E ", "", true, false, REUSABLE},
    {SLICE("HEAD without a word"), SLICE(OK "\r\n"), "R200 N E ", "", true, false, REUSABLE},
    {SLICE("HEAD with a body all the same"), SLICE(OK "Content-Length: 2\r\n\r\nhi"), "R200 N declared=2 E ", "", true,
     false, SPENT},

    {SLICE("an interim"), SLICE("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK "Content-Length: 1\r\n\r\nx"),
     "I103 Link=x R200 L1 E ", "x", false, false, REUSABLE},
    {SLICE("continue"), SLICE("HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 0\r\n\r\n"), "I100 R200 L0 E ", "",
     false, false, REUSABLE},
    {SLICE("as many interims as may be"),
     SLICE(INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM OK "Content-Length: 0\r\n\r\n"),
     "I102 I102 I102 I102 I102 I102 I102 I102 R200 L0 E ", "", false, false, REUSABLE},
    {SLICE("one interim too many"), SLICE(INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM INTERIM),
     "I102 I102 I102 I102 I102 I102 I102 I102 A502 ", "", false, false, SPENT},
    {SLICE("a switch that nobody asked for"), SLICE("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), "A502 ",
     "", false, false, SPENT},
    {SLICE("an interim and the end"), SLICE(INTERIM), "I102 A502 ", "", false, true, SPENT},

    {SLICE("nothing"), SLICE(""), "A502 ", "", false, true, SPENT},
    {SLICE("half a head"), SLICE(OK "Content-Le"), "A502 ", "", false, true, SPENT},
    {SLICE("less than its length"), SLICE(OK "Content-Length: 5\r\n\r\nhel"), "R200 L5 A502 ", "hel", false, true,
     SPENT},
    {SLICE("nothing of its length"), SLICE(OK "Content-Length: 5\r\n\r\n"), "R200 L5 A502 ", "", false, true, SPENT},
    {SLICE("half a chunk"), SLICE(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"), "R200 C A502 ", "hel", false, true,
     SPENT},
    {SLICE("no last chunk"), SLICE(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), "R200 C A502 ", "hello",
     false, true, SPENT},
    {SLICE("half a last chunk"), SLICE(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r"), "R200 C A502 ",
     "hello", false, true, SPENT},

    {SLICE("not HTTP"), SLICE("SSH-2.0-OpenSSH_9\r\n"), "A502 ", "", false, false, SPENT},
    {SLICE("HTTP/2"), SLICE("HTTP/2 200 OK\r\n\r\n"), "A502 ", "", false, false, SPENT},
    {SLICE("a line feed alone"), SLICE("HTTP/1.1 200 OK\n\n"), "A502 ", "", false, false, SPENT},
    {SLICE("two lengths"), SLICE(OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), "A502 ", "", false, false,
     SPENT},
    {SLICE("a length and chunks"), SLICE(OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), "A502 ", "",
     false, false, SPENT},
    {SLICE("a length that is none"), SLICE(OK "Content-Length: +1\r\n\r\n"), "A502 ", "", false, false, SPENT},
    {SLICE("a coding that we do not know"), SLICE(OK "Transfer-Encoding: gzip, chunked\r\n\r\n"), "A502 ", "", false,
     false, SPENT},
    {SLICE("a field without a colon"), SLICE(OK "Server\r\n\r\n"), "A502 ", "", false, false, SPENT},
    {SLICE("a folded field"), SLICE(OK "A: b\r\n c\r\n\r\n"), "A502 ", "", false, false, SPENT},
    {SLICE("a status that is none"), SLICE("HTTP/1.1 099 Low\r\n\r\n"), "A502 ", "", false, false, SPENT},
};

static void assert_outcome(const struct row *row) {
    assert_row(row->name, told.is_over);
    if (strcmp(told.trace, row->trace) != 0)
        fail_msg("row \"%.*s\": \"%s\" is not \"%s\"", SLICE_ARG(row->name), told.trace, row->trace);
    assert_row(row->name, slice_equals(slice_of(told.body, told.body_n), slice_of_string(row->body)));
    assert_row(row->name, client_is_exchange_over(&client));
    assert_row(row->name, client_is_reusable(&client) == (row->after == REUSABLE));
    assert_row(row->name, client.state == (row->after == REUSABLE ? CLIENT_IDLE : CLIENT_SPENT));
    if (row->after == REUSABLE)
        assert_row(row->name, client_is_stale(&client) == row->closes);
}

/* Every row as it might arrive: in pieces of `step` bytes. */
static void play(const struct row *row, size_t step) {
    assert_int_equal(connect_client(NULL), 0);
    begin(SLICE(GET), row->is_head, true);
    for (size_t at = 0; at < row->bytes.n; at += step) {
        receive();
        assert_row(row->name, !told.is_over || told.trace[told.n - 2] != 'E');
        say(upstream, slice_first(slice_from(row->bytes, at), step));
    }
    receive();
    if (row->closes && !told.is_over) {
        assert_int_equal(shutdown(upstream, SHUT_WR), 0);
        receive();
    } else if (row->closes) {
        assert_int_equal(shutdown(upstream, SHUT_WR), 0);
    }
    assert_outcome(row);
    assert_int_equal(disconnect_client(NULL), 0);
}

static void responses_at_once(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        play(&rows[i], 4096);
}

static void responses_in_pieces(void **state) {
    (void)state;
    for (size_t step = 2; step < 40; step += 3)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            if (!slice_starts_with(rows[i].name, SLICE("HEAD with a body")))
                play(&rows[i], step);
}

/* Byte by byte. A HEAD's body comes after its response is over: what is said unasked is seen when the connection is taken. */
static void responses_byte_by_byte(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!slice_starts_with(rows[i].name, SLICE("HEAD with a body")))
            play(&rows[i], 1);
}

/* Bytes behind a response: nobody knows what they answer. */
static void more_than_was_asked_for(void **state) {
    static const struct slice extras[] = {SLICE("x"), SLICE("\r\n"),
                                          SLICE("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")};
    static const struct slice heads[] = {SLICE("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
                                         SLICE("HTTP/1.1 204 No Content\r\n\r\n"),
                                         SLICE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        for (size_t k = 0; k < ARRAY_LEN(extras); k++) {
            assert_int_equal(connect_client(NULL), 0);
            begin(SLICE(GET), false, true);
            say(upstream, heads[i]);
            say(upstream, extras[k]);
            receive();
            assert_true(told.is_over && told.trace[told.n - 2] == 'E'); /* the response itself is good */
            assert_false(client_is_reusable(&client));
            assert_int_equal(client.state, CLIENT_SPENT);
            assert_int_equal(disconnect_client(NULL), 0);

            assert_int_equal(connect_client(NULL), 0);
            begin(SLICE(GET), false, true);
            say(upstream, heads[i]);
            receive();
            assert_true(client_is_reusable(&client) && !client_is_stale(&client));
            say(upstream, extras[k]); /* later, while it is idle */
            stream_look(&client.stream);
            assert_true(client_is_stale(&client));
            assert_int_equal(disconnect_client(NULL), 0);
        }
    }
}

static void one_exchange_after_another(void **state) {
    char said[4096];
    size_t n = 0;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        begin(SLICE(GET), false, true);
        assert_int_equal(client.state, CLIENT_WAIT_HEAD);
        n = hear(upstream, said, 0, sizeof(said));
        assert_slice(slice_of(said, n), GET);
        assert_int_equal(client.sent, strlen(GET));
        say(upstream, SLICE(INTERIM INTERIM INTERIM OK "Content-Length: 2\r\n\r\nhi"));
        receive();
        assert_string_equal(told.trace, "I102 I102 I102 R200 L2 E "); /* the limit is of one exchange */
        assert_true(client_is_reusable(&client) && !client_is_stale(&client));
    }
    assert_int_equal(buf_length(&client.in), 0);
}

/* Idle connections hold no memory. */
static void nothing_is_kept(void **state) {
    (void)state;
    begin(SLICE(GET), false, true);
    say(upstream, SLICE(OK "Content-Length: 2\r\n\r\nhi"));
    receive();
    receive(); /* the last event has been looked at */
    assert_null(client.in.memory);
    assert_null(client.out.memory);
}

static void an_early_response(void **state) {
    char said[4096];

    (void)state;
    stream_look(&client.stream);
    assert_int_equal(client_begin(&client, SLICE("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12"), false,
                                  (struct http_framing){HTTP_BODY_LENGTH, 5}, false),
                     0);
    memset(&told, 0, sizeof(told));
    say(upstream, SLICE(OK "Content-Length: 2\r\n\r\nhi"));
    receive();
    assert_string_equal(told.trace, "R200 L2 E ");
    assert_false(client_is_exchange_over(&client));
    assert_int_equal(client.state, CLIENT_WAIT_SEND);
    assert_int_equal(client_send(&client, SLICE("345"), true), 0);
    assert_int_equal(client.state, CLIENT_SPENT); /* out of step: never used again */
    (void)hear(upstream, said, 0, sizeof(said));
    assert_string_equal(said, "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345");
}

/* The head alone does not end the exchange: the request may be finished meanwhile, and then all is well. */
static void a_response_that_ends_behind_its_request(void **state) {
    (void)state;
    stream_look(&client.stream);
    assert_int_equal(client_begin(&client, SLICE("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), false,
                                  (struct http_framing){HTTP_BODY_CHUNKED, 0}, false),
                     0);
    memset(&told, 0, sizeof(told));
    say(upstream, SLICE(OK "Content-Length: 2\r\n\r\nh"));
    receive();
    assert_int_equal(client_send(&client, SLICE("x"), true), 0);
    say(upstream, SLICE("i"));
    receive();
    assert_string_equal(told.trace, "R200 L2 E ");
    assert_true(client_is_reusable(&client));
}

static void chunks_of_a_request(void **state) {
    char said[4096];

    (void)state;
    stream_look(&client.stream);
    assert_int_equal(
        client_begin(&client, SLICE("HEAD\r\n\r\n"), false, (struct http_framing){HTTP_BODY_CHUNKED, 0}, false), 0);
    assert_int_equal(client_send(&client, SLICE("hello"), false), 0);
    assert_int_equal(client_send(&client, SLICE_EMPTY, false), 0); /* an empty chunk would be the last */
    assert_int_equal(client_send(&client, SLICE("0123456789abcdef"), false), 0);
    assert_int_equal(client_send(&client, SLICE("!"), true), 0);
    (void)hear(upstream, said, 0, sizeof(said));
    assert_string_equal(said, "HEAD\r\n\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n1\r\n!\r\n0\r\n\r\n");

    assert_int_equal(
        client_begin(&client, SLICE("HEAD\r\n\r\n"), false, (struct http_framing){HTTP_BODY_CHUNKED, 0}, false), 0);
    assert_int_equal(client_send(&client, SLICE_EMPTY, true), 0);
    (void)hear(upstream, said, 0, sizeof(said));
    assert_string_equal(said, "HEAD\r\n\r\n0\r\n\r\n");
}

/* An upstream that does not read: what was taken goes out once and in order, what was not taken was not touched. */
static void an_upstream_that_does_not_read(void **state) {
    enum { BLOCK = 50000, BLOCKS = 20 };
    static char block[BLOCK], said[BLOCK * BLOCKS + 1000];
    unsigned taken = 0, refusals = 0;
    size_t n = 0;

    (void)state;
    begin(SLICE(GET), false, false);
    client.request = (struct http_framing){HTTP_BODY_LENGTH, BLOCK * BLOCKS};
    for (unsigned i = 0; taken < BLOCKS && i < 10000; i++) {
        int r;

        memset(block, 'a' + (int)taken, sizeof(block));
        r = client_send(&client, slice_of(block, sizeof(block)), taken + 1 == BLOCKS);
        assert_true(r == 0 || r == -EAGAIN);
        taken += r == 0;
        if (r == 0)
            continue;
        refusals++;
        assert_false(buf_is_empty(&client.out));
        n = hear(upstream, said, n, MIN_OF(n + 7001, sizeof(said)));
        stream_look(&client.stream);
    }
    assert_int_equal(taken, BLOCKS);
    assert_true(refusals > 0);
    while (client_flush(&client) == -EAGAIN) {
        n = hear(upstream, said, n, sizeof(said));
        stream_look(&client.stream);
    }
    n = hear(upstream, said, n, sizeof(said));
    assert_int_equal(n, strlen(GET) + BLOCK * BLOCKS);
    assert_int_equal(client.sent, n);
    assert_slice(slice_first(slice_of(said, n), strlen(GET)), GET);
    for (size_t i = 0; i < BLOCK * BLOCKS; i++)
        if (said[strlen(GET) + i] != (char)('a' + (int)(i / BLOCK)))
            fail_msg("byte %zu is out of place", i);
}

/* A response that ends while the request still stands in our buffer: the connection is not clean. */
static void a_response_before_the_request_has_left(void **state) {
    static char much[120000];
    int small = 1;

    (void)state;
    assert_int_equal(setsockopt(client.stream.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    memset(much, 'x', sizeof(much));
    begin(slice_of(much, sizeof(much)), false, true);
    assert_false(buf_is_empty(&client.out));
    say(upstream, SLICE(OK "Content-Length: 0\r\n\r\n"));
    receive();
    assert_string_equal(told.trace, "R200 L0 E ");
    assert_int_equal(client.state, CLIENT_SPENT);
}

static void a_long_body(void **state) {
    enum { SIZE = 190000 };
    static char bytes[SIZE];
    size_t at = 0;

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)('a' + i % 23);
    begin(SLICE(GET), false, true);
    say(upstream, SLICE(OK "Content-Length: 190000\r\n\r\n"));
    while (at < SIZE) {
        ssize_t n = send(upstream, bytes + at, SIZE - at, MSG_DONTWAIT);

        at += n > 0 ? (size_t)n : 0;
        receive();
    }
    assert_string_equal(told.trace, "R200 L190000 E ");
    assert_int_equal(told.body_n, SIZE);
    assert_memory_equal(told.body, bytes, SIZE);
    assert_true(client_is_reusable(&client));
}

/* A head that never ends is refused at its limit; nobody waits for the rest. */
static void heads_that_are_too_large(void **state) {
    static char field[8002];

    (void)state;
    memset(field, 'x', sizeof(field));
    memcpy(field, "X: ", 3);
    memcpy(field + sizeof(field) - 2, "\r\n", 2);
    begin(SLICE(GET), false, true);
    say(upstream, SLICE(OK));
    for (unsigned i = 0; i < 20 && !told.is_over; i++) {
        say(upstream, slice_of(field, sizeof(field)));
        receive();
    }
    assert_string_equal(told.trace, "A502 ");
}

static void an_upstream_that_is_gone(void **state) {
    (void)state;
    fd_close(&upstream);
    stream_look(&client.stream);
    assert_true(client_begin(&client, SLICE(GET), false, (struct http_framing){HTTP_BODY_NONE, 0}, true) < 0);
    assert_int_equal(client.sent, 0);
    assert_false(client.is_answered);
}

/* Closed with bytes of ours unread: over TCP that is a reset. What had come before is still told. */
static void an_upstream_that_resets(void **state) {
    (void)state;
    begin(SLICE(GET), false, true);
    say(upstream, SLICE(OK "Content-Length: 5\r\n\r\nhe"));
    fd_close(&upstream);
    receive();
    assert_string_equal(told.trace, "R200 L5 A502 ");
    assert_slice(slice_of(told.body, told.body_n), "he");
    assert_true(client.is_answered);
    assert_int_equal(client.state, CLIENT_SPENT);
}

#define KEY SLICE("dGhlIHNhbXBsZSBub25jZQ==") /* RFC 6455 §1.3 */
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static void begin_upgrade(void) {
    begin(SLICE(GET), false, true);
    client_expect_switch(&client, KEY);
}

static void a_switch(void **state) {
    (void)state;
    begin_upgrade();
    say(upstream, SLICE("HTTP/1.1 103 Early Hints\r\n\r\n" SWITCH UPGRADE ACCEPT "X-Y: z\r\n\r\n\x81\x02hi"));
    receive();
    assert_string_equal(told.trace, "I103 S101 Sec-WebSocket-Accept=s3pPLMBiTxaQ9kYGzzhZRbK+xOo= X-Y=z ");
    assert_slice(client_early(&client), "\x81\x02hi");
    assert_false(client_is_reusable(&client));
    assert_int_equal(client.state, CLIENT_SPENT);
    say(upstream, SLICE("more"));
    receive(); /* what comes now is the tunnel's to read */
    assert_string_equal(told.trace, "I103 S101 Sec-WebSocket-Accept=s3pPLMBiTxaQ9kYGzzhZRbK+xOo= X-Y=z ");
}

static void a_switch_byte_by_byte(void **state) {
    static const struct slice answer = SLICE(SWITCH UPGRADE ACCEPT "\r\n");

    (void)state;
    begin_upgrade();
    for (size_t i = 0; i < answer.n; i++) {
        assert_string_equal(told.trace, "");
        say(upstream, slice_first(slice_from(answer, i), 1));
        receive();
    }
    assert_string_equal(told.trace, "S101 Sec-WebSocket-Accept=s3pPLMBiTxaQ9kYGzzhZRbK+xOo= ");
    assert_int_equal(client_early(&client).n, 0);
}

static void switches_that_are_wrong(void **state) {
    static const struct slice answers[] = {
        SLICE(SWITCH UPGRADE "\r\n"),
        SLICE(SWITCH UPGRADE "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"),
        SLICE(SWITCH UPGRADE ACCEPT ACCEPT "\r\n"),
        SLICE(SWITCH "Connection: Upgrade\r\n" ACCEPT "\r\n"),
        SLICE(SWITCH "Upgrade: websocket\r\n" ACCEPT "\r\n"),
        SLICE(SWITCH "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT "\r\n"),
        SLICE("HTTP/1.0 101 Switching Protocols\r\n" UPGRADE ACCEPT "\r\n"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        assert_int_equal(connect_client(NULL), 0);
        begin_upgrade();
        say(upstream, answers[i]);
        receive();
        assert_row(answers[i], strcmp(told.trace, "A502 ") == 0);
        assert_int_equal(client.state, CLIENT_SPENT);
        assert_int_equal(disconnect_client(NULL), 0);
    }
}

/* A right answer to the last exchange's key is none to this one. */
static void a_switch_is_of_one_exchange(void **state) {
    (void)state;
    begin_upgrade();
    say(upstream, SLICE("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"));
    receive();
    assert_string_equal(told.trace, "R403 L0 E ");
    assert_true(client_is_reusable(&client));
    begin(SLICE(GET), false, true);
    say(upstream, SLICE(SWITCH UPGRADE ACCEPT "\r\n"));
    receive();
    assert_string_equal(told.trace, "A502 ");
}

#define client_test(name) cmocka_unit_test_setup_teardown(name, connect_client, disconnect_client)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses_at_once),
        cmocka_unit_test(responses_in_pieces),
        cmocka_unit_test(responses_byte_by_byte),
        cmocka_unit_test(more_than_was_asked_for),
        client_test(one_exchange_after_another),
        client_test(nothing_is_kept),
        client_test(an_early_response),
        client_test(a_response_that_ends_behind_its_request),
        client_test(chunks_of_a_request),
        client_test(an_upstream_that_does_not_read),
        client_test(a_response_before_the_request_has_left),
        client_test(a_long_body),
        client_test(heads_that_are_too_large),
        client_test(an_upstream_that_is_gone),
        client_test(an_upstream_that_resets),
        client_test(a_switch),
        client_test(a_switch_byte_by_byte),
        cmocka_unit_test(switches_that_are_wrong),
        client_test(a_switch_is_of_one_exchange),
    };

    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
