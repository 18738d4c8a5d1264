#include "cmd/log_lines.h"

#include <errno.h>

#include "base/limits.h"
#include "cmd/log_entry.h"
#include "cmd/log_files.h"
#include "unit_audit.h"

static struct log_lines lines;
static int file = -EBADF;

static void open_lines(void) {
    append_to(audit_path, "");
    file = open(audit_path, O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(log_lines_init(&lines, file), 0);
}

static void close_lines(void) {
    log_lines_done(&lines);
    fd_close(&file);
}

static void assert_next(const char *text) {
    struct slice line;

    assert_int_equal(log_lines_next(&lines, &line), LOG_LINE);
    assert_slice(line, text);
}

static void assert_end(const char *rest) {
    struct slice line;

    assert_int_equal(log_lines_next(&lines, &line), LOG_END);
    assert_slice(log_lines_rest(&lines), rest);
}

static void lines_come_as_they_are_written(void **state) {
    (void)state;
    append_to(audit_path, "one\n\ntwo\nthr");
    open_lines();
    assert_next("one");
    assert_next("");
    assert_next("two");
    assert_end("thr");
    append_to(audit_path, "ee\n");
    assert_next("three");
    assert_end("");
    assert_int_equal(lines.n_read, 15);
    close_lines();
}

static char long_text[3 * LIMIT_AUDIT_LINE];

/* A line of `n` bytes, its newline not counted. */
static void append_long(size_t n) {
    memset(long_text, 'x', n);
    memcpy(long_text + n, "\n", 2);
    append_to(audit_path, long_text);
}

static void only_a_line_that_is_too_long_is_left_out(void **state) {
    static const size_t sizes[] = {LIMIT_AUDIT_LINE + 1, LIMIT_AUDIT_LINE * 2, LIMIT_AUDIT_LINE * 5 / 2};
    struct slice line;

    (void)state;
    append_long(LIMIT_AUDIT_LINE);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        append_long(sizes[i]);
        append_to(audit_path, "between\n");
    }
    open_lines();
    assert_int_equal(log_lines_next(&lines, &line), LOG_LINE);
    assert_int_equal(line.n, LIMIT_AUDIT_LINE);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_int_equal(log_lines_next(&lines, &line), LOG_LONG);
        assert_next("between");
    }
    assert_end("");
    close_lines();
}

static void files_are_found_the_newest_first(void **state) {
    struct log_files files;
    uint64_t number;

    (void)state;
    assert_int_equal(log_files_open(audit_path, &files, &number), -ENOENT);
    append_to(audit_path, "0\n");
    append_to(rotated(1), "1\n");
    append_to(rotated(3), "3\n"); /* FILE.2 is just being moved */
    append_to(rotated(6), "6\n"); /* of something else */
    assert_int_equal(log_files_open(audit_path, &files, &number), 0);
    assert_int_equal(files.n, 3);
    assert_int_equal(files.files[0].number, 0);
    assert_int_equal(files.files[1].number, 1);
    assert_int_equal(files.files[2].number, 3);
    log_files_close(&files);
}

static void a_file_that_moves_meanwhile_is_read_once(void **state) {
    struct log_files files;
    uint64_t number;

    (void)state;
    append_to(audit_path, "0\n");
    assert_int_equal(link(audit_path, rotated(1)), 0); /* as it looks to whoever opened it a moment ago */
    assert_int_equal(log_files_open(audit_path, &files, &number), 0);
    assert_int_equal(files.n, 1);
    log_files_close(&files);
}

static void one_that_cannot_be_read_is_named(void **state) {
    struct log_files files;
    uint64_t number = 0;
    char name[LOG_NAME_MAX];
    int before = next_number();

    (void)state;
    append_to(audit_path, "0\n");
    assert_int_equal(mkdir(rotated(1), 0700), 0);
    assert_int_equal(log_files_open(audit_path, &files, &number), -EINVAL);
    assert_string_equal(log_file_name(audit_path, number, name), rotated(1));
    assert_int_equal(next_number(), before);
}

static bool admits(const struct log_filter *filter, const char *line) {
    struct log_entry entry = log_entry_read(slice_of_string(line));
    bool is_admitted;

    assert_non_null(entry.object);
    is_admitted = log_filter_admits(filter, &entry);
    log_entry_done(&entry);
    return is_admitted;
}

static void a_filter_admits_what_is_asked_for(void **state) {
    static const char line[] = "{\"time\":\"1970-01-01T00:00:02.500Z\",\"lease\":\"api\",\"id\":\"1-2\"}";
    static const char denied[] = "{\"lease\":\"other\",\"refusal\":\"rate\"}";

    (void)state;
    assert_true(admits(&(struct log_filter){0}, line));
    assert_true(admits(&(struct log_filter){.lease = "api"}, line));
    assert_true(admits(&(struct log_filter){.lease = "1-2"}, line));
    assert_false(admits(&(struct log_filter){.lease = "ap"}, line));
    assert_true(admits(&(struct log_filter){.since_ms = 2500}, line));
    assert_false(admits(&(struct log_filter){.since_ms = 2501}, line));
    assert_false(admits(&(struct log_filter){.is_denied = true}, line));
    assert_true(admits(&(struct log_filter){.is_denied = true}, denied));
    assert_false(admits(&(struct log_filter){.since_ms = 1}, denied)); /* of no time */
}

static void an_entry_may_hold_anything(void **state) {
    static const char *const lines_of_anybody[] = {"", "[]", "1", "\"x\"", "{", "{\"time\":1", "\xFF", "null"};
    struct log_entry entry = log_entry_read(
        SLICE("{\"time\":5,\"lease\":[],\"pid\":\"x\",\"status\":-1,\"path\":\"a\\u0000b\",\"bytes_in\":1.5}"));

    (void)state;
    assert_non_null(entry.object);
    assert_int_equal(entry.unix_ms, 0);
    assert_slice(log_entry_text(&entry, "lease"), "");
    assert_int_equal(log_entry_text(&entry, "path").n, 3);
    assert_int_equal(log_entry_number(&entry, "pid"), 0);
    assert_int_equal(log_entry_number(&entry, "status"), 0);
    assert_int_equal(log_entry_number(&entry, "bytes_in"), 0);
    log_entry_done(&entry);
    for (size_t i = 0; i < ARRAY_LEN(lines_of_anybody); i++)
        assert_null(log_entry_read(slice_of_string(lines_of_anybody[i])).object);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        in_folder(lines_come_as_they_are_written),    in_folder(only_a_line_that_is_too_long_is_left_out),
        in_folder(files_are_found_the_newest_first),  in_folder(a_file_that_moves_meanwhile_is_read_once),
        in_folder(one_that_cannot_be_read_is_named),  cmocka_unit_test(a_filter_admits_what_is_asked_for),
        cmocka_unit_test(an_entry_may_hold_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
