#include "fuzz_head.h"
#include "wire/http_message.h"

static struct http_response response, again;

/* Written out and read again, an accepted head is the same, but for the reason, which is ours. */
static void require_round_trip(void) {
    struct buf out;

    buf_init(&out, 2 * LIMIT_HEAD);
    REQUIRE(http_write_status_line(&out, response.status) == 0);
    REQUIRE(http_write_fields(&out, response.fields.at, response.fields.n) == 0);
    REQUIRE(http_write_head_end(&out) == 0);
    REQUIRE(http_response_parse(buf_slice(&out), &again) == HTTP_OK);
    REQUIRE(again.status == response.status);
    require_equal_fields(&again.fields, &response.fields);
    buf_release(&out);
}

static void require_one_meaning(void) {
    static const struct slice methods[] = {SLICE("GET"), SLICE("HEAD"), SLICE("CONNECT")};
    unsigned status = response.status;

    for (size_t i = 0; i < 3; i++) {
        struct http_framing framing, declared;
        bool is_bodiless = status < 200 || status == 204 || status == 304 || i == 1 || (i == 2 && status < 300);

        if (http_response_framing(&response, methods[i], &framing, &declared) != HTTP_OK)
            continue;
        REQUIRE((framing.kind == HTTP_BODY_NONE) == is_bodiless);
        REQUIRE(is_bodiless ? declared.kind == HTTP_BODY_NONE || declared.kind == HTTP_BODY_LENGTH
                            : declared.kind == framing.kind && declared.length == framing.length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice in = slice_of(data, size), head;
    ptrdiff_t n = scan_in_steps(HTTP_RESPONSE, in, size), in_steps = scan_in_steps(HTTP_RESPONSE, in, 1 + size % 7);
    bool is_good;

    if (n <= 0) {
        REQUIRE(in_steps == n);
        return 0;
    }
    head = slice_first(in, (size_t)n);
    is_good = http_response_parse(head, &response) == HTTP_OK;
    REQUIRE(in_steps == n || (in_steps < 0 && !is_good)); /* a bad first line is found before its head is whole */
    if (!is_good)
        return 0;
    REQUIRE(response.status >= 100 && response.status <= 599 && response.minor <= 1);
    REQUIRE(is_inside(response.reason, head) && http_is_field_value(slice_trim(response.reason)));
    require_good_fields(&response.fields, head);
    require_round_trip();
    require_one_meaning();
    return 0;
}
