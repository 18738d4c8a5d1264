#include "ingress/desk/table_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "unit_fd.h"
#include "unit_loop.h"

static char directory[] = "/tmp/credfd-test-XXXXXX";
static char path[64], other_path[64];
static struct table_keeper keeper;
static unsigned n_changed, n_failed;

static int make_place(void **state) {
    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/table.json", directory);
    (void)snprintf(other_path, sizeof(other_path), "%s/other.json", directory);
    return 0;
}

static int remove_place(void **state) {
    (void)state;
    (void)unlink(path);
    (void)unlink(other_path);
    return rmdir(directory);
}

/* As a careful administrator does: the file is never seen half written. */
static void write_table(const char *to, const char *text) {
    char draft[96];
    int fd;

    (void)snprintf(draft, sizeof(draft), "%s.new", to);
    fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
    fd_close(&fd);
    assert_int_equal(rename(draft, to), 0);
}

static int number_of_recipe(void *owner, const char *name, char **ret_error) {
    (void)owner;
    (void)ret_error;
    return strcmp(name, "t3") == 0 ? 0 : 1;
}

static void changed(struct table_keeper *k) {
    (void)k;
    n_changed++;
}

static void failed(struct table_keeper *k) {
    (void)k;
    n_failed++;
}

#define ALICE "{\"alice\": {\"os_user\": \"alice\", \"port\": 1000}}\n"
#define BOB "{\"bob\": {\"os_user\": \"bob\", \"port\": 1000}}\n"
#define FAULTY "{\"bob\": {\"os_user\": \"bob\", \"port\": 0}}\n"

static int start(uint64_t look_ms, char **ret_error) {
    keeper = (struct table_keeper){
        .recipes = {.number = number_of_recipe, .fallback = "t3"},
        .path = path,
        .look_ms = look_ms,
        .fd = -EBADF,
        .changed = changed,
        .failed = failed,
    };
    n_changed = n_failed = 0;
    return table_keeper_start(&keeper, ret_error);
}

static bool is_more(const void *of) {
    return *(const unsigned *)of > 0;
}

static void takes_a_file_that_has_changed(void **state) {
    char *error;

    (void)state;
    write_table(path, ALICE);
    assert_int_equal(start(1000000, &error), 0);
    assert_true(table_has(keeper.table, SLICE("alice")));
    assert_int_equal(table_number(keeper.table), 1);
    write_table(path, BOB);
    loop_until(is_more, &n_changed);
    assert_true(table_has(keeper.table, SLICE("bob")) && !table_has(keeper.table, SLICE("alice")));
    assert_int_equal(table_number(keeper.table), 2);
    table_keeper_stop(&keeper);
}

static void names_a_file_that_is_missing_at_the_start(void **state) {
    _cleanup_free_ char *error = NULL;
    int before = open_descriptors();

    (void)state;
    (void)unlink(path);
    assert_int_equal(start(1000, &error), -ENOENT);
    assert_non_null(error);
    assert_non_null(strstr(error, path));
    assert_int_equal(open_descriptors(), before);
}

static unsigned looks;

static bool have_looked_often(const void *of) {
    (void)of;
    return ++looks > 200;
}

static void keeps_the_old_one_and_says_a_fault_once(void **state) {
    char *error;

    (void)state;
    write_table(path, ALICE);
    assert_int_equal(start(5, &error), 0); /* read again two hundred times a second */
    write_table(path, FAULTY);
    loop_until(is_more, &n_failed);
    looks = 0;
    loop_until(have_looked_often, NULL);
    assert_int_equal(n_failed, 1);
    assert_true(table_has(keeper.table, SLICE("alice")));
    assert_int_equal(table_number(keeper.table), 1);
    write_table(path, BOB);
    loop_until(is_more, &n_changed);
    assert_true(table_has(keeper.table, SLICE("bob")));
    table_keeper_stop(&keeper);
}

static void tells_nobody_of_a_table_that_is_the_same(void **state) {
    char *error;

    (void)state;
    write_table(path, ALICE);
    assert_int_equal(start(2, &error), 0);
    looks = 0;
    loop_until(have_looked_often, NULL);
    assert_int_equal(n_changed, 0);
    assert_int_equal(table_number(keeper.table), 1);
    table_keeper_stop(&keeper);
}

static void follows_the_settings_to_another_file(void **state) {
    char *error;

    (void)state;
    write_table(path, ALICE);
    write_table(other_path, BOB);
    assert_int_equal(start(1000000, &error), 0);
    table_keeper_change(&keeper, other_path, 1000000, "t3");
    assert_int_equal(n_changed, 1);
    assert_true(table_has(keeper.table, SLICE("bob")));
    n_changed = 0;
    write_table(path, ALICE); /* nobody's any more */
    write_table(other_path, ALICE);
    loop_until(is_more, &n_changed);
    assert_true(table_has(keeper.table, SLICE("alice")));
    assert_int_equal(table_number(keeper.table), 3);
    table_keeper_stop(&keeper);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_file_that_has_changed),
        cmocka_unit_test(names_a_file_that_is_missing_at_the_start),
        cmocka_unit_test(keeps_the_old_one_and_says_a_fault_once),
        cmocka_unit_test(tells_nobody_of_a_table_that_is_the_same),
        cmocka_unit_test(follows_the_settings_to_another_file),
    };

    assert_int_equal(loop_init(), 0);
    return cmocka_run_group_tests(tests, make_place, remove_place);
}
