#include "fuzz_head.h"
#include "wire/http_message.h"

static struct http_request request, again;

/* Written out and read again, an accepted head is the same. */
static void require_round_trip(void) {
    struct buf out;

    buf_init(&out, 2 * LIMIT_HEAD);
    REQUIRE(http_write_request_line(&out, request.method, request.target) == 0);
    REQUIRE(http_write_fields(&out, request.fields.at, request.fields.n) == 0);
    REQUIRE(http_write_head_end(&out) == 0);
    REQUIRE(http_request_parse(buf_slice(&out), &again) == HTTP_OK);
    REQUIRE(slice_equals(again.method, request.method) && slice_equals(again.target, request.target));
    require_equal_fields(&again.fields, &request.fields);
    buf_release(&out);
}

/* What the fields mean is either refused, or decided in one way. */
static void require_one_meaning(struct slice head) {
    const struct http_field *coding = http_fields_find(&request.fields, HTTP_NAME_TRANSFER_ENCODING, 0, NULL);
    const struct http_field *length = http_fields_find(&request.fields, HTTP_NAME_CONTENT_LENGTH, 0, NULL);
    bool is_close, is_keep_alive, is_continue;
    struct http_framing framing;
    struct slice host;

    if (http_request_framing(&request, &framing) == HTTP_OK) {
        REQUIRE(!coding || !length);
        REQUIRE((framing.kind == HTTP_BODY_CHUNKED) == (coding != NULL));
        REQUIRE((framing.kind == HTTP_BODY_LENGTH) == (length != NULL));
        REQUIRE(framing.length <= INT64_MAX);
    }
    if (http_host_check(&request, &host) == HTTP_OK && host.n > 0)
        REQUIRE(is_inside(host, head) && http_authority_equals(host, host, 80));
    (void)http_expect_check(&request, &is_continue);
    if (http_fields_strip_hop_by_hop(&request.fields, NULL, 0, &is_close, &is_keep_alive) == HTTP_OK) {
        REQUIRE(!http_fields_find(&request.fields, HTTP_NAME_CONNECTION, 0, NULL));
        REQUIRE(!http_fields_find(&request.fields, HTTP_NAME_TRANSFER_ENCODING, 0, NULL));
        REQUIRE(!length == !http_fields_find(&request.fields, HTTP_NAME_CONTENT_LENGTH, 0, NULL));
        require_good_fields(&request.fields, head);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(data, size), head;
    ptrdiff_t n = scan_in_steps(HTTP_REQUEST, in, size), in_steps = scan_in_steps(HTTP_REQUEST, in, 1 + size % 7);
    bool is_good;

    if (n <= 0) {
        REQUIRE(in_steps == n);
        return 0;
    }
    head = slice_first(in, (size_t)n);
    is_good = http_request_parse(head, &request) == HTTP_OK;
    REQUIRE(in_steps == n || (in_steps < 0 && !is_good)); /* a bad first line is found before its head is whole */
    if (!is_good)
        return 0;
    REQUIRE(is_inside(request.method, head) && is_inside(request.target, head));
    REQUIRE(http_is_token(request.method) && request.method.n <= LIMIT_METHOD && request.minor <= 1);
    REQUIRE(request.target.n > 0 && request.target.n <= LIMIT_TARGET);
    require_good_fields(&request.fields, head);
    require_round_trip();
    require_one_meaning(head);
    return 0;
}
