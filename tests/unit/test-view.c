#include "sandbox/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "sandbox/mount_list.h"
#include "sandbox/mounts.h"
#include "sandbox/view_path.h"
#include "sandbox/view_pin.h"
#include "unit_fd.h"
#include "unit_namespace.h"

static const struct namespace_want mounts = {.has_mounts = true};
static char folder[] = "/var/tmp/credfd-test-view-XXXXXX";
static char kept[64], key[64], rules[64], socket_path[64], way[64], work[64];
static int listener = -EBADF;

static bool has_text(const char *path) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    char byte;

    return fd >= 0 && read(fd, &byte, 1) == 1;
}

static bool may_write(const char *path) {
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0;
}

static bool may_make(const char *in) {
    char path[96];
    _cleanup_close_ int fd = -EBADF;

    (void)snprintf(path, sizeof(path), "%s/made", in);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd >= 0 && unlink(path) == 0;
}

static bool connects(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

enum seen {
    SEES_KEY = 1 << 0,
    CONNECTS = 1 << 1,
    WRITES_KEPT = 1 << 2,
    READS_KEPT = 1 << 3,
    WRITES_WORK = 1 << 4,
    SETS_KERNEL = 1 << 5,
    READS_RULES = 1 << 6,
    CHANGES_RULES = 1 << 7,
};

/* By writing, by removing, or by another that takes its place. */
static bool may_change(const char *path) {
    char other[96];

    (void)snprintf(other, sizeof(other), "%s/other", work);
    return may_write(path) || unlink(path) == 0 || (mknod(other, S_IFREG | 0600, 0) == 0 && rename(other, path) == 0);
}

static int look(void) {
    char file[96];
    int seen = 0;

    (void)snprintf(file, sizeof(file), "%s/file", kept);
    seen |= has_text(key) ? SEES_KEY : 0;
    seen |= connects() ? CONNECTS : 0;
    seen |= may_write(file) || may_make(kept) ? WRITES_KEPT : 0;
    seen |= has_text(file) ? READS_KEPT : 0;
    seen |= may_make(".") ? WRITES_WORK : 0;
    seen |= may_write("/proc/sys/kernel/core_pattern") ? SETS_KERNEL : 0;
    seen |= has_text(rules) ? READS_RULES : 0;
    return seen;
}

static const char *const hidden[] = {key, "/there/is/no/such/file"};
static const char *const unchanged[] = {"/there/is/no/such/file", "../rules"};
static const struct view_want wanted = {.hidden = hidden, .n_hidden = 2, .kept = unchanged, .n_kept = 2, .doors = kept};

static int cover_and_look(const void *of) {
    struct view_fault fault;
    int r = view_cover(&wanted, of, &fault);

    if (r < 0) {
        print_message("%s: %s: %s\n", fault.path, fault.what, strerror(-r));
        return 200;
    }
    return look() | (may_change(rules) ? CHANGES_RULES : 0);
}

static void what_is_to_be_hidden_is_covered(void **state) {
    struct view_paths sockets;
    int seen;

    (void)state;
    skip_without_namespaces(&mounts);
    assert_int_equal(chdir(work), 0);
    assert_int_equal(view_find_sockets(&sockets), 0);
    assert_true(look() & CONNECTS);
    seen = status_inside(&mounts, cover_and_look, &sockets);
    view_paths_done(&sockets);
    assert_int_equal(seen, READS_KEPT | WRITES_WORK | READS_RULES);
    assert_true(look() & SEES_KEY);
}

static int pin_and_move(const void *of) {
    struct view_fault fault;
    struct view_paths steps = {NULL, 0};
    const char *path = of;
    char other[96];
    int moved = 0;

    (void)snprintf(other, sizeof(other), "%s-other", folder);
    if (mounts_own() < 0 || view_pin_find(path, &steps) < 0 || view_pin_all("", &steps, &fault) < 0)
        return 200;
    moved |= rename(folder, other) == 0 || errno != EBUSY ? 1 << 0 : 0;
    (void)snprintf(other, sizeof(other), "%s/other", folder); /* from one mount to another would be EXDEV */
    moved |= unlink(way) == 0 || errno != EBUSY ? 1 << 1 : 0;
    moved |= rename(kept, other) == 0 || errno != EBUSY ? 1 << 2 : 0;
    moved |= !has_text(path) ? 1 << 3 : 0;
    moved |= rename(work, other) != 0 || rename(other, work) != 0 ? 1 << 4 : 0; /* no step of the way */
    view_paths_done(&steps);
    return moved;
}

static void each_step_of_a_way_stays(void **state) {
    char path[96];

    (void)state;
    skip_without_namespaces(&mounts);
    (void)snprintf(path, sizeof(path), "%s/../kept/./way/file", kept);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(status_inside(&mounts, pin_and_move, path), 0);
}

static void ways_end_where_nothing_is(void **state) {
    struct view_paths steps = {NULL, 0};

    (void)state;
    assert_int_equal(chdir(work), 0);
    assert_int_equal(view_pin_find("no/../such", &steps), 0);
    assert_true(view_paths_has(&steps, work));
    assert_false(view_paths_has(&steps, "/"));
    assert_string_equal(steps.paths[steps.n - 1], work);
    view_paths_done(&steps);
}

static int see_twice(const void *of) {
    struct view_paths paths = {NULL, 0};
    struct mount_list list;
    char file[96], again[96];
    int tree, r = mounts_own();

    (void)of;
    (void)snprintf(file, sizeof(file), "%s/file", kept);
    (void)snprintf(again, sizeof(again), "%s/file", work);
    if (r < 0 || mounts_take(kept, &tree) < 0 || mounts_put(&tree, work) < 0 || mount_list_read(&list) < 0)
        return 200;
    r = view_paths_add(&paths, file) == 0 && mount_list_add_others(&list, &paths) == 0 && view_paths_has(&paths, again);
    mount_list_done(&list);
    view_paths_done(&paths);
    return r;
}

static void a_file_is_found_by_its_other_mounts(void **state) {
    (void)state;
    skip_without_namespaces(&mounts);
    assert_int_equal(status_inside(&mounts, see_twice, NULL), 1);
}

static void a_socket_without_a_listener_is_not_covered(void **state) {
    struct view_paths sockets;
    char dead[96];

    (void)state;
    (void)snprintf(dead, sizeof(dead), "%s/dead", work);
    assert_int_equal(mknod(dead, S_IFSOCK | 0600, 0), 0);
    assert_int_equal(setenv("HOME", work, 1), 0);
    assert_int_equal(view_find_sockets(&sockets), 0);
    assert_false(view_paths_has(&sockets, dead));
    assert_true(view_paths_has(&sockets, socket_path));
    view_paths_done(&sockets);
    assert_int_equal(unlink(dead), 0);
}

static int cover_own_ground(const void *of) {
    const char *const ground[] = {folder};
    const struct view_want want = {.hidden = ground, .n_hidden = 1, .doors = kept};
    struct view_fault fault;

    return view_cover(&want, of, &fault) == -EBUSY && strcmp(fault.path, folder) == 0;
}

static void the_ground_under_ones_feet_is_not_covered(void **state) {
    const struct view_paths none = {NULL, 0};

    (void)state;
    skip_without_namespaces(&mounts);
    assert_int_equal(chdir(work), 0);
    assert_int_equal(status_inside(&mounts, cover_own_ground, &none), 1);
}

static void sockets_are_found(void **state) {
    struct view_paths sockets;
    size_t found = 0;

    (void)state;
    assert_int_equal(view_find_sockets(&sockets), 0);
    for (size_t i = 0; i < sockets.n; i++)
        found += strcmp(sockets.paths[i], socket_path) == 0;
    view_paths_done(&sockets);
    assert_int_equal(found, 1);
}

static void variables_of_agents_are_known(void **state) {
    (void)state;
    assert_true(view_hides_variable("SSH_AUTH_SOCK", 13));
    assert_true(view_hides_variable("DOCKER_HOST=tcp://x", 11));
    assert_false(view_hides_variable("SSH_AUTH_SOCKET", 15));
    assert_false(view_hides_variable("HOME", 4));
    assert_false(view_hides_variable("", 0));
}

static void a_path_lies_in_another(void **state) {
    (void)state;
    assert_true(view_path_is_in("/a/b", "/a"));
    assert_true(view_path_is_in("/a", "/a"));
    assert_true(view_path_is_in("/a", "/"));
    assert_false(view_path_is_in("/ab", "/a"));
    assert_false(view_path_is_in("/", "/a"));
}

static int make_file(const char *path) {
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    return fd < 0 ? -1 : fd_write_all(fd, "text", 4);
}

static int make_socket(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ? -1 : listen(listener, 8);
}

static int set_up(void **state) {
    char file[96];

    (void)state;
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(kept, sizeof(kept), "%s/kept", folder);
    (void)snprintf(way, sizeof(way), "%s/kept/way", folder);
    (void)snprintf(work, sizeof(work), "%s/work", folder);
    (void)snprintf(key, sizeof(key), "%s/key", folder);
    (void)snprintf(rules, sizeof(rules), "%s/rules", folder);
    (void)snprintf(socket_path, sizeof(socket_path), "%s/socket", folder);
    (void)snprintf(file, sizeof(file), "%s/file", kept);
    if (mkdir(kept, 0700) < 0 || mkdir(work, 0700) < 0 || make_file(key) < 0 || make_file(rules) < 0 ||
        make_file(file) < 0 || symlink("../kept", way) < 0)
        return -1;
    return make_socket();
}

static int tear_down(void **state) {
    char file[96];

    (void)state;
    fd_close(&listener);
    (void)snprintf(file, sizeof(file), "%s/file", kept);
    (void)unlink(file);
    (void)unlink(way);
    (void)unlink(key);
    (void)unlink(rules);
    (void)snprintf(file, sizeof(file), "%s/other", work);
    (void)unlink(file);
    (void)unlink(socket_path);
    return chdir("/") < 0 || rmdir(kept) < 0 || rmdir(work) < 0 || rmdir(folder) < 0 ? -1 : 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_to_be_hidden_is_covered),
        cmocka_unit_test(each_step_of_a_way_stays),
        cmocka_unit_test(ways_end_where_nothing_is),
        cmocka_unit_test(a_file_is_found_by_its_other_mounts),
        cmocka_unit_test(a_socket_without_a_listener_is_not_covered),
        cmocka_unit_test(the_ground_under_ones_feet_is_not_covered),
        cmocka_unit_test(sockets_are_found),
        cmocka_unit_test(variables_of_agents_are_known),
        cmocka_unit_test(a_path_lies_in_another),
    };

    return is_in_valgrind() ? 77 : cmocka_run_group_tests(tests, set_up, tear_down);
}
