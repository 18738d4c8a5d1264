#include "sandbox/namespace.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>

#include "unit_fd.h"
#include "unit_namespace.h"

static const struct namespace_want network = {.has_network = true};

static int say_who(const void *of) {
    const uid_t *uid = of;

    return geteuid() == *uid && getuid() == *uid;
}

static void everybody_stays_who_he_is(void **state) {
    uid_t uid = geteuid();

    (void)state;
    skip_without_namespaces(&network);
    assert_int_equal(status_inside(&network, say_who, &uid), 1);
}

static int own_file(const void *of) {
    struct stat st;

    return stat(of, &st) == 0 && st.st_uid == geteuid() && chmod(of, 0640) == 0;
}

static void files_stay_whose_they_are(void **state) {
    char path[] = "/tmp/credfd-test-namespace-XXXXXX";
    int fd = mkstemp(path), is_own;

    (void)state;
    assert_true(fd >= 0);
    fd_close(&fd);
    skip_without_namespaces(&network);
    is_own = status_inside(&network, own_file, path);
    (void)unlink(path);
    assert_int_equal(is_own, 1);
}

static int count_interfaces(const void *of) {
    struct if_nameindex *all = if_nameindex();
    int n = 0;

    (void)of;
    while (all && all[n].if_index != 0)
        n++;
    return n == 1 && strcmp(all[0].if_name, "lo") == 0;
}

static void the_network_has_a_loopback_alone(void **state) {
    (void)state;
    skip_without_namespaces(&network);
    assert_int_equal(status_inside(&network, count_interfaces, NULL), 1);
}

static bool connects_to_itself(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    _cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof(address);

    return bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 1) == 0 &&
           getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
           connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static int raise_and_connect(const void *of) {
    bool before = connects_to_itself();

    (void)of;
    return !before && namespace_raise_loopback() == 0 && connects_to_itself() && namespace_raise_loopback() == 0;
}

static void the_loopback_goes_up(void **state) {
    (void)state;
    skip_without_namespaces(&network);
    assert_int_equal(status_inside(&network, raise_and_connect, NULL), 1);
}

static int see_obstacle(const void *of) {
    FILE *file = fopen("/proc/sys/user/max_user_namespaces", "we");
    const char *obstacle;

    (void)of;
    if (!file || fputs("0\n", file) < 0 || fclose(file) != 0)
        return 2;
    obstacle = namespace_obstacle(&network);
    return obstacle && strstr(obstacle, "user.max_user_namespaces is 0");
}

static void the_obstacle_is_named(void **state) {
    int said;

    (void)state;
    skip_without_namespaces(&network);
    said = status_inside(&network, see_obstacle, NULL);
    if (said == 2)
        skip(); /* the limit of a namespace is set by root */
    assert_int_equal(said, 1);
}

static int enter_again(const void *of) {
    (void)of;
    return namespace_obstacle(&network) == NULL;
}

static void there_is_one_in_another(void **state) {
    (void)state;
    skip_without_namespaces(&network);
    assert_int_equal(status_inside(&network, enter_again, NULL), 1);
}

static void a_trial_leaves_nothing(void **state) {
    int before = next_number();

    (void)state;
    (void)namespace_obstacle(&network);
    assert_int_equal(next_number(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_stays_who_he_is),
        cmocka_unit_test(files_stay_whose_they_are),
        cmocka_unit_test(the_network_has_a_loopback_alone),
        cmocka_unit_test(the_loopback_goes_up),
        cmocka_unit_test(the_obstacle_is_named),
        cmocka_unit_test(there_is_one_in_another),
        cmocka_unit_test(a_trial_leaves_nothing),
    };

    return is_in_valgrind() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
