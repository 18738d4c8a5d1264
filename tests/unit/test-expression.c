#include "fleet/files/expression.h"

#include <errno.h>

#include "base/limits.h"
#include "unit.h"

static bool finds(const char *pattern, struct slice line) {
    _cleanup_slice_ struct slice exact = exact_copy(line);
    struct expression expression;
    bool is_found;

    assert_int_equal(expression_init(&expression, slice_of_string(pattern)), 0);
    is_found = expression_matches(&expression, exact);
    expression_done(&expression);
    return is_found;
}

static void lines_that_are_found(void **state) {
    static const struct {
        const char *pattern, *line;
        bool is_found;
    } rows[] = {
        {"main", "int main(void)", true},
        {"main", "return Main;", true},
        {"Main", "int main(void)", false},
        {"ret.*M", "  return Main;", true},
        {"^int", "int x", true},
        {"^int", "an int", false},
        {"x$", "ax", true},
        {"\\d+", "abc 42", true},
        {"^\\D+$", "abc 42", false},
        {"\\bcat\\b", "a cat.", true},
        {"\\bcat\\b", "concat", false},
        {"\\w+\\s\\w+", "two words", true},
        {"\\S", "  ", false},
        {"\\S+x", "ABx", true},
        {"foo\\(\\)", "foo()", true},
        {"a\\.b", "axb", false},
        {"a\\tb", "a\tb", true},
        {"(?:ab)+c", "ababc", true},
        {"(?P<n>ab)c", "abc", true},
        {"(?<n>ab)c", "abc", true},
        {"(?i)MAIN", "main", true},
        {"a.*?b", "xaxxb", true},
        {"a+?b", "aab", true},
        {"a{2}", "aa", true},
        {"a{2,}b", "ab", false},
        {"^a{1,3}?$", "aaa", true},
        {"one|two", "two", true},
        {"[\\w.-]+@[\\w.]+", "x a.b-c@d.e", true},
        {"^[\\d]+$", "12", true},
        {"^[^\\s]+$", "a b", false},
        {"[\\]]", "]", true},
        {"[^\\]]", "]", false},
        {"[\\[x]", "[", true},
        {"[a\\-z]", "-", true},
        {"[a\\-z]", "m", false},
        {"[\\^]", "^", true},
        {"[\\^-]", "-", true},
        {"[\\^]", "a", false},
        {"[^^]", "^", false},
        {"[]a]", "]", true},
        {"[[:digit:]]", "7", true},
        {"[a-]", "-", true},
        {"x[[]", "x[", true},
        {"\\Aab\\z", "ab", true},
        {"\\<b", "ab b", true},
        {"\\<b", "ab", false},
        {"", "anything", true},
        {"a.c",
         "a\xC3\xA9"
         "c",
         true},
        {"^.$", "\xE2\x82\xAC", true},
        {"^..$", "\xE2\x82\xAC", false},
        {"[\xC3\xA0-\xC3\xBF]$", "caf\xC3\xA9", true},
        {"^\\w+$", "caf\xC3\xA9", true},
        {"\\bcaf\\b", "caf\xC3\xA9", false},
        {"\\x41\\x{e9}", "A\xC3\xA9", true},
        {"(a|b|c)d", "cd", true},
        {"^(a|b|c)$", "d", false},
        {"^(?:a|ab)(?:c|bcd)$", "abcd", true},
        {"^(a|)b$", "b", true},
        {"^a{0}b$", "b", true},
        {"^a{0,2}$", "aaa", false},
        {"^(ab){2,3}$", "ababab", true},
        {"^(ab){2,3}$", "abababab", false},
        {"^(a*)*$", "aaab", false},
        {"^(a+|b*)+$", "aabba", true},
        {"a++", "aa", true},
        {"\\D[^\\d]", "ab", true},
        {"[&]", "&", true},
        {"x$y", "xy", false},
        {"$", "", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (finds(rows[i].pattern, slice_of_string(rows[i].line)) != rows[i].is_found)
            fail_msg("%s in %s", rows[i].pattern, rows[i].line);
}

static void what_does_not_compile_is_fixed_text(void **state) {
    static const struct {
        const char *pattern, *line, *other;
    } rows[] = {
        {"func main() {", "func main() {", "func main()"},
        {"a(b", "xa(bx", "ab"},
        {"a[b", "A[B", "ab"},
        {"(a)\\1", "x(a)\\1", "aa"},
        {"*x", "*x", "x"},
        {"a{b}", "a{b}", "ab"},
        {"\\p{L}", "\\p{L}", "a"},
        {"(?=a)", "(?=a)", "a"},
        {"a)", "a)", "a"},
        {"(((((a{100}){100}){100})))", "(((((a{100}){100}){100})))", "a"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct expression expression;

        assert_int_equal(expression_init(&expression, slice_of_string(rows[i].pattern)), 0);
        if (!expression.is_fixed || !expression_matches(&expression, slice_of_string(rows[i].line)) ||
            expression_matches(&expression, slice_of_string(rows[i].other)))
            fail_msg("%s", rows[i].pattern);
        expression_done(&expression);
    }
}

static void any_bytes_are_searched(void **state) {
    (void)state;
    assert_true(finds("b", SLICE("a\0b")));
    assert_true(finds("^a.b$", SLICE("a\xFF"
                                     "b")));
    assert_false(finds("x", SLICE_EMPTY));
    assert_true(finds("^$", SLICE_EMPTY));
}

static void what_is_repeated_too_often_is_refused(void **state) {
    static const struct {
        const char *pattern;
        int error;
    } rows[] = {{"(a{100}){100}", -E2BIG},
                {"a{1000}b{1000}c{1000}d{1000}e{1000}f", -E2BIG},
                {"a{1000}", 0},
                {"((((a+)+)+)+)+", 0},
                {"a{1001}", -EINVAL},
                {"a{3,2}", -EINVAL}};
    struct expression_program program;
    char deep[2 * 70 + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (expression_parse(slice_of_string(rows[i].pattern), false, &program) != rows[i].error)
            fail_msg("%s", rows[i].pattern);
        expression_program_done(&program);
    }
    memset(deep, '(', 70);
    deep[70] = 'a';
    memset(deep + 71, ')', 70);
    assert_int_equal(expression_parse(slice_of(deep, sizeof(deep)), false, &program), -E2BIG);
    expression_program_done(&program);
}

/*
 * What takes other engines longer than anybody waits: with as many steps as there may be, on a line as long as it may
 * be.
 */
static void no_expression_takes_long(void **state) {
    static const char *const patterns[] = {"^(a|b)*a(a|b){800}c", "(a*)*(a+b*)+c",         "(a?){900}a{900}c",
                                           "(a|aa)+$c",           "((((((a+)+)+)+)+)+)+c", "(.*)(.*)(.*)(.*)(.*)(.*)c"};
    static char line[16 * 1024];
    unsigned seed = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(line); i++) {
        seed = seed * 1103515245 + 12345;
        line[i] = seed & 0x10000 ? 'a' : 'b';
    }
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
        assert_false(finds(patterns[i], slice_of(line, sizeof(line))));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_that_are_found),     cmocka_unit_test(what_does_not_compile_is_fixed_text),
        cmocka_unit_test(any_bytes_are_searched),   cmocka_unit_test(what_is_repeated_too_often_is_refused),
        cmocka_unit_test(no_expression_takes_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
