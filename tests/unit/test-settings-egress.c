#include "egress/settings/settings_egress.h"

#include "base/limits.h"
#include "unit_settings.h"

static void takes_hosts_without_any_credential(void **state) {
    _cleanup_settings_ struct settings *settings =
        take("egress:\n  allow:\n    - packages.example.org:443\n    - \"*.example.net:443\"\n    - \"[::1]:80\"\n");

    (void)state;
    assert_true(settings->egress.is_there);
    assert_int_equal(settings->n_credentials, 0);
    assert_int_equal(settings->egress.n_allow, 3);
    assert_string_equal(settings->egress.allow[0].host, "packages.example.org");
    assert_int_equal(settings->egress.allow[0].line, 3);
    assert_true(settings->egress.allow[1].is_wildcard);
    assert_true(settings->egress.allow[2].is_special);
    assert_int_equal(settings->egress.allow[2].line, 5);
}

static void a_proxy_may_let_no_host_through(void **state) {
    static const char *const texts[] = {"egress: {}\n", "egress: { allow: [] }\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        _cleanup_settings_ struct settings *settings = take(texts[i]);

        assert_true(settings->egress.is_there);
        assert_int_equal(settings->egress.n_allow, 0);
    }
}

static void stands_beside_credentials(void **state) {
    _cleanup_settings_ struct settings *with =
        take_text((struct text){.rest = "egress: { allow: [ \"a.example:1\" ] }\n"});
    _cleanup_settings_ struct settings *without = take_text((struct text){0});

    (void)state;
    assert_true(with->egress.is_there && with->egress.n_allow == 1 && with->n_credentials == 1);
    assert_false(without->egress.is_there);
}

static void each_complaint_names_its_line(void **state) {
    (void)state;
    check_refused(
        "egress: yes\n",
        "f.yaml:1: egress: must hold keys and their values; write it as { key: value }, or a line for each key");
    check_refused("egress: { deny: [] }\n", "f.yaml:1: egress.deny: unknown key; use allow");
    check_refused("egress: { allow: all }\n", "f.yaml:1: egress.allow: must be a list of hosts with their ports; write "
                                              "[ \"packages.example.org:443\" ]");
    check_refused("egress:\n  allow:\n    - a.example:443\n    - b.example\n",
                  "f.yaml:4: egress.allow[1]: has no port; write it behind the host, as packages.example.org:443");
    check_refused("egress:\n  allow:\n    - \"*.a.example:443\"\n    - b.example:1\n    - \"*.A.example:443\"\n",
                  "f.yaml:5: egress.allow[2]: stands on line 3 already; remove one of the two");
}

static void no_credential_is_called_as_it_is(void **state) {
    (void)state;
    check_rows((const struct row[]){{{.name = "egress", .rest = "egress: {}\n"},
                                     "f.yaml:6: egress: the audit calls what goes through here `egress`, and so is a "
                                     "credential called; give that another name"}},
               1);
}

static void so_many_and_no_more(void **state) {
    _cleanup_free_ char *list = write_list("\"a.example:1\"", LIMIT_GATE_RULES + 1), *yaml = NULL;
    struct settings *settings = NULL;
    _cleanup_free_ char *error = NULL;

    (void)state;
    assert_true(asprintf(&yaml, "egress: { allow: %s }\n", list) > 0);
    assert_int_equal(parse(yaml, &settings, &error), -EINVAL);
    assert_non_null(strstr(error, "512"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_hosts_without_any_credential), cmocka_unit_test(a_proxy_may_let_no_host_through),
        cmocka_unit_test(stands_beside_credentials),          cmocka_unit_test(each_complaint_names_its_line),
        cmocka_unit_test(no_credential_is_called_as_it_is),   cmocka_unit_test(so_many_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
