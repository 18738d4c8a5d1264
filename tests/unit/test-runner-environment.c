#include "fleet/desk/environment.h"

#include "base/limits.h"
#include "unit.h"

static struct buf written;

static int begin(void **state) {
    (void)state;
    buf_init(&written, LIMIT_TASK_ENVIRONMENT);
    return 0;
}

static int end(void **state) {
    (void)state;
    buf_release(&written);
    return 0;
}

/* Each `NAME=VALUE` between `|`, which stands for the NULs. */
static void assert_written(const char *expected) {
    struct slice text = buf_slice(&written);
    char shown[1024];

    assert_true(text.n < sizeof(shown));
    for (size_t i = 0; i < text.n; i++)
        shown[i] = text.p[i] == '\0' ? '|' : text.p[i];
    shown[text.n] = '\0';
    assert_string_equal(shown, expected);
}

static void what_every_program_needs_is_passed_on(void **state) {
    static const char *const environment[] = {
        "PATH=/bin",   "LANG=C.UTF-8",    "LC_TIME=de_DE",        "TZ=", "HOME=/home/runner", "SSL_CERT_FILE=/x=y",
        "USER=runner", "NO_PROXY=.local", "HTTPS_PROXY=http://p", NULL};

    (void)state;
    assert_int_equal(environment_write(environment, NULL, &written), 0);
    assert_written("PATH=/bin|LANG=C.UTF-8|LC_TIME=de_DE|TZ=|HOME=/home/runner|SSL_CERT_FILE=/x=y|USER=runner|"
                   "NO_PROXY=.local|HTTPS_PROXY=http://p|");
}

static void what_else_the_runner_has_is_not(void **state) {
    static const char *const environment[] = {"CREDFD_RUNNER_TOKEN=t",
                                              "NOTIFY_SOCKET=/run/x",
                                              "CREDENTIALS_DIRECTORY=/run/credentials/x",
                                              "AWS_SECRET_ACCESS_KEY=x",
                                              "BASH_ENV=/tmp/x",
                                              "BASH_FUNC_kubectl%%=() { rm -rf /; }",
                                              "LD_PRELOAD=/tmp/x.so",
                                              "PATHX=/tmp",
                                              "LANGUAGES=x",
                                              "LC=x",
                                              "no name",
                                              "=x",
                                              "",
                                              "PATH=/bin",
                                              NULL};

    (void)state;
    assert_int_equal(environment_write(environment, NULL, &written), 0);
    assert_written("PATH=/bin|");
}

static void a_proxys_password_is_not(void **state) {
    static const char *const environment[] = {"HTTPS_PROXY=http://user:password@proxy:3128",
                                              "https_proxy=http://user@proxy:3128", "HTTP_PROXY=http://proxy:3128",
                                              "PATH=/bin", NULL};

    (void)state;
    assert_int_equal(environment_write(environment, NULL, &written), 0);
    assert_written("HTTP_PROXY=http://proxy:3128|PATH=/bin|");
}

static void another_user_has_a_home_of_their_own(void **state) {
    static const char *const environment[] = {"HOME=/root", "USER=root", "XDG_RUNTIME_DIR=/run/user/0", "LANG=C", NULL};
    char name[] = "task", home[] = "/home/task", shell[] = "/bin/bash";
    const struct passwd user = {.pw_name = name, .pw_dir = home, .pw_shell = shell};

    (void)state;
    assert_int_equal(environment_write(environment, &user, &written), 0);
    assert_written("HOME=/home/task|USER=task|LOGNAME=task|SHELL=/bin/bash|LANG=C|"
                   "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|");
}

static void what_does_not_fit_is_left_out_whole(void **state) {
    static const char *const environment[] = {"PATH=/bin", "LANG=0123456789012345678901234567890", "TZ=2", NULL};

    (void)state;
    buf_init(&written, 20);
    assert_int_equal(environment_write(environment, NULL, &written), 0);
    assert_written("PATH=/bin|TZ=2|");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_every_program_needs_is_passed_on, begin, end),
        cmocka_unit_test_setup_teardown(what_else_the_runner_has_is_not, begin, end),
        cmocka_unit_test_setup_teardown(a_proxys_password_is_not, begin, end),
        cmocka_unit_test_setup_teardown(another_user_has_a_home_of_their_own, begin, end),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_left_out_whole, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
