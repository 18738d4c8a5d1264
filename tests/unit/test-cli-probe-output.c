#include "fleet/probe/probe_output.h"

#include "base/limits.h"
#include "unit.h"

static void only_one_that_says_so_knows_the_lease_channel(void **state) {
    static const struct {
        struct slice output;
        const char *why_not;
    } rows[] = {
        {SLICE("{\"broker_egress\":true}"), NULL},
        {SLICE("{\"name\":\"fduty\",\"version\":\"1.2\",\"broker_egress\": true}\n"), NULL},
        {SLICE(""), "prints nothing"},
        {SLICE("fduty version 1.0\n"), "prints no object of JSON"},
        {SLICE("[true]"), "prints no object of JSON"},
        {SLICE("{\"broker_egress\":true"), "prints no object of JSON"},
        {SLICE("{\"broker_egress\":true} trailing"), "prints no object of JSON"},
        {SLICE("{\"broker_egress\":true,\"broker_egress\":true}"), "prints no object of JSON"},
        {SLICE("{\"broker_egress\":false}"), "does not say \"broker_egress\": true"},
        {SLICE("{\"broker_egress\":\"true\"}"), "does not say \"broker_egress\": true"},
        {SLICE("{\"broker_egress\":1}"), "does not say \"broker_egress\": true"},
        {SLICE("{\"x\":{\"broker_egress\":true}}"), "does not say \"broker_egress\": true"},
        {SLICE("{}"), "does not say \"broker_egress\": true"},
        {SLICE("{\"a\":\"\xFF\",\"broker_egress\":true}"), "prints no object of JSON"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice exact = exact_copy(rows[i].output);
        const char *why_not = probe_output_judge(exact);

        assert_row(rows[i].output, why_not == rows[i].why_not || (why_not && strcmp(why_not, rows[i].why_not) == 0));
    }
}

static void what_is_too_much_or_too_deep_is_no_answer(void **state) {
    char *text = malloc(LIMIT_PROBE_OUTPUT + 1);

    (void)state;
    memset(text, ' ', LIMIT_PROBE_OUTPUT + 1);
    memcpy(text, "{\"broker_egress\":true}", 22);
    assert_null(probe_output_judge(slice_of(text, LIMIT_PROBE_OUTPUT)));
    assert_string_equal(probe_output_judge(slice_of(text, LIMIT_PROBE_OUTPUT + 1)), "prints more than 64 KiB");
    memset(text, '[', LIMIT_PROBE_OUTPUT);
    assert_string_equal(probe_output_judge(slice_of(text, LIMIT_PROBE_OUTPUT)), "prints no object of JSON");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_one_that_says_so_knows_the_lease_channel),
        cmocka_unit_test(what_is_too_much_or_too_deep_is_no_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
