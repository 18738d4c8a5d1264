#include "base/utf8.h"

#include "unit.h"

struct row {
    struct slice text;
    size_t n;
    uint32_t code;
};

static void reads_each_length_and_nothing_but_utf8(void **state) {
    static const struct row rows[] = {
        {{"a", 1}, 1, 'a'},
        {{"\0", 1}, 1, 0},
        {{"\x7f", 1}, 1, 0x7F},
        {{"\xC2\x80", 2}, 2, 0x80},
        {{"\xDF\xBFx", 3}, 2, 0x7FF},
        {{"\xE0\xA0\x80", 3}, 3, 0x800},
        {{"\xEF\xBF\xBF", 3}, 3, 0xFFFF},
        {{"\xF0\x90\x80\x80", 4}, 4, 0x10000},
        {{"\xF4\x8F\xBF\xBF", 4}, 4, 0x10FFFF},
        {{"\x80", 1}, 0, 0},     /* begins in the middle */
        {{"\xC1\xBF", 2}, 0, 0}, /* overlong, as are the next two */
        {{"\xE0\x9F\xBF", 3}, 0, 0},
        {{"\xF0\x8F\xBF\xBF", 4}, 0, 0},
        {{"\xED\xA0\x80", 3}, 0, 0}, /* surrogates, the first and the last */
        {{"\xED\xBF\xBF", 3}, 0, 0},
        {{"\xF4\x90\x80\x80", 4}, 0, 0}, /* beyond U+10FFFF */
        {{"\xF5\x80\x80\x80", 4}, 0, 0},
        {{"\xE2\x82", 2}, 0, 0}, /* cut short */
        {{"\xC3(", 2}, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice text = exact_copy(rows[i].text);
        uint32_t code = 0;

        assert_row(rows[i].text, utf8_next(text, &code) == rows[i].n);
        assert_row(rows[i].text, code == rows[i].code);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_each_length_and_nothing_but_utf8)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
