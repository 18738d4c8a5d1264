#include "egress/settings/settings.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "unit_settings.h"

/* A place of its own, which is the current directory: ca.pem is in order, the other files are not. */
static char directory[] = "/tmp/credfd-test-XXXXXX";

static void make_file(const char *name, mode_t mode, off_t size) {
    _cleanup_close_ int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(fchmod(fd, mode), 0);
}

static const char *const file_names[] = {"open", "empty", "ca.pem", "ca-large.pem"};

/* What marks a certificate; whether it is a good one, the keeper finds out. */
static void make_ca_file(void) {
    FILE *file = fopen("ca.pem", "w");

    assert_non_null(file);
    assert_true(fputs("-----BEGIN CERTIFICATE-----\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_place(void **state) {
    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    make_file("open", 0644, 10);
    make_file("empty", 0600, 0);
    make_ca_file();
    make_file("ca-large.pem", 0644, LIMIT_CA_FILE + 1);
    return 0;
}

static int remove_place(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(file_names); i++)
        assert_int_equal(unlink(file_names[i]), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(directory), 0);
    return 0;
}

static void refuses_a_file_of_another_shape(void **state) {
    (void)state;
    check_refused("audit: { file: \"-\" }\n",
                  "f.yaml:1: credentials: is missing; add credentials: and a list of at least one, or egress: with "
                  "the hosts that are let through; see credfd.yaml(5)");
    check_refused("credential: []\n", "f.yaml:1: credential: unknown key; did you mean `credentials`?");
    check_refused("\nbroker: {}\n", "f.yaml:2: broker: unknown key; use credentials, audit, metrics, log, timeouts, "
                                    "dispatch, runner and egress");
    check_refused("credentials: {}\n",
                  "f.yaml:1: credentials: must be a list; write it as [ a, b ], or a line for each "
                  "item that starts with -");
    check_refused("credentials: []\n", "f.yaml:1: credentials: the list is too short; write at least 1");
    check_refused("credentials:\n  - word\n", "f.yaml:2: credentials[0]: must hold keys and their values; write it as "
                                              "{ key: value }, or a line for each key");
}

/* Each section is its own command's to judge, and a file may be for another command alone. */
static void passes_over_what_other_commands_read(void **state) {
    _cleanup_settings_ struct settings *both = take_text((struct text){.rest = "dispatch: [ whatever ]\nrunner: {}\n"});
    _cleanup_settings_ struct settings *none = take("dispatch: {}\n");

    (void)state;
    assert_true(both->n_credentials == 1 && both->has_dispatch && both->has_runner);
    assert_true(none->n_credentials == 0 && none->has_dispatch && !none->has_runner);
}

static void refuses_a_wrong_credential(void **state) {
    static const struct row rows[] = {
        {{.rest = "    injekt: {}\n"}, "f.yaml:6: credentials.api.injekt: unknown key; did you mean `inject`?"},
        {{.rest = "    zone: x\n"},
         "f.yaml:6: credentials.api.zone: unknown key; use name, secret, upstream, inject, "
         "allow, deny, executables, limits, mask, pass, env, ca_file, allow_private, response_timeout, "
         "websocket and placeholder"},
        {{.rest = "    upstream: https://b.example.org\n"},
         "f.yaml:6: credentials.api.upstream: is written twice, first on line 4; remove one"},
        {{.name = "two words"},
         "f.yaml:2: credentials[0].name: has a character that no name may have; use letters, "
         "digits and any of . _ -"},
        {{.name = "[ api ]"},
         "f.yaml:2: credentials[0].name: must be text, not a list; put text that starts with [ in "
         "quotes"},
        {{.name = "x12345678901234567890123456789012345678901234567890123456789abcde"},
         "f.yaml:2: credentials[0].name: too long; use at most 64 characters"},
        {{.rest = "    ca_file: none.pem\n"},
         "f.yaml:6: credentials.api.ca_file: the file cannot be read: No such file or directory; create it, or correct "
         "the path, which starts from this file's directory unless it starts with /"},
        {{.rest = "    ca_file: .\n"},
         "f.yaml:6: credentials.api.ca_file: not a regular file; name one file of certificates in PEM"},
        {{.rest = "    ca_file: open\n"},
         "f.yaml:6: credentials.api.ca_file: holds no certificate; name a file in PEM form"},
        {{.rest = "    ca_file: empty\n"},
         "f.yaml:6: credentials.api.ca_file: the file is empty; put the CA's certificate in it, or remove the key"},
        {{.rest = "    ca_file: ca-large.pem\n"},
         "f.yaml:6: credentials.api.ca_file: the file is larger than 4096 KiB; "
         "keep the CA of this upstream alone in it"},
        {{.rest = "    allow_private: yes\n"},
         "f.yaml:6: credentials.api.allow_private: must be true or false; write one of them, without quotes"},
        {{.rest = "    response_timeout: 60\n"},
         "f.yaml:6: credentials.api.response_timeout: must be a time; write "
         "digits and a unit, as 500ms, 30s, 5m or 1h"},
        {{.rest = "    response_timeout: 25h\n"},
         "f.yaml:6: credentials.api.response_timeout: is too long; write at most 24h"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
    check_refused(
        "credentials:\n  - secret: { file: key }\n    upstream: https://a.example.org\n    inject: { query: k }\n",
        "f.yaml:2: credentials[0].name: is missing; add name: and a word to call the credential by");
    check_refused("credentials:\n\n  -\n    name: api\n    upstream: https://a.example.org\n    inject: { query: k }\n",
                  "f.yaml:4: credentials.api.secret: is missing; add secret: { file: PATH }, { env: NAME } or "
                  "{ command: [ WORD, ... ] }");
    check_refused("credentials:\n  - name: api\n    secret: { file: key }\n    inject: { query: k }\n",
                  "f.yaml:2: credentials.api.upstream: is missing; add upstream: https://HOST, the one place where the "
                  "key may go");
    check_refused(
        "credentials:\n  - name: api\n    secret: { file: key }\n    upstream: https://a.example.org\n",
        "f.yaml:2: credentials.api.inject: is missing; add inject: { query: NAME } or { header: NAME, format: "
        "\"Bearer {}\" }");
}

static void refuses_a_name_twice(void **state) {
    static const struct text text = {.rest = "  - secret: { file: key }\n"
                                             "    upstream: https://b.example.org\n"
                                             "    inject: { query: k }\n"
                                             "    name: api\n"};
    _cleanup_free_ char *yaml = write_text(&text);

    (void)state;
    check_refused(yaml, "f.yaml:9: credentials[1].name: the credential on line 2 has the same name; give each its own");
}

#define UPSTREAM_AT "f.yaml:4: credentials.api.upstream: "
#define UNENCRYPTED                                                                                                    \
    UPSTREAM_AT "http:// would send the key unencrypted; use https:// (http:// only to 127.0.0.1, [::1] or localhost)"

static void refuses_a_wrong_upstream(void **state) {
    static const struct row rows[] = {
        {{.upstream = "http://api.example.org"}, UNENCRYPTED},
        {{.upstream = "HTTP://api.example.org/"}, UNENCRYPTED},
        {{.upstream = "http://10.0.0.1"}, UNENCRYPTED},
        {{.upstream = "http://128.0.0.1"}, UNENCRYPTED},
        {{.upstream = "http://127.1"},
         UPSTREAM_AT "the host is neither a name nor an address of four decimal numbers; write it as "
                     "https://HOST[:PORT][/PATH]"},
        {{.upstream = "http://127.0.0.1.example.org"}, UNENCRYPTED},
        {{.upstream = "http://localhost.example.org"}, UNENCRYPTED},
        {{.upstream = "http://[::2]"}, UNENCRYPTED},
        {{.upstream = "http://[::ffff:127.0.0.1]"}, UNENCRYPTED},
        {{.upstream = "ws://api.example.org"},
         UPSTREAM_AT "ws:// would send the key unencrypted; use wss:// (ws:// only to 127.0.0.1, [::1] or localhost)"},
        {{.upstream = "api.example.org"},
         UPSTREAM_AT "it must start with https://, http://, wss:// or ws://; write it as "
                     "https://HOST[:PORT][/PATH]"},
        {{.upstream = "https://user:CANARY@api.example.org"},
         UPSTREAM_AT "a user name or password has no place in it; write it as https://HOST[:PORT][/PATH]"},
        {{.upstream = "https://api.example.org?a=b"},
         UPSTREAM_AT "a query or fragment has no place in it; write it as https://HOST[:PORT][/PATH]"},
        {{.upstream = "https:///"},
         UPSTREAM_AT "no host stands after the scheme; write it as https://HOST[:PORT][/PATH]"},
        {{.upstream = "[ https://api.example.org ]"},
         UPSTREAM_AT "must be text, not a list; put text that starts with [ in quotes"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

static void takes_upstreams(void **state) {
    static const struct {
        const char *written, *kept, *host, *base_path;
        bool is_tls;
        uint16_t port;
    } rows[] = {
        {"https://api.example.org", "https://api.example.org", "api.example.org", "", true, 443},
        {"https://api.example.org/", "https://api.example.org", "api.example.org", "", true, 443},
        {"https://api.example.org:8443/v1/", "https://api.example.org:8443/v1", "api.example.org", "/v1", true, 8443},
        {"wss://api.example.org", "wss://api.example.org", "api.example.org", "", true, 443},
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1", "", false, 8080},
        {"http://127.254.3.2", "http://127.254.3.2", "127.254.3.2", "", false, 80},
        {"http://localhost/x", "http://localhost/x", "localhost", "/x", false, 80},
        {"'http://[::1]:81'", "http://[::1]:81", "::1", "", false, 81},
        {"ws://LocalHost", "ws://LocalHost", "LocalHost", "", false, 80},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_settings_ struct settings *settings = take_text((struct text){.upstream = rows[i].written});
        const struct credential *credential = &settings->credentials[0];

        assert_string_equal(credential->upstream, rows[i].kept);
        assert_slice(credential->authority.host, rows[i].host);
        assert_slice(credential->authority.base_path, rows[i].base_path);
        assert_int_equal(credential->authority.is_tls, rows[i].is_tls);
        assert_int_equal(credential->authority.port, rows[i].port);
    }
}

#define TEMPLATE                                                                                                       \
    "{ starts nothing known here; use {fd}, {name}, {upstream}, {host}, {base_url}, {socket} or {placeholder}"

static void refuses_a_wrong_variable(void **state) {
    static const struct row rows[] = {
        {{.rest = "    env: [ A ]\n"},
         "f.yaml:6: credentials.api.env: must hold keys and their values; write it as "
         "{ key: value }, or a line for each key"},
        {{.rest = "    env:\n      A: b\n      1A: b\n"},
         "f.yaml:8: credentials.api.env.1A: no name for an environment variable; use letters, digits and `_`, and no "
         "digit "
         "first"},
        {{.rest = "    env: { A-B: c }\n"},
         "f.yaml:6: credentials.api.env.A-B: no name for an environment variable; use "
         "letters, digits and `_`, and no digit first"},
        {{.rest = "    env: { CREDFD: x }\n"},
         "f.yaml:6: credentials.api.env.CREDFD: `credfd run` sets this variable itself; choose another name"},
        {{.rest = "    env: { A: {fd} }\n"},
         "f.yaml:6: credentials.api.env.A: must be text, not keys and values; put text "
         "that starts with { in quotes"},
        {{.rest = "    env: { A: \"{FD}\" }\n"}, "f.yaml:6: credentials.api.env.A: " TEMPLATE},
        {{.rest = "    env: { A: \"x{fd\" }\n"}, "f.yaml:6: credentials.api.env.A: " TEMPLATE},
        {{.rest = "    env: { A: \"{fd}{}\" }\n"}, "f.yaml:6: credentials.api.env.A: " TEMPLATE},
        {{.rest = "    env: { A: b, A: c }\n"},
         "f.yaml:6: credentials.api.env.A: is written twice, first on line 6; remove one"},
    };

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
}

static void refuses_more_than_the_limits(void **state) {
    _cleanup_free_ char *leases = write_list("{}", LIMIT_LEASES + 1), *credentials = NULL;

    (void)state;
    assert_true(asprintf(&credentials, "credentials: %s\n", leases) > 0);
    check_refused(credentials, "f.yaml:1: credentials: the list is too long; write at most 64");
}

static void assert_in_directory(const char *path, const char *name) {
    _cleanup_free_ char *expected = NULL;

    assert_true(asprintf(&expected, "%s/%s", directory, name) > 0);
    assert_string_equal(path, expected);
}

static void takes_everything(void **state) {
    _cleanup_settings_ struct settings *settings = take_text(
        (struct text){.name = "flash.duty-1_a",
                      .inject = "{ header: Authorization, format: \"Bearer {}\" }",
                      .rest = "    allow: [ GET /incident/**, \"*   /x\" ]\n"
                              "    env: { FD: \"{fd}\", URL: \"http://{name}.{host}/}{upstream}\" }\n"
                              "    ca_file: ca.pem\n"
                              "    allow_private: true\n"
                              "    response_timeout: 2m\n"
                              "audit: { file: log/audit.jsonl }\n"
                              "timeouts: { head: 1ms, idle: 2s, body: 3s, write: 4m, stream: 5h, connect: 1d }\n"});
    const struct credential *c = &settings->credentials[0];

    (void)state;
    assert_int_equal(settings->n_credentials, 1);
    assert_string_equal(settings->path, "f.yaml");
    assert_in_directory(settings->audit.file, "log/audit.jsonl");
    assert_int_equal(settings->timeouts.head, 1);
    assert_int_equal(settings->timeouts.idle, 2000);
    assert_int_equal(settings->timeouts.body, 3000);
    assert_int_equal(settings->timeouts.write, 240000);
    assert_int_equal(settings->timeouts.stream, 5 * 3600000);
    assert_int_equal(settings->timeouts.connect, 24 * 3600000);
    assert_string_equal(c->name, "flash.duty-1_a");
    assert_int_equal(c->secret.kind, SECRET_FILE);
    assert_in_directory(c->secret.path, "key");
    assert_string_equal(c->secret.where, "f.yaml:3: credentials.flash.duty-1_a.secret");
    assert_int_equal(c->n_inject, 1);
    assert_int_equal(c->inject[0].kind, INJECT_HEADER);
    assert_string_equal(c->inject[0].name, "Authorization");
    assert_string_equal(c->inject[0].format, "Bearer {}");
    assert_false(c->allows_all);
    assert_int_equal(c->n_allow, 2);
    assert_string_equal(c->allow[0].method, "GET");
    assert_string_equal(c->allow[0].path, "/incident/**");
    assert_string_equal(c->allow[1].method, "*");
    assert_string_equal(c->allow[1].path, "/x");
    assert_int_equal(c->n_env, 2);
    assert_string_equal(c->env[0].name, "FD");
    assert_string_equal(c->env[0].value, "{fd}");
    assert_string_equal(c->env[1].value, "http://{name}.{host}/}{upstream}");
    assert_in_directory(c->ca_file, "ca.pem");
    assert_true(c->allows_private);
    assert_int_equal(c->response_timeout_ms, 120000);
}

static void fills_in_the_defaults(void **state) {
    _cleanup_settings_ struct settings *settings = take_text((struct text){.inject = "{ header: X-Api-Key }"});
    const struct credential *c = &settings->credentials[0];

    (void)state;
    assert_null(settings->audit.file);
    assert_int_equal(settings->timeouts.head, TIMEOUT_HEAD);
    assert_int_equal(settings->timeouts.idle, TIMEOUT_IDLE);
    assert_int_equal(settings->timeouts.body, TIMEOUT_BODY);
    assert_int_equal(settings->timeouts.write, TIMEOUT_WRITE);
    assert_int_equal(settings->timeouts.stream, TIMEOUT_STREAM);
    assert_int_equal(settings->timeouts.connect, TIMEOUT_CONNECT);
    assert_string_equal(c->inject[0].format, "{}");
    assert_false(c->allows_all);
    assert_int_equal(c->n_allow, 0);
    assert_int_equal(c->n_env, 0);
    assert_null(c->ca_file);
    assert_false(c->allows_private);
    assert_int_equal(c->response_timeout_ms, TIMEOUT_RESPONSE);
    assert_int_equal(c->secret.fd, -EBADF);
}

static void finds_a_credential(void **state) {
    _cleanup_settings_ struct settings *settings =
        take_text((struct text){.rest = "  - name: second\n    secret: { env: TEST_KEY }\n"
                                        "    upstream: https://b.example.org\n    inject: { query: k }\n"
                                        "audit: { file: \"-\" }\n"});

    (void)state;
    assert_string_equal(settings->audit.file, "-");
    assert_int_equal(settings->n_credentials, 2);
    assert_ptr_equal(settings_credential(settings, "api"), &settings->credentials[0]);
    assert_ptr_equal(settings_credential(settings, "second"), &settings->credentials[1]);
    assert_null(settings_credential(settings, "sec"));
    assert_null(settings_credential(settings, ""));
}

static void loads_from_a_file(void **state) {
    static const struct text text = {.rest = "    ca_file: ca.pem\n"};
    _cleanup_free_ char *yaml = write_text(&text), *path = NULL, *error = NULL, *none = NULL, *named = NULL;
    _cleanup_settings_ struct settings *settings = NULL;
    _cleanup_close_ int fd = open("f.yaml", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    assert_int_equal(fd_write_all(fd, yaml, strlen(yaml)), 0);
    assert_true(asprintf(&path, "%s/f.yaml", directory) > 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(settings_load(path, &settings, &error), 0);
    assert_null(error);
    assert_in_directory(settings->credentials[0].secret.path, "key");
    assert_in_directory(settings->credentials[0].ca_file, "ca.pem");
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(unlink("f.yaml"), 0);
    settings_free(steal_pointer(&settings));
    assert_int_equal(settings_load(path, &settings, &none), -ENOENT);
    assert_true(asprintf(&named,
                         "%s: cannot be read: No such file or directory; create it, or name another file with "
                         "--config",
                         path) > 0);
    assert_string_equal(none, named);
}

static void find(const char *option, const char *expected) {
    _cleanup_free_ char *path = NULL, *error = NULL;

    assert_int_equal(settings_find(option, &path, &error), 0);
    assert_null(error);
    assert_string_equal(path, expected);
}

static void looks_in_order(void **state) {
    _cleanup_free_ char *own = NULL, *home = NULL, *path = NULL, *error = NULL;

    (void)state;
    if (access("/etc/credfd/config.yaml", F_OK) == 0)
        skip(); /* this machine has what the test needs to be absent */
    assert_true(asprintf(&own, "%s/credfd/config.yaml", directory) > 0);
    assert_true(asprintf(&home, "%s/.config/credfd/config.yaml", directory) > 0);
    assert_int_equal(setenv("XDG_CONFIG_HOME", "not/absolute", 1), 0);
    assert_int_equal(setenv("HOME", directory, 1), 0);
    assert_int_equal(unsetenv("CREDFD_CONFIG"), 0);
    assert_int_equal(settings_find(NULL, &path, &error), -ENOENT);
    assert_null(path);
    assert_non_null(strstr(error, "no configuration at ./credfd.yaml, "));
    assert_non_null(strstr(error, home));
    assert_non_null(strstr(error, " or /etc/credfd/config.yaml; write one there, or name it with --config"));

    assert_int_equal(mkdir(".config", 0700), 0);
    assert_int_equal(mkdir(".config/credfd", 0700), 0);
    make_file(".config/credfd/config.yaml", 0600, 0);
    find(NULL, home);
    assert_int_equal(mkdir("credfd", 0700), 0);
    make_file("credfd/config.yaml", 0600, 0);
    assert_int_equal(setenv("XDG_CONFIG_HOME", directory, 1), 0);
    find(NULL, own);
    make_file("credfd.yaml", 0600, 0);
    assert_int_equal(setenv("CREDFD_CONFIG", "", 1), 0);
    find(NULL, "./credfd.yaml");
    assert_int_equal(setenv("CREDFD_CONFIG", "absent.yaml", 1), 0);
    find(NULL, "absent.yaml");
    find("other.yaml", "other.yaml");

    assert_int_equal(unlink("credfd.yaml") | unlink("credfd/config.yaml") | rmdir("credfd"), 0);
    assert_int_equal(unlink(".config/credfd/config.yaml") | rmdir(".config/credfd") | rmdir(".config"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_a_file_of_another_shape),
        cmocka_unit_test(passes_over_what_other_commands_read),
        cmocka_unit_test(refuses_a_wrong_credential),
        cmocka_unit_test(refuses_a_name_twice),
        cmocka_unit_test(refuses_a_wrong_upstream),
        cmocka_unit_test(takes_upstreams),
        cmocka_unit_test(refuses_a_wrong_variable),
        cmocka_unit_test(refuses_more_than_the_limits),
        cmocka_unit_test(takes_everything),
        cmocka_unit_test(fills_in_the_defaults),
        cmocka_unit_test(finds_a_credential),
        cmocka_unit_test(loads_from_a_file),
        cmocka_unit_test(looks_in_order),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
