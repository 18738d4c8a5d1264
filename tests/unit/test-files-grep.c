#include "fleet/files/grep_lines.h"
#include "unit_files.h"

static int grep_in(const char *pattern, const char *const includes[], size_t n) {
    struct slice globs[8];

    assert_true(n <= ARRAY_LEN(globs));
    for (size_t i = 0; i < n; i++)
        globs[i] = slice_of_string(includes[i]);
    return do_order(&(struct order){
        .operation = OPERATION_GREP, .pattern = slice_of_string(pattern), .globs = globs, .n_globs = n});
}

static int grep(const char *pattern) {
    return grep_in(pattern, NULL, 0);
}

/* The matches, `path:line` each, one behind the other. */
static const char *found(void) {
    static char text[4096];
    const json_t *match;
    size_t i, n = 0;

    text[0] = '\0';
    json_array_foreach(json_object_get(answer, "matches"), i, match) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s:%d", i > 0 ? " " : "", text_of(match, "path"),
                              (int)number_of(match, "line_number"));
        assert_true(n < sizeof(text));
    }
    return text;
}

static const char *content_of_first(void) {
    return text_of(json_array_get(json_object_get(answer, "matches"), 0), "content");
}

static void fill(void) {
    place_mkdir(workspace, "src");
    place_mkdir(workspace, ".work");
    place_mkdir(workspace, ".work/outputs");
    place_write(workspace, "a.c", SLICE("int main(void)\n{\n  return Main;\n}\n"));
    place_write(workspace, "src/b.h", SLICE("extern int main(void);\r\nlast main"));
    place_write(workspace, "binary", SLICE("main\0main\n"));
    place_write(workspace, ".hidden", SLICE("main\n"));
    place_write(workspace, ".work/outputs/x.txt", SLICE("main\n"));
    assert_int_equal(symlinkat("a.c", workspace, "link.c"), 0);
    assert_int_equal(mkfifoat(workspace, "fifo", 0600), 0);
}

static void lines_are_found_in_order(void **state) {
    (void)state;
    fill();
    assert_int_equal(grep("main"), 0);
    assert_string_equal(found(), "a.c:1 a.c:3 src/b.h:1 src/b.h:2");
    assert_string_equal(content_of_first(), "int main(void)");
    assert_string_equal(text_of(answer, "content"), "a.c:1:int main(void)\na.c:3:  return Main;\n"
                                                    "src/b.h:1:extern int main(void);\nsrc/b.h:2:last main\n");
    assert_null(json_object_get(answer, "truncated"));
    assert_int_equal(grep("Main"), 0);
    assert_string_equal(found(), "a.c:3");
    assert_int_equal(grep("^\\}$"), 0);
    assert_string_equal(found(), "a.c:4");
    assert_int_equal(grep("nowhere"), 0);
    assert_string_equal(found(), "");
    assert_string_equal(text_of(answer, "content"), "");
    assert_int_equal(grep("main("), 0); /* no expression */
    assert_string_equal(found(), "a.c:1 src/b.h:1");
}

static void files_are_included_and_left_out(void **state) {
    static const struct {
        const char *globs[2], *found;
    } rows[] = {
        {{"*.c"}, "a.c:1 a.c:3"},
        {{"*.h"}, "src/b.h:1 src/b.h:2"},
        {{"*.c", "*.h"}, "a.c:1 a.c:3 src/b.h:1 src/b.h:2"},
        {{"src/*"}, "src/b.h:1 src/b.h:2"},
        {{"/a.c"}, "a.c:1 a.c:3"},
        {{"!*.c"}, "src/b.h:1 src/b.h:2"},
        {{"!src"}, "a.c:1 a.c:3"},
        {{"**/*.{c,h}", "!a.*"}, "src/b.h:1 src/b.h:2"},
        {{".work/outputs/*"}, ".work/outputs/x.txt:1"},
        {{".work/**"}, ".work/outputs/x.txt:1"},
        {{".hidden"}, ".hidden:1"},
        {{"../*"}, ""},
    };

    (void)state;
    fill();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(grep_in("main", rows[i].globs, rows[i].globs[1] ? 2 : 1), 0);
        if (strcmp(found(), rows[i].found) != 0)
            fail_msg("%s: %s", rows[i].globs[0], found());
    }
    assert_int_equal(grep_in("main", (const char *const[]){"{a"}, 1), -EINVAL);
    assert_string_equal(answer_error, "a pattern has a bracket or brace without its end: {a");
}

static void a_line_without_characters_is_shown_as_well_as_it_can_be(void **state) {
    (void)state;
    place_write(workspace, "x", SLICE("x \xfe needle\n"));
    assert_int_equal(grep("needle"), 0);
    assert_string_equal(content_of_first(), "x \xEF\xBF\xBD needle");
}

static void a_long_line_is_cut_where_a_character_ends(void **state) {
    static char line[3 * LIMIT_GREP_LINE];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(line); i += 2)
        memcpy(line + i, "\xC3\xA9", 2);
    line[0] = 'x';
    line[1] = 'y';
    line[2] = 'z'; /* and so all characters stand one byte further on */
    for (size_t i = 3; i + 2 < sizeof(line); i += 2)
        memcpy(line + i, "\xC3\xA9", 2);
    memcpy(line + sizeof(line) - 20, "far\nnext near\n      ", 20);
    place_write(workspace, "x", slice_of(line, sizeof(line)));
    assert_int_equal(grep("xyz"), 0);
    assert_int_equal(strlen(content_of_first()), LIMIT_GREP_SHOWN - 1);
    assert_int_equal(grep("far"), 0);
    assert_string_equal(found(), ""); /* passed over, and said */
    assert_true(json_is_true(json_object_get(answer, "truncated")));
    assert_int_equal(grep("near"), 0);
    assert_string_equal(found(), "x:2");
}

/* Lines of every length around the bounds of the buffer, each numbered right. */
static void every_line_is_numbered_whatever_its_length(void **state) {
    static const size_t lengths[] = {0,
                                     1,
                                     LIMIT_GREP_LINE - 2,
                                     LIMIT_GREP_LINE - 1,
                                     LIMIT_GREP_LINE,
                                     LIMIT_GREP_LINE + 1,
                                     2 * LIMIT_GREP_LINE - 1,
                                     2 * LIMIT_GREP_LINE,
                                     2 * LIMIT_GREP_LINE + 1,
                                     5 * LIMIT_GREP_LINE};
    static char line[5 * LIMIT_GREP_LINE + 1];
    struct grep_lines lines = {.memory = malloc(GREP_MEMORY)};
    _cleanup_close_ int fd = openat(workspace, "x", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct slice taken;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        memset(line, 'a' + (int)i, lengths[i]);
        line[lengths[i]] = '\n';
        assert_int_equal(fd_write_all(fd, line, lengths[i] + 1), 0);
    }
    assert_int_equal(fd_write_all(fd, "end", 3), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    grep_lines_begin(&lines, fd);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        assert_int_equal(grep_lines_next(&lines, &files, &taken), 1);
        assert_int_equal(lines.number, i + 1);
        assert_int_equal(taken.n, MIN_OF(lengths[i], (size_t)LIMIT_GREP_LINE));
        for (size_t at = 0; at < taken.n; at++)
            assert_true(taken.p[at] == 'a' + (int)i);
    }
    assert_int_equal(grep_lines_next(&lines, &files, &taken), 1);
    assert_slice(taken, "end");
    assert_int_equal(grep_lines_next(&lines, &files, &taken), 0);
    free(lines.memory);
}

static void a_large_output_is_kept_in_a_file(void **state) {
    static const char line[] = "needle in a long line of hay\n";
    int fd = openat(workspace, "many", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    struct stat st;
    const char *path;

    (void)state;
    for (int i = 0; i < 5000; i++)
        assert_int_equal(fd_write_all(fd, line, sizeof(line) - 1), 0);
    (void)close(fd);
    assert_int_equal(grep("needle"), 0);
    assert_true(json_is_true(json_object_get(answer, "truncated")));
    assert_true(strlen(text_of(answer, "content")) < 30000);
    path = text_of(answer, "file_path");
    assert_int_equal(strncmp(path, ".work/outputs/grep_", 19), 0);
    assert_non_null(strstr(text_of(answer, "content"), path));
    assert_int_equal(fstatat(workspace, path, &st, 0), 0);
    assert_int_equal(st.st_size, number_of(answer, "total_size"));
    assert_int_equal(json_array_size(json_object_get(answer, "matches")), 5000);
}

/* Of which all are in the file, and only so many are told one by one. */
static void matches_are_bounded_and_the_output_is_whole(void **state) {
    int fd = openat(workspace, "many", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    struct stat st;

    (void)state;
    for (int i = 0; i < LIMIT_MATCHES + 10; i++)
        assert_int_equal(fd_write_all(fd, "x\n", 2), 0);
    (void)close(fd);
    assert_int_equal(grep("x"), 0);
    assert_int_equal(json_array_size(json_object_get(answer, "matches")), LIMIT_MATCHES);
    assert_true(json_is_true(json_object_get(answer, "truncated")));
    assert_int_equal(fstatat(workspace, text_of(answer, "file_path"), &st, 0), 0);
    assert_int_equal(st.st_size, number_of(answer, "total_size"));
    assert_non_null(strstr(text_of(answer, "content"), "in 10010 lines"));
    answer_cap = 512 * 1024;
    assert_int_equal(grep("x"), 0);
    assert_true(json_array_size(json_object_get(answer, "matches")) < LIMIT_MATCHES);
    assert_int_equal(st.st_size, number_of(answer, "total_size"));
}

static void an_output_that_cannot_be_saved_is_shown_in_part(void **state) {
    int fd = openat(workspace, "many", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    (void)state;
    for (int i = 0; i < 20000; i++)
        assert_int_equal(fd_write_all(fd, "x\n", 2), 0);
    (void)close(fd);
    place_write(workspace, ".work", SLICE("in its way"));
    assert_int_equal(grep("x"), 0);
    assert_true(json_is_true(json_object_get(answer, "truncated")));
    assert_null(json_object_get(answer, "file_path"));
    assert_non_null(strstr(text_of(answer, "content"), "It could not be saved."));
}

static void it_ends_when_its_time_is_over(void **state) {
    (void)state;
    fill();
    files.deadline_ms = 1;
    assert_int_equal(grep("main"), -ETIMEDOUT);
    assert_null(answer_error);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_are_found_in_order, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(files_are_included_and_left_out, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(a_line_without_characters_is_shown_as_well_as_it_can_be, files_setup,
                                        files_teardown),
        cmocka_unit_test_setup_teardown(a_long_line_is_cut_where_a_character_ends, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(every_line_is_numbered_whatever_its_length, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(a_large_output_is_kept_in_a_file, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(matches_are_bounded_and_the_output_is_whole, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(an_output_that_cannot_be_saved_is_shown_in_part, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(it_ends_when_its_time_is_over, files_setup, files_teardown),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no openat2(2)");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
