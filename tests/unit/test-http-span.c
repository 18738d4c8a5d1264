#include "wire/http_span.h"

#include "unit.h"

#define LONGEST 80

struct alphabet {
    const char *name;
    enum http_char plain; /* the twin */
    size_t (*span)(struct slice s);
    bool (*is_all)(struct slice s);
};

static const struct alphabet alphabets[] = {
    {"field", HTTP_CHAR_FIELD, http_span_field, http_span_is_field},
    {"target", HTTP_CHAR_TARGET, http_span_target, NULL},
    {"token", HTTP_CHAR_TOKEN, NULL, http_span_is_token},
    {"name", HTTP_CHAR_NAME, NULL, http_span_is_name},
    {"host", HTTP_CHAR_HOST, NULL, http_span_is_host},
};

static void check(const struct alphabet *a, struct slice s) {
    size_t n = http_char_span(s, a->plain);

    if (a->span)
        assert_int_equal(a->span(s), n);
    if (a->is_all && s.n > 0)
        assert_int_equal(a->is_all(s), n == s.n);
}

/* Every byte at every place of texts of every length: in memory of exactly that length, and at every alignment. */
static void vectors_agree_with_the_table(void **state) {
    char memory[16 + LONGEST];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(alphabets); i++)
        for (size_t n = 0; n <= LONGEST; n += n < 40 ? 1 : 13) {
            size_t shift = n % 16;
            struct slice text = slice_of(memory + shift, n);

            memset(memory, 'a', sizeof(memory));
            check(&alphabets[i], text);
            for (size_t at = 0; at < n; at++) {
                for (int c = 0; c < 256; c++) {
                    memory[shift + at] = (char)c;
                    check(&alphabets[i], text);
                }
                memory[shift + at] = 'a';
            }
        }
}

static void no_byte_beyond_the_end_is_read(void **state) {
    char bytes[LONGEST];

    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    for (size_t n = 0; n <= LONGEST; n++) {
        _cleanup_slice_ struct slice text = exact_copy(slice_of(bytes, n));

        for (size_t i = 0; i < ARRAY_LEN(alphabets); i++)
            check(&alphabets[i], text);
        assert_int_equal(http_span_colon(text), n);
        for (size_t at = 0; at < n; at++)
            assert_true(http_span_line_ends(text, at) == 0);
    }
}

/* A second strange byte behind the first changes nothing, a first one before it does. */
static void the_first_strange_byte_counts(void **state) {
    char text[LONGEST];

    (void)state;
    for (size_t first = 0; first < LONGEST; first++)
        for (size_t second = first; second < LONGEST; second++) {
            memset(text, 'a', sizeof(text));
            text[first] = text[second] = '\r';
            assert_int_equal(http_span_field(slice_of(text, LONGEST)), first);
            assert_int_equal(http_span_target(slice_of(text, LONGEST)), first);
            text[first] = text[second] = ':';
            assert_int_equal(http_span_colon(slice_of(text, LONGEST)), first);
        }
}

static void an_empty_token_is_none(void **state) {
    (void)state;
    assert_false(http_span_is_token(SLICE_EMPTY));
    assert_true(http_span_is_field(SLICE_EMPTY));
    assert_int_equal(http_span_field(SLICE_EMPTY), 0);
    assert_int_equal(http_span_colon(SLICE_EMPTY), 0);
}

static uint64_t plain_line_ends(struct slice s, size_t at) {
    uint64_t ends = 0;

    for (size_t i = 0; i < HTTP_SPAN_BLOCK && at + i < s.n; i++)
        if (s.p[at + i] == '\n')
            ends |= UINT64_C(1) << i;
    return ends;
}

static void line_ends_agree_with_a_loop(void **state) {
    char bytes[200];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = i % 7 == 0 || i % 11 == 0 || i % 64 == 63 ? '\n' : (char)i;
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        _cleanup_slice_ struct slice text = exact_copy(slice_of(bytes, n));

        for (size_t at = 0; at < n; at++)
            assert_true(http_span_line_ends(text, at) == plain_line_ends(text, at));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_agree_with_the_table),  cmocka_unit_test(no_byte_beyond_the_end_is_read),
        cmocka_unit_test(the_first_strange_byte_counts), cmocka_unit_test(an_empty_token_is_none),
        cmocka_unit_test(line_ends_agree_with_a_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
