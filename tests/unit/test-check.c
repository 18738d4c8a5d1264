#include "cmd/cmd.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "unit.h"

#define OUTPUT_MAX 8192

static char directory[] = "/tmp/credfd-test-XXXXXX";

struct outcome {
    int status;
    char out[OUTPUT_MAX], err[OUTPUT_MAX];
};

static void write_file(const char *name, const char *text) {
    _cleanup_close_ int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void read_output(const char *name, char *to) {
    _cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd_read_all(fd, to, OUTPUT_MAX - 1);

    assert_true(n >= 0);
    to[n] = '\0';
}

static int make_place(void **state) {
    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(setenv("TEST_KEY", "k", 1), 0);
    write_file("key", "k");
    return 0;
}

static int remove_place(void **state) {
    static const char *const names[] = {"key", "f.yaml", "out", "err"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(unlink(names[i]), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(directory), 0);
    return 0;
}

/* In a child: it keeps the parent's standard output, and getopt's state, as they are. */
static void run(char **argv, const char *out, struct outcome *ret) {
    int argc = 0;
    int status;
    pid_t pid;

    while (argv[argc])
        argc++;
    (void)fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int out_fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        int err_fd = open("err", O_WRONLY | O_CREAT | O_TRUNC, 0600);

        if (dup2(out_fd, STDOUT_FILENO) < 0 || dup2(err_fd, STDERR_FILENO) < 0)
            _exit(1);
        _exit(cmd_check(argc, argv));
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    ret->status = WEXITSTATUS(status);
    read_output("err", ret->err);
    ret->out[0] = '\0';
    if (strcmp(out, "out") == 0)
        read_output(out, ret->out);
}

#define ARGV(...) ((char *[]){check_name, __VA_ARGS__, NULL})

static char check_name[] = "check", option_c[] = "-c", option_config[] = "--config=f.yaml", option_help[] = "--help",
            option_x[] = "-x", file_name[] = "f.yaml", none_name[] = "none.yaml";

static const char in_order[] = "credentials:\n"
                               "  - name: api\n"
                               "    secret: { file: key }\n"
                               "    upstream: https://api.example.org/v1/\n"
                               "    inject: { query: app_key }\n"
                               "    allow: [ GET /a, GET /b ]\n"
                               "  - name: longer-name\n"
                               "    secret: { env: TEST_KEY }\n"
                               "    upstream: http://127.0.0.1:8080\n"
                               "    inject: { header: X-Key }\n"
                               "    allow: all\n"
                               "  - name: c\n"
                               "    secret: { env: TEST_KEY }\n"
                               "    upstream: https://c.example.org\n"
                               "    inject: { header: Authorization, format: \"Bearer {}\" }\n";

static void prints_what_is_in_order(void **state) {
    struct outcome outcome;

    (void)state;
    write_file("f.yaml", in_order);
    run(ARGV(option_config), "out", &outcome);
    assert_int_equal(outcome.status, 0);
    assert_string_equal(outcome.out,
                        "api          https://api.example.org/v1  query app_key  2 rules\n"
                        "longer-name  http://127.0.0.1:8080       header X-Key  all\n"
                        "c            https://c.example.org       header Authorization  nothing allowed\n");
    assert_string_equal(
        outcome.err, "credfd: warning: f.yaml:3: credentials.api.secret: a command of this user can read the file "
                     "itself; use `fd`, `env` or a file of another user\n"
                     "credfd: warning: f.yaml: credentials.longer-name.allow: `all` permits whatever the key can do; "
                     "list rules to narrow it\n"
                     "credfd: warning: f.yaml: credentials.c.allow: no rule, so every request would be refused; list "
                     "what may pass, as [ \"GET /path/**\" ]\n");
}

/* The configured half of a basic pair is not shown: it may be a password. */
static void prints_every_place(void **state) {
    struct outcome outcome;

    (void)state;
    write_file("f.yaml", "credentials:\n"
                         "  - name: all\n"
                         "    secret: { env: TEST_KEY }\n"
                         "    upstream: https://api.example.org\n"
                         "    inject: [ { query: q }, { header: X-Key }, { basic: { user: alice } }, { cookie: sid },\n"
                         "              { path: \"/bot{}\" } ]\n"
                         "    allow: [ GET /a ]\n"
                         "  - name: user\n"
                         "    secret: { env: TEST_KEY }\n"
                         "    upstream: https://api.example.org\n"
                         "    inject: { basic: { password: hidden } }\n"
                         "    allow: [ GET /a ]\n");
    run(ARGV(option_config), "out", &outcome);
    assert_int_equal(outcome.status, 0);
    assert_string_equal(
        outcome.out,
        "all   https://api.example.org  query q, header X-Key, basic password, cookie sid, path /bot{}  1 rule\n"
        "user  https://api.example.org  basic user  1 rule\n");
    assert_string_equal(outcome.err, "");
}

static void says_what_is_wrong(void **state) {
    struct outcome outcome;

    (void)state;
    write_file("f.yaml", "credentials:\n  - name: api\n    secret: CANARY\n");
    run(ARGV(option_c, file_name), "out", &outcome);
    assert_int_equal(outcome.status, EXIT_CREDFD);
    assert_string_equal(outcome.out, "");
    assert_string_equal(
        outcome.err,
        "credfd: f.yaml:3: credentials.api.secret: must say where the key is, never the key "
        "itself; write { file: PATH }, { env: NAME }, { fd: NUMBER }, { command: [ WORD, ... ] } or { systemd: "
        "NAME }\n");

    run(ARGV(option_c, none_name), "out", &outcome);
    assert_int_equal(outcome.status, EXIT_CREDFD);
    assert_string_equal(outcome.err, "credfd: none.yaml: cannot be read: No such file or directory; create it, or name "
                                     "another file with --config\n");
}

/* All the same what it is about is printed: the rest of the file is in order. */
static void misses_a_secret(void **state) {
    struct outcome outcome;

    (void)state;
    write_file("f.yaml", "credentials:\n  - name: api\n    secret: { env: TEST_ABSENT }\n"
                         "    upstream: https://api.example.org\n    inject: { query: k }\n    allow: [ GET /a ]\n");
    run(ARGV(option_c, file_name), "out", &outcome);
    assert_int_equal(outcome.status, EXIT_CREDFD);
    assert_string_equal(outcome.out, "api  https://api.example.org  query k  1 rule\n");
    assert_string_equal(outcome.err, "credfd: f.yaml:3: credentials.api.secret: the variable that `env` names is not "
                                     "set; export it before you start credfd\n");
}

static void refuses_wrong_use(void **state) {
    char *const *const rows[] = {ARGV(option_x), ARGV(option_c), ARGV(file_name)};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct outcome outcome;
        char *argv[] = {rows[i][0], rows[i][1], NULL};

        run(argv, "out", &outcome);
        assert_int_equal(outcome.status, EXIT_CREDFD);
        assert_string_equal(outcome.out, "");
        assert_non_null(strstr(outcome.err, "; see credfd check --help\n"));
    }
}

static void helps(void **state) {
    struct outcome outcome;

    (void)state;
    run(ARGV(option_help), "out", &outcome);
    assert_int_equal(outcome.status, 0);
    assert_ptr_equal(strstr(outcome.out, "usage: credfd check [-c FILE]\n"), outcome.out);
    assert_string_equal(outcome.err, "");
}

static void notices_that_nobody_takes_its_output(void **state) {
    struct outcome outcome;

    (void)state;
    write_file("f.yaml", in_order);
    run(ARGV(option_c, file_name), "/dev/full", &outcome);
    assert_int_equal(outcome.status, EXIT_CREDFD);
    assert_non_null(strstr(outcome.err, "credfd: standard output: No space left on device\n"));
}

/* What the runner would refuse, or miss, when it starts. */
static void a_runner_names_what_is_not_there(void **state) {
    static const struct {
        const char *setting, *said;
        int status;
    } rows[] = {
        {"user: nobody-of-this-name",
         "f.yaml: runner.user: nobody-of-this-name: nobody is called so; name a user that getent passwd knows", 125},
        {"workspace: f.yaml", "/f.yaml: Not a directory; name a directory, or a place where one can be made", 125},
        {"cli: no-such-program", "f.yaml: runner.cli: no-such-program: not found; ", 0},
        {"cli: ./f.yaml", "/f.yaml: cannot be executed; ", 0},
    };
    struct outcome outcome;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[256];

        (void)snprintf(text, sizeof(text), "runner:\n  token: { env: TEST_KEY }\n  %s\n  permission: { bash: deny }\n",
                       rows[i].setting);
        write_file("f.yaml", text);
        run(ARGV(option_config), "out", &outcome);
        if (!strstr(outcome.err, rows[i].said))
            fail_msg("%s: %s", rows[i].setting, outcome.err);
        assert_int_equal(outcome.status, rows[i].status);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_runner_names_what_is_not_there),
        cmocka_unit_test(prints_what_is_in_order),
        cmocka_unit_test(prints_every_place),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(misses_a_secret),
        cmocka_unit_test(refuses_wrong_use),
        cmocka_unit_test(helps),
        cmocka_unit_test(notices_that_nobody_takes_its_output),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
