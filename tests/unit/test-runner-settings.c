#include "fleet/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "unit.h"

static const struct runner_overrides none;

static int parse(const char *yaml, const struct runner_overrides *overrides, struct runner_settings **ret,
                 char **ret_error) {
    _cleanup_slice_ struct slice bytes = exact_copy(slice_of_string(yaml));

    return runner_settings_parse("/etc/f.yaml", bytes, overrides, ret, ret_error);
}

static struct runner_settings *take(const char *yaml, const struct runner_overrides *overrides) {
    struct runner_settings *settings = NULL;
    char *error = NULL;

    if (parse(yaml, overrides, &settings, &error) < 0)
        fail_msg("%s\n%s", error ? error : "no error", yaml);
    assert_null(error);
    return settings;
}

static const char whole[] = "runner:\n"
                            "  url: wss://hub.example.org:8443/safari/worknode/ws\n"
                            "  token: { file: runner.token }\n"
                            "  workspace: /srv/work\n"
                            "  spool: { directory: spool, size: 64MiB }\n"
                            "  cli: fduty\n"
                            "  user: worker\n"
                            "  profile: flashduty\n"
                            "  secret_env: [ FLASHDUTY_APP_KEY, OTHER ]\n"
                            "  upstreams: [ https://api.example.org/v1/, \"http://127.0.0.1:80\" ]\n"
                            "  permission: { bash: { \"*\": deny, \"kubectl get *\": allow } }\n"
                            "  tasks: { concurrent: 8, queue: 9, timeout: 2m, grace: 3s, memory: 1GiB, cpu: 1500m,\n"
                            "           processes: 77, output: 1MiB, output_rate: 64KiB }\n"
                            "  settle: 4s\n"
                            "log: debug\n"
                            "metrics: 127.0.0.1:9780\n";

static void reads_everything(void **state) {
    _cleanup_runner_settings_ struct runner_settings *s = take(whole, &none);

    (void)state;
    assert_string_equal(s->url, "wss://hub.example.org:8443/safari/worknode/ws");
    assert_true(s->hub.is_tls);
    assert_int_equal(s->hub.port, 8443);
    assert_true(slice_equals(s->hub.host, SLICE("hub.example.org")));
    assert_true(slice_equals(s->hub.base_path, SLICE("/safari/worknode/ws")));
    assert_int_equal(s->token.kind, SECRET_FILE);
    assert_string_equal(s->token.path, "/etc/runner.token");
    assert_string_equal(s->workspace, "/srv/work");
    assert_string_equal(s->spool, "/etc/spool");
    assert_int_equal(s->spool_bytes, 64 << 20);
    assert_string_equal(s->cli, "fduty");
    assert_string_equal(s->user, "worker");
    assert_string_equal(s->profile, "flashduty");
    assert_string_equal(s->secret_env[1], "OTHER");
    assert_null(s->secret_env[2]);
    assert_int_equal(s->n_upstreams, 2);
    assert_string_equal(s->upstreams[0].text, "https://api.example.org/v1");
    assert_int_equal(s->upstreams[1].place.port, 80);
    assert_int_equal(s->permission.n, 2);
    assert_false(s->permission.rules[0].allows);
    assert_string_equal(s->permission.rules[1].pattern, "kubectl get *");
    assert_true(s->permission.rules[1].allows);
    assert_int_equal(s->permission.rules[1].line, 11);
    assert_int_equal(s->concurrent, 8);
    assert_int_equal(s->queue, 9);
    assert_int_equal(s->limits.timeout_ms, 120000);
    assert_int_equal(s->limits.grace_ms, 3000);
    assert_int_equal(s->limits.memory, 1 << 30);
    assert_int_equal(s->limits.cpu_milli, 1500);
    assert_int_equal(s->limits.processes, 77);
    assert_int_equal(s->limits.output, 1 << 20);
    assert_int_equal(s->limits.output_rate, 64 << 10);
    assert_int_equal(s->settle_ms, 4000);
    assert_int_equal(s->log_level, LOG_DEBUG);
}

static void has_defaults(void **state) {
    _cleanup_runner_settings_ struct runner_settings *s = NULL;

    (void)state;
    assert_int_equal(setenv("STATE_DIRECTORY", "/var/lib/somewhere", 1), 0);
    s = take("runner:\n  token: { env: T }\n", &none);
    assert_string_equal(s->url, "wss://api.flashcat.cloud/safari/worknode/ws");
    assert_string_equal(s->workspace, "/var/lib/somewhere/workspace");
    assert_string_equal(s->spool, "/var/lib/somewhere/spool");
    assert_null(s->cli);
    assert_int_equal(s->permission.n, 0);
    assert_false(s->permission.allows_all);
    assert_int_equal(s->limits.timeout_ms, TIMEOUT_TASK);
}

static void takes_what_the_command_line_says(void **state) {
    static const struct runner_overrides said = {.url = "ws://127.0.0.1:1/x", .workspace = "/w", .token = "env:TOKEN"};
    _cleanup_runner_settings_ struct runner_settings *s = take(whole, &said), *alone = NULL;
    _cleanup_free_ char *error = NULL;

    (void)state;
    assert_string_equal(s->url, said.url);
    assert_false(s->hub.is_tls);
    assert_int_equal(s->hub.port, 1);
    assert_string_equal(s->workspace, "/w");
    assert_int_equal(s->token.kind, SECRET_ENV);
    assert_string_equal(s->token.variable, "TOKEN");
    assert_int_equal(runner_settings_load(NULL, &said, &alone, &error), 0);
    assert_null(alone->path);
    assert_string_equal(alone->url, said.url);
}

static const struct {
    const char *yaml, *error;
} faults[] = {
    {"runner:\n  url: ws://hub.example.org/x\n  token: { env: T }\n",
     "/etc/f.yaml:2: runner.url: ws:// would send the token unencrypted; use wss:// (ws:// only to 127.0.0.1, "
     "[::1] or localhost)"},
    {"runner:\n  url: https://hub.example.org/x\n", "/etc/f.yaml:2: runner.url: must begin with wss:// (or "
                                                    "ws:// on loopback); write wss://HOST/PATH, the token "
                                                    "is put behind it"},
    {"runner:\n  url: wss://hub.example.org/x?token=y\n",
     "/etc/f.yaml:2: runner.url: a query or fragment has no place in it; write wss://HOST/PATH, the token is put "
     "behind it"},
    {"runner:\n  token: abc\n", "/etc/f.yaml:2: runner.token: must say where the key is, never the key itself; "
                                "write { file: PATH }, { env: "
                                "NAME }, { fd: NUMBER }, { command: [ WORD, ... ] } or { systemd: NAME }"},
    {"runner:\n  permission: { bash: [ ls ] }\n",
     "/etc/f.yaml:2: runner.permission.bash: is a mapping of patterns to allow or deny; write { \"*\": deny, "
     "\"kubectl get *\": allow }"},
    {"runner:\n  tasks: { cpu: 0.5 }\n",
     "/etc/f.yaml:2: runner.tasks.cpu: must be processors: a whole number, or thousandths; write 2 or 500m"},
    {"runner:\n  workspace: /w\n  spool: { directory: /w/spool }\n  token: { env: T }\n",
     "/etc/f.yaml: runner.spool: lies in the workspace, where tasks write; name a directory of its own beside it"},
    {"runner:\n  upstreams: [ \"http://api.example.org\" ]\n",
     "/etc/f.yaml:2: runner.upstreams[0]: http:// would send keys unencrypted; use https:// (http:// only to "
     "loopback)"},
};

static void says_what_is_wrong(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        struct runner_settings *settings = NULL;
        _cleanup_free_ char *error = NULL;

        assert_int_equal(parse(faults[i].yaml, &none, &settings, &error), -EINVAL);
        assert_null(settings);
        assert_string_equal(error ? error : "no error", faults[i].error);
    }
}

static void wants_a_token(void **state) {
    _cleanup_runner_settings_ struct runner_settings *settings = take("runner: {}\n", &none);
    _cleanup_free_ char *error = NULL;

    (void)state;
    assert_int_equal(runner_settings_check(settings, &error), -EINVAL);
    assert_non_null(strstr(error, "/etc/f.yaml: runner.token: missing"));
}

static void knows_a_file_without_a_runner(void **state) {
    struct runner_settings *settings = NULL;
    _cleanup_free_ char *error = NULL;

    (void)state;
    assert_int_equal(parse("log: debug\n", &none, &settings, &error), -ENOENT);
    assert_non_null(strstr(error, "add runner:"));
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_everything),
        cmocka_unit_test(has_defaults),
        cmocka_unit_test(takes_what_the_command_line_says),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(wants_a_token),
        cmocka_unit_test(knows_a_file_without_a_runner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
