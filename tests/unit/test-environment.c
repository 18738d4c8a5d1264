#include "egress/settings/environment.h"

#include <errno.h>

#include "base/limits.h"
#include "unit.h"

static char api[] = "api", other[] = "other", url[] = "https://api.example.org:8443/base";

static struct credential credential_of(char *name, struct env_entry *env, size_t n) {
    return (struct credential){
        .name = name, .upstream = url, .authority = {.host = SLICE("api.example.org")}, .env = env, .n_env = n};
}

/* What it adds, with a ; for each NUL. */
static void check(const struct environment_lease *leases, size_t n, int first_fd, const char *expected) {
    struct buf to;
    char *text;

    buf_init(&to, 1024 * 1024);
    assert_int_equal(environment_add(&to, leases, n, first_fd), 0);
    text = malloc(buf_length(&to) + 1);
    assert_non_null(text);
    for (size_t i = 0; i < buf_length(&to); i++)
        text[i] = buf_slice(&to).p[i] == '\0' ? ';' : buf_slice(&to).p[i];
    text[buf_length(&to)] = '\0';
    assert_string_equal(text, expected);
    free(text);
    buf_release(&to);
}

static void templates_are_filled_in(void **state) {
    static char names[][8] = {"FD", "URL", "WORD", "MIXED", "NONE"};
    static char fd[] = "{fd}", upstream[] = "{upstream}", name[] = "{name}", mixed[] = "a{host}b{fd}{fd}c", none[] = "";
    struct env_entry env[] = {
        {names[0], fd}, {names[1], upstream}, {names[2], name}, {names[3], mixed}, {names[4], none}};
    struct credential credential = credential_of(api, env, ARRAY_LEN(env));
    const struct environment_lease all[] = {{.credential = &credential, .placeholder = ""}};

    (void)state;
    check(all, 1, 3,
          "FD=3;URL=https://api.example.org:8443/base;WORD=api;MIXED=aapi.example.orgb33c;NONE=;CREDFD=api=3;");
}

static void descriptors_follow_one_another(void **state) {
    static char a[] = "A", b[] = "B", fd[] = "{fd}";
    struct env_entry first[] = {{a, fd}}, second[] = {{b, fd}};
    struct credential credentials[] = {credential_of(api, first, 1), credential_of(other, second, 1)};
    const struct environment_lease all[] = {{.credential = &credentials[0]}, {.credential = &credentials[1]}};

    (void)state;
    check(all, 2, 7, "A=7;B=8;CREDFD=api=7,other=8;");
    check(all, 0, 3, "CREDFD=;");
}

/* Where the doors are, and what stands for the key. */
static void doors_are_named(void **state) {
    static char a[] = "A", b[] = "B", c[] = "C", base[] = "{base_url}/v1", socket[] = "unix:{socket}",
                key[] = "{placeholder}";
    static char path[] = "/run/x.sock";
    struct env_entry env[] = {{a, base}, {b, socket}, {c, key}};
    struct credential credential = credential_of(api, env, ARRAY_LEN(env));
    struct lease_doors open = {.port = 8080, .socket_path = path},
                       guarded = {.port = 1, .socket_path = path, .prefix = "0a"};
    struct environment_lease lease = {.credential = &credential, .doors = &open, .placeholder = "ghp_x"};

    (void)state;
    check(&lease, 1, 3, "A=http://127.0.0.1:8080/v1;B=unix:/run/x.sock;C=ghp_x;CREDFD=api=3;");
    lease.doors = &guarded;
    check(&lease, 1, 3, "A=http://127.0.0.1:1/0a/v1;B=unix:/run/x.sock;C=ghp_x;CREDFD=api=3;");
    assert_true(environment_names(&credential, SLICE("base_url")) && environment_names(&credential, SLICE("socket")));
    assert_false(environment_names(&credential, SLICE("fd")));
    assert_true(environment_knows(SLICE("placeholder")) && !environment_knows(SLICE("base")));
}

/* Behind what stands there already; and the list has room for as many as there can be. */
static void it_appends(void **state) {
    static char longest[LIMIT_NAME + 1];
    struct credential credential = credential_of(longest, NULL, 0);
    struct environment_lease all[LIMIT_LEASES];
    struct buf to;

    (void)state;
    memset(longest, 'n', LIMIT_NAME);
    for (size_t i = 0; i < LIMIT_LEASES; i++)
        all[i] = (struct environment_lease){.credential = &credential};
    buf_init(&to, 1024 * 1024);
    assert_int_equal(buf_append(&to, slice_of("X=1", 4)), 0);
    assert_int_equal(environment_add(&to, all, LIMIT_LEASES, 3), 0);
    assert_true(slice_starts_with(buf_slice(&to), slice_of("X=1\0CREDFD=nn", 13)));
    assert_true(slice_ends_with(buf_slice(&to), slice_of("n=66", 5)));
    buf_release(&to);
}

/* execve(2) takes no longer string. */
static void a_variable_that_is_too_long_is_refused(void **state) {
    enum { MOST = 128 * 1024 };
    static char value[MOST], name[] = "LONG";
    struct env_entry env[] = {{name, value}};
    struct credential credential = credential_of(api, env, 1);
    const struct environment_lease all[] = {{.credential = &credential}};
    struct buf to;

    (void)state;
    memset(value, 'v', MOST - strlen("LONG=") - 1);
    buf_init(&to, 1024 * 1024);
    assert_int_equal(environment_add(&to, all, 1, 3), 0);
    buf_release(&to);
    value[strlen(value)] = 'v';
    assert_int_equal(environment_add(&to, all, 1, 3), -ENOBUFS);
    buf_release(&to);
    buf_init(&to, 10);
    assert_int_equal(environment_add(&to, all, 1, 3), -ENOBUFS);
    buf_release(&to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_are_filled_in),
        cmocka_unit_test(descriptors_follow_one_another),
        cmocka_unit_test(doors_are_named),
        cmocka_unit_test(it_appends),
        cmocka_unit_test(a_variable_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
