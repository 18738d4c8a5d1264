#include "ingress/visit/onward.h"

#include "ingress/visit/held.h"
#include "ingress/visit/reply.h"
#include "unit.h"

static const struct peer peer = {.kind = PEER_UNIX, .uid = 1000, .is_trusted = true};
static const struct front front = {.identity_header = "X-authentik-username", .takes_all_uids = true};

static const struct http_field fields[] = {
    {SLICE("Accept-Encoding"), SLICE("gzip")},       {SLICE("X-authentik-username"), SLICE("alice")},
    {SLICE("Origin"), SLICE("https://w.example")},   {SLICE("Cookie"), SLICE("a=b")},
    {SLICE("X-Forwarded-Host"), SLICE("w.example")},
};

static struct request_head request_of(struct http_framing body) {
    return (struct request_head){.method = SLICE("POST"),
                                 .path = SLICE("/p"),
                                 .query = SLICE("q=1"),
                                 .has_query = true,
                                 .host = SLICE("W.example:8443"),
                                 .fields = fields,
                                 .n_fields = ARRAY_LEN(fields),
                                 .body = body};
}

static char *written(const struct onward *how, const struct request_head *request, struct slice data, bool is_end) {
    static struct buf to;
    static char text[4096];

    buf_init(&to, LIMIT_DATAGRAM);
    assert_int_equal(onward_write(how, request, data, is_end, &to), 0);
    assert_true(buf_length(&to) < sizeof(text));
    memcpy(text, buf_slice(&to).p, buf_length(&to));
    text[buf_length(&to)] = '\0';
    buf_release(&to);
    return text;
}

static void keeps_what_the_browser_said(void **state) {
    const struct onward how = {.front = &front, .peer = &peer, .name = "alice"};
    struct request_head request = request_of((struct http_framing){HTTP_BODY_LENGTH, 4});
    const char *text = written(&how, &request, SLICE("body"), true);

    (void)state;
    assert_int_equal(strncmp(text, "POST /p?q=1 HTTP/1.1\r\nHost: W.example:8443\r\n", 44), 0);
    assert_non_null(strstr(text, "\r\nOrigin: https://w.example\r\n"));
    assert_non_null(strstr(text, "\r\nCookie: a=b\r\n"));
    assert_non_null(strstr(text, "\r\nAccept-Encoding: gzip\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Length: 4\r\n"));
    assert_null(strstr(text, "authentik"));
    assert_null(strstr(text, "Connection"));
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nbody");
}

static void tells_the_name_where_it_is_asked_to(void **state) {
    const struct onward how = {.front = &front, .peer = &peer, .identity_header = "X-User", .name = "alice"};
    struct request_head request = request_of((struct http_framing){HTTP_BODY_NONE, 0});

    (void)state;
    assert_non_null(strstr(written(&how, &request, SLICE_EMPTY, true), "\r\nX-User: alice\r\n"));
}

static void frames_anew(void **state) {
    const struct onward how = {.front = &front, .peer = &peer, .name = "alice"};
    struct request_head request = request_of((struct http_framing){HTTP_BODY_CHUNKED, 0});
    const char *text = written(&how, &request, SLICE("body"), false);

    (void)state;
    assert_non_null(strstr(text, "\r\nTransfer-Encoding: chunked\r\n"));
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n4\r\nbody\r\n");
    text = written(&how, &request, SLICE_EMPTY, true);
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n0\r\n\r\n");
}

static void asks_for_plain_documents_and_upgrades(void **state) {
    struct onward how = {.front = &front, .peer = &peer, .name = "alice", .drops_encodings = true};
    struct request_head request = request_of((struct http_framing){HTTP_BODY_NONE, 0});

    (void)state;
    assert_null(strstr(written(&how, &request, SLICE_EMPTY, true), "Accept-Encoding"));
    request.is_upgrade = true;
    request.expects_continue = true;
    assert_non_null(strstr(written(&how, &request, SLICE_EMPTY, true),
                           "\r\nExpect: 100-continue\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
}

static void refuses_to_split_a_head(void **state) {
    const struct onward how = {.front = &front, .peer = &peer, .name = "alice"};
    struct request_head request = request_of((struct http_framing){HTTP_BODY_NONE, 0});
    struct buf to;

    (void)state;
    buf_init(&to, LIMIT_DATAGRAM);
    request.query = SLICE("a\r\nX: y");
    assert_true(onward_write(&how, &request, SLICE_EMPTY, true, &to) < 0);
    request.query = SLICE_EMPTY;
    request.host = SLICE("a\r\nX: y");
    assert_true(onward_write(&how, &request, SLICE_EMPTY, true, &to) < 0);
    buf_release(&to);
}

static void a_held_request_is_its_own(void **state) {
    char bytes[] = "POST/pq=1hostNamevaluedata";
    struct http_field field = {slice_of(bytes + 13, 4), slice_of(bytes + 17, 5)};
    struct request_head head = {.method = slice_of(bytes, 4),
                                .path = slice_of(bytes + 4, 2),
                                .query = slice_of(bytes + 6, 3),
                                .has_query = true,
                                .host = slice_of(bytes + 9, 4),
                                .fields = &field,
                                .n_fields = 1};
    struct held_request *held = held_request_new(&head, slice_of(bytes + 22, 4), true);

    (void)state;
    assert_non_null(held);
    memset(bytes, 'x', sizeof(bytes));
    assert_slice(held->head.method, "POST");
    assert_slice(held->head.path, "/p");
    assert_slice(held->head.query, "q=1");
    assert_slice(held->head.host, "host");
    assert_slice(held->head.fields[0].name, "Name");
    assert_slice(held->head.fields[0].value, "value");
    assert_slice(held->data, "data");
    assert_true(held->is_end);
    held_request_free(held);
    held_request_free(NULL);
}

static void a_held_response_can_be_changed(void **state) {
    char bytes[] = "Namevalue";
    struct http_field field = {slice_of(bytes, 4), slice_of(bytes + 4, 5)};
    struct response_head head = {.status = 200, .fields = &field, .n_fields = 1};
    struct held_response *held = held_response_new(&head);

    (void)state;
    assert_non_null(held);
    memset(bytes, 'x', sizeof(bytes));
    assert_ptr_equal(held->head.fields, held->fields);
    assert_slice(held->fields[0].name, "Name");
    assert_slice(held->fields[0].value, "value");
    held_response_free(held);
}

/* A body that does not fit one event comes in several, and no byte twice. */
static void a_reply_comes_in_pieces(void **state) {
    static char large[3 * LIMIT_READ];
    struct reply *reply;
    struct upstream_event event;
    size_t n = 0;

    (void)state;
    memset(large, 'x', sizeof(large));
    reply = reply_text(200, "text/plain", slice_of(large, sizeof(large)));
    assert_non_null(reply);
    do {
        reply_receive(reply, &event);
        assert_int_equal(event.type, n == 0 ? UPSTREAM_RESPONSE : UPSTREAM_DATA);
        if (n == 0)
            assert_true(event.response.body.length == sizeof(large));
        n += event.data.n;
    } while (!event.is_end);
    assert_int_equal(n, sizeof(large));
    reply_free(reply);
}

static void a_page_says_when_to_come_again(void **state) {
    struct reply *reply = reply_page(503, PAGE_STARTING, PAGE_TEXT, 2);
    struct upstream_event event;
    bool has_field = false;

    (void)state;
    assert_non_null(reply);
    reply_receive(reply, &event);
    for (size_t i = 0; i < event.response.n_fields; i++)
        if (slice_equals(event.response.fields[i].name, SLICE("Retry-After"))) {
            assert_slice(event.response.fields[i].value, "2");
            has_field = true;
        }
    assert_true(has_field);
    assert_true(event.is_end);
    reply_free(reply);
}

static void a_reply_takes_no_field_too_many(void **state) {
    struct reply *reply = reply_new(302);

    (void)state;
    assert_non_null(reply);
    for (size_t i = 0; i < REPLY_FIELDS; i++)
        assert_int_equal(reply_add(reply, SLICE("Set-Cookie"), SLICE("a=b")), 0);
    assert_true(reply_add(reply, SLICE("Set-Cookie"), SLICE("a=b")) < 0);
    reply_free(reply);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_the_browser_said),
        cmocka_unit_test(tells_the_name_where_it_is_asked_to),
        cmocka_unit_test(frames_anew),
        cmocka_unit_test(asks_for_plain_documents_and_upgrades),
        cmocka_unit_test(refuses_to_split_a_head),
        cmocka_unit_test(a_held_request_is_its_own),
        cmocka_unit_test(a_held_response_can_be_changed),
        cmocka_unit_test(a_reply_comes_in_pieces),
        cmocka_unit_test(a_page_says_when_to_come_again),
        cmocka_unit_test(a_reply_takes_no_field_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
