#include "net/file_watch.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "unit_fd.h"
#include "unit_loop.h"

/* A folder of its own for each test. */
static char folder[64], path[128];
static struct file_watch watch;
static unsigned changes;

static void count(struct file_watch *watched) {
    assert_ptr_equal(watched, &watch);
    changes++;
}

static bool has_changed(const void *unused) {
    (void)unused;
    return changes > 0;
}

static void write_file(const char *where, const char *text) {
    _cleanup_close_ int fd = open(where, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

/* The path of `name` in the folder; good until the third call after it. */
static const char *in_folder(const char *name) {
    static char paths[3][128];
    static unsigned at;

    at = (at + 1) % 3;
    (void)snprintf(paths[at], sizeof(paths[at]), "%s/%s", folder, name);
    return paths[at];
}

static void require_change(void) {
    loop_until(has_changed, NULL);
    changes = 0;
}

static bool asks_inotify(const void *unused) {
    (void)unused;
    return watch.directories[0] >= 0;
}

static void start_watch(const char *at) {
    file_watch_start(&watch, at, count);
    loop_until(asks_inotify, NULL);
    assert_int_equal(changes, 0);
}

static int make_folder(void **state) {
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/test-file-watch-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/key", folder);
    changes = 0;
    return 0;
}

static void remove_all(const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (unlink(in_folder(names[i])) < 0)
            (void)rmdir(in_folder(names[i]));
}

static int remove_folder(void **state) {
    static const char *const names[] = {"key",   "new",     "..data", "..one/key", "..two/key", "..one",
                                        "..two", "sub/key", "sub",    "away/key",  "away",      "other"};

    (void)state;
    file_watch_stop(&watch);
    remove_all(names, ARRAY_LEN(names));
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static void tells_of_a_write_in_place(void **state) {
    (void)state;
    write_file(path, "one");
    start_watch(path);
    write_file(path, "two");
    require_change();
    write_file(path, "three");
    require_change();
}

static void tells_of_another_file_renamed_over_it(void **state) {
    (void)state;
    write_file(path, "one");
    start_watch(path);
    write_file(in_folder("new"), "two");
    assert_int_equal(rename(in_folder("new"), path), 0);
    require_change();
}

static void tells_of_removal_and_of_return(void **state) {
    (void)state;
    write_file(path, "one");
    start_watch(path);
    assert_int_equal(unlink(path), 0);
    require_change();
    write_file(path, "two");
    require_change();
}

static void tells_of_a_change_of_mode(void **state) {
    (void)state;
    write_file(path, "one");
    start_watch(path);
    assert_int_equal(chmod(path, 0644), 0);
    require_change();
}

/* key -> ..data/key, and ..data -> ..one: Kubernetes renames another ..data over it, and no entry `key` is touched. */
static void tells_of_a_switched_link(void **state) {
    (void)state;
    assert_int_equal(mkdir(in_folder("..one"), 0700), 0);
    assert_int_equal(mkdir(in_folder("..two"), 0700), 0);
    write_file(in_folder("..one/key"), "one");
    write_file(in_folder("..two/key"), "two");
    assert_int_equal(symlink("..one", in_folder("..data")), 0);
    assert_int_equal(symlink("..data/key", path), 0);
    start_watch(path);
    assert_int_equal(symlink("..two", in_folder("new")), 0);
    assert_int_equal(rename(in_folder("new"), in_folder("..data")), 0);
    require_change();
    write_file(in_folder("..two/key"), "three"); /* where the link leads to is watched too, and is so anew */
    require_change();
}

static void tells_when_its_directory_goes_and_comes_back(void **state) {
    (void)state;
    assert_int_equal(mkdir(in_folder("sub"), 0700), 0);
    (void)snprintf(path, sizeof(path), "%s", in_folder("sub/key"));
    write_file(path, "one");
    start_watch(path);
    assert_int_equal(rename(in_folder("sub"), in_folder("away")), 0);
    require_change();
    write_file(in_folder("away/key"), "two");
    assert_int_equal(rename(in_folder("away"), in_folder("sub")), 0);
    require_change(); /* by a look, since nothing could be watched */
    write_file(path, "three");
    require_change();
}

static void a_file_that_was_never_there_may_come(void **state) {
    (void)state;
    start_watch(path);
    write_file(path, "one");
    require_change();
}

static void what_happens_beside_it_is_no_change(void **state) {
    (void)state;
    write_file(path, "one");
    start_watch(path);
    write_file(in_folder("other"), "two");
    loop_settle();
    assert_int_equal(changes, 0);
    write_file(path, "two");
    loop_until(has_changed, NULL);
    assert_int_equal(changes, 1);
}

static void two_may_watch_one_directory(void **state) {
    struct file_watch other;

    (void)state;
    write_file(path, "one");
    start_watch(path);
    file_watch_start(&other, in_folder("other"), count);
    file_watch_stop(&other);
    write_file(path, "two");
    require_change();
}

static void a_change_before_inotify_is_asked_is_told(void **state) {
    (void)state;
    write_file(path, "one");
    file_watch_start(&watch, path, count);
    write_file(path, "two");
    assert_false(asks_inotify(NULL));
    require_change();
}

static void a_short_one_opens_no_descriptor(void **state) {
    int before = next_number();

    (void)state;
    file_watch_start(&watch, path, count);
    assert_int_equal(next_number(), before);
    file_watch_stop(&watch);
}

static void leaves_no_descriptor_and_no_watch(void **state) {
    int before = next_number();

    (void)state;
    start_watch(path);
    assert_true(next_number() > before);
    file_watch_stop(&watch);
    file_watch_stop(&watch);
    assert_int_equal(next_number(), before);
    assert_int_equal(loop_run(), 0); /* it returns: nothing is left to wait for */
}

static int start_loop(void **state) {
    (void)state;
    return loop_init();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(tells_of_a_write_in_place),
        TEST(tells_of_another_file_renamed_over_it),
        TEST(tells_of_removal_and_of_return),
        TEST(tells_of_a_change_of_mode),
        TEST(tells_of_a_switched_link),
        TEST(tells_when_its_directory_goes_and_comes_back),
        TEST(a_file_that_was_never_there_may_come),
        TEST(what_happens_beside_it_is_no_change),
        TEST(two_may_watch_one_directory),
        TEST(a_change_before_inotify_is_asked_is_told),
        TEST(a_short_one_opens_no_descriptor),
        TEST(leaves_no_descriptor_and_no_watch),
    };
    return cmocka_run_group_tests(tests, start_loop, NULL);
}
