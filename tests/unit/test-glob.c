#include "wire/glob.h"

#include "base/limits.h"
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

static void any_case(void **state) {
    (void)state;
    assert_true(glob_matches_nocase(SLICE("/Admin/*"), SLICE("/aDMIN/x")));
    assert_true(glob_matches_nocase(SLICE("/a/**"), SLICE("/A")));
    assert_true(glob_matches_nocase(SLICE("/**/B"), SLICE("/A/b")));
    assert_false(glob_matches_nocase(SLICE("/admin"), SLICE("/adm1n")));
    assert_false(glob_matches_nocase(SLICE("/@"), SLICE("/`")));
}

static void covering(void **state) {
    static const struct {
        struct slice a, b;
        bool covers, intersects;
    } rows[] = {
        {SLICE("/a"), SLICE("/a"), true, true},
        {SLICE("/a"), SLICE("/b"), false, false},
        {SLICE("/a"), SLICE("/A"), false, false},
        {SLICE("/a"), SLICE("/a/"), false, false},
        {SLICE("/**"), SLICE("/"), true, true},
        {SLICE("/**"), SLICE("/**"), true, true},
        {SLICE("/**"), SLICE("/*/a**b"), true, true},
        {SLICE("/x/**"), SLICE("/x/y"), true, true},
        {SLICE("/x/**"), SLICE("/x"), true, true},
        {SLICE("/x/**"), SLICE("/x/"), true, true},
        {SLICE("/x/**"), SLICE("/x/*/y/**"), true, true},
        {SLICE("/x/**"), SLICE("/xy"), false, false},
        {SLICE("/x/**"), SLICE("/x*"), false, true},
        {SLICE("/x/**"), SLICE("/*/y"), false, true},

        {SLICE("/x/*"), SLICE("/x/y"), true, true},
        {SLICE("/x/*"), SLICE("/x/y*z"), true, true},
        {SLICE("/x/*"), SLICE("/x/**"), false, true},
        {SLICE("/x/*"), SLICE("/x/y/z"), false, false},
        {SLICE("/x/*"), SLICE("/x"), false, false},
        {SLICE("/x*"), SLICE("/x/**"), false, true}, /* "/x" itself */
        {SLICE("/x/y**"), SLICE("/x/**"), false, true},
        {SLICE("/*a"), SLICE("/*"), false, true},
        {SLICE("/*a*"), SLICE("/*ba*"), true, true},
        {SLICE("/*b*a*"), SLICE("/*a*b*"), false, true},
        {SLICE("/**.json"), SLICE("/a/*.json"), true, true},
        {SLICE("/**.json"), SLICE("/a/*.xml"), false, false},
        {SLICE("/**/*.json"), SLICE("/a/**.json"), true, true},
        {SLICE("/**/c"), SLICE("/a/**/b/c"), true, true},
        {SLICE("/**/c"), SLICE("/c"), false, false},
        {SLICE("/**/c"), SLICE("/**c"), false, true},
        {SLICE("/a**c"), SLICE("/*b*"), false, true},

        /* a tree below a star takes all that the star alone does not */
        {SLICE("/*/**"), SLICE("/**"), true, true},
        {SLICE("/a/*/**"), SLICE("/a/**/b"), true, true},
        {SLICE("/a/*/**"), SLICE("/a/**"), false, true},
        {SLICE("/**/**"), SLICE("/**"), true, true},
        {SLICE("/*/**b"), SLICE("/**"), false, true},

        /* depths that differ */
        {SLICE("/*/*"), SLICE("/**"), false, true},
        {SLICE("/*/*/**x"), SLICE("/a/b/**x"), true, true},
        {SLICE("/*/*/c"), SLICE("/**/c"), false, true},
        {SLICE("/*/b"), SLICE("/a/*/b"), false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice a = exact_copy(rows[i].a), b = exact_copy(rows[i].b);

        assert_row(rows[i].b, glob_covers(a, b) == rows[i].covers);
        assert_row(rows[i].b, glob_intersects(a, b) == rows[i].intersects);
        assert_row(rows[i].b, glob_intersects(b, a) == rows[i].intersects);
    }
}

#define SHORT_PATHS (1 + 3 + 9 + 27 + 81 + 243 + 729)

struct short_pattern {
    char bytes[8];
    size_t n;
    bool matches[SHORT_PATHS];
};

/* All patterns of up to four bytes behind the slash, with what each matches of all paths of up to six. */
static size_t make_short_patterns(struct short_pattern *to) {
    static const size_t paths_of_length[] = {1, 3, 9, 27, 81, 243, 729};
    char path_bytes[8];
    size_t n = 0;

    for (size_t length = 0; length <= 4; length++)
        for (size_t i = 0; i < paths_of_length[length]; i++) {
            struct slice pattern = make(to[n].bytes, "*/a", length, i);
            size_t path = 0;

            if (glob_check(pattern))
                continue;
            for (size_t m = 0; m < ARRAY_LEN(paths_of_length); m++)
                for (size_t k = 0; k < paths_of_length[m]; k++)
                    to[n].matches[path++] = glob_matches(pattern, make(path_bytes, "/ab", m, k));
            to[n++].n = pattern.n;
        }
    return n;
}

/* One that is right and not found: only with the shape that glob.h names. */
static bool may_be_missed(struct slice a) {
    for (size_t i = 0; i < a.n; i++)
        if (slice_starts_with(slice_from(a, i), SLICE("*/**")) && a.n - i > 4)
            return true;
    return false;
}

static void all_short_patterns_against_each_other(void **state) {
    static struct short_pattern patterns[1 + 3 + 9 + 27 + 81];
    size_t n = make_short_patterns(patterns), covering = 0;

    (void)state;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            struct slice a = slice_of(patterns[i].bytes, patterns[i].n), b = slice_of(patterns[k].bytes, patterns[k].n);
            bool covers = true, intersects = false, found = glob_covers(a, b);

            for (size_t p = 0; p < SHORT_PATHS; p++) {
                covers = covers && (patterns[i].matches[p] || !patterns[k].matches[p]);
                intersects = intersects || (patterns[i].matches[p] && patterns[k].matches[p]);
            }
            if (found != covers && !(covers && may_be_missed(a)))
                fail_msg("%.*s covers %.*s: %d", SLICE_ARG(a), SLICE_ARG(b), found);
            if (glob_intersects(a, b) != intersects)
                fail_msg("%.*s intersects %.*s: %d", SLICE_ARG(a), SLICE_ARG(b), !intersects);
            covering += found;
        }
    assert_true(covering > 1000);
}

/* As long as they get: done in no time, and longer ones are not looked into. */
static void long_patterns(void **state) {
    static char long_bytes[LIMIT_RULE + 1];
    struct slice longest = slice_of(long_bytes, LIMIT_RULE), too_long = slice_of(long_bytes, LIMIT_RULE + 1);

    (void)state;
    for (size_t i = 0; i < sizeof(long_bytes); i++)
        long_bytes[i] = "/**a"[i % 4];
    assert_true(glob_covers(longest, longest));
    assert_true(glob_intersects(longest, longest));
    assert_false(glob_covers(too_long, SLICE("/")));
    assert_true(glob_intersects(too_long, SLICE("/")));
    assert_true(glob_covers(SLICE("/**"), too_long));
    assert_false(glob_intersects(SLICE("/b"), too_long));
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
        cmocka_unit_test(any_case),
        cmocka_unit_test(covering),
        cmocka_unit_test(all_short_patterns_against_each_other),
        cmocka_unit_test(long_patterns),
        cmocka_unit_test(no_explosion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
