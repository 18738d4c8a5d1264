#include "egress/settings/settings.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "unit_settings.h"

/* A place of its own, which is the current directory: key is in order, the other files are not. */
static char directory[] = "/tmp/credfd-test-XXXXXX";

static void make_file(const char *name, mode_t mode, off_t size) {
    _cleanup_close_ int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(fchmod(fd, mode), 0);
}

static const char *const file_names[] = {"key", "open", "writable", "empty", "large", "CANARY", "program"};

static int make_place(void **state) {
    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    make_file("key", 0640, 10);
    make_file("open", 0644, 10);
    make_file("writable", 0602, 10);
    make_file("empty", 0600, 0);
    make_file("large", 0600, LIMIT_SECRET + 2);
    make_file("CANARY", 0644, 10);
    make_file("program", 0700, 10);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(setenv("TEST_KEY", "k", 1), 0);
    assert_int_equal(setenv("TEST_EMPTY", "", 1), 0);
    assert_int_equal(unsetenv("TEST_ABSENT"), 0);
    return 0;
}

static int remove_place(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(file_names); i++)
        assert_int_equal(unlink(file_names[i]), 0);
    assert_int_equal(unlink("pipe"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(directory), 0);
    return 0;
}

#define SECRET_AT "f.yaml:3: credentials.api.secret: "
#define PLACES                                                                                                         \
    SECRET_AT "must say where the key is, never the key itself; write { file: PATH }, { env: NAME }, { fd: NUMBER }, " \
              "{ command: [ WORD, ... ] } or { systemd: NAME }"
#define ONE SECRET_AT "must say one place; write exactly one of file, env, fd, command and systemd"
#define KEYS SECRET_AT "unknown key; use file, env, fd, command, systemd, timeout and refresh"
#define NAME                                                                                                           \
    SECRET_AT "`env` takes a variable's name, never the key itself; write letters, digits and `_`, and no "            \
              "digit first"
#define NUMBER SECRET_AT "`fd` takes a descriptor's number; write it in decimal digits"
#define SYSTEMD SECRET_AT "`systemd` takes the name that LoadCredential= gives, and no path; write it alone"
#define WORDS SECRET_AT "`command` is a list of words, since no shell reads it; write [ pass, show, NAME ]"

/* What is wrong with it wherever it is read. */
static void refuses_a_wrong_secret(void **state) {
    static const struct row rows[] = {
        {{.secret = "sk_live_1"}, PLACES},
        {{.secret = ""}, PLACES},
        {{.secret = "[ file ]"}, PLACES},
        {{.secret = "{}"}, ONE},
        {{.secret = "{ timeout: 1s }"}, ONE},
        {{.secret = "{ file: key, env: TEST_KEY }"}, ONE},
        {{.secret = "{ file: key, systemd: key }"}, ONE},
        {{.secret = "{ path: key }"}, KEYS},
        {{.secret = "{ fille: key }"}, KEYS},
        {{.secret = "{ file: ~/key }"}, SECRET_AT "~ stands for no home directory here; write the path in full"},
        {{.secret = "{ file: }"}, SECRET_AT "has no value; write one, or remove the key"},
        {{.secret = "{ env: sk-live-1 }"}, NAME},
        {{.secret = "{ env: 1KEY }"}, NAME},
        {{.secret = "{ fd: 2 }"}, SECRET_AT "`fd` 0, 1 and 2 are standard input, output and error; use 3 or above"},
        {{.secret = "{ fd: three }"}, NUMBER},
        {{.secret = "{ fd: 2147483648 }"}, NUMBER},
        {{.secret = "{ systemd: a/b }"}, SYSTEMD},
        {{.secret = "{ systemd: /key }"}, SYSTEMD},
        {{.secret = "{ systemd: .. }"}, SYSTEMD},
        {{.secret = "{ command: pass show api }"}, WORDS},
        {{.secret = "{ command: { pass: show } }"}, WORDS},
        {{.secret = "{ command: [] }"}, SECRET_AT "the list is too short; write at least 1"},
        {{.secret = "{ command: [ [ a ] ] }"},
         SECRET_AT "must be text, not a list; put text that starts with [ in quotes"},
        {{.secret = "{ command: [ ~/bin/key ] }"},
         SECRET_AT "~ stands for no home directory here; write the program's path in full"},
        {{.secret = "{ command: [ a ], timeout: 25h }"}, SECRET_AT "is too long; write at most 24h"},
        {{.secret = "{ command: [ a ], refresh: 0s }"},
         SECRET_AT "must be more than nothing; write 1ms to 24h, or remove the key for the default"},
        {{.secret = "{ file: key, timeout: 1s }"},
         SECRET_AT "`timeout` and `refresh` go with `command` only; remove them"},
        {{.secret = "{ env: TEST_KEY, refresh: 1s }"},
         SECRET_AT "`timeout` and `refresh` go with `command` only; remove them"},
    };
    _cleanup_free_ char *words = write_list("a", LIMIT_WORDS + 1), *command = NULL;

    (void)state;
    check_rows(rows, ARRAY_LEN(rows));
    assert_true(asprintf(&command, "{ command: %s }", words) > 0);
    check_rows(&(struct row){{.secret = command}, SECRET_AT "the list is too long; write at most 64"}, 1);
}

static void refuses_a_descriptor_for_two(void **state) {
    static const struct text text = {.secret = "{ fd: 7 }",
                                     .rest = "  - name: other\n"
                                             "    secret: { fd: 7 }\n"
                                             "    upstream: https://b.example.org\n"
                                             "    inject: { query: k }\n"};
    _cleanup_free_ char *yaml = write_text(&text);

    (void)state;
    check_refused(yaml, "f.yaml:7: credentials.other.secret: the credential api has the same `fd`, and it can be read "
                        "once; give each its own");
}

/* 0 when it is there; else the complaint, in `*ret_error`. */
static int check_secret(const char *secret, char **ret_error) {
    _cleanup_settings_ struct settings *settings = take_text((struct text){.secret = secret});

    return settings_check_secret(&settings->credentials[0].secret, ret_error);
}

static void check_absent(const char *secret, const char *expected) {
    _cleanup_free_ char *error = NULL;

    assert_row(slice_of_string(secret), check_secret(secret, &error) == -EINVAL);
    assert_string_equal(error ? error : "no error", expected);
}

#define STARTS                                                                                                         \
    "create it, or correct the path, which starts from this file's directory (--secret: from the current "             \
    "one) unless it starts with /"
#define NO_PROGRAM "the program that `command` names "

/* What is wrong with it here and now: that is found out by who is about to use it. */
static void misses_what_is_not_there(void **state) {
    static const struct {
        const char *secret, *error;
    } rows[] = {
        {"{ file: none }", SECRET_AT "the file cannot be read: No such file or directory; " STARTS},
        {"{ file: key/below }", SECRET_AT "the file cannot be read: Not a directory; " STARTS},
        {"{ file: open }",
         SECRET_AT "every user of this machine may get at the file (mode 0644); close it with chmod 600"},
        {"{ file: writable }",
         SECRET_AT "every user of this machine may get at the file (mode 0602); close it with chmod 600"},
        {"{ file: empty }", SECRET_AT "the file is empty; put the key in it"},
        {"{ file: large }", SECRET_AT "the file is larger than 16 KiB; put the key alone in it"},
        {"{ file: pipe }", SECRET_AT "not a regular file; hand a pipe or a device over as `fd`"},
        {"{ file: /dev/null }", SECRET_AT "not a regular file; hand a pipe or a device over as `fd`"},
        {"{ env: TEST_ABSENT }",
         SECRET_AT "the variable that `env` names is not set; export it before you start credfd"},
        {"{ env: TEST_EMPTY }", SECRET_AT "the variable that `env` names is empty; put the key in it"},
        {"{ fd: 2147483647 }",
         SECRET_AT "the descriptor that `fd` names is not open; start credfd with it, as with 3<FILE in a shell"},
        {"{ command: [ no-such-program ] }",
         SECRET_AT NO_PROGRAM "is in no folder of $PATH; install it, or write its path"},
        {"{ command: [ ./none ] }",
         SECRET_AT NO_PROGRAM "cannot be executed; correct its path, or make it executable with chmod +x"},
        {"{ command: [ ./key ] }",
         SECRET_AT NO_PROGRAM "cannot be executed; correct its path, or make it executable with chmod +x"},
        {"{ command: [ ./ ] }",
         SECRET_AT NO_PROGRAM "cannot be executed; correct its path, or make it executable with chmod +x"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_absent(rows[i].secret, rows[i].error);
}

static void refuses_a_descriptor_it_cannot_read(void **state) {
    static const int flags[] = {O_WRONLY, O_PATH};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        _cleanup_close_ int fd = open("key", flags[i] | O_CLOEXEC);
        char secret[32];

        assert_true(fd > STDERR_FILENO);
        (void)snprintf(secret, sizeof(secret), "{ fd: %d }", fd);
        check_absent(secret, SECRET_AT "the descriptor that `fd` names cannot be read from; open it for reading");
    }
}

static void asks_systemd_where_it_is(void **state) {
    _cleanup_settings_ struct settings *outside = NULL, *inside = NULL;
    _cleanup_free_ char *error = NULL, *path = NULL;

    (void)state;
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    outside = take_text((struct text){.secret = "{ systemd: key }"});
    assert_int_equal(outside->credentials[0].secret.kind, SECRET_SYSTEMD);
    assert_null(outside->credentials[0].secret.path);
    check_absent("{ systemd: key }", SECRET_AT "`systemd` needs $CREDENTIALS_DIRECTORY, which is not set; let a unit "
                                               "with LoadCredential= start credfd");
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "not/absolute", 1), 0);
    check_absent("{ systemd: key }", SECRET_AT "`systemd` needs $CREDENTIALS_DIRECTORY, which is not set; let a unit "
                                               "with LoadCredential= start credfd");
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", directory, 1), 0);
    inside = take_text((struct text){.secret = "{ systemd: key }"});
    assert_true(asprintf(&path, "%s/key", directory) > 0);
    assert_string_equal(inside->credentials[0].secret.path, path);
    assert_int_equal(check_secret("{ systemd: key }", &error), 0);
    check_absent("{ systemd: none }", SECRET_AT "the file cannot be read: No such file or directory; add "
                                                "LoadCredential=NAME:PATH to the unit, with the name that stands here");
    check_absent("{ systemd: pipe }", SECRET_AT "not a regular file; name one credential, which is a file");
    check_absent("{ systemd: open }",
                 SECRET_AT "every user of this machine may get at the file (mode 0644); close it with chmod 600");
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

static void finds_what_is_there(void **state) {
    _cleanup_close_ int fd = open("key", O_RDONLY | O_CLOEXEC);
    char secret[32];
    const char *const rows[] = {
        "{ file: key }",         "{ env: TEST_KEY }",          secret,
        "{ command: [ true ] }", "{ command: [ ./program ] }", "{ command: [ /bin/sh, -c, x ] }"};

    (void)state;
    (void)snprintf(secret, sizeof(secret), "{ fd: %d }", fd);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_free_ char *error = NULL;

        assert_row(slice_of_string(rows[i]), check_secret(rows[i], &error) == 0);
        assert_null(error);
    }
}

/* Read and looked for: the complaint is of one or of the other. */
static void shows_no_secret(void **state) {
    static const char *const rows[] = {
        "CANARY",
        "[ CANARY ]",
        "{ CANARY }",
        "{ CANARY: file }",
        "{ file: CANARY }", /* there, and open to every user */
        "{ file: CANARY/CANARY }",
        "{ file: [ CANARY ] }",
        "{ file: { CANARY: CANARY } }",
        "{ file: \"CANARY\\n\" }",
        "{ env: CANARY }",
        "{ env: CANARY-CANARY }",
        "{ fd: CANARY }",
        "{ fd: CANARY, env: CANARY }",
        "{ env: CANARY, env: CANARY }",
        "{ env: &CANARY CANARY }",
        "{ systemd: CANARY }",
        "{ systemd: CANARY/CANARY }",
        "{ command: CANARY }",
        "{ command: [ CANARY ] }",
        "{ command: [ ./CANARY ] }",
        "{ command: [ ~CANARY, CANARY ] }",
        "{ command: [ \"CANARY\\n\" ] }",
        "{ command: [ CANARY ], timeout: CANARY }",
        "{ command: [ CANARY ], CANARY: 1s }",
        "\"CANARY",
        "CANARY: CANARY",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct text text = {.secret = rows[i]};
        _cleanup_free_ char *yaml = write_text(&text), *error = NULL;
        _cleanup_settings_ struct settings *settings = NULL;
        int r = parse(yaml, &settings, &error);

        if (r == 0)
            r = settings_check_secret(&settings->credentials[0].secret, &error);
        assert_row(slice_of_string(rows[i]), r == -EINVAL);
        assert_row(slice_of_string(rows[i]), error && slice_starts_with(slice_of_string(error), SLICE("f.yaml:3: ")));
        assert_row(slice_of_string(rows[i]), !strstr(error, "CANARY"));
    }
}

static void takes_every_kind_of_secret(void **state) {
    _cleanup_settings_ struct settings *by_file = take_text((struct text){.secret = "{ file: none }"});
    _cleanup_settings_ struct settings *by_env = take_text((struct text){.secret = "{ env: TEST_ABSENT }"});
    _cleanup_settings_ struct settings *by_fd = take_text((struct text){.secret = "{ fd: 2147483647 }"});
    _cleanup_free_ char *path = NULL;

    (void)state;
    assert_true(asprintf(&path, "%s/none", directory) > 0);
    assert_int_equal(by_file->credentials[0].secret.kind, SECRET_FILE);
    assert_string_equal(by_file->credentials[0].secret.path, path);
    assert_int_equal(by_file->credentials[0].secret.fd, -EBADF);
    assert_int_equal(by_env->credentials[0].secret.kind, SECRET_ENV);
    assert_string_equal(by_env->credentials[0].secret.variable, "TEST_ABSENT");
    assert_int_equal(by_fd->credentials[0].secret.kind, SECRET_FD);
    assert_int_equal(by_fd->credentials[0].secret.fd, 2147483647);
}

static void takes_a_command(void **state) {
    _cleanup_settings_ struct settings *plain =
        take_text((struct text){.secret = "{ command: [ pass, show, \"a b\", 7 ] }"});
    _cleanup_settings_ struct settings *timed =
        take_text((struct text){.secret = "{ timeout: 3s, command: [ bin/key ], refresh: 5m }"});
    const struct secret_source *secret = &plain->credentials[0].secret;
    _cleanup_free_ char *path = NULL;

    (void)state;
    assert_int_equal(secret->kind, SECRET_COMMAND);
    assert_string_equal(secret->argv[0], "pass");
    assert_string_equal(secret->argv[1], "show");
    assert_string_equal(secret->argv[2], "a b");
    assert_string_equal(secret->argv[3], "7");
    assert_null(secret->argv[4]);
    assert_int_equal(secret->timeout_ms, TIMEOUT_COMMAND);
    assert_int_equal(secret->refresh_ms, 0);
    secret = &timed->credentials[0].secret;
    assert_true(asprintf(&path, "%s/bin/key", directory) > 0);
    assert_string_equal(secret->argv[0], path);
    assert_null(secret->argv[1]);
    assert_int_equal(secret->timeout_ms, 3000);
    assert_int_equal(secret->refresh_ms, 300000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_a_wrong_secret),   cmocka_unit_test(refuses_a_descriptor_for_two),
        cmocka_unit_test(misses_what_is_not_there), cmocka_unit_test(refuses_a_descriptor_it_cannot_read),
        cmocka_unit_test(asks_systemd_where_it_is), cmocka_unit_test(finds_what_is_there),
        cmocka_unit_test(shows_no_secret),          cmocka_unit_test(takes_every_kind_of_secret),
        cmocka_unit_test(takes_a_command),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
