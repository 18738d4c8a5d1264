#include "egress/desk/loan.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/secret.h"
#include "unit_settings.h"

static const char terms_text[] = "credentials:\n"
                                 "  - name: profile\n"
                                 "    secret: { env: NOBODY }\n"
                                 "    upstream: https://of.the.profile\n"
                                 "    inject: { header: Authorization, format: \"Bearer {}\" }\n"
                                 "    allow: [ \"GET /a/**\", \"POST /b\" ]\n"
                                 "    deny: [ \"* /a/secret\" ]\n"
                                 "    executables: [ /usr/bin/* ]\n"
                                 "    limits: { requests: 10, bytes: 1MiB, ttl: 1h }\n"
                                 "    env: { URL: \"{upstream}\", FD: \"{fd}\" }\n"
                                 "    allow_private: true\n"
                                 "    mask: off\n"
                                 "    response_timeout: 7s\n";

static struct settings *settings;

static int begin(void **state) {
    (void)state;
    settings = take(terms_text);
    settings->credentials[0].ca_file = strdup("/etc/ssl/my.pem");
    assert_non_null(settings->credentials[0].ca_file);
    return 0;
}

static int end(void **state) {
    (void)state;
    settings_free(settings);
    settings = NULL;
    return 0;
}

static int lend_to(const char *name, const char *upstream, struct credential **ret) {
    const struct loan loan = {.terms = &settings->credentials[0], .name = name, .upstream = upstream, .key = -EBADF};

    return loan_credential(&loan, ret);
}

/* All of the terms, and nothing of theirs: they may go. */
static void it_has_the_terms_and_an_upstream_of_its_own(void **state) {
    struct credential *lent;

    (void)state;
    assert_int_equal(lend_to("task", "https://api.example.org:8443/base/", &lent), 0);
    settings_free(settings);
    settings = NULL;
    assert_string_equal(lent->name, "task");
    assert_string_equal(lent->upstream, "https://api.example.org:8443/base");
    assert_slice(lent->authority.host, "api.example.org");
    assert_int_equal(lent->authority.port, 8443);
    assert_slice(lent->authority.base_path, "/base");
    assert_int_equal(lent->n_inject, 1);
    assert_int_equal(lent->inject[0].kind, INJECT_HEADER);
    assert_string_equal(lent->inject[0].name, "Authorization");
    assert_string_equal(lent->inject[0].format, "Bearer {}");
    assert_int_equal(lent->n_allow, 2);
    assert_string_equal(lent->allow[1].method, "POST");
    assert_string_equal(lent->allow[1].path, "/b");
    assert_int_equal(lent->n_deny, 1);
    assert_string_equal(lent->deny[0].path, "/a/secret");
    assert_int_equal(lent->n_executables, 1);
    assert_string_equal(lent->executables[0], "/usr/bin/*");
    assert_int_equal(lent->limits.requests, 10);
    assert_int_equal(lent->limits.ttl_ms, 3600000);
    assert_int_equal(lent->n_env, 2);
    assert_string_equal(lent->env[0].name, "URL");
    assert_string_equal(lent->env[1].value, "{fd}");
    assert_string_equal(lent->ca_file, "/etc/ssl/my.pem");
    assert_true(lent->allows_private && lent->is_mask_off && !lent->allows_all && !lent->passes_cookies);
    assert_int_equal(lent->response_timeout_ms, 7000);
    loan_credential_free(lent);
}

/* As the configuration's. */
static void upstreams_that_are_refused(void **state) {
    static const char *const rows[] = {
        "",
        "api.example.org",
        "http://api.example.org",
        "ws://api.example.org",
        "http://10.0.0.1",
        "http://169.254.169.254",
        "http://127.0.0.1.example.org",
        "https://me:password@api.example.org",
        "https://api.example.org/?a=b",
        "https://api.example.org/#a",
        "https://api.example.org/a/../b",
        "https://",
        "https://api.example.org:0",
        "https://api.example.org:65536",
        "https://api.example.org\r\nX: y",
        "file:///etc/passwd",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct credential *lent = NULL;

        if (lend_to("task", rows[i], &lent) != -EINVAL || lent)
            fail_msg("taken: %s", rows[i]);
    }
}

static void plain_http_reaches_this_machine_only(void **state) {
    static const char *const rows[] = {"http://127.0.0.1:8080", "http://[::1]:1", "http://localhost/x",
                                       "ws://127.1.2.3"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct credential *lent;

        assert_int_equal(lend_to("task", rows[i], &lent), 0);
        assert_false(lent->authority.is_tls);
        loan_credential_free(lent);
    }
}

/* It is a label of the metrics, and a word in the log. */
static void names_that_are_refused(void **state) {
    char too_long[LIMIT_NAME + 2];
    const char *const rows[] = {"", "a b", "a\"b", "a\nb", "a/b", "\xc3\xa4", too_long};
    struct credential *lent;

    (void)state;
    memset(too_long, 'x', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(lend_to(rows[i], "https://api.example.org", &lent), -EINVAL);
    too_long[LIMIT_NAME] = '\0';
    assert_int_equal(lend_to(too_long, "https://api.example.org", &lent), 0);
    loan_credential_free(lent);
}

static int memory_of(size_t n, unsigned seals) {
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)n), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void check_key(int fd_given, bool expected) {
    _cleanup_close_ int fd = fd_given;

    if (loan_is_key(fd) != expected)
        fail_msg("descriptor %d is %sa key", fd, expected ? "not " : "");
}

static void a_key_is_memory_that_nobody_can_shorten(void **state) {
    const unsigned all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    char path[] = "/tmp/credfd-loan-XXXXXX";
    int fd, file = mkstemp(path);

    (void)state;
    assert_int_equal(secret_seal(SLICE("key"), &fd), 0);
    check_key(fd, true);
    check_key(memory_of(1, all), true);
    check_key(memory_of(LIMIT_SECRET, all | F_SEAL_SEAL), true);
    check_key(memory_of(0, all), false);
    check_key(memory_of(LIMIT_SECRET + 1, all), false);
    check_key(memory_of(10, F_SEAL_GROW | F_SEAL_WRITE), false);
    check_key(memory_of(10, 0), false);
    check_key(open("/dev/null", O_RDONLY | O_CLOEXEC), false);
    check_key(open("/", O_RDONLY | O_CLOEXEC), false);
    assert_true(file >= 0);
    assert_int_equal(write(file, "key", 3), 3);
    assert_int_equal(unlink(path), 0);
    check_key(file, false);
    assert_false(loan_is_key(-EBADF));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_has_the_terms_and_an_upstream_of_its_own), TEST(upstreams_that_are_refused),
        TEST(plain_http_reaches_this_machine_only),        TEST(names_that_are_refused),
        TEST(a_key_is_memory_that_nobody_can_shorten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
