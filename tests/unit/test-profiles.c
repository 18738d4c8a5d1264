/* The profiles that are shipped: each is in order, lets through what it is for, and nothing that makes a key. */
#include "egress/settings/profile.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "egress/rules/rule.h"
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

/* By profile, and in it by credential. */
static const struct {
    const char *profile, *name, *upstream;
    enum inject_kind kind;
    const char *place; /* what is injected there: the name, or the format of a path */
} shipped[] = {
    {"anthropic", "anthropic", "https://api.anthropic.com", INJECT_HEADER, "X-Api-Key"},
    {"datadog", "datadog", "https://api.datadoghq.com", INJECT_HEADER, "DD-APPLICATION-KEY"},
    {"flashduty", "flashduty", "https://api.flashcat.cloud", INJECT_QUERY, "app_key"},
    {"github", "github", "https://api.github.com", INJECT_HEADER, "Authorization"},
    {"github", "github-git", "https://github.com", INJECT_BASIC_USER, "x-access-token"},
    {"github", "github-uploads", "https://uploads.github.com", INJECT_HEADER, "Authorization"},
    {"github-git", "github-git", "https://github.com", INJECT_BASIC_USER, "x-access-token"},
    {"gitlab", "gitlab", "https://gitlab.com", INJECT_HEADER, "Private-Token"},
    {"jira", "jira", "https://your-site.atlassian.invalid", INJECT_BASIC_USER, "you@example.org"},
    {"npm", "npm", "https://registry.npmjs.org", INJECT_HEADER, "Authorization"},
    {"openai", "openai", "https://api.openai.com", INJECT_HEADER, "Authorization"},
    {"pagerduty", "pagerduty", "https://api.pagerduty.com", INJECT_HEADER, "Authorization"},
    {"pypi", "pypi", "https://upload.pypi.org", INJECT_BASIC_USER, "__token__"},
    {"slack", "slack", "https://slack.com/api", INJECT_HEADER, "Authorization"},
    {"slack", "slack-files", "https://files.slack.com", INJECT_HEADER, "Authorization"},
    {"telegram", "telegram", "https://api.telegram.org", INJECT_PATH, "/bot{}"},
};

static struct settings *take(const char *name) {
    const struct profile_choice choice = {name, "env:A"};
    _cleanup_free_ char *error = NULL;
    struct settings *settings = NULL;

    if (profile_load(&choice, 1, NULL, &settings, &error) < 0)
        fail_msg("%s", error ? error : "no error");
    return settings;
}

static void says_where_the_key_goes(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shipped); i++) {
        _cleanup_settings_ struct settings *settings = take(shipped[i].profile);
        const struct credential *c = settings_credential(settings, shipped[i].name);

        assert_non_null(c);
        assert_string_equal(c->upstream, shipped[i].upstream);
        assert_int_equal(c->inject[0].kind, shipped[i].kind);
        assert_string_equal(shipped[i].kind == INJECT_PATH ? c->inject[0].format : c->inject[0].name, shipped[i].place);
        assert_false(c->allows_all);
        assert_false(c->is_mask_off || c->passes_cookies || c->allows_private);
    }
}

/* What a program that knows nothing of credfd needs: a way in, and a word where it asks for a key. */
static void opens_a_door_for_each_vendors_programs(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shipped); i++) {
        _cleanup_settings_ struct settings *settings = take(shipped[i].profile);
        bool is_plain = strcmp(shipped[i].profile, "flashduty") == 0;

        assert_int_equal(settings->egress.is_there, !is_plain);
        for (size_t j = 0; j < settings->n_credentials; j++) {
            const char *shape = settings->credentials[j].placeholder;

            assert_int_equal(shape != NULL, !is_plain);
            assert_true(is_plain || strcmp(shape, settings->credentials[0].placeholder) == 0);
        }
    }
}

static void check_credentials(const char *name, size_t *at) {
    _cleanup_settings_ struct settings *settings = take(name);

    for (size_t i = 0; i < settings->n_credentials; i++, ++*at) {
        assert_true(*at < ARRAY_LEN(shipped));
        assert_string_equal(shipped[*at].profile, name);
        assert_string_equal(shipped[*at].name, settings->credentials[i].name);
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
            check_credentials(list.items[i].name, &n);
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

/* `name` is the profile's, or PROFILE/CREDENTIAL. */
struct request {
    const char *name, *method, *path;
    enum rule_verdict verdict;
};

static enum rule_verdict decide(const struct request *request) {
    struct slice rest = slice_of_string(request->name), profile = slice_cut(&rest, '/');
    _cleanup_free_ char *name = strndup(profile.p, profile.n);
    _cleanup_settings_ struct settings *settings = take(name);
    const struct credential *credential = rest.p ? settings_credential(settings, rest.p) : &settings->credentials[0];
    const struct rule *rule;

    assert_non_null(credential);
    return rule_decide(credential, slice_of_string(request->method), slice_of_string(request->path), &rule);
}

static void try_requests(const struct request *requests, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct request *r = &requests[i];
        enum rule_verdict verdict = decide(r);

        if (verdict != r->verdict)
            fail_msg("%s: %s %s: %d, and not %d", r->name, r->method, r->path, (int)verdict, (int)r->verdict);
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
        {"github", "POST", "/graphql", RULE_ALLOWS}, /* without it gh does next to nothing */
        {"github/github-git", "GET", "/o/r.git/info/refs", RULE_ALLOWS},
        {"github/github-git", "POST", "/o/r/git-upload-pack", RULE_ALLOWS},
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
        {"slack/slack-files", "GET", "/files-pri/T1-F1/a.txt", RULE_ALLOWS},
        {"gitlab", "GET", "/group/sub/project.git/info/refs", RULE_ALLOWS},
        {"gitlab", "POST", "/group/project.git/git-upload-pack", RULE_ALLOWS},
        {"jira", "GET", "/rest/api/3/issue/AB-1", RULE_ALLOWS},
        {"jira", "POST", "/rest/api/3/search/jql", RULE_ALLOWS},
        {"jira", "GET", "/rest/agile/1.0/board/1/sprint", RULE_ALLOWS},
        {"pagerduty", "GET", "/incidents", RULE_ALLOWS},
        {"pagerduty", "GET", "/oncalls", RULE_ALLOWS},
        {"pagerduty", "GET", "/users/me", RULE_ALLOWS},
        {"datadog", "GET", "/api/v1/monitor/1", RULE_ALLOWS},
        {"datadog", "POST", "/api/v2/logs/events/search", RULE_ALLOWS},
        {"npm", "GET", "/left-pad", RULE_ALLOWS},
        {"npm", "GET", "/@types%2fnode", RULE_ALLOWS},
        {"npm", "GET", "/@types/node/-/node-1.0.0.tgz", RULE_ALLOWS},
        {"npm", "GET", "/-/whoami", RULE_ALLOWS},
        {"pypi", "POST", "/legacy/", RULE_ALLOWS},
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
        {"github/github-git", "POST", "/o/r.git/git-receive-pack", RULE_NONE},
        {"github/github-uploads", "POST", "/repos/o/r/releases/1/assets", RULE_NONE},
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
        {"gitlab", "POST", "/group/project.git/git-receive-pack", RULE_NONE},
        {"slack/slack-files", "POST", "/upload/v1/x", RULE_NONE},
        {"jira", "POST", "/rest/api/3/issue", RULE_NONE},
        {"jira", "PUT", "/rest/api/3/issue/AB-1", RULE_NONE},
        {"jira", "DELETE", "/rest/api/3/issue/AB-1", RULE_NONE},
        {"pagerduty", "PUT", "/incidents", RULE_NONE},
        {"pagerduty", "POST", "/users", RULE_NONE},
        {"datadog", "POST", "/api/v1/monitor", RULE_NONE},
        {"datadog", "DELETE", "/api/v1/dashboard/a", RULE_NONE},
        {"npm", "PUT", "/left-pad", RULE_NONE},
        {"npm", "DELETE", "/left-pad/-/left-pad-1.0.0.tgz/-rev/1", RULE_NONE},
        {"pypi", "GET", "/legacy/", RULE_NONE},
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
        {"jira", "POST", "/rest/webhooks/1.0/webhook", RULE_DENIES},
        {"jira", "GET", "/rest/api/3/role/1", RULE_DENIES},
        {"jira", "POST", "/rest/api/3/group/user", RULE_DENIES},
        {"pagerduty", "GET", "/services/P1/integrations/P2", RULE_DENIES},
        {"pagerduty", "POST", "/webhook_subscriptions", RULE_DENIES},
        {"pagerduty", "GET", "/users/P1/contact_methods", RULE_DENIES},
        {"datadog", "POST", "/api/v2/api_keys", RULE_DENIES},
        {"datadog", "GET", "/api/v2/current_user/application_keys", RULE_DENIES},
        {"datadog", "GET", "/api/v1/integration/slack", RULE_DENIES},
        {"npm", "GET", "/-/npm/v1/tokens", RULE_DENIES},
        {"npm", "PUT", "/-/user/org.couchdb.user:x", RULE_DENIES},
        {"npm", "GET", "/-/package/@types%2fnode/collaborators", RULE_DENIES},
        {"pypi", "POST", "/_/oidc/mint-token", RULE_DENIES},
        {"telegram", "POST", "/setWebhook", RULE_DENIES},
        {"telegram", "GET", "/setwebhook", RULE_DENIES},
        {"telegram", "GET", "/getManagedBotToken", RULE_DENIES},
    };

    (void)state;
    try_requests(rows, ARRAY_LEN(rows));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_where_the_key_goes),
        cmocka_unit_test(knows_every_profile),
        cmocka_unit_test(opens_a_door_for_each_vendors_programs),
        cmocka_unit_test(tells_the_flashduty_cli),
        cmocka_unit_test(lets_through_what_it_is_for),
        cmocka_unit_test(changes_nothing_by_itself),
        cmocka_unit_test(makes_no_key),
    };

    return cmocka_run_group_tests(tests, make_home, remove_home);
}
