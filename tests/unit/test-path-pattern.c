#include "fleet/files/path_pattern.h"

#include <errno.h>

#include "fleet/files/name_pattern.h"
#include "unit.h"

static bool name_matches(const char *pattern, const char *name) {
    return name_pattern_matches(slice_of_string(pattern), slice_of_string(name));
}

static void names(void **state) {
    static const struct {
        const char *pattern, *name;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"a", "a", true},
        {"a", "b", false},
        {"*", "", true},
        {"*", "anything", true},
        {"a*", "a", true},
        {"*a", "ba", true},
        {"*a", "ab", false},
        {"*.txt", "x.txt", true},
        {"*.txt", ".txt", true},
        {"a*b*c", "axxbyyc", true},
        {"a*b*c", "axxcyyb", false},
        {"*ab*ab", "abxabab", true},
        {"?", "a", true},
        {"?", "", false},
        {"?", "ab", false},
        {"?", "\xC3\xA9", true},
        {"??", "\xC3\xA9", false},
        {"?", "\xFF", true},
        {"[ab]", "b", true},
        {"[ab]", "c", false},
        {"[a-c]x", "bx", true},
        {"[^a-c]", "d", true},
        {"[!a-c]", "b", false},
        {"[]a]", "]", true},
        {"[a-]", "-", true},
        {"[\\]]", "]", true},
        {"[\xC3\xA0-\xC3\xBF]", "\xC3\xA9", true},
        {"\\*", "*", true},
        {"\\*", "x", false},
        {"[*]", "*", true},
        {"[*]", "x", false},
        {"*", ".hidden", true},
        {"**", "x", true},
        {"a**b", "axb", true},
        {"[z-a]", "m", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (name_matches(rows[i].pattern, rows[i].name) != rows[i].matches)
            fail_msg("%s %s", rows[i].pattern, rows[i].name);
}

static void many_stars_take_no_long_time(void **state) {
    char pattern[512], name[256];

    (void)state;
    for (size_t i = 0; i < sizeof(pattern) - 3; i += 2)
        memcpy(pattern + i, "*a", 2);
    memcpy(pattern + sizeof(pattern) - 3, "*b", 3);
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_false(name_matches(pattern, name));
}

static struct path_patterns patterns_of(const char *text) {
    struct path_patterns patterns = {0};
    int r = path_patterns_add(&patterns, slice_of_string(text));

    if (r < 0)
        fail_msg("%s: %d", text, r);
    return patterns;
}

/* Whether the path is matched, going through it a name at a time. */
static bool path_matches(const struct path_patterns *patterns, const char *path) {
    struct slice rest = slice_of_string(path);
    struct path_state state, next;

    path_state_begin(patterns, &state);
    while (rest.p) {
        struct slice name = slice_cut(&rest, '/');

        if (!path_state_leads_on(patterns, &state))
            return false;
        path_state_step(patterns, &state, name, &next, NULL);
        state = next;
    }
    return path_state_is_matched(patterns, &state);
}

static void paths(void **state) {
    static const struct {
        const char *pattern, *path;
        bool matches;
    } rows[] = {
        {"a", "a", true},
        {"a", "a/b", false},
        {"*", "a/b", false},
        {"a/*", "a/b", true},
        {"/a//./b", "a/b", true},
        {"**", "a", true},
        {"**", "a/b/c", true},
        {"**/c", "c", true},
        {"**/c", "a/b/c", true},
        {"**/c", "a/c/b", false},
        {"a/**", "a", true},
        {"a/**", "a/b/c", true},
        {"a/**", "b", false},
        {"a/**/b", "a/b", true},
        {"a/**/b", "a/x/y/b", true},
        {"a/**/b/**/c", "a/b/b/c", true},
        {"**/**/x", "x", true},
        {"{a,b}.txt", "b.txt", true},
        {"{a,b}.txt", "c.txt", false},
        {"{a,b/c}/d", "b/c/d", true},
        {"{a,b/c}/d", "b/d", false},
        {"{a,{b,c}x}", "cx", true},
        {"x{,y}", "x", true},
        {"x{,y}", "xy", true},
        {"\\{a\\}", "{a}", true},
        {"[{]a", "{a", true},
        {"a}", "a}", true},
        {"{a}{b}", "ab", true},
        {"../a", "a", false},
        {"a/../b", "b", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct path_patterns patterns = patterns_of(rows[i].pattern);

        if (path_matches(&patterns, rows[i].path) != rows[i].matches)
            fail_msg("%s %s", rows[i].pattern, rows[i].path);
        path_patterns_done(&patterns);
    }
}

static void dots_are_hidden_where_that_is_asked_for(void **state) {
    static const struct {
        const char *pattern, *path;
        bool matches;
    } rows[] = {
        {"**", ".git/config", false}, {"**", "a/.x", false},
        {"*", ".x", false},           {"?x", ".x", false},
        {"[.]x", ".x", false},        {".x", ".x", true},
        {"\\.x", ".x", true},         {".*", ".x", true},
        {"**/.x", "a/.x", true},      {".work/**", ".work/o/t", true},
        {"**/a", "x/a", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct path_patterns patterns = patterns_of(rows[i].pattern);

        patterns.hides_dots = true;
        if (path_matches(&patterns, rows[i].path) != rows[i].matches)
            fail_msg("%s %s", rows[i].pattern, rows[i].path);
        path_patterns_done(&patterns);
    }
}

static void a_link_is_followed_by_name_only(void **state) {
    struct path_patterns patterns = patterns_of("**/link/x");
    struct path_state begin, all, named;

    (void)state;
    path_state_begin(&patterns, &begin);
    path_state_step(&patterns, &begin, SLICE("link"), &all, &named);
    assert_true(path_state_leads_on(&patterns, &named));
    path_state_step(&patterns, &begin, SLICE("other"), &all, &named);
    assert_true(path_state_leads_on(&patterns, &all));
    assert_false(path_state_leads_on(&patterns, &named));
    path_patterns_done(&patterns);
}

static void what_is_no_pattern_is_refused(void **state) {
    static const struct {
        const char *pattern;
        int error;
    } rows[] = {{"{a", -EINVAL},    {"a[b", -EINVAL},  {"a\\", -EINVAL},
                {"[a/b]", -EINVAL}, {"{a,b", -EINVAL}, {"{a,{b}", -EINVAL}};
    struct path_patterns patterns = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (path_patterns_add(&patterns, slice_of_string(rows[i].pattern)) != rows[i].error)
            fail_msg("%s", rows[i].pattern);
        path_patterns_done(&patterns);
    }
    assert_int_equal(path_patterns_add(&patterns, SLICE("a\0b")), -EINVAL);
    path_patterns_done(&patterns);
}

static void what_is_too_much_is_refused(void **state) {
    char text[LIMIT_GLOB_PATTERN + 1];
    struct path_patterns patterns = {0};

    (void)state;
    assert_int_equal(path_patterns_add(&patterns, SLICE("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}")), -E2BIG);
    path_patterns_done(&patterns);
    memset(text, 'a', sizeof(text));
    assert_int_equal(path_patterns_add(&patterns, slice_of(text, sizeof(text))), -E2BIG);
    for (size_t i = 1; i < sizeof(text); i += 2)
        text[i] = '/';
    assert_int_equal(path_patterns_add(&patterns, slice_of(text, sizeof(text) - 1)), -E2BIG);
    path_patterns_done(&patterns);
    memset(text, '{', sizeof(text));
    assert_int_equal(path_patterns_add(&patterns, slice_of(text, sizeof(text) - 1)), -EINVAL);
    path_patterns_done(&patterns);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(many_stars_take_no_long_time),
        cmocka_unit_test(paths),
        cmocka_unit_test(dots_are_hidden_where_that_is_asked_for),
        cmocka_unit_test(a_link_is_followed_by_name_only),
        cmocka_unit_test(what_is_no_pattern_is_refused),
        cmocka_unit_test(what_is_too_much_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
