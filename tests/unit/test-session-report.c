#include "ingress/pairing/session_report.h"

#include "unit.h"

static char cookie_field[] = "auth.sessionCookieName", session_field[] = "authenticated", path[] = "/api/auth/session";

static const struct {
    struct slice name;
    unsigned status;
    struct slice body;
    enum session_verdict verdict;
    const char *cookie_name;
} rows[] = {
    {SLICE("lives"), 200,
     SLICE("{\"authenticated\":true,\"auth\":{\"policy\":\"x\",\"sessionCookieName\":\"t3_session_1\"}}"),
     VERDICT_LIVES, "t3_session_1"},
    {SLICE("died"), 200, SLICE("{\"authenticated\":false,\"auth\":{\"sessionCookieName\":\"t3_session\"}}"),
     VERDICT_DIED, "t3_session"},
    {SLICE("no name told"), 200, SLICE("{\"authenticated\":true}"), VERDICT_LIVES, ""},
    {SLICE("an error says nothing"), 500, SLICE("{\"authenticated\":false}"), VERDICT_UNKNOWN, ""},
    {SLICE("nor does another's 401"), 401, SLICE("{\"authenticated\":false}"), VERDICT_UNKNOWN, ""},
    {SLICE("a redirect"), 302, SLICE("{\"authenticated\":false}"), VERDICT_UNKNOWN, ""},
    {SLICE("garbage"), 200, SLICE("<html>"), VERDICT_UNKNOWN, ""},
    {SLICE("nothing"), 200, SLICE(""), VERDICT_UNKNOWN, ""},
    {SLICE("a list"), 200, SLICE("[false]"), VERDICT_UNKNOWN, ""},
    {SLICE("text, not a truth"), 200, SLICE("{\"authenticated\":\"false\"}"), VERDICT_UNKNOWN, ""},
    {SLICE("0, not a truth"), 200, SLICE("{\"authenticated\":0}"), VERDICT_UNKNOWN, ""},
    {SLICE("null"), 200, SLICE("{\"authenticated\":null}"), VERDICT_UNKNOWN, ""},
    {SLICE("twice"), 200, SLICE("{\"authenticated\":true,\"authenticated\":false}"), VERDICT_UNKNOWN, ""},
    {SLICE("cut off"), 200, SLICE("{\"authenticated\":false"), VERDICT_UNKNOWN, ""},
    {SLICE("a name that is a pattern"), 200, SLICE("{\"auth\":{\"sessionCookieName\":\"*\"}}"), VERDICT_UNKNOWN, ""},
    {SLICE("a name that is none"), 200, SLICE("{\"auth\":{\"sessionCookieName\":\"a; b\"}}"), VERDICT_UNKNOWN, ""},
    {SLICE("a name that is a number"), 200, SLICE("{\"auth\":{\"sessionCookieName\":7}}"), VERDICT_UNKNOWN, ""},
    {SLICE("a name where no object is"), 200, SLICE("{\"auth\":\"x\"}"), VERDICT_UNKNOWN, ""},
};

static void only_a_definite_word_counts(void **state) {
    const struct recipe t3 = {.cookie_field = cookie_field, .session_field = session_field, .session_path = path};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice body = exact_copy(rows[i].body);
        struct session_report report;

        session_report_read(&t3, rows[i].status, body, &report);
        assert_row(rows[i].name, report.verdict == rows[i].verdict);
        assert_row(rows[i].name, strcmp(report.cookie_name, rows[i].cookie_name) == 0);
    }
}

static void a_status_can_say_it(void **state) {
    const struct recipe jupyter = {.session_path = path, .dead = {403, 302}, .n_dead = 2};
    static const struct {
        unsigned status;
        enum session_verdict verdict;
    } statuses[] = {{200, VERDICT_LIVES},   {204, VERDICT_LIVES},   {403, VERDICT_DIED},    {302, VERDICT_DIED},
                    {301, VERDICT_UNKNOWN}, {404, VERDICT_UNKNOWN}, {500, VERDICT_UNKNOWN}, {401, VERDICT_UNKNOWN}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        struct session_report report;

        session_report_read(&jupyter, statuses[i].status, SLICE("not looked at"), &report);
        assert_int_equal(report.verdict, statuses[i].verdict);
        assert_string_equal(report.cookie_name, "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_definite_word_counts),
        cmocka_unit_test(a_status_can_say_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
