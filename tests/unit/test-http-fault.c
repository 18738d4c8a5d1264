#include "wire/http_fault.h"

#include "unit.h"

static void each_fault_has_its_status(void **state) {
    static const struct {
        enum http_fault fault;
        unsigned status;
    } special[] = {
        {HTTP_OK, 200},
        {HTTP_LONG_METHOD, 501},
        {HTTP_METHOD_NOT_ALLOWED, 405},
        {HTTP_LONG_TARGET, 414},
        {HTTP_UNSUPPORTED_VERSION, 505},
        {HTTP_LARGE_HEAD, 431},
        {HTTP_UNKNOWN_CODING, 501},
        {HTTP_BAD_EXPECT, 417},
        {HTTP_UPGRADE_REQUIRED, 426},
        {HTTP_HEAD_TIMEOUT, 408},
        {HTTP_BODY_TIMEOUT, 408},
        {HTTP_NO_PREFIX, 404},
        {HTTP_OUTSIDE_BASE, 403},
        {HTTP_MISDIRECTED, 421},
        {HTTP_BAD_STATUS_LINE, 502},
        {HTTP_UNASKED_SWITCH, 502},
        {HTTP_BAD_SWITCH, 502},
        {HTTP_MANY_INTERIMS, 502},
    };

    (void)state;
    for (enum http_fault fault = HTTP_OK; fault < HTTP_FAULTS; fault++) {
        unsigned expected = 400;

        for (size_t i = 0; i < ARRAY_LEN(special); i++)
            if (special[i].fault == fault)
                expected = special[i].status;
        assert_int_equal(http_fault_status(fault), expected);
    }
}

/* Reasons go into JSON and into log lines as they are. */
static void each_fault_has_a_reason_of_plain_words(void **state) {
    (void)state;
    for (enum http_fault fault = HTTP_OK; fault < HTTP_FAULTS; fault++) {
        const char *reason = http_fault_reason(fault);

        assert_non_null(reason);
        assert_true(strlen(reason) > 8);
        for (const char *p = reason; *p; p++)
            assert_true(*p >= ' ' && *p <= '~' && *p != '"' && *p != '\\');
        for (enum http_fault other = HTTP_OK; other < fault; other++)
            assert_string_not_equal(reason, http_fault_reason(other));
    }
}

static void phrases(void **state) {
    (void)state;
    assert_string_equal(http_status_phrase(100), "Continue");
    assert_string_equal(http_status_phrase(200), "OK");
    assert_string_equal(http_status_phrase(431), "Request Header Fields Too Large");
    assert_string_equal(http_status_phrase(504), "Gateway Timeout");
    assert_string_equal(http_status_phrase(299), "Unknown");
    assert_string_equal(http_status_phrase(0), "Unknown");
    for (enum http_fault fault = HTTP_OK; fault < HTTP_FAULTS; fault++)
        assert_string_not_equal(http_status_phrase(http_fault_status(fault)), "Unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_status),
        cmocka_unit_test(each_fault_has_a_reason_of_plain_words),
        cmocka_unit_test(phrases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
