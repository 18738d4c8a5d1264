#include "unit_files.h"

static int write_file(const char *path, struct slice content) {
    return do_order(&(struct order){.operation = OPERATION_WRITE, .path = slice_of_string(path), .content = content});
}

static char text[64];

static void a_file_is_written_with_the_directories_above_it(void **state) {
    struct stat st;

    (void)state;
    assert_int_equal(write_file("new/deep/file", SLICE("a\0b")), 0);
    assert_true(json_is_true(json_object_get(answer, "success")));
    assert_int_equal(place_read(workspace, "new/deep/file", text, sizeof(text)), 3);
    assert_memory_equal(text, "a\0b", 3);
    assert_int_equal(fstatat(workspace, "new/deep", &st, 0), 0);
    assert_int_equal(st.st_mode & 0700, 0700);
    assert_int_equal(write_file("/new/./x", SLICE_EMPTY), 0);
    assert_int_equal(place_read(workspace, "new/x", text, sizeof(text)), 0);
    assert_int_equal(write_file("new/../y", SLICE("y")), 0);
    assert_true(place_has(workspace, "y"));
}

static void what_is_there_is_replaced_with_its_mode(void **state) {
    struct stat st;

    (void)state;
    place_write(workspace, "script", SLICE("a much longer text"));
    assert_int_equal(fchmodat(workspace, "script", 0751, 0), 0);
    assert_int_equal(write_file("script", SLICE("short")), 0);
    assert_int_equal(place_read(workspace, "script", text, sizeof(text)), 5);
    assert_int_equal(fstatat(workspace, "script", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0751);
}

/* Whoever has the old one open goes on reading it. */
static void it_is_replaced_in_one_step(void **state) {
    _cleanup_close_ int old = -EBADF;

    (void)state;
    place_write(workspace, "f", SLICE("old"));
    old = openat(workspace, "f", O_RDONLY | O_CLOEXEC);
    assert_int_equal(write_file("f", SLICE("new")), 0);
    assert_int_equal(read(old, text, sizeof(text)), 3);
    assert_memory_equal(text, "old", 3);
}

static void a_link_that_stays_inside_is_written_through(void **state) {
    struct stat st;

    (void)state;
    place_mkdir(workspace, "d");
    place_write(workspace, "d/real", SLICE("old"));
    assert_int_equal(symlinkat("d/real", workspace, "one"), 0);
    assert_int_equal(symlinkat("../one", workspace, "d/two"), 0);
    assert_int_equal(symlinkat("d", workspace, "dir"), 0);
    assert_int_equal(write_file("dir/two", SLICE("new")), 0);
    (void)place_read(workspace, "d/real", text, sizeof(text));
    assert_string_equal(text, "new");
    assert_int_equal(fstatat(workspace, "one", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(symlinkat("made/by/link", workspace, "dangling"), 0);
    assert_int_equal(write_file("dangling", SLICE("x")), 0);
    assert_true(place_has(workspace, "made/by/link"));
}

static void what_leads_out_is_refused(void **state) {
    static const char *const paths[] = {"../x",      "a/../../x", "out/x",        "out-file",   "relative",
                                        "d/up/up/x", "loop",      "made/../../x", "dir-out/a/b"};

    (void)state;
    place_mkdir(workspace, "a");
    place_mkdir(workspace, "d");
    assert_int_equal(symlinkat("/tmp", workspace, "out"), 0);
    assert_int_equal(symlinkat("/tmp/credfd-test-out", workspace, "out-file"), 0);
    assert_int_equal(symlinkat("../credfd-test-out", workspace, "relative"), 0);
    assert_int_equal(symlinkat("../..", workspace, "d/up"), 0);
    assert_int_equal(symlinkat("loop", workspace, "loop"), 0);
    assert_int_equal(symlinkat("..", workspace, "dir-out"), 0);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (write_file(paths[i], SLICE("mine")) == 0)
            fail_msg("%s", paths[i]);
        assert_non_null(answer_error);
    }
    assert_true(access("/tmp/credfd-test-out", F_OK) < 0);
    assert_string_equal((write_file("../x", SLICE("")), answer_error), "path escapes the workspace: ../x");
}

static void what_is_no_file_is_left(void **state) {
    (void)state;
    place_mkdir(workspace, "d");
    assert_int_equal(mkfifoat(workspace, "fifo", 0600), 0);
    place_write(workspace, "file", SLICE("x"));
    assert_int_equal(write_file("d", SLICE("x")), -EISDIR);
    assert_string_equal(answer_error, "cannot write a directory: d");
    assert_int_equal(write_file("fifo", SLICE("x")), -EINVAL);
    assert_int_equal(write_file("file/x", SLICE("x")), -ENOTDIR);
    assert_int_equal(write_file("", SLICE("x")), -EISDIR);
    assert_int_equal(write_file("d/..", SLICE("x")), -EISDIR);
    assert_int_equal(write_file("x/../d/y", SLICE("x")), 0);
}

static int no_more(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st;
    (void)type;
    (void)at;
    return strstr(path, ".credfd-") != NULL;
}

static void nothing_is_left_beside_it(void **state) {
    (void)state;
    assert_int_equal(write_file("f", SLICE("x")), 0);
    files.deadline_ms = 1;
    assert_int_equal(write_file("f", SLICE("other")), -ETIMEDOUT);
    assert_int_equal(nftw(place_path, no_more, 16, FTW_PHYS), 0);
    (void)place_read(workspace, "f", text, sizeof(text));
    assert_string_equal(text, "x");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_written_with_the_directories_above_it, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(what_is_there_is_replaced_with_its_mode, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(it_is_replaced_in_one_step, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(a_link_that_stays_inside_is_written_through, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(what_leads_out_is_refused, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_file_is_left, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_left_beside_it, files_setup, files_teardown),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no openat2(2)");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
