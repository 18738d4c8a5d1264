#include "egress/desk/doors.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "egress/desk/door_directory.h"
#include "unit_fd.h"

static char base[64];

static int make_runtime(void **state) {
    (void)state;
    (void)snprintf(base, sizeof(base), "/tmp/credfd-unit-XXXXXX");
    return mkdtemp(base) && setenv("XDG_RUNTIME_DIR", base, 1) == 0 ? 0 : -1;
}

static int remove_runtime(void **state) {
    char path[96];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/credfd", base);
    return (rmdir(path) == 0 || geteuid() == 0) && rmdir(base) == 0 ? 0 : -1; /* root's are elsewhere */
}

static struct credential credential_with(const char *name, struct env_entry *env, const char *value) {
    static char variable[] = "X";

    *env = (struct env_entry){.name = variable, .value = (char *)(uintptr_t)value};
    return (struct credential){.name = (char *)(uintptr_t)name, .env = env, .n_env = 1};
}

static void are_planned_by_what_the_settings_name(void **state) {
    struct env_entry env[3];
    struct credential a = credential_with("a", &env[0], "{base_url}/v1"), b = credential_with("b", &env[1], "{socket}"),
                      c = credential_with("c", &env[2], "{fd}");
    const struct credential *all[] = {&a, &b, &c};
    struct doors doors;

    (void)state;
    doors_plan(&doors, all, 3, false);
    assert_true(doors.lease[0].has_base_url && !doors.lease[0].has_socket);
    assert_true(doors.lease[1].has_socket && !doors.lease[1].has_base_url);
    assert_false(lease_doors_is_wanted(&doors.lease[2]));
    assert_string_equal(doors.lease[1].name, "b");
    assert_true(doors_are_wanted(&doors));
    assert_int_equal(doors_count_tcp(&doors), 1);
    doors_done(&doors);
    doors_plan(&doors, all + 2, 1, false);
    assert_false(doors_are_wanted(&doors));
    assert_int_equal(doors_count_tcp(&doors), 0);
    doors_done(&doors);
    doors_plan(&doors, NULL, 0, true);
    assert_true(doors_are_wanted(&doors));
    assert_int_equal(doors_count_tcp(&doors), 1);
    doors_done(&doors);
}

/* The value of a variable in a list of them; NULL for none, and it must not be there twice. */
static const char *value_of(const struct buf *list, const char *name) {
    const char *found = NULL;

    for (struct slice rest = buf_slice(list); rest.n > 0; rest = slice_from(rest, strlen(rest.p) + 1))
        if (strncmp(rest.p, name, strlen(name)) == 0 && rest.p[strlen(name)] == '=') {
            assert_null(found);
            found = rest.p + strlen(name) + 1;
        }
    return found;
}

static void tell_the_command_of_the_proxy(void **state) {
    static const char *const proxies[] = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
                                          "http_proxy", "https_proxy", "all_proxy"},
                             *const bundles[] = {"SSL_CERT_FILE",
                                                 "CURL_CA_BUNDLE",
                                                 "REQUESTS_CA_BUNDLE",
                                                 "GIT_SSL_CAINFO",
                                                 "NODE_EXTRA_CA_CERTS",
                                                 "AWS_CA_BUNDLE",
                                                 "PIP_CERT",
                                                 "DENO_CERT",
                                                 "CARGO_HTTP_CAINFO",
                                                 "NIX_SSL_CERT_FILE",
                                                 "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
                                                 "HTTPLIB2_CA_CERTS",
                                                 "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
                                                 "npm_config_cafile"};
    struct doors doors;
    struct buf to;

    (void)state;
    buf_init(&to, 64 * 1024);
    doors_plan(&doors, NULL, 0, true);
    doors.proxy_port = 4711;
    doors.directory = strdup("/run/d");
    doors.bundle = strdup("/run/d/ca.pem");
    doors.java = strdup("/run/d/java.p12");
    assert_int_equal(doors_environment(&to, &doors, "-Xmx1g", "--no-warnings"), 0);
    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        assert_string_equal(value_of(&to, proxies[i]), "http://127.0.0.1:4711");
    for (size_t i = 0; i < ARRAY_LEN(bundles); i++)
        assert_string_equal(value_of(&to, bundles[i]), "/run/d/ca.pem");
    assert_string_equal(value_of(&to, "NO_PROXY"), "");
    assert_string_equal(value_of(&to, "no_proxy"), "");
    assert_string_equal(value_of(&to, "NODE_OPTIONS"), "--no-warnings --require=/run/d/node.cjs");
    assert_string_equal(value_of(&to, "JAVA_TOOL_OPTIONS"),
                        "-Xmx1g -Djavax.net.ssl.trustStore=/run/d/java.p12 -Djavax.net.ssl.trustStorePassword=changeit "
                        "-Djavax.net.ssl.trustStoreType=PKCS12 -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=4711 "
                        "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=4711 -Dhttp.nonProxyHosts=");
    buf_release(&to);
    doors.directory[0] = '\0'; /* none of ours to remove */
    doors_done(&doors);
}

static void tell_nothing_without_a_proxy(void **state) {
    struct doors doors;
    struct buf to;

    (void)state;
    buf_init(&to, 1024);
    doors_plan(&doors, NULL, 0, false);
    assert_int_equal(doors_environment(&to, &doors, "-Xmx1g", NULL), 0);
    assert_true(buf_is_empty(&to));
    doors_plan(&doors, NULL, 0, true);
    buf_init(&to, 100);
    assert_int_equal(doors_environment(&to, &doors, NULL, NULL), -ENOBUFS);
    buf_release(&to);
    doors_done(&doors);
}

static void create(const char *directory, const char *name) {
    char path[128];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    fd_close(&fd);
}

static bool is_there(const char *path) {
    return access(path, F_OK) == 0;
}

static void have_a_directory_while_they_last(void **state) {
    struct stat st;
    char *path = NULL, kept[128];
    int lock = -EBADF, before = next_number();

    (void)state;
    assert_int_equal(door_directory_make(&path, &lock), 0);
    assert_int_equal(stat(path, &st), 0);
    if (geteuid() == 0) { /* whose command may become somebody else */
        assert_memory_equal(path, "/run/credfd-doors/", 18);
        assert_int_equal(st.st_mode & 0777, 0711);
        assert_int_equal(stat("/run/credfd-doors", &st), 0);
        assert_int_equal(st.st_mode & 0777, 0711);
    } else {
        assert_memory_equal(path, base, strlen(base));
        assert_int_equal(st.st_mode & 0777, 0700);
    }
    create(path, "ca.pem");
    (void)snprintf(kept, sizeof(kept), "%s", path);
    door_directory_remove(&path, &lock);
    assert_null(path);
    assert_false(is_there(kept));
    door_directory_remove(&path, &lock);
    assert_int_equal(next_number(), before);
}

static void age(const char *path) {
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
}

/* One that is held, one that is not, and one that may be about to be. */
static void remove_what_a_killed_run_left(void **state) {
    char *held = NULL, *left = NULL, *young = NULL, *fresh = NULL;
    int held_lock, left_lock, young_lock, fresh_lock;

    (void)state;
    assert_int_equal(door_directory_make(&held, &held_lock), 0);
    assert_int_equal(door_directory_make(&left, &left_lock), 0);
    assert_int_equal(door_directory_make(&young, &young_lock), 0);
    create(left, "ca.pem");
    age(held);
    age(left);
    fd_close(&left_lock);
    fd_close(&young_lock);
    assert_int_equal(door_directory_make(&fresh, &fresh_lock), 0);
    assert_true(is_there(held));
    assert_false(is_there(left));
    assert_true(is_there(young));
    age(young);
    door_directory_remove(&fresh, &fresh_lock);
    assert_int_equal(door_directory_make(&fresh, &fresh_lock), 0);
    assert_false(is_there(young));
    door_directory_remove(&fresh, &fresh_lock);
    door_directory_remove(&held, &held_lock);
    free(left);
    free(young);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_planned_by_what_the_settings_name), cmocka_unit_test(tell_the_command_of_the_proxy),
        cmocka_unit_test(tell_nothing_without_a_proxy),          cmocka_unit_test(have_a_directory_while_they_last),
        cmocka_unit_test(remove_what_a_killed_run_left),
    };

    return cmocka_run_group_tests(tests, make_runtime, remove_runtime);
}
