#include "egress/rules/suggest.h"

#include <stdio.h>

#include "base/limits.h"
#include "egress/rules/rule.h"
#include "egress/settings/settings.h"
#include "unit.h"

static char *written;
static struct suggest *suggest;

static int begin(void **state) {
    (void)state;
    suggest = suggest_new();
    return suggest ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    suggest_free(suggest);
    free(written);
    written = NULL;
    return 0;
}

static const char *write_all(void) {
    size_t n;
    FILE *to = open_memstream(&written, &n);

    assert_non_null(to);
    assert_int_equal(suggest_write(suggest, to), 0);
    assert_int_equal(fclose(to), 0);
    return written;
}

static void refuse(const char *lease, const char *method, const char *path, enum refusal refusal) {
    const struct suggest_request request = {.lease = slice_of_string(lease),
                                            .method = slice_of_string(method),
                                            .path = slice_of_string(path),
                                            .authority = SLICE("api.example.org:443"),
                                            .rule = SLICE("DELETE /x/**"),
                                            .executable = SLICE("/usr/bin/curl")};

    assert_int_equal(suggest_refused(suggest, &request, refusal), 0);
}

static void use(const char *method, const char *path, unsigned status) {
    const struct suggest_request request = {
        .lease = SLICE("api"), .method = slice_of_string(method), .path = slice_of_string(path), .status = status};

    assert_int_equal(suggest_used(suggest, &request), 0);
}

static void refuse_host(const char *authority, enum refusal refusal) {
    const struct suggest_request request = {
        .lease = SLICE(AUDIT_WAYS), .method = SLICE("CONNECT"), .authority = slice_of_string(authority)};

    assert_int_equal(suggest_refused(suggest, &request, refusal), 0);
}

static void nothing(void **state) {
    (void)state;
    assert_string_equal(write_all(), "# there is nothing to suggest\n");
}

static void each_once_sorted_and_counted(void **state) {
    (void)state;
    refuse("b", "GET", "/z", REFUSAL_NO_RULE);
    refuse("a", "POST", "/y", REFUSAL_NO_RULE);
    refuse("a", "GET", "/y", REFUSAL_NO_RULE);
    refuse("a", "GET", "/y", REFUSAL_NO_RULE);
    refuse("a", "GET", "/b/c", REFUSAL_NO_RULE);
    assert_string_equal(write_all(), "credentials:\n"
                                     "  - name: a\n"
                                     "    allow:\n"
                                     "      - \"GET /b/c\"  # 1 request\n"
                                     "      - \"GET /y\"  # 2 requests\n"
                                     "      - \"POST /y\"  # 1 request\n"
                                     "  - name: b\n"
                                     "    allow:\n"
                                     "      - \"GET /z\"  # 1 request\n");
}

static void what_no_rule_mends_is_a_comment(void **state) {
    (void)state;
    refuse("a", "DELETE", "/x/1", REFUSAL_DENIED);
    refuse("a", "DELETE", "/x/2", REFUSAL_DENIED);
    refuse("a", "GET", "/a/../b", REFUSAL_AMBIGUOUS);
    refuse("a", "GET", "/a", REFUSAL_TTL);
    refuse("a", "GET", "/a", REFUSAL_EXECUTABLE);
    assert_string_equal(write_all(),
                        "credentials:\n"
                        "  - name: a\n"
                        "    # 1 request: `limits.ttl` was over\n"
                        "    # 1 request: no rule can allow it, for servers may read another path; send it without dot "
                        "segments, empty segments or escapes: GET /a/../b\n"
                        "    # 2 requests: this deny rule would have to go: DELETE /x/**\n"
                        "    # 1 request: this program would have to be in `executables`: /usr/bin/curl\n");
}

/* Whatever the table of refusals has, each is said in a line of its own, or suggested. */
static void no_refusal_is_silent(void **state) {
    (void)state;
    for (enum refusal i = REFUSAL_NONE + 1; i < REFUSALS; i++) {
        suggest_free(suggest);
        free(written);
        written = NULL;
        suggest = suggest_new();
        assert_non_null(suggest);
        refuse("a", "GET", "/a", i);
        if (!strstr(write_all(), "1 request"))
            fail_msg("%s: nothing is said", refusal_text(i)->name);
    }
}

static void hosts(void **state) {
    (void)state;
    refuse_host("Packages.example.org:443", REFUSAL_HOST);
    refuse_host("packages.example.org:443", REFUSAL_HOST);
    refuse_host("8.8.8.8:53", REFUSAL_HOST);
    refuse_host("169.254.169.254:80", REFUSAL_HOST);
    refuse_host("localhost:80", REFUSAL_HOST);
    refuse_host("*.example.net:443", REFUSAL_HOST);
    refuse_host("a\n  - \"*:443\"", REFUSAL_HOST);
    refuse_host("inner.example.org:443", REFUSAL_ADDRESS);
    assert_string_equal(
        write_all(),
        "egress:\n"
        "  allow:\n"
        "    - \"8.8.8.8:53\"  # 1 request\n"
        "    - \"packages.example.org:443\"  # 2 requests\n"
        "  # 1 request: no rule of `egress.allow` can be written for it: a\\x0a  - \"*:443\"\n"
        "  # 1 request: not a public address; only this very line in `egress.allow` would let it through, if it is "
        "meant: "
        "169.254.169.254:80\n"
        "  # 1 request: not a public address; only this very line in `egress.allow` would let it through, if it is "
        "meant: "
        "localhost:80\n"
        "  # 1 request: this is no host: *.example.net:443\n"
        "  # 1 request: this name stands for an address that is not public; write the address itself, if it is meant: "
        "inner.example.org:443\n");
}

static void use_host(const char *authority) {
    const struct suggest_request request = {
        .lease = SLICE(AUDIT_WAYS), .method = SLICE("CONNECT"), .authority = slice_of_string(authority)};

    assert_int_equal(suggest_used(suggest, &request), 0);
}

static void refuse_unwanted_host(const char *authority) {
    const struct suggest_request request = {.lease = SLICE(AUDIT_WAYS),
                                            .method = SLICE("CONNECT"),
                                            .authority = slice_of_string(authority),
                                            .is_not_wanted = true};

    assert_int_equal(suggest_refused(suggest, &request, REFUSAL_HOST), 0);
}

/* As --learn notes them: what was used is a rule, an address too, and what was refused changes nothing. */
static void hosts_that_were_used(void **state) {
    (void)state;
    refuse_unwanted_host("other.example.org:443");
    use_host("packages.example.org:443");
    use_host("packages.example.org:443");
    use_host("127.0.0.1:8080");
    assert_string_equal(write_all(), "egress:\n"
                                     "  allow:\n"
                                     "    - \"127.0.0.1:8080\"  # 1 request\n"
                                     "    # - \"other.example.org:443\"  # 1 request, refused by credfd\n"
                                     "    - \"packages.example.org:443\"  # 2 requests\n");
}

static void hosts_that_were_only_refused(void **state) {
    (void)state;
    refuse_unwanted_host("other.example.org:443");
    assert_string_equal(write_all(), "egress:\n"
                                     "    # - \"other.example.org:443\"  # 1 request, refused by credfd\n");
}

/* On a lease there is no other host: the request is what tells which it was. */
static void a_placeholder_in_a_leases_request_is_told_with_it(void **state) {
    (void)state;
    refuse("a", "POST", "/leak", REFUSAL_EXFILTRATION);
    assert_non_null(strstr(write_all(), "  - name: a\n"));
    assert_non_null(strstr(written, "no setting lets it pass: POST /leak\n"));
    assert_null(strstr(written, "egress"));
}

static void what_the_upstream_refused_is_a_comment(void **state) {
    (void)state;
    use("GET", "/gone", 404);
    use("GET", "/gone", 404);
    use("GET", "/found", 404);
    use("GET", "/found", 200);
    use("POST", "/broken", 500);
    assert_string_equal(write_all(), "credentials:\n"
                                     "  - name: api\n"
                                     "    allow:\n"
                                     "      - \"POST /broken\"  # 1 request\n"
                                     "      - \"GET /found\"  # 2 requests\n"
                                     "      # - \"GET /gone\"  # 2 requests, refused by the upstream: 404\n");
}

struct row {
    const char *method, *path;
    const char *rules; /* those that are no comment, "METHOD PATH\n" each */
};

/* The rules of what was written, as they would be read; a credential of them. */
static struct credential read_back(char *text, struct rule *rules, char *found, size_t room) {
    struct credential credential = {.allow = rules};
    char *rest = text;

    found[0] = '\0';
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *quote = strchr(line, '"'), *last = strrchr(line, '"'), *blank, *to;

        if (strchr(line, '#') && strchr(line, '#') < strchr(line, '-'))
            continue;
        if (!quote || strncmp(line, "      - \"", 9) != 0)
            continue;
        *last = '\0';
        (void)snprintf(found + strlen(found), room - strlen(found), "%s\n", quote + 1);
        blank = strchr(quote, ' ');
        *blank = '\0';
        for (char *from = to = blank + 1;; from++) { /* undoes YAML's escapes */
            from += *from == '\\';
            *to++ = *from;
            if (!*from)
                break;
        }
        rules[credential.n_allow++] = (struct rule){.method = quote + 1, .path = blank + 1};
    }
    return credential;
}

static void only_what_was_asked_for(void **state) {
    static const struct row rows[] = {
        {"GET", "/plain", "GET /plain\n"},
        {"M-SEARCH", "/~a/@b:c/$d;e=f", "M-SEARCH /~a/@b:c/$d\nM-SEARCH /~a/@b:c/$d;e=f\n"},
        {"GET", "/a/", "GET /a/\n"},
        {"GET", "/a\"b", "GET /a\\\"b\n"},
        {"GET", "/a|b`c^d'e", "GET /a|b`c^d'e\n"},
        {"GET", "/%41b", "GET /%41b\nGET /Ab\n"},
        {"GET", "/group%2Fproject", "GET /group%2Fproject\nGET /group/project\n"},
        {"GET", "//a/./b", "GET //a/./b\nGET /a/b\n"},
        {"GET", "/a*b", ""},
        {"GET", "/**", ""},
        {"GET", "/a[1]{2}", ""},
        {"GET", "/a%20b", ""},
        {"GET", "/a%3Fb", ""},
        {"GET", "/a%00b", ""},
        {"GET", "/a\nb", ""},
        {"GET", "/a\x1b[2Jb", ""},
        {"GET", "/a b", ""},
        {"GET", "/\xc3\xa4", ""},
        {"GET", "/../a", ""},
        {"GET", "no-slash", ""},
        {"GET", "", ""},
        {"OPTIONS", "*", ""},
        {"*", "/a", ""},
        {"A*", "/a", ""},
        {"get", "/a", ""},
        {"G\nT", "/a", ""},
        {"", "/a", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct rule rules[8];
        struct credential credential;
        const struct rule *rule;
        char found[256];

        suggest_free(suggest);
        free(written);
        written = NULL;
        suggest = suggest_new();
        assert_non_null(suggest);
        refuse("a", row->method, row->path, REFUSAL_NO_RULE);
        (void)write_all();
        for (const char *p = written; *p; p++)
            assert_true(*p == '\n' || (*p >= ' ' && *p <= '~'));
        assert_non_null(strstr(written, "1 request"));
        credential = read_back(written, rules, found, sizeof(found));
        if (strcmp(found, row->rules) != 0)
            fail_msg("%s %s: \"%s\" and not \"%s\"", row->method, row->path, found, row->rules);
        if (row->rules[0] == '\0')
            continue;
        assert_int_equal(rule_decide(&credential, slice_of_string(row->method), slice_of_string(row->path), &rule),
                         RULE_ALLOWS);
        assert_int_equal(rule_decide(&credential, SLICE("PATCH"), slice_of_string(row->path), &rule), RULE_NONE);
        assert_int_equal(rule_decide(&credential, slice_of_string(row->method), SLICE("/other"), &rule), RULE_NONE);
    }
}

static void a_wider_rule_is_shown_and_not_set(void **state) {
    (void)state;
    refuse("a", "GET", "/a%20%20b/c*d", REFUSAL_NO_RULE);
    assert_non_null(strstr(write_all(), "\n      # - \"GET /a*b/c*d\"  # 1 request; it matches more: "));
}

static void a_name_that_is_none_is_quoted(void **state) {
    (void)state;
    refuse("a\"\n  - name: b", "GET", "/a", REFUSAL_NO_RULE);
    assert_non_null(strstr(write_all(), "  - name: \"a\\\"\\x0a  - name: b\"\n"));
}

static void a_path_of_any_length(void **state) {
    static char path[LIMIT_TARGET + 2];

    (void)state;
    memset(path, 'a', sizeof(path) - 1);
    path[0] = '/';
    for (size_t n = LIMIT_TARGET + 1; n > LIMIT_RULE; n -= 1024) {
        path[n] = '\0';
        refuse("a", "GET", path, REFUSAL_NO_RULE);
    }
    assert_null(strstr(write_all(), "\n      - "));
}

static void beyond_the_limit_it_counts(void **state) {
    char path[32], last[128];

    (void)state;
    for (unsigned i = 0; i < LIMIT_SUGGESTED + 7; i++) {
        (void)snprintf(path, sizeof(path), "/x/%u", i);
        use("GET", path, 200);
    }
    use("GET", "/x/1", 200);
    (void)snprintf(last, sizeof(last), "# %d different requests are in this; 7 that came later are not\n",
                   LIMIT_SUGGESTED);
    assert_non_null(strstr(write_all(), last));
    assert_non_null(strstr(written, "\n      - \"GET /x/*\"  # 10001 requests, taken together\n"));
}

static void too_many_rules_are_comments(void **state) {
    char path[32];

    (void)state;
    for (unsigned i = 0; i < LIMIT_RULES + 10; i++) {
        (void)snprintf(path, sizeof(path), "/o%03u/r%03u", i, i);
        use("GET", path, 200);
    }
    assert_non_null(strstr(write_all(), "      # more than one credential may have (256 rules)"));
    assert_non_null(strstr(written, "\n      - \"GET /o255/r255\"  # 1 request\n"));
    assert_non_null(strstr(written, "\n      # - \"GET /o256/r256\"  # 1 request\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing, begin, end),
        cmocka_unit_test_setup_teardown(each_once_sorted_and_counted, begin, end),
        cmocka_unit_test_setup_teardown(what_no_rule_mends_is_a_comment, begin, end),
        cmocka_unit_test_setup_teardown(no_refusal_is_silent, begin, end),
        cmocka_unit_test_setup_teardown(hosts, begin, end),
        cmocka_unit_test_setup_teardown(hosts_that_were_used, begin, end),
        cmocka_unit_test_setup_teardown(hosts_that_were_only_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_placeholder_in_a_leases_request_is_told_with_it, begin, end),
        cmocka_unit_test_setup_teardown(what_the_upstream_refused_is_a_comment, begin, end),
        cmocka_unit_test_setup_teardown(only_what_was_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(a_wider_rule_is_shown_and_not_set, begin, end),
        cmocka_unit_test_setup_teardown(a_name_that_is_none_is_quoted, begin, end),
        cmocka_unit_test_setup_teardown(a_path_of_any_length, begin, end),
        cmocka_unit_test_setup_teardown(beyond_the_limit_it_counts, begin, end),
        cmocka_unit_test_setup_teardown(too_many_rules_are_comments, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
