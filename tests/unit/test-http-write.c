#include "wire/http_write.h"

#include <errno.h>

#include "unit.h"

static struct buf out;

static int start(void **state) {
    (void)state;
    buf_init(&out, 4096);
    return 0;
}

static int end(void **state) {
    (void)state;
    buf_release(&out);
    return 0;
}

static void a_request(void **state) {
    static const struct http_field fields[] = {{SLICE("A"), SLICE("b c")}, {SLICE("Empty"), SLICE("")}};

    (void)state;
    assert_int_equal(http_write_request_line(&out, SLICE("POST"), SLICE("/a?b")), 0);
    assert_int_equal(http_write_field(&out, SLICE("Host"), SLICE("x")), 0);
    assert_int_equal(http_write_field_number(&out, SLICE("Content-Length"), 0), 0);
    assert_int_equal(http_write_field_number(&out, SLICE("Max"), UINT64_MAX), 0);
    assert_int_equal(http_write_fields(&out, fields, ARRAY_LEN(fields)), 0);
    assert_int_equal(http_write_head_end(&out), 0);
    assert_slice(buf_slice(&out), "POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nMax: 18446744073709551615\r\n"
                                  "A: b c\r\nEmpty: \r\n\r\n");
}

static void a_response(void **state) {
    (void)state;
    assert_int_equal(http_write_status_line(&out, 100), 0);
    assert_int_equal(http_write_status_line(&out, 404), 0);
    assert_int_equal(http_write_status_line(&out, 599), 0);
    assert_slice(buf_slice(&out), "HTTP/1.1 100 Continue\r\nHTTP/1.1 404 Not Found\r\nHTTP/1.1 599 Unknown\r\n");
}

/* Nothing that could end a line early, or start a part that was not meant, is written. */
static void what_is_refused(void **state) {
    static const struct slice bad_names[] = {SLICE(""), SLICE("a b"), SLICE("a:"), SLICE("a\r\nb"), SLICE("a\0"),
                                             SLICE("\xE9")};
    static const struct slice bad_values[] = {SLICE("a\r\nb: c"), SLICE("a\n"), SLICE("\r"), SLICE("a\0b"),
                                              SLICE("\x7F"),      SLICE(" a"),  SLICE("a\t")};
    static const struct slice bad_targets[] = {SLICE(""), SLICE("/a b"), SLICE("/\r\n"), SLICE("/#"), SLICE("/\\"),
                                               SLICE("/\xE9"), SLICE("/\0")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
        assert_row(bad_names[i], http_write_field(&out, bad_names[i], SLICE("v")) == -EINVAL);
        assert_row(bad_names[i], http_write_request_line(&out, bad_names[i], SLICE("/")) == -EINVAL);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad_values); i++) {
        const struct http_field fields[] = {{SLICE("X"), bad_values[i]}};

        assert_row(bad_values[i], http_write_field(&out, SLICE("X"), bad_values[i]) == -EINVAL);
        assert_row(bad_values[i], http_write_fields(&out, fields, 1) == -EINVAL);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad_targets); i++)
        assert_row(bad_targets[i], http_write_request_line(&out, SLICE("GET"), bad_targets[i]) == -EINVAL);
    assert_int_equal(http_write_status_line(&out, 99), -EINVAL);
    assert_int_equal(http_write_status_line(&out, 600), -EINVAL);
    assert_true(buf_is_empty(&out));
}

static void a_full_buffer(void **state) {
    struct buf small;

    (void)state;
    buf_init(&small, 8);
    assert_int_equal(http_write_field(&small, SLICE("abc"), SLICE("def")), -ENOBUFS);
    assert_true(buf_is_empty(&small));
    assert_int_equal(http_write_field(&small, SLICE("ab"), SLICE("cd")), 0);
    assert_int_equal(http_write_head_end(&small), -ENOBUFS);
    assert_slice(buf_slice(&small), "ab: cd\r\n");
    buf_release(&small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request, start, end),
        cmocka_unit_test_setup_teardown(a_response, start, end),
        cmocka_unit_test_setup_teardown(what_is_refused, start, end),
        cmocka_unit_test(a_full_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
