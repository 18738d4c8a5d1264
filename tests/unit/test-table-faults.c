#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "unit_table.h"

#define A "\"os_user\": \"u\", \"port\": 1"
#define NOT_A_NAME "is no name; use printable ASCII, no comma, no blank at its ends, 1 to 128 bytes"
#define NOT_A_PORT "must be a number from 1 to 65535, without quotes"
#define NOT_A_USER "is no user's name; use a to z, 0 to 9, _ and -, no digit or - first, 32 at most"
#define NOT_AN_ENTRY "must be keys and values; write { os_user: USER, port: PORT }"

static const struct {
    struct slice text;
    const char *error;
} rows[] = {
    /* ports */
    {SLICE("{\n\"a\": {\n\"os_user\": \"u\",\n\"port\": 0}}"), "f:4: a.port: " NOT_A_PORT},
    {SLICE("{\"a\": {\"os_user\": \"u\", \"port\": 70000}}"), "f:1: a.port: " NOT_A_PORT},
    {SLICE("{\"a\": {\"os_user\": \"u\", \"port\": 65536}}"), "f:1: a.port: " NOT_A_PORT},
    {SLICE("{\"a\": {\"os_user\": \"u\", \"port\": \"80\"}}"), "f:1: a.port: " NOT_A_PORT},
    {SLICE("{\"a\": {\"os_user\": \"u\", \"port\": 80.0}}"), "f:1: a.port: " NOT_A_PORT},
    {SLICE("{\"a\": {\"os_user\": \"u\", \"port\": -80}}"), "f:1: a.port: " NOT_A_PORT},
    {SLICE("{\"a\": {\"os_user\": \"u\", \"port\": 8e1}}"), "f:1: a.port: " NOT_A_PORT},
    {SLICE("{\"a\": {\"os_user\": \"u\", \"port\": null}}"), "f:1: a.port: " NOT_A_PORT},
    {SLICE("{\"a\": {\"os_user\": \"u\", \"port\": [80]}}"), "f:1: a.port: " NOT_A_PORT},
    {SLICE("a:\n  os_user: u\n  port: \"80\"\n"), "f:3: a.port: " NOT_A_PORT},
    {SLICE("a:\n  os_user: u\n  port: 0x50\n"), "f:3: a.port: " NOT_A_PORT},
    {SLICE("a: { os_user: u }\n"), "f:1: a.port: is missing; add the port of the instance, or `unix` with its socket"},
    {SLICE("a: { os_user: u, host: h }\n"),
     "f:1: a.port: is missing; add the port of the instance, or `unix` with its socket"},
    {SLICE("a:\n  os_user: u\n  port: 1\n  unix: /s\n"),
     "f:4: a.unix: an instance is at a socket or at a port; remove one"},
    {SLICE("a: { os_user: u, unix: /s, host: h }\n"),
     "f:1: a.unix: an instance is at a socket or at a port; remove one"},
    /* users */
    {SLICE("{\"a\": {\"port\": 1}}"), "f:1: a.os_user: is missing; add the user whose instance it is"},
    {SLICE("{\"a\": {\"os_user\": 1, \"port\": 1}}"), "f:1: a.os_user: must be text"},
    {SLICE("{\"a\": {\"os_user\": \"Root\", \"port\": 1}}"), "f:1: a.os_user: " NOT_A_USER},
    {SLICE("{\"a\": {\"os_user\": \"\", \"port\": 1}}"), "f:1: a.os_user: " NOT_A_USER},
    {SLICE("{\"a\": {\"os_user\": \"../x\", \"port\": 1}}"), "f:1: a.os_user: " NOT_A_USER},
    {SLICE("{\"a\": {\"os_user\": \"-u\", \"port\": 1}}"), "f:1: a.os_user: " NOT_A_USER},
    {SLICE("{\"a\": {\"os_user\": \"u\\n\", \"port\": 1}}"), "f:1: a.os_user: " NOT_A_USER},
    {SLICE("{\"a\": {\"os_user\": \"u\\u0000\", \"port\": 1}}"), "f:1: a.os_user: " NOT_A_USER},
    {SLICE("a: { os_user: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, port: 1 }"), "f:1: a.os_user: " NOT_A_USER},
    {SLICE("a: { os_user: ~, port: 1 }"), "f:1: a.os_user: must be text"},
    /* names */
    {SLICE("{\"a\": {" A "},\n\"b\": {" A "},\n\"a\": {" A "}}"),
     "f:3: a: the name a is there twice, first on line 1; remove one"},
    {SLICE("a: { os_user: u, port: 1 }\nb: { os_user: u, port: 1 }\na: { os_user: v, port: 2 }\n"),
     "f:3: a: the name a is there twice, first on line 1; remove one"},
    {SLICE("a: { os_user: u, port: 1 }\nb:\n  os_user: u\n  port: 2\n  names:\n    - c\n    - a\n"),
     "f:7: b: the name a is there twice, first on line 1; remove one"},
    {SLICE("a: { os_user: u, port: 1, names: [ a ] }\n"),
     "f:1: a.at: a is led there by line 1 already; remove one, or write another"},
    {SLICE("{\"\": {" A "}}"), "f:1: \"\": " NOT_A_NAME},
    {SLICE("{\"a\\u0007b\": {" A "}}"), "f:1: \"a\\x07b\": " NOT_A_NAME},
    {SLICE("{\"a\\nb\": {" A "}}"), "f:1: \"a\\x0ab\": " NOT_A_NAME},
    {SLICE("{\"j\xc3\xbc\": {" A "}}"), "f:1: \"j\\xc3\\xbc\": " NOT_A_NAME},
    {SLICE("{\"a, b\": {" A "}}"), "f:1: \"a, b\": " NOT_A_NAME},
    {SLICE("{\"a \": {" A "}}"), "f:1: \"a \": " NOT_A_NAME},
    {SLICE("{\"a@b\": {" A "}}"), "f:1: \"a@b\": a name has no @; write what stands before it"},
    {SLICE("a: { os_user: u, port: 1, names: [ x@y ] }\n"),
     "f:1: a.names: a name has no @; write what stands before it"},
    {SLICE("a: { os_user: u, port: 1, names: x }\n"), "f:1: a.names: must be a list; write [ NAME, NAME ]"},
    {SLICE("a: { os_user: u, port: 1, names: [ [ x ] ] }\n"),
     "f:1: a.names: must be a list of names; write [ NAME, NAME ]"},
    {SLICE("{\"a\": {" A ", \"names\": [true]}}"), "f:1: a.names: must be a list of names; write [ NAME, NAME ]"},
    {SLICE("? [ a ]\n: { os_user: u, port: 1 }\n"),
     "f:1: a name must be a word; write NAME: { os_user: USER, port: PORT }"},
    /* places and routes */
    {SLICE("a: { os_user: u, host: \"h:1\", port: 1 }\n"),
     "f:1: a.host: is no host; write a name or an address, the port under `port`"},
    {SLICE("a: { os_user: u, host: \"127.1\", port: 1 }\n"),
     "f:1: a.host: is no host; write a name or an address, the port under `port`"},
    {SLICE("a: { os_user: u, host: \"a..b\", port: 1 }\n"),
     "f:1: a.host: is no host; write a name or an address, the port under `port`"},
    {SLICE("a: { os_user: u, port: 08801 }\n"),
     "f:1: a.port: begins with 0, which some read as an octal number; write it without"},
    {SLICE("a: { os_user: u, unix: s }\n"), "f:1: a.unix: must be the path of a socket, from /"},
    {SLICE("a: { os_user: u, unix: \"/a\\0b\" }\n"), "f:1: a.unix: has a control character in it; remove it"},
    {SLICE("a: { os_user: u, port: 1, start: \"a b\" }\n"),
     "f:1: a.start: is no unit's name, in which {os_user} alone is filled in; write one as "
     "\"t3@{os_user}.service\", in quotes"},
    {SLICE("a: { os_user: u, port: 1, start: x.service }\nb: { os_user: u, port: 1 }\n"),
     "f:2: b.start: is not what line 1 says of the same instance; make them equal"},
    {SLICE("a: { os_user: u, port: 1, at: http://h/ }\n"),
     "f:1: a.at: must be a host, a path from /, or both; write box.example.org/notes, without scheme and port"},
    {SLICE("a: { os_user: u, port: 1, at: notes }\nb:\n  - { os_user: u, port: 1, at: \"/a?b\" }\n"),
     "f:3: b[0].at: has a path that no request has; use printable characters, no ? # * or backslash"},
    {SLICE("a: { os_user: u, port: 1, at: \"\" }\n"), "f:1: a.at: is empty; write a host, a path, or both"},
    {SLICE("a:\n  - { os_user: u, port: 1, at: /x }\n  - { os_user: u, port: 2, at: /y }\n"
           "  - { os_user: u, port: 3, at: /x/ }\n"),
     "f:4: a[2].at: a is led there by line 2 already; remove one, or write another"},
    {SLICE("a:\n  - { os_user: u, port: 1 }\n  - { os_user: u, port: 2 }\n"),
     "f:3: a[1].at: a is led there by line 2 already; remove one, or write another"},
    /* recipes */
    {SLICE("a: { os_user: u, port: 1, profile: t4 }\n"), "f:1: a.profile: there is no profile of that name"},
    {SLICE("a: { os_user: u, port: 1, profile: ../t3 }\n"),
     "f:1: a.profile: is no profile's name; use letters, digits, -, _ and ."},
    /* keys, and what is no table */
    {SLICE("{\"a\": {" A ",\n\"ports\": 2}}"),
     "f:2: a: ports is no key; use os_user, port, host, unix, start, profile, names and at"},
    {SLICE("{\"a\": {" A ",\n\"port\": 2}}"), "f:2: a.port: is written twice, first on line 1; remove one"},
    {SLICE("{\"a\": 80}"), "f:1: a: " NOT_AN_ENTRY},
    {SLICE("{\"a\": null}"), "f:1: a: " NOT_AN_ENTRY},
    {SLICE("{\"a\": [80]}"), "f:1: a[0]: " NOT_AN_ENTRY},
    {SLICE("{\"a\": []}"), "f:1: a[0]: holds nothing; write NAME: { os_user: USER, port: PORT }"},
    {SLICE("- a\n"), "f:1: must hold names and what they lead to; write NAME: { os_user: USER, port: PORT }"},
    {SLICE("[]"), "f:1: must hold names and what they lead to; write NAME: { os_user: USER, port: PORT }"},
    {SLICE(""), "f:1: holds nothing; write NAME: { os_user: USER, port: PORT }"},
    {SLICE("a:\n\tos_user: u\n"), "f:2: a tab in the indentation; YAML takes spaces only"},
    {SLICE("{\"a\": {" A "},\n}"), "f:2: not JSON: a key in double quotes is missing here; look for a comma or a quote "
                                   "too many or too few before it"},
    {SLICE("{\"a\": {" A "}}\n{}"),
     "f:2: not JSON: the end of the file is missing here; look for a comma or a quote too "
     "many or too few before it"},
    {SLICE("{\"a\": {\"os_user\": \"u\",\n"),
     "f:2: not JSON: a key in double quotes is missing here; look for a comma or "
     "a quote that is missing"},
};

static void tells_the_line_and_the_mend(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice bytes = exact_copy(rows[i].text);
        _cleanup_free_ char *error = NULL;
        int fd = -7;

        assert_row(rows[i].text, table_build_bytes("f", bytes, 1, &known_recipes, &fd, &error) == -EINVAL);
        assert_int_equal(fd, -7);
        if (!error || strcmp(error, rows[i].error) != 0)
            fail_msg("%.*s:\n%s\nnot\n%s", SLICE_ARG(rows[i].text), error ? error : "nothing", rows[i].error);
    }
}

/* `n` bytes of 'a' between two texts. */
static int build_with(const char *before, size_t n, const char *behind, char **ret_error) {
    size_t size = strlen(before) + n + strlen(behind) + 1;
    _cleanup_free_ char *text = malloc(size), *many = malloc(n + 1);
    int fd = -EBADF, r;

    assert_non_null(text);
    assert_non_null(many);
    memset(many, 'a', n);
    many[n] = '\0';
    (void)snprintf(text, size, "%s%s%s", before, many, behind);
    *ret_error = NULL;
    r = table_build_bytes("f", slice_of(text, size - 1), 1, &known_recipes, &fd, ret_error);
    if (r == 0)
        (void)close(fd);
    return r;
}

/* Of a unit's name only {os_user} is replaced: what else stands in braces would be a unit that is never started. */
static void names_units_that_can_be_started(void **state) {
    static const struct {
        const char *unit;
        bool is_one;
    } units[] = {
        {"t3.service", true},
        {"t3@{os_user}.service", true},
        {"{os_user}-{os_user}.socket", true},
        {"a\\\\x2db:c_d.target", true},
        {"t3@{name}.service", false},
        {"t3@{recipe}.service", false},
        {"t3@{os_user.service", false},
        {"t3@os_user}.service", false},
        {"t3@{}.service", false},
        {"t3@{{os_user}}.service", false},
        {"t3@{OS_USER}.service", false},
        {"t3@{os_user}", false},
        {"t3", false},
        {".service", false},
        {"@{os_user}.service", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        _cleanup_free_ char *error = NULL;
        char text[256];
        int fd = -EBADF, n, r;

        n = snprintf(text, sizeof(text), "a: { os_user: u, port: 1, start: \"%s\" }\n", units[i].unit);
        r = table_build_bytes("f", slice_of(text, (size_t)n), 1, &known_recipes, &fd, &error);
        if (r == 0)
            (void)close(fd);
        assert_row(slice_of_string(units[i].unit), (r == 0) == units[i].is_one);
        assert_true(units[i].is_one ||
                    strstr(error, "a.start: is no unit's name, in which {os_user} alone is filled in"));
    }
}

static void holds_each_limit(void **state) {
    static const struct {
        const char *before, *behind;
        size_t max;
    } limits[] = {
        {"{\"", "\": {" A "}}", LIMIT_PERSON},
        {"a: { port: 1, os_user: ", "}\n", LIMIT_OS_USER},
        {"a: { os_user: u, unix: /", "}\n", 106},
        {"a: { os_user: u, port: 1, host: ", "}\n", LIMIT_HOST},
        {"a: { os_user: u, port: 1, at: ", "}\n", LIMIT_HOST},
        {"a: { os_user: u, port: 1, at: /", "}\n", LIMIT_BASE_PATH - 1},
        {"a: { os_user: u, port: 1, start: ", ".service }\n", 2 * LIMIT_NAME - 8},
        {"a: { os_user: u, port: 1, names: [ ", "b ] }\n", LIMIT_PERSON - 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        _cleanup_free_ char *none = NULL, *error = NULL;

        if (build_with(limits[i].before, limits[i].max, limits[i].behind, &none) < 0)
            fail_msg("%s", none);
        assert_row(slice_of_string(limits[i].before),
                   build_with(limits[i].before, limits[i].max + 1, limits[i].behind, &error) == -EINVAL);
        assert_true(strncmp(error, "f:1: ", 5) == 0);
    }
}

static void holds_the_number_of_routes_and_names(void **state) {
    char text[16384];
    size_t n;

    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        _cleanup_free_ char *error = NULL, *too_many = NULL;
        int fd = -EBADF;

        n = (size_t)snprintf(text, sizeof(text), "a:\n");
        for (int i = 0; i < LIMIT_TABLE_ROUTES + extra; i++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "  - { os_user: u, port: %d, at: /%d }\n", i + 1, i);
        assert_int_equal(table_build_bytes("f", slice_of(text, n), 1, &known_recipes, &fd, &error),
                         extra ? -EINVAL : 0);
        if (!extra)
            (void)close(fd);
        n = (size_t)snprintf(text, sizeof(text), "a: { os_user: u, port: 1, names: [ n");
        for (int i = 1; i < LIMIT_ENTRY_NAMES + extra; i++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, ", n%d", i);
        n += (size_t)snprintf(text + n, sizeof(text) - n, " ] }\n");
        assert_int_equal(table_build_bytes("f", slice_of(text, n), 1, &known_recipes, &fd, &too_many),
                         extra ? -EINVAL : 0);
        if (!extra)
            (void)close(fd);
    }
}

static void a_table_without_a_fallback_wants_profiles(void **state) {
    static const struct table_recipes none = {.number = known_recipe};
    _cleanup_free_ char *error = NULL, *no_error = NULL;
    int fd = -EBADF;

    (void)state;
    assert_int_equal(table_build_bytes("f", SLICE("a: { os_user: u, port: 1 }"), 1, &none, &fd, &error), -EINVAL);
    assert_string_equal(error, "f:1: a.profile: is missing; add it, or `profile` to the dispatcher");
    assert_int_equal(table_build_bytes("f", SLICE("a: {os_user: u, port: 1, profile: t3}"), 1, &none, &fd, &no_error),
                     0);
    (void)close(fd);
}

static void reads_files_and_nothing_else(void **state) {
    char folder[] = "/tmp/credfd-unit-XXXXXX", path[64], pipe_path[64];
    _cleanup_free_ char *none = NULL, *directory = NULL, *pipe_error = NULL, *missing = NULL;
    const struct slice table = SLICE("{\"a\": {" A "}}");
    int fd = -EBADF, file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/t.json", folder);
    (void)snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", folder);
    assert_int_equal(table_build(path, 1, &known_recipes, &fd, &missing), -ENOENT);
    assert_non_null(strstr(missing, "t.json: No such file or directory; create it"));
    assert_int_equal(table_build(folder, 1, &known_recipes, &fd, &directory), -EINVAL);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_int_equal(table_build(pipe_path, 1, &known_recipes, &fd, &pipe_error), -EINVAL); /* waits for nobody */
    file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(fd_write_all(file, table.p, table.n), 0);
    (void)close(file);
    assert_int_equal(table_build(path, 1, &known_recipes, &fd, &none), 0);
    assert_null(none);
    (void)close(fd);
    assert_int_equal(unlink(pipe_path), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_line_and_the_mend),
        cmocka_unit_test(names_units_that_can_be_started),
        cmocka_unit_test(holds_each_limit),
        cmocka_unit_test(holds_the_number_of_routes_and_names),
        cmocka_unit_test(a_table_without_a_fallback_wants_profiles),
        cmocka_unit_test(reads_files_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
