#include <sys/socket.h>
#include <sys/un.h>

#include "unit_files.h"

static int read_part(const char *path, uint64_t offset, uint64_t limit) {
    return do_order(
        &(struct order){.operation = OPERATION_READ, .path = slice_of_string(path), .offset = offset, .limit = limit});
}

static int list(const char *path, bool is_recursive, const char *ignored) {
    struct slice globs[] = {slice_of_string(ignored ? ignored : "")};

    return do_order(&(struct order){.operation = OPERATION_LIST,
                                    .path = slice_of_string(path),
                                    .is_recursive = is_recursive,
                                    .globs = globs,
                                    .n_globs = ignored != NULL});
}

static int glob(const char *pattern) {
    return do_order(&(struct order){.operation = OPERATION_GLOB, .pattern = slice_of_string(pattern)});
}

/* The names in the answer, one behind the other. */
static const char *names_of(const char *member) {
    static char names[4096];
    const json_t *entry;
    size_t i, n = 0;

    names[0] = '\0';
    json_array_foreach(json_object_get(answer, member), i, entry) {
        const char *name = json_is_string(entry) ? json_string_value(entry) : text_of(entry, "path");

        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i > 0 ? " " : "", name);
        assert_true(n < sizeof(names));
    }
    return names;
}

static void fill(void) {
    place_mkdir(workspace, "b");
    place_mkdir(workspace, "b/c");
    place_mkdir(workspace, "node_modules");
    place_write(workspace, "a.txt", SLICE("hello"));
    place_write(workspace, "b/c/d.txt", SLICE(""));
    place_write(workspace, "b/e.txt", SLICE(""));
    place_write(workspace, "node_modules/x.js", SLICE(""));
    place_write(workspace, ".hidden", SLICE(""));
}

static void a_file_is_read_in_whole_and_in_part(void **state) {
    static const struct {
        uint64_t offset, limit;
        const char *content;
    } rows[] = {{0, 0, "aGVsbG8="},         {1, 3, "ZWxs"}, {4, 0, "bw=="},
                {4, 100, "bw=="},           {5, 0, ""},     {UINT64_MAX, 0, ""},
                {1, UINT64_MAX, "ZWxsbw=="}};

    (void)state;
    fill();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(read_part("/a.txt", rows[i].offset, rows[i].limit), 0);
        assert_string_equal(text_of(answer, "content"), rows[i].content);
        assert_int_equal(number_of(answer, "total_size"), 5);
    }
    assert_int_equal(read_part("b/e.txt", 0, 0), 0);
    assert_string_equal(text_of(answer, "content"), "");
}

static void what_does_not_fit_is_left_out(void **state) {
    int fd = openat(workspace, "big", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    size_t n;

    (void)state;
    assert_int_equal(ftruncate(fd, 3 * LIMIT_RESULT), 0);
    (void)close(fd);
    assert_int_equal(read_part("big", 0, 0), 0);
    n = strlen(text_of(answer, "content"));
    assert_true(n > LIMIT_RESULT - 256 && n < LIMIT_RESULT);
    assert_int_equal(number_of(answer, "total_size"), 3 * LIMIT_RESULT);
    answer_cap = 4096;
    assert_int_equal(read_part("big", 0, 0), 0);
    n = strlen(text_of(answer, "content"));
    assert_true(n > 4096 - 256 && n < 4096);
}

static void only_files_are_read(void **state) {
    static const struct {
        const char *path, *error;
    } rows[] = {
        {"b", "cannot read a directory: b"},        {"fifo", "not a regular file: fifo"},
        {"socket", "not a regular file: socket"},   {"absent", "no such file or directory: absent"},
        {"a.txt/x", "not a directory: a.txt/x"},    {"../x", "path escapes the workspace: ../x"},
        {"out", "path escapes the workspace: out"}, {"loop", "too many symbolic links: loop"},
        {"", "cannot read a directory: "},
    };
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    fill();
    assert_int_equal(mkfifoat(workspace, "fifo", 0600), 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", place_path);
    assert_int_equal(bind(sock, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(symlinkat("/etc/passwd", workspace, "out"), 0);
    assert_int_equal(symlinkat("loop", workspace, "loop"), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(read_part(rows[i].path, 0, 0) < 0);
        assert_string_equal(answer_error, rows[i].error);
    }
}

static void a_path_that_cannot_be_is_refused(void **state) {
    struct order order = {.operation = OPERATION_READ, .path = SLICE("a\0b")};
    char path[8192];

    (void)state;
    assert_true(do_order(&order) < 0);
    memset(path, 'x', sizeof(path));
    order.path = slice_of(path, 300);
    assert_true(do_order(&order) < 0);
    for (size_t i = 1; i < sizeof(path); i += 2)
        path[i] = '/';
    order.path = slice_of(path, sizeof(path));
    assert_true(do_order(&order) < 0);
    assert_true(strlen(answer_error) < 400);
}

static void a_directory_is_listed_in_order(void **state) {
    const json_t *entry;

    (void)state;
    fill();
    assert_int_equal(list(".", false, NULL), 0);
    assert_string_equal(names_of("entries"), ".hidden a.txt b node_modules");
    entry = json_array_get(json_object_get(answer, "entries"), 1);
    assert_int_equal(number_of(entry, "size"), 5);
    assert_true(json_is_false(json_object_get(entry, "is_dir")));
    assert_true(json_is_true(json_object_get(json_array_get(json_object_get(answer, "entries"), 2), "is_dir")));
    assert_int_equal(list("", true, "node_*"), 0);
    assert_string_equal(names_of("entries"), ".hidden a.txt b b/c b/c/d.txt b/e.txt");
    assert_int_equal(list("./b/", false, NULL), 0);
    assert_string_equal(names_of("entries"), "b/c b/e.txt");
    assert_int_equal(list("b", true, "c"), 0);
    assert_string_equal(names_of("entries"), "b/e.txt");
    assert_int_equal(list("a.txt", false, NULL), 0);
    assert_string_equal(names_of("entries"), "a.txt");
    assert_null(json_object_get(answer, "truncated"));
    assert_true(list("absent", false, NULL) < 0);
    assert_string_equal(answer_error, "no such file or directory: absent");
}

static void links_are_listed_and_not_entered(void **state) {
    (void)state;
    fill();
    assert_int_equal(symlinkat("b", workspace, "link"), 0);
    assert_int_equal(symlinkat("..", workspace, "b/up"), 0);
    assert_int_equal(symlinkat("/", workspace, "root"), 0);
    assert_int_equal(list(".", true, "node_modules"), 0);
    assert_string_equal(names_of("entries"), ".hidden a.txt b b/c b/c/d.txt b/e.txt b/up link root");
    assert_int_equal(list("link", false, NULL), 0);
    assert_string_equal(names_of("entries"), "link/c link/e.txt link/up");
    assert_true(list("root", false, NULL) < 0);
}

static void a_list_that_does_not_fit_is_cut_and_says_so(void **state) {
    char name[32];

    (void)state;
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "file-%03d", i);
        place_write(workspace, name, SLICE_EMPTY);
    }
    answer_cap = 4096;
    assert_int_equal(list(".", false, NULL), 0);
    assert_true(json_is_true(json_object_get(answer, "truncated")));
    assert_true(json_array_size(json_object_get(answer, "entries")) > 20);
    assert_int_equal(glob("*"), 0);
    answer_cap = 512;
    assert_int_equal(glob("*"), 0);
    assert_true(json_is_true(json_object_get(answer, "truncated")));
    assert_true(json_array_size(json_object_get(answer, "matches")) > 5);
}

static void what_is_deeper_than_deep_is_cut(void **state) {
    char path[3 * LIMIT_WALK_DEPTH + 8] = "d";

    (void)state;
    for (int i = 0; i < LIMIT_WALK_DEPTH + 1; i++) {
        place_mkdir(workspace, path);
        memcpy(path + strlen(path), "/d", 3);
    }
    assert_int_equal(list(".", true, NULL), 0);
    assert_true(json_is_true(json_object_get(answer, "truncated")));
    assert_int_equal(json_array_size(json_object_get(answer, "entries")), LIMIT_WALK_DEPTH);
}

static void globs(void **state) {
    static const struct {
        const char *pattern, *found;
    } rows[] = {
        {"*.txt", "a.txt"},
        {"**/*.txt", "a.txt b/c/d.txt b/e.txt"},
        {"b/*", "b/c b/e.txt"},
        {"/b/e*", "b/e.txt"},
        {"{a,b/e}.txt", "a.txt b/e.txt"},
        {"b/**", "b b/c b/c/d.txt b/e.txt"},
        {"*", ".hidden a.txt b link node_modules out"},
        {"link/*.txt", "link/e.txt"},
        {"out/*", ""},
        {"../*", ""},
        {"**/e.txt", "b/e.txt"},
        {"none", ""},
    };

    (void)state;
    fill();
    assert_int_equal(symlinkat("b", workspace, "link"), 0);
    assert_int_equal(symlinkat("/etc", workspace, "out"), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(glob(rows[i].pattern), 0);
        if (strcmp(names_of("matches"), rows[i].found) != 0)
            fail_msg("%s: %s", rows[i].pattern, names_of("matches"));
    }
    assert_true(glob("{a") < 0);
    assert_string_equal(answer_error, "the pattern has a bracket or brace without its end: {a");
}

static void links_in_a_circle_end(void **state) {
    (void)state;
    place_mkdir(workspace, "x");
    assert_int_equal(symlinkat(".", workspace, "x/x"), 0);
    assert_int_equal(glob("**/x"), 0);
    assert_string_equal(names_of("matches"), "x x/x");
    assert_int_equal(glob("**/x/x"), 0);
    assert_string_equal(names_of("matches"), "x/x x/x/x");
}

static void names_that_are_no_characters(void **state) {
    (void)state;
    place_write(workspace, "bad\xff\"\n", SLICE("x"));
    assert_int_equal(list(".", false, NULL), 0);
    assert_string_equal(names_of("entries"), "bad\xEF\xBF\xBD\"\n");
    assert_int_equal(glob("bad*"), 0);
    assert_string_equal(names_of("matches"), "bad\xEF\xBF\xBD\"\n");
}

static bool yes(void *owner) {
    (void)owner;
    return true;
}

static void it_ends_when_its_time_is_over_or_it_is_cancelled(void **state) {
    char name[32];

    (void)state;
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "file-%03d", i);
        place_write(workspace, name, SLICE("x"));
    }
    files.deadline_ms = 1;
    assert_int_equal(list(".", false, NULL), -ETIMEDOUT);
    assert_null(answer_error);
    assert_int_equal(read_part("file-000", 0, 0), -ETIMEDOUT);
    files.deadline_ms = clock_now_ms() + 60000;
    files.is_cancelled = yes;
    assert_int_equal(glob("*"), -ECANCELED);
    assert_null(answer_error);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_read_in_whole_and_in_part, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_left_out, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(only_files_are_read, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(a_path_that_cannot_be_is_refused, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(a_directory_is_listed_in_order, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(links_are_listed_and_not_entered, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(a_list_that_does_not_fit_is_cut_and_says_so, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(what_is_deeper_than_deep_is_cut, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(globs, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(links_in_a_circle_end, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(names_that_are_no_characters, files_setup, files_teardown),
        cmocka_unit_test_setup_teardown(it_ends_when_its_time_is_over_or_it_is_cancelled, files_setup, files_teardown),
    };

    if (is_in_valgrind())
        return leave_out("valgrind knows no openat2(2)");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
