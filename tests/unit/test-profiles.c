/* The profiles that are shipped: each is in order, lets through what it is for, and nothing that makes a key. */
#include "egress/profile.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "egress/rule.h"
#include "unit.h"

/* A home whose profiles are the project's own. */
static char home[] = "/tmp/credfd-test-XXXXXX";

static int make_home(void **state) {
    (void)state;
    assert_non_null(mkdtemp(home));
    assert_int_equal(chdir(home), 0);
    assert_int_equal(mkdir("credfd", 0700), 0);
    assert_int_equal(symlink(PROFILES, "credfd/profiles"), 0);
    assert_int_equal(setenv("XDG_CONFIG_HOME", home, 1), 0);
    return 0;
}

static int remove_home(void **state) {
    (void)state;
    assert_int_equal(unlink("credfd/profiles") | rmdir("credfd"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(home), 0);
    return 0;
}

static const struct {
    const char *name, *upstream;
    enum inject_kind kind;
    const char *place; /* what is injected there: the name, or the format of a path */
} shipped[] = {
    {"anthropic", "https://api.anthropic.com", INJECT_HEADER, "X-Api-Key"},
    {"flashduty", "https://api.flashcat.cloud", INJECT_QUERY, "app_key"},
    {"github", "https://api.github.com", INJECT_HEADER, "Authorization"},
    {"github-git", "https://github.com", INJECT_BASIC_USER, "x-access-token"},
    {"gitlab", "https://gitlab.com", INJECT_HEADER, "Private-Token"},
    {"openai", "https://api.openai.com", INJECT_HEADER, "Authorization"},
    {"slack", "https://slack.com/api", INJECT_HEADER, "Authorization"},
    {"telegram", "https://api.telegram.org", INJECT_PATH, "/bot{}"},
};

static struct settings *take(const char *name) {
    const struct profile_choice choice = {name, "env:A"};
    _cleanup_free_ char *error = NULL;
    struct settings *settings = NULL;

    if (profile_load(&choice, 1, &settings, &error) < 0)
        fail_msg("%s", error ? error : "no error");
    return settings;
}

static void says_where_the_key_goes(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shipped); i++) {
        _cleanup_settings_ struct settings *settings = take(shipped[i].name);
        const struct credential *c = &settings->credentials[0];

        assert_string_equal(c->name, shipped[i].name);
        assert_string_equal(c->upstream, shipped[i].upstream);
        assert_int_equal(c->n_inject, 1);
        assert_int_equal(c->inject[0].kind, shipped[i].kind);
        assert_string_equal(shipped[i].kind == INJECT_PATH ? c->inject[0].format : c->inject[0].name, shipped[i].place);
        assert_false(c->allows_all);
        assert_true(c->n_allow > 0 && c->n_deny > 0);
        assert_false(c->is_mask_off || c->passes_cookies || c->allows_private);
    }
}

/* So that this table cannot fall behind. */
static void knows_every_profile(void **state) {
    _cleanup_profile_list_ struct profile_list list = {0};
    _cleanup_free_ char *error = NULL, *folder = NULL;
    size_t n = 0;

    (void)state;
    assert_true(asprintf(&folder, "%s/credfd/profiles/", home) > 0);
    assert_int_equal(profile_list(&list, &error), 0);
    for (size_t i = 0; i < list.n; i++)
        if (slice_starts_with(slice_of_string(list.items[i].path), slice_of_string(folder)))
            assert_string_equal(list.items[i].name, n < ARRAY_LEN(shipped) ? shipped[n++].name : "more than shipped");
    assert_int_equal(n, ARRAY_LEN(shipped));
}

static void tells_the_flashduty_cli(void **state) {
    _cleanup_settings_ struct settings *settings = take("flashduty");
    const struct credential *c = &settings->credentials[0];

    (void)state;
    assert_int_equal(c->n_env, 2);
    assert_string_equal(c->env[0].name, "FLASHDUTY_CRED_FD");
    assert_string_equal(c->env[0].value, "{fd}");
    assert_string_equal(c->env[1].name, "FLASHDUTY_BASE_URL");
    assert_string_equal(c->env[1].value, "http://flashduty.broker.local");
}

struct request {
    const char *profile, *method, *path;
    enum rule_verdict verdict;
};

static void try_requests(const struct request *requests, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct request *r = &requests[i];
        _cleanup_settings_ struct settings *settings = take(r->profile);
        const struct rule *rule;
        enum rule_verdict verdict =
            rule_decide(&settings->credentials[0], slice_of_string(r->method), slice_of_string(r->path), &rule);

        if (verdict != r->verdict)
            fail_msg("%s: %s %s: %d, and not %d", r->profile, r->method, r->path, (int)verdict, (int)r->verdict);
    }
}

static void lets_through_what_it_is_for(void **state) {
    static const struct request rows[] = {
        {"flashduty", "POST", "/incident/list", RULE_ALLOWS},
        {"flashduty", "GET", "/incident/post-mortem/info", RULE_ALLOWS},
        {"flashduty", "POST", "/channel/escalate/rule/list", RULE_ALLOWS},
        {"flashduty", "POST", "/insight/team", RULE_ALLOWS},
        {"github", "GET", "/repos/o/r/issues/1/comments", RULE_ALLOWS},
        {"github", "GET", "/repos/o/r/contents/src/key.c", RULE_ALLOWS},
        {"github", "GET", "/user", RULE_ALLOWS},
        {"github", "GET", "/search/code", RULE_ALLOWS},
        {"github-git", "GET", "/o/r.git/info/refs", RULE_ALLOWS},
        {"github-git", "POST", "/o/r/git-upload-pack", RULE_ALLOWS},
        {"gitlab", "GET", "/api/v4/projects/1/issues", RULE_ALLOWS},
        {"gitlab", "GET", "/api/v4/projects/group%2Fproject/repository/tree", RULE_ALLOWS},
        {"openai", "POST", "/v1/responses", RULE_ALLOWS},
        {"openai", "GET", "/v1/models", RULE_ALLOWS},
        {"openai", "POST", "/v1/chat/completions", RULE_ALLOWS},
        {"anthropic", "POST", "/v1/messages", RULE_ALLOWS},
        {"anthropic", "GET", "/v1/models/claude", RULE_ALLOWS},
        {"slack", "GET", "/conversations.history", RULE_ALLOWS},
        {"slack", "POST", "/users.list", RULE_ALLOWS},
        {"telegram", "GET", "/getMe", RULE_ALLOWS},
        {"telegram", "POST", "/getUpdates", RULE_ALLOWS},
    };

    (void)state;
    try_requests(rows, ARRAY_LEN(rows));
}

static void changes_nothing_by_itself(void **state) {
    static const struct request rows[] = {
        {"flashduty", "POST", "/incident/resolve", RULE_NONE},
        {"flashduty", "POST", "/incident/create", RULE_NONE},
        {"flashduty", "POST", "/member/delete", RULE_NONE},
        {"github", "POST", "/repos/o/r/issues", RULE_NONE},
        {"github", "DELETE", "/repos/o/r", RULE_NONE},
        {"github", "PUT", "/repos/o/r/contents/a", RULE_NONE},
        {"github", "POST", "/graphql", RULE_NONE},
        {"github", "GET", "/repositories/1/keys", RULE_NONE},
        {"github-git", "POST", "/o/r.git/git-receive-pack", RULE_NONE},
        {"github-git", "GET", "/o/r", RULE_NONE},
        {"gitlab", "POST", "/api/v4/projects/1/issues", RULE_NONE},
        {"gitlab", "DELETE", "/api/v4/projects/1", RULE_NONE},
        {"gitlab", "POST", "/api/graphql", RULE_NONE},
        {"openai", "POST", "/v1/files", RULE_NONE},
        {"openai", "DELETE", "/v1/models/m", RULE_NONE},
        {"anthropic", "POST", "/v1/messages/batches", RULE_NONE},
        {"slack", "POST", "/chat.postMessage", RULE_NONE},
        {"slack", "GET", "/conversations.create", RULE_NONE},
        {"telegram", "POST", "/sendMessage", RULE_NONE},
        {"telegram", "POST", "/sendmessage", RULE_NONE},
    };

    (void)state;
    try_requests(rows, ARRAY_LEN(rows));
}

static void makes_no_key(void **state) {
    static const struct request rows[] = {
        {"flashduty", "POST", "/role/upsert", RULE_DENIES},
        {"flashduty", "POST", "/member/invite", RULE_DENIES},
        {"flashduty", "POST", "/monit/datasource/list", RULE_DENIES},
        {"flashduty", "POST", "/safari/mcp/server/get", RULE_DENIES},
        {"github", "POST", "/user/keys", RULE_DENIES},
        {"github", "GET", "/user/keys/1", RULE_DENIES},
        {"github", "POST", "/authorizations", RULE_DENIES},
        {"github", "POST", "/applications/1/token/scoped", RULE_DENIES},
        {"github", "POST", "/app/installations/1/access_tokens", RULE_DENIES},
        {"github", "GET", "/repos/o/r/keys", RULE_DENIES},
        {"github", "PUT", "/repos/o/r/actions/secrets/A", RULE_DENIES},
        {"github", "GET", "/repos/o/r/%61ctions/secrets", RULE_DENIES},
        {"github", "POST", "/repos/o/r/hooks", RULE_DENIES},
        {"github", "POST", "/repos/o/r/actions/runners/registration-token", RULE_DENIES},
        {"github", "GET", "/repos/o/r/secret-scanning/alerts", RULE_DENIES},
        {"github", "POST", "/orgs/o/personal-access-token-requests", RULE_DENIES},
        {"github-git", "GET", "/settings/tokens", RULE_DENIES},
        {"gitlab", "GET", "/api/v4/projects/1/variables", RULE_DENIES},
        {"gitlab", "GET", "/api/v4/projects/group%2Fproject/variables/A", RULE_DENIES},
        {"gitlab", "GET", "/api/v4/projects/group%2Fproject/%76ariables", RULE_DENIES},
        {"gitlab", "POST", "/api/v4/groups/1/access_tokens", RULE_DENIES},
        {"gitlab", "POST", "/api/v4/personal_access_tokens/self/rotate", RULE_DENIES},
        {"gitlab", "POST", "/api/v4/users/1/impersonation_tokens", RULE_DENIES},
        {"gitlab", "POST", "/api/v4/user/keys", RULE_DENIES},
        {"gitlab", "POST", "/oauth/token", RULE_DENIES},
        {"openai", "POST", "/v1/organization/admin_api_keys", RULE_DENIES},
        {"openai", "POST", "/v1/realtime/client_secrets", RULE_DENIES},
        {"anthropic", "GET", "/v1/organizations/api_keys", RULE_DENIES},
        {"slack", "POST", "/tooling.tokens.rotate", RULE_DENIES},
        {"slack", "GET", "/auth.revoke", RULE_DENIES},
        {"slack", "POST", "/apps.connections.open", RULE_DENIES},
        {"telegram", "POST", "/setWebhook", RULE_DENIES},
        {"telegram", "GET", "/setwebhook", RULE_DENIES},
        {"telegram", "GET", "/getManagedBotToken", RULE_DENIES},
    };

    (void)state;
    try_requests(rows, ARRAY_LEN(rows));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_where_the_key_goes),   cmocka_unit_test(knows_every_profile),
        cmocka_unit_test(tells_the_flashduty_cli),   cmocka_unit_test(lets_through_what_it_is_for),
        cmocka_unit_test(changes_nothing_by_itself), cmocka_unit_test(makes_no_key),
    };

    return cmocka_run_group_tests(tests, make_home, remove_home);
}
