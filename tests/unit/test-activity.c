#include "ingress/steward/activity.h"

#include "unit.h"

static const struct row {
    struct slice body;
    const char *field;
    bool is_idle;
} rows[] = {
    {SLICE("{\"idle\":true}"), "idle", true},
    {SLICE("{\"idle\":false}"), "idle", false},
    {SLICE("{\"connections\":0}"), "connections", true},
    {SLICE("{\"connections\":0.0}"), "connections", true},
    {SLICE("{\"connections\":1}"), "connections", false},
    {SLICE("{\"connections\":-1}"), "connections", false},
    {SLICE("{\"state\":\"idle\"}"), "state", true},
    {SLICE("{\"state\":\"Idle\"}"), "state", false},
    {SLICE("{\"state\":\"idle\\u0000\"}"), "state", false},
    {SLICE("{\"state\":\"busy\"}"), "state", false},
    {SLICE("{\"state\":\"\"}"), "state", false},
    {SLICE("{\"state\":null}"), "state", false},
    {SLICE("{\"state\":[]}"), "state", false},
    {SLICE("{\"state\":{}}"), "state", false},
    {SLICE("{\"a\":{\"b\":{\"c\":0}}}"), "a.b.c", true},
    {SLICE("{\"a\":{\"b\":{\"c\":0}}}"), "a.b", false},
    {SLICE("{\"a\":{\"b\":{\"c\":0}}}"), "a.b.c.d", false},
    {SLICE("{\"a\":0}"), "b", false},
    {SLICE("{\"a\":0}"), "", false},
    {SLICE("true"), "", true},
    {SLICE("0"), "", true},
    {SLICE("\"idle\""), "", true},
    {SLICE("true"), "idle", false},
    {SLICE("[true]"), "0", false},
    {SLICE("{\"idle\":false,\"idle\":true}"), "idle", false}, /* it says two things */
    {SLICE("{\"idle\":true"), "idle", false},
    {SLICE("{\"idle\":true}}"), "idle", false},
    {SLICE("<html>idle</html>"), "idle", false},
    {SLICE("idle"), "", false},
    {SLICE(""), "", false},
    {SLICE(""), "idle", false},
};

static void only_a_clear_yes_is_one(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice body = exact_copy(rows[i].body);

        assert_row(rows[i].body, activity_is_idle(body, rows[i].field) == rows[i].is_idle);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_a_clear_yes_is_one)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
