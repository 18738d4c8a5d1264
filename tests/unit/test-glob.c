#include "wire/glob.h"

#include "unit.h"

static void patterns(void **state) {
    static const struct {
        struct slice pattern;
        const char *says; /* a part of it; NULL for a good one */
    } rows[] = {
        {SLICE("/"), NULL},
        {SLICE("/**"), NULL},
        {SLICE("/a/*/b/**"), NULL},
        {SLICE("/a*b**c"), NULL},
        {SLICE("/%2F;x=y"), NULL},
        {SLICE(""), "start with"},
        {SLICE("a"), "start with"},
        {SLICE("*"), "start with"},
        {SLICE("/***"), "***"},
        {SLICE("/a****b"), "***"},
        {SLICE("/a?b"), "?"},
        {SLICE("/a#b"), "#"},
        {SLICE("/a b"), "blank"},
        {SLICE("/a\tb"), "blank"},
        {SLICE("/a\0"), "blank"},
        {SLICE("/a\n"), "blank"},
        {SLICE("/a\\b"), "blank"},
        {SLICE("/\xC3\xA9"), "blank"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *wrong = glob_check(rows[i].pattern);

        assert_row(rows[i].pattern, (wrong == NULL) == (rows[i].says == NULL));
        if (wrong)
            assert_row(rows[i].pattern, strstr(wrong, rows[i].says) != NULL);
    }
}

static void matching(void **state) {
    static const struct {
        struct slice pattern, path;
        bool matches;
    } rows[] = {
        {SLICE("/"), SLICE("/"), true},
        {SLICE("/a"), SLICE("/a"), true},
        {SLICE("/a"), SLICE("/b"), false},
        {SLICE("/a"), SLICE("/a/"), false},
        {SLICE("/a"), SLICE("/A"), false},
        {SLICE("/a"), SLICE("/ab"), false},
        {SLICE("/ab"), SLICE("/a"), false},
        {SLICE("/a"), SLICE(""), false},

        {SLICE("/*"), SLICE("/"), true},
        {SLICE("/*"), SLICE("/a"), true},
        {SLICE("/*"), SLICE("/a/b"), false},
        {SLICE("/*/b"), SLICE("/a/b"), true},
        {SLICE("/*/b"), SLICE("/a/c/b"), false},
        {SLICE("/a*"), SLICE("/abc"), true},
        {SLICE("/*c"), SLICE("/abcbc"), true},
        {SLICE("/a*c*e"), SLICE("/abcde"), true},
        {SLICE("/a*c*e"), SLICE("/abcdcf"), false},
        {SLICE("/a*/*b"), SLICE("/ax/yb"), true},
        {SLICE("/a*/*b"), SLICE("/ax/y/b"), false},
        {SLICE("/*x"), SLICE("/ax/x"), false},

        {SLICE("/**"), SLICE("/"), true},
        {SLICE("/**"), SLICE("/a/b/c"), true},
        {SLICE("/**"), SLICE(""), true},
        {SLICE("/a/**"), SLICE("/a"), true},
        {SLICE("/a/**"), SLICE("/a/"), true},
        {SLICE("/a/**"), SLICE("/a/b/c"), true},
        {SLICE("/a/**"), SLICE("/ab"), false},
        {SLICE("/a/**"), SLICE("/b"), false},
        {SLICE("/*/**"), SLICE("/a"), true},
        {SLICE("/a**"), SLICE("/ab/c"), true},
        {SLICE("/**/b"), SLICE("/a/b"), true},
        {SLICE("/**/b"), SLICE("/a/x/b"), true},
        {SLICE("/**/b"), SLICE("/b"), false},
        {SLICE("/**/b"), SLICE("/a/bc"), false},
        {SLICE("/**/a/*/c"), SLICE("/x/a/b/a/y/c"), true},
        {SLICE("/**/a/*/c"), SLICE("/x/a/b/d/c"), false},
        {SLICE("/**a*b"), SLICE("/a/ab"), true},
        {SLICE("/**a*b"), SLICE("/a/b"), false},
        {SLICE("/**a*b/**"), SLICE("/a/axb/c"), true},
        {SLICE("/**x**y"), SLICE("/a/x/b/y/c/y"), true},
        {SLICE("/**x**y"), SLICE("/a/y/b/x"), false},
        {SLICE("/**.json"), SLICE("/a.b/c.json"), true},
        {SLICE("/?"), SLICE("/a"), false},
        {SLICE("/[a]"), SLICE("/a"), false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice pattern = exact_copy(rows[i].pattern), path = exact_copy(rows[i].path);

        assert_row(rows[i].pattern, glob_matches(pattern, path) == rows[i].matches);
    }
}

/* The definition, spelled out by trying everything: what the matcher must agree with. */
static bool matches_by_definition(struct slice pattern, struct slice path) {
    bool is_double = slice_starts_with(pattern, SLICE("**"));

    if (pattern.n == 0)
        return path.n == 0;
    if (pattern.p[0] != '*')
        return path.n > 0 && path.p[0] == pattern.p[0] &&
               matches_by_definition(slice_from(pattern, 1), slice_from(path, 1));
    for (size_t n = 0;; n++) {
        if (matches_by_definition(slice_from(pattern, is_double ? 2 : 1), slice_from(path, n)))
            return true;
        if (n == path.n || (!is_double && path.p[n] == '/'))
            return false;
    }
}

/* The text number `number` of those over `alphabet`, behind a slash. */
static struct slice make(char to[static 8], const char *alphabet, size_t n, size_t number) {
    to[0] = '/';
    for (size_t i = 1; i <= n; i++, number /= strlen(alphabet))
        to[i] = alphabet[number % strlen(alphabet)];
    return slice_of(to, n + 1);
}

static void all_short_patterns_on_all_short_paths(void **state) {
    char pattern_bytes[8], path_bytes[8];
    size_t checked = 0;

    (void)state;
    for (size_t i = 0; i < 1024; i++) {
        struct slice pattern = make(pattern_bytes, "*/ab", 5, i);

        if (glob_check(pattern))
            continue;
        for (size_t k = 0; k < 243; k++) {
            struct slice path = make(path_bytes, "/ab", 5, k);
            bool expected = matches_by_definition(pattern, path);

            if (slice_ends_with(pattern, SLICE("/**")))
                expected = expected || matches_by_definition(slice_first(pattern, pattern.n - 3), path);
            if (glob_matches(pattern, path) != expected)
                fail_msg("%.*s on %.*s", SLICE_ARG(pattern), SLICE_ARG(path));
            checked++;
        }
    }
    assert_true(checked > 100000);
}

/* Many stars on a long path that just does not fit: done in no time, or the test never ends. */
static void no_explosion(void **state) {
    static char path[8192];

    (void)state;
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    assert_false(glob_matches(SLICE("/**a*a**a*a**a*a**a*a**a*ab"), slice_of(path, sizeof(path))));
    for (size_t i = 100; i < sizeof(path); i += 100)
        path[i] = '/';
    assert_false(glob_matches(SLICE("/**a*a**a*a**a*a**a*a**a*ab"), slice_of(path, sizeof(path))));
    assert_true(glob_matches(SLICE("/**a*a**a*a**a*a**a*a**a*a"), slice_of(path, sizeof(path))));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(matching),
        cmocka_unit_test(all_short_patterns_on_all_short_paths),
        cmocka_unit_test(no_explosion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
