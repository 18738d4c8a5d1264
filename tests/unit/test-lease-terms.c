#include "fleet/desk/lease_terms.h"

#include <errno.h>

#include "base/limits.h"
#include "unit.h"

static void without_a_profile_everything_is_allowed_to_the_cli(void **state) {
    struct lease_terms terms = {0};
    _cleanup_free_ char *error = NULL;

    (void)state;
    assert_int_equal(lease_terms_load(NULL, &terms, &error), 0);
    assert_string_equal(terms.credential->name, "flashduty");
    assert_true(terms.credential->allows_all);
    assert_int_equal(terms.credential->n_inject, 1);
    assert_int_equal(terms.credential->inject[0].kind, INJECT_QUERY);
    assert_string_equal(terms.credential->inject[0].name, "app_key");
    assert_int_equal(terms.credential->n_env, 2);
    assert_string_equal(terms.credential->env[0].name, "FLASHDUTY_CRED_FD");
    assert_string_equal(terms.credential->env[0].value, "{fd}");
    assert_string_equal(terms.credential->env[1].name, "FLASHDUTY_BASE_URL");
    assert_string_equal(terms.credential->env[1].value, "http://flashduty.broker.local");
    assert_false(terms.credential->is_mask_off);
    lease_terms_done(&terms);
}

static void a_profile_that_is_not_there_is_named(void **state) {
    struct lease_terms terms = {0};
    _cleanup_free_ char *error = NULL;

    (void)state;
    assert_true(lease_terms_load("no-such-profile", &terms, &error) < 0);
    assert_non_null(error);
    assert_non_null(strstr(error, "no-such-profile"));
}

static struct task_upstream upstreams[4];

static struct runner_settings with(size_t n, const char *const *texts) {
    for (size_t i = 0; i < n; i++)
        assert_null(uri_parse_upstream(slice_of_string(texts[i]), &upstreams[i].place));
    return (struct runner_settings){.upstreams = upstreams, .n_upstreams = n};
}

/* The whole sentence, or "" where it may. */
static void assert_judged(const struct runner_settings *settings, const char *url, const char *fault) {
    struct buf text;

    buf_init(&text, LIMIT_REASON);
    assert_int_equal(base_url_judge(settings, slice_of_string(url), &text), *fault ? -EACCES : 0);
    assert_slice(buf_slice(&text), fault);
    buf_release(&text);
}

static void without_upstreams_any_server_over_tls_may_have_it(void **state) {
    const struct runner_settings any = with(0, NULL);

    (void)state;
    assert_judged(&any, "https://api.example.org", "");
    assert_judged(&any, "https://api.example.org:8443/v1", "");
    assert_judged(&any, "http://127.0.0.1:8080", "");
    assert_judged(&any, "http://localhost", "");
    assert_judged(&any, "http://[::1]:8080/x", "");
    assert_judged(&any, "http://api.example.org",
                  "credential.base_url http://api.example.org:80 is not allowed by this runner (https only)");
    assert_judged(&any, "http://127.0.0.1.example.org",
                  "credential.base_url http://127.0.0.1.example.org:80 is not allowed by this runner (https only)");
    assert_judged(&any, "wss://api.example.org", "credential.base_url is no server's: it must start with https://");
}

static void what_is_no_url_of_a_server_may_not(void **state) {
    static const char *const urls[] = {"",
                                       "api.example.org",
                                       "https://",
                                       "https://u:p@api.example.org",
                                       "https://api.example.org/?x",
                                       "https://api.example.org/a/../b",
                                       "file:///etc/passwd",
                                       "https://api.example.org\n"};
    const struct runner_settings any = with(0, NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct buf text;

        buf_init(&text, LIMIT_REASON);
        assert_int_equal(base_url_judge(&any, slice_of_string(urls[i]), &text), -EACCES);
        assert_true(slice_starts_with(buf_slice(&text), SLICE("credential.base_url is no server's: ")));
        buf_release(&text);
    }
}

static void upstreams_are_the_only_ones_that_may(void **state) {
    static const char *const texts[] = {"https://api.example.org", "https://other.example.org:8443/v1",
                                        "http://127.0.0.1:9000"};
    const struct runner_settings settings = with(ARRAY_LEN(texts), texts);

    (void)state;
    assert_judged(&settings, "https://api.example.org", "");
    assert_judged(&settings, "https://API.Example.org/below/it", "");
    assert_judged(&settings, "https://api.example.org:443", "");
    assert_judged(&settings, "https://other.example.org:8443/v1", "");
    assert_judged(&settings, "https://other.example.org:8443/v1/x", "");
    assert_judged(&settings, "http://127.0.0.1:9000", "");
    assert_judged(&settings, "https://api.example.org:444",
                  "credential.base_url https://api.example.org:444 is not allowed by this runner (upstreams)");
    assert_judged(&settings, "https://other.example.org:8443",
                  "credential.base_url https://other.example.org:8443 is not allowed by this runner (upstreams)");
    assert_judged(&settings, "https://other.example.org:8443/v12",
                  "credential.base_url https://other.example.org:8443 is not allowed by this runner (upstreams)");
    assert_judged(&settings, "https://evil.example.org",
                  "credential.base_url https://evil.example.org:443 is not allowed by this runner (upstreams)");
    assert_judged(&settings, "https://127.0.0.1:9000",
                  "credential.base_url https://127.0.0.1:9000 is not allowed by this runner (upstreams)");
    assert_judged(&settings, "http://127.0.0.1:9001",
                  "credential.base_url http://127.0.0.1:9001 is not allowed by this runner (upstreams)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_profile_everything_is_allowed_to_the_cli),
        cmocka_unit_test(a_profile_that_is_not_there_is_named),
        cmocka_unit_test(without_upstreams_any_server_over_tls_may_have_it),
        cmocka_unit_test(what_is_no_url_of_a_server_may_not),
        cmocka_unit_test(upstreams_are_the_only_ones_that_may),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
