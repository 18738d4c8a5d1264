#include "egress/settings/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "unit.h"

/* A home of its own, which is the current directory: its credfd/profiles holds what a test writes there. */
static char home[] = "/tmp/credfd-test-XXXXXX";

static int make_home(void **state) {
    (void)state;
    assert_non_null(mkdtemp(home));
    assert_int_equal(chdir(home), 0);
    assert_int_equal(mkdir("credfd", 0700) | mkdir("credfd/profiles", 0700), 0);
    assert_int_equal(setenv("XDG_CONFIG_HOME", home, 1), 0);
    return 0;
}

static int remove_home(void **state) {
    (void)state;
    assert_int_equal(rmdir("credfd/profiles") | rmdir("credfd"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(home), 0);
    return 0;
}

#define GOOD                                                                                                           \
    "description: one to try\n"                                                                                        \
    "upstream: https://api.example.org\n"                                                                              \
    "inject: { query: key }\n"

#define MANY(name)                                                                                                     \
    "description: several\n"                                                                                           \
    "credentials:\n"                                                                                                   \
    "  - name: " name "\n"                                                                                             \
    "    upstream: https://api.example.org\n"                                                                          \
    "    inject: { query: key }\n"

static void write_profile(const char *name, const char *text) {
    _cleanup_close_ int fd = -EBADF;
    char path[64];

    (void)snprintf(path, sizeof(path), "credfd/profiles/%s", name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void remove_profile(const char *name) {
    char path[64];

    (void)snprintf(path, sizeof(path), "credfd/profiles/%s", name);
    assert_int_equal(unlink(path), 0);
}

static struct settings *take(const struct profile_choice *choices, size_t n) {
    _cleanup_free_ char *error = NULL;
    struct settings *settings = NULL;

    if (profile_load(choices, n, NULL, &settings, &error) < 0)
        fail_msg("%s", error ? error : "no error");
    assert_null(error);
    return settings;
}

/* The complaint about one choice; `expected` may start with "~", for the folder of the tests' profiles. */
static void check_refused(const char *name, const char *secret, int r, const char *expected) {
    const struct profile_choice choice = {name, secret};
    _cleanup_free_ char *error = NULL, *whole = NULL;
    struct settings *settings = NULL;

    assert_int_equal(profile_load(&choice, 1, NULL, &settings, &error), r);
    assert_null(settings);
    assert_true(asprintf(&whole, "%s%s", expected[0] == '~' ? home : "", expected + (expected[0] == '~')) > 0);
    assert_string_equal(error ? error : "no error", whole);
}

static void makes_a_credential(void **state) {
    static const struct profile_choice choice = {"one", "env:SOME_KEY"};
    _cleanup_settings_ struct settings *settings = NULL;
    const struct credential *c;

    (void)state;
    write_profile("one.yaml", GOOD "allow: [ GET /x ]\nlimits: { requests: 3 }\n");
    settings = take(&choice, 1);
    remove_profile("one.yaml");
    c = settings_credential(settings, "one");
    assert_non_null(c);
    assert_int_equal(settings->n_credentials, 1);
    assert_int_equal(settings->timeouts.head, TIMEOUT_HEAD);
    assert_null(settings->audit.file);
    assert_string_equal(c->upstream, "https://api.example.org");
    assert_int_equal(c->n_inject, 1);
    assert_int_equal(c->n_allow, 1);
    assert_int_equal(c->limits.requests, 3);
    assert_int_equal(c->response_timeout_ms, TIMEOUT_RESPONSE);
    assert_int_equal(c->secret.kind, SECRET_ENV);
    assert_string_equal(c->secret.variable, "SOME_KEY");
    assert_int_equal(c->secret.fd, -EBADF);
    assert_string_equal(c->secret.where, "--secret of one");
}

static void takes_every_kind_of_secret(void **state) {
    static const struct profile_choice choices[] = {
        {"a", "file:keys/a"},
        {"b", "file:/keys/b:c"},
        {"c", "fd:7"},
        {"d", "systemd:d"},
        {"e", "command:op  read --x op://vault/e"},
        {"f", "command:./bin/key"},
    };
    _cleanup_settings_ struct settings *settings = NULL;
    _cleanup_free_ char *relative = NULL, *program = NULL;
    const struct credential *c;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%s.yaml", choices[i].name);
        write_profile(name, GOOD);
    }
    settings = take(choices, ARRAY_LEN(choices));
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%s.yaml", choices[i].name);
        remove_profile(name);
    }
    c = settings->credentials;
    assert_true(asprintf(&relative, "%s/keys/a", home) > 0 && asprintf(&program, "%s/./bin/key", home) > 0);
    assert_string_equal(c[0].secret.path, relative);
    assert_string_equal(c[1].secret.path, "/keys/b:c");
    assert_int_equal(c[2].secret.fd, 7);
    assert_int_equal(c[3].secret.kind, SECRET_SYSTEMD);
    assert_string_equal(c[4].secret.argv[0], "op");
    assert_string_equal(c[4].secret.argv[3], "op://vault/e");
    assert_null(c[4].secret.argv[4]);
    assert_int_equal(c[4].secret.timeout_ms, TIMEOUT_COMMAND);
    assert_string_equal(c[5].secret.argv[0], program);
}

/* One secret for both, whatever kind it is of: a descriptor is read once for all of them. */
static void makes_several_credentials_of_one_secret(void **state) {
    static const struct profile_choice choices[] = {{"pair", "fd:7"}, {"one", "env:B"}};
    _cleanup_settings_ struct settings *settings = NULL;
    const struct credential *c;

    (void)state;
    write_profile("pair.yaml", MANY("first") "  - name: second\n    upstream: https://b.example.org\n"
                                             "    inject: { query: k }\n"
                                             "egress: { allow: [ \"files.example.org:443\" ] }\n");
    write_profile("one.yaml", GOOD "egress: { allow: [ \"*.example.net:8443\" ] }\n");
    settings = take(choices, 2);
    remove_profile("pair.yaml");
    remove_profile("one.yaml");
    c = settings->credentials;
    assert_int_equal(settings->n_credentials, 3);
    assert_string_equal(c[0].name, "first");
    assert_string_equal(c[1].name, "second");
    assert_string_equal(c[2].name, "one");
    assert_int_equal(c[0].secret.fd, 7);
    assert_int_equal(c[1].secret.fd, 7);
    assert_string_equal(c[1].secret.where, "--secret of pair");
    assert_true(c[0].secret.group != 0 && c[0].secret.group == c[1].secret.group);
    assert_true(c[2].secret.group != c[0].secret.group);
    assert_true(settings->egress.is_there);
    assert_int_equal(settings->egress.n_allow, 2);
    assert_string_equal(settings->egress.allow[0].host, "files.example.org");
    assert_true(settings->egress.allow[1].is_wildcard);
    assert_int_equal(settings->egress.allow[1].port, 8443);
}

/* Whatever has come into an earlier folder meanwhile. */
static void reads_again_what_it_found_first(void **state) {
    static const struct profile_choice choice = {"one", "env:A"};
    _cleanup_settings_ struct settings *first = NULL, *second = NULL;
    _cleanup_free_ char *error = NULL;
    char *paths[1] = {NULL}, *elsewhere = NULL;

    (void)state;
    write_profile("one.yaml", GOOD);
    assert_int_equal(profile_load(&choice, 1, paths, &first, &error), 0);
    assert_string_equal(slice_ends_with(slice_of_string(paths[0]), SLICE("/credfd/profiles/one.yaml")) ? "" : paths[0],
                        "");
    assert_true(asprintf(&elsewhere, "%s.first", paths[0]) > 0);
    assert_int_equal(rename(paths[0], elsewhere), 0);
    write_profile("one.yaml", "no: profile\n");
    free(paths[0]);
    paths[0] = elsewhere;
    assert_int_equal(profile_load(&choice, 1, paths, &second, &error), 0);
    assert_string_equal(second->credentials[0].upstream, first->credentials[0].upstream);
    assert_ptr_equal(paths[0], elsewhere);
    assert_int_equal(unlink(elsewhere), 0);
    remove_profile("one.yaml");
    free(elsewhere);
}

static void check_plain(const char *text, const char *expected) {
    static const struct profile_choice choice = {"one", "env:A"};
    _cleanup_settings_ struct settings *settings = NULL;
    _cleanup_free_ char *error = NULL;

    write_profile("one.yaml", text);
    settings = take(&choice, 1);
    remove_profile("one.yaml");
    assert_int_equal(profile_check_plain("one", settings, &error), expected ? -EINVAL : 0);
    assert_string_equal(error ? error : "", expected ? expected : "");
}

static void knows_what_a_runner_can_use(void **state) {
    static const char doors[] = "profile one: opens doors (`egress`, {base_url} or {socket}), and a task has its "
                                "descriptor alone; copy it, and leave these out";

    (void)state;
    check_plain(GOOD "env: { A: \"{fd}\" }\n", NULL);
    check_plain(MANY("other"), NULL);
    check_plain(GOOD "egress: { allow: [] }\n", doors);
    check_plain(GOOD "env: { A: \"{base_url}/v1\" }\n", doors);
    check_plain(GOOD "env: { A: \"{socket}\" }\n", doors);
    check_plain(MANY("a") "  - name: b\n    upstream: https://b.example.org\n    inject: { query: k }\n",
                "profile one: has 2 credentials, and a task's key is one; copy it, and leave one of them in it");
}

#define PLACES                                                                                                         \
    "--secret of one: must say where the key is, never the key itself; write file:PATH, env:NAME, fd:NUMBER, "         \
    "systemd:NAME or \"command:PROGRAM ARGUMENT ...\""

static void refuses_a_wrong_secret(void **state) {
    static const struct {
        const char *secret, *error;
    } rows[] = {
        {"CANARY", PLACES},
        {"CANARY:CANARY", PLACES},
        {"", PLACES},
        {":CANARY", PLACES},
        {"ENV:CANARY", PLACES},
        {"file:", PLACES},
        {"env:CANARY-1", "--secret of one: `env` takes a variable's name, never the key itself; write letters, digits "
                         "and `_`, and no digit first"},
        {"fd:CANARY", "--secret of one: `fd` takes a descriptor's number; write it in decimal digits"},
        {"fd:1", "--secret of one: `fd` 0, 1 and 2 are standard input, output and error; use 3 or above"},
        {"systemd:CANARY/x",
         "--secret of one: `systemd` takes the name that LoadCredential= gives, and no path; write it alone"},
        {"file:~/CANARY", "--secret of one: ~ stands for no home directory here; write the path in full"},
        {"command:~/CANARY x",
         "--secret of one: ~ stands for no home directory here; write the program's path in full"},
        {"command: ", "--secret of one: `command` takes a program and its arguments; write at least the program"},
    };
    char many[3 * LIMIT_WORDS + 16] = "command:";

    (void)state;
    write_profile("one.yaml", GOOD);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_refused("one", rows[i].secret, -EINVAL, rows[i].error);
    for (size_t i = 0; i <= LIMIT_WORDS; i++)
        (void)snprintf(many + strlen("command:") + 2 * i, 3, "a ");
    check_refused("one", many, -EINVAL, "--secret of one: too many words; put them into a script");
    remove_profile("one.yaml");
}

#define NAME_RULE                                                                                                      \
    "a profile's name holds a-z, 0-9 and any of . _ -, and does not start with a dot; `credfd profile list` lists "    \
    "those that there are"

static void refuses_a_wrong_name(void **state) {
    static const char *const names[] = {
        "",       ".",   "..",  ".hidden",  "a/b",
        "../one", "One", "a b", "\xC3\xB6", "x12345678901234567890123456789012345678901234567890123456789abcde"};
    _cleanup_free_ char *error = NULL, *path = NULL, *start = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        check_refused(names[i], "env:A", -EINVAL, NAME_RULE);
    assert_int_equal(profile_find("none", &path, &error), -ENOENT);
    assert_null(path);
    assert_true(asprintf(&start, "profile none: not in %s/credfd/profiles, /etc/credfd/profiles or /", home) > 0);
    assert_row(slice_of_string(error), slice_starts_with(slice_of_string(error), slice_of_string(start)));
    assert_row(
        slice_of_string(error),
        slice_ends_with(slice_of_string(error), SLICE("/profiles; `credfd profile list` lists those that there are")));
}

static void refuses_a_wrong_file(void **state) {
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"upstream: https://a.example.org\ninject: { query: k }\n",
         "~/credfd/profiles/one.yaml:1: description: is missing; add description: and what the profile is for"},
        {"description: x\ninject: { query: k }\n",
         "~/credfd/profiles/one.yaml:1: upstream: is missing; add upstream: https://HOST, the one place where the key "
         "may go"},
        {GOOD "secret: { file: key }\n",
         "~/credfd/profiles/one.yaml:4: secret: a profile is for everybody and says nothing of a secret; remove it, "
         "and give it with --secret"},
        {GOOD "credentials: []\n",
         "~/credfd/profiles/one.yaml:2: upstream: unknown key; use description, credentials and egress"},
        {"description: x\ncredentials: []\n",
         "~/credfd/profiles/one.yaml:2: credentials: the list is too short; write at least 1"},
        {MANY("a") "  - upstream: https://b.example.org\n    inject: { query: k }\n",
         "~/credfd/profiles/one.yaml:6: credentials[1].name: is missing; add name: and a word to call the credential "
         "by"},
        {MANY("a") "  - name: a\n    upstream: https://b.example.org\n    inject: { query: k }\n",
         "~/credfd/profiles/one.yaml:6: credentials[1].name: the credential on line 3 has the same name; give each its "
         "own"},
        {MANY("a") "    secret: { file: key }\n",
         "~/credfd/profiles/one.yaml:6: credentials.a.secret: a profile is for everybody and says nothing of a secret; "
         "remove it, and give it with --secret"},
        {MANY("a") "name: x\n",
         "~/credfd/profiles/one.yaml:6: name: unknown key; use description, credentials and egress"},
        {GOOD "allow: [ get /x ]\n",
         "~/credfd/profiles/one.yaml:4: allow[0]: a method is written in capitals; write \"GET /path/**\""},
        {"description: \"a\\nb\"\n",
         "~/credfd/profiles/one.yaml:1: description: must not hold a line break or another control character; remove "
         "it"},
        {"- x\n", "~/credfd/profiles/one.yaml:1: the file must hold keys and their values; see credfd.yaml(5)"},
    };
    _cleanup_free_ char *description = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        write_profile("one.yaml", rows[i].text);
        check_refused("one", "env:A", -EINVAL, rows[i].error);
    }
    assert_true(asprintf(&description, "description: %0*d\n", LIMIT_DESCRIPTION + 1, 0) > 0);
    write_profile("one.yaml", description);
    check_refused("one", "env:A", -EINVAL,
                  "~/credfd/profiles/one.yaml:1: description: too long; use at most 200 characters");
    remove_profile("one.yaml");
}

static void keeps_two_apart(void **state) {
    static const struct profile_choice twice[] = {{"one", "env:A"}, {"one", "env:B"}};
    static const struct profile_choice same_fd[] = {{"one", "fd:7"}, {"two", "fd:7"}};
    static const struct profile_choice alike[] = {{"one", "env:A"}, {"three", "env:B"}};
    static const struct {
        const struct profile_choice *choices;
        const char *error;
    } rows[] = {
        {twice, "profile one: given twice, or another one has the same name in its file; give each credential its own"},
        {alike, "profile one: given twice, or another one has the same name in its file; give each credential its own"},
        {same_fd, "--secret of two: one has the same descriptor, and it can be read once; give each its own"},
    };

    (void)state;
    write_profile("one.yaml", GOOD);
    write_profile("two.yaml", GOOD);
    write_profile("three.yaml", GOOD "name: one\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_free_ char *error = NULL;
        struct settings *settings = NULL;

        assert_int_equal(profile_load(rows[i].choices, 2, NULL, &settings, &error), -EINVAL);
        assert_string_equal(error ? error : "no error", rows[i].error);
    }
    remove_profile("one.yaml");
    remove_profile("two.yaml");
    remove_profile("three.yaml");
}

static void lists_what_there_is(void **state) {
    _cleanup_profile_list_ struct profile_list list = {0};
    _cleanup_free_ char *error = NULL, *description = NULL, *path = NULL;
    size_t found = 0;

    (void)state;
    write_profile("zz-two.yaml", GOOD);
    write_profile("zz-one.yaml", GOOD);
    write_profile(".zz-hidden.yaml", GOOD);
    write_profile("zz-Capital.yaml", GOOD);
    write_profile("zz-three.yml", GOOD);
    assert_int_equal(profile_list(&list, &error), 0);
    for (size_t i = 0; i < list.n; i++)
        found += strncmp(list.items[i].name, "zz-", 3) == 0 || list.items[i].name[0] == '.' ? 1 : 0;
    assert_int_equal(found, 2);
    assert_string_equal(list.items[list.n - 2].name, "zz-one");
    assert_string_equal(list.items[list.n - 1].name, "zz-two");
    assert_int_equal(profile_find("zz-one", &path, &error), 0);
    assert_string_equal(list.items[list.n - 2].path, path);
    assert_int_equal(profile_describe(path, &description, &error), 0);
    assert_string_equal(description, "one to try");
    remove_profile("zz-two.yaml");
    remove_profile("zz-one.yaml");
    remove_profile(".zz-hidden.yaml");
    remove_profile("zz-Capital.yaml");
    remove_profile("zz-three.yml");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_credential),
        cmocka_unit_test(takes_every_kind_of_secret),
        cmocka_unit_test(makes_several_credentials_of_one_secret),
        cmocka_unit_test(reads_again_what_it_found_first),
        cmocka_unit_test(knows_what_a_runner_can_use),
        cmocka_unit_test(refuses_a_wrong_secret),
        cmocka_unit_test(refuses_a_wrong_name),
        cmocka_unit_test(refuses_a_wrong_file),
        cmocka_unit_test(keeps_two_apart),
        cmocka_unit_test(lists_what_there_is),
    };

    return cmocka_run_group_tests(tests, make_home, remove_home);
}
