#include "fleet/shell/pattern.h"

#include "fleet/shell/shell.h"
#include "unit.h"

/* Texts as they are seen: \xFF is anything, \xFE any words, \xFD a blank within a word, \xFC a redirection's border. */
struct row {
    struct slice pattern, seen;
    bool covers, meets;
};

static void check(const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct slice pattern = exact_copy(rows[i].pattern), seen = exact_copy(rows[i].seen);
        struct pattern compiled;

        assert_int_equal(pattern_compile(pattern, &compiled), 0);
        if (pattern_covers(&compiled, seen) != rows[i].covers || pattern_meets(&compiled, seen) != rows[i].meets)
            fail_msg("pattern \"%.*s\", row %zu", SLICE_ARG(rows[i].pattern), i);
        pattern_done(&compiled);
        free((void *)(uintptr_t)pattern.p);
        free((void *)(uintptr_t)seen.p);
    }
}

static void known_texts_match_or_do_not(void **state) {
    static const struct row rows[] = {
        {SLICE(""), SLICE(""), true, true},
        {SLICE(""), SLICE("a"), false, false},
        {SLICE("ls"), SLICE("ls"), true, true},
        {SLICE("ls"), SLICE("lsx"), false, false},
        {SLICE("ls"), SLICE("l"), false, false},
        {SLICE("*"), SLICE(""), true, true},
        {SLICE("*"), SLICE("a b > c"), true, true},
        {SLICE("a*c*e"), SLICE("abcde"), true, true},
        {SLICE("a*c*e"), SLICE("abcd"), false, false},
        {SLICE("a**b"), SLICE("ab"), true, true},
        {SLICE("*.txt"), SLICE("a.txt.txt"), true, true},
        {SLICE("a?c"), SLICE("abc"), true, true},
        {SLICE("a?c"), SLICE("ac"), false, false},
        {SLICE("[a-c]x"), SLICE("bx"), true, true},
        {SLICE("[a-c]x"), SLICE("dx"), false, false},
        {SLICE("[!a-c]x"), SLICE("dx"), true, true},
        {SLICE("[^a]x"), SLICE("ax"), false, false},
        {SLICE("[]a]"), SLICE("]"), true, true},
        {SLICE("[a-]"), SLICE("-"), true, true},
        {SLICE("[*]"), SLICE("*"), true, true},
        {SLICE("[*]"), SLICE("a"), false, false},
        {SLICE("[a"), SLICE("[a"), true, true},
        {SLICE("a\\*"), SLICE("a\\b"), true, true},
        {SLICE("git *"), SLICE("git status"), true, true},
        {SLICE("git *"), SLICE("git"), true, true},
        {SLICE("git *"), SLICE("gitk"), false, false},
        {SLICE("git *"), SLICE("git "), true, true},
        {SLICE("git*"), SLICE("gitk"), true, true},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void unknown_parts_are_covered_by_stars_alone(void **state) {
    static const struct row rows[] = {
        {SLICE("*"), SLICE("a \xFF"), true, true},
        {SLICE("a *"), SLICE("a \xFF"), true, true},
        {SLICE("a *"), SLICE("a\xFF"), false, true},
        {SLICE("a *"), SLICE("a\xFE"), true, true},
        {SLICE("a *"), SLICE("a\xFE\xFE x\xFE"), true, true},
        {SLICE("a * b"), SLICE("a\xFE b"), false, true},
        {SLICE("a * b"), SLICE("a \xFF b"), true, true},
        {SLICE("a b"), SLICE("a \xFF"), false, true},
        {SLICE("a ?"), SLICE("a \xFF"), false, true},
        {SLICE("a [b]*"), SLICE("a \xFF"), false, true},
        {SLICE("b *"), SLICE("a \xFF"), false, false},
        {SLICE("* b"), SLICE("a \xFF"), false, true},
        {SLICE("a *c"), SLICE("a b\xFF"), false, true},
        {SLICE("a *c"),
         SLICE("a b\xFF"
               "c"),
         true, true},
        {SLICE("a c"), SLICE("a b\xFF"), false, false},
        {SLICE("a"), SLICE("a\xFE"), false, true},
        {SLICE("a b"), SLICE("a\xFE"), false, true},
        {SLICE("ab"), SLICE("a\xFE"), false, false},
        {SLICE("ab"), SLICE("a\xFF"), false, true},
        {SLICE("rm *"), SLICE("echo\xFE"), false, false},
        {SLICE("*rm *"), SLICE("echo\xFE"), false, true},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

static void borders_cannot_be_forged(void **state) {
    static const struct row rows[] = {
        {SLICE("a b c"),
         SLICE("a b\xFD"
               "c"),
         false, true},
        {SLICE("a *"),
         SLICE("a b\xFD"
               "c"),
         true, true},
        {SLICE("a b?c"),
         SLICE("a b\xFD"
               "c"),
         true, true},
        {SLICE("a b[ ]c"),
         SLICE("a b\xFD"
               "c"),
         true, true},
        {SLICE("cat *"), SLICE("cat a \xFC b"), false, true},
        {SLICE("cat a*"), SLICE("cat a \xFC b"), false, true},
        {SLICE("cat * > *"), SLICE("cat a \xFC b"), true, true},
        {SLICE("cat * > *"), SLICE("cat a \xFC b \xFC c"), false, true},
        {SLICE("cat > *"), SLICE("cat \xFC b"), true, true},
        {SLICE("> *"), SLICE("\xFC b"), true, true},
        {SLICE("*"), SLICE("cat \xFC b"), true, true},
        {SLICE("**"), SLICE("cat \xFC b"), false, true},
        {SLICE("cat ? b"), SLICE("cat \xFC b"), false, true},
        {SLICE("cat < *"), SLICE("cat \xFB b"), true, true},
        {SLICE("* > *"), SLICE("ls \xFE"), false, false}, /* no unknown part becomes a redirection, */
        {SLICE("* > *"), SLICE("ls \xFF \xFF"), false, false},
        {SLICE("* > *"),
         SLICE("cat a\xFD>\xFD"
               "b"),
         false, false}, /* and no text is one */
        {SLICE("* > *"), SLICE("cat \xFE \xFC \xFF"), true, true},
        {SLICE("* > /etc/*"), SLICE("cat x \xFC \xFF"), false, true},
        {SLICE("*>*"), SLICE("ls \xFE"), false, true},
        {SLICE("cat > *"), SLICE("cat \xFB b"), false, false},
        {SLICE("* > /etc/*"), SLICE("cat \xFC /tmp/b"), false, false},
        {SLICE("* > /etc/*"), SLICE("cat \xFC \xFF"), false, true},
    };

    (void)state;
    check(rows, ARRAY_LEN(rows));
}

/* Longer than one word of bits, on each side of its border. */
static void long_patterns_match_as_short_ones(void **state) {
    char pattern[200], text[400];

    (void)state;
    memset(pattern, 'a', sizeof(pattern));
    memset(text, 'a', sizeof(text));
    for (size_t n = 60; n < 140; n++) {
        struct pattern compiled;

        pattern[n - 1] = '*';
        assert_int_equal(pattern_compile(slice_of(pattern, n), &compiled), 0);
        assert_false(pattern_covers(&compiled, slice_of(text, n - 2)));
        assert_true(pattern_covers(&compiled, slice_of(text, n - 1)));
        assert_true(pattern_covers(&compiled, slice_of(text, sizeof(text))));
        text[n - 3] = '\xFF';
        assert_false(pattern_covers(&compiled, slice_of(text, n)));
        assert_true(pattern_meets(&compiled, slice_of(text, n - 2)));
        text[n - 3] = 'b';
        assert_false(pattern_meets(&compiled, slice_of(text, sizeof(text))));
        text[n - 3] = 'a';
        pattern[n - 1] = 'a';
        pattern_done(&compiled);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_match_or_do_not),
        cmocka_unit_test(unknown_parts_are_covered_by_stars_alone),
        cmocka_unit_test(borders_cannot_be_forged),
        cmocka_unit_test(long_patterns_match_as_short_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
