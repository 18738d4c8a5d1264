#include "wire/base64.h"

#include "unit.h"

/* RFC 4648 §10, and the ends of the alphabet. */
static void known_texts(void **state) {
    static const struct {
        struct slice bytes;
        const char *encoded;
    } rows[] = {
        {SLICE(""), ""},
        {SLICE("f"), "Zg=="},
        {SLICE("fo"), "Zm8="},
        {SLICE("foo"), "Zm9v"},
        {SLICE("foob"), "Zm9vYg=="},
        {SLICE("fooba"), "Zm9vYmE="},
        {SLICE("foobar"), "Zm9vYmFy"},
        {SLICE("\0"), "AA=="},
        {SLICE("\xff\xff\xff"), "////"},
        {SLICE("\xfb\xef\xbe"), "++++"},
        {SLICE("\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\x51\x55\x97\x61\x96\x9b\x71\xd7\x9f"
               "\x82\x18\xa3\x92\x59\xa7\xa2\x9a\xab\xb2\xdb\xaf\xc3\x1c\xb3\xd3\x5d\xb7\xe3\x9e\xbb\xf3\xdf\xbf"),
         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"},
    };
    char to[BASE64_LENGTH(48)];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(base64_encode(rows[i].bytes, to), BASE64_LENGTH(rows[i].bytes.n));
        assert_slice(slice_of(to, BASE64_LENGTH(rows[i].bytes.n)), rows[i].encoded);
    }
}

/* The room is all that it needs, and what stood at its end is gone. */
static void over_itself(void **state) {
    enum { MOST = 200 };
    char bytes[MOST], apart[BASE64_LENGTH(MOST)];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 37);
    for (size_t n = 1; n <= sizeof(bytes); n++) {
        size_t length = BASE64_LENGTH(n);
        char *room = malloc(length);

        assert_non_null(room);
        memcpy(room + length - n, bytes, n);
        assert_int_equal(base64_encode(slice_of(room + length - n, n), room), length);
        assert_int_equal(base64_encode(slice_of(bytes, n), apart), length);
        assert_memory_equal(room, apart, length);
        free(room);
    }
}

static ptrdiff_t decode(struct slice text, char *to) {
    char *exact = malloc(text.n > 0 ? text.n : 1);
    ptrdiff_t n;

    assert_non_null(exact);
    n = base64url_decode(text, exact);
    if (n > 0)
        memcpy(to, exact, (size_t)n);
    free(exact);
    return n;
}

static void decodes_what_an_encoder_wrote(void **state) {
    static const struct {
        struct slice text;
        struct slice bytes;
    } rows[] = {
        {SLICE(""), SLICE("")},
        {SLICE("Zg"), SLICE("f")},
        {SLICE("Zm8"), SLICE("fo")},
        {SLICE("Zm9v"), SLICE("foo")},
        {SLICE("Zm9vYg"), SLICE("foob")},
        {SLICE("Zm9vYmFy"), SLICE("foobar")},
        {SLICE("AA"), SLICE("\0")},
        {SLICE("-_-_"), SLICE("\xfb\xff\xbf")},
        {SLICE("____"), SLICE("\xff\xff\xff")},
    };
    char to[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(decode(rows[i].text, to), rows[i].bytes.n);
        assert_memory_equal(to, rows[i].bytes.p, rows[i].bytes.n);
    }
}

static ptrdiff_t decode_padded(struct slice text, char *to) {
    char *exact = malloc(text.n > 0 ? text.n : 1);
    ptrdiff_t n;

    assert_non_null(exact);
    n = base64_decode(text, exact);
    if (n > 0)
        memcpy(to, exact, (size_t)n);
    free(exact);
    return n;
}

static void decodes_its_own(void **state) {
    char bytes[200], encoded[BASE64_LENGTH(200)], to[200];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 37);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        size_t length = base64_encode(slice_of(bytes, n), encoded);

        assert_int_equal(decode_padded(slice_of(encoded, length), to), n);
        assert_memory_equal(to, bytes, n);
    }
}

static void refuses_wrong_padding(void **state) {
    static const struct slice rows[] = {
        SLICE("Zg"),   SLICE("Zm8"),      SLICE("Zg="),  SLICE("Zg==="), SLICE("===="), SLICE("Z==="), SLICE("="),
        SLICE("Zh=="), SLICE("Zm9=Zm9v"), SLICE("-_-_"), SLICE("Zg==\n"), SLICE("Zm 9"), SLICE("Zg==Zg=="),
    };
    char to[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_row(rows[i], decode_padded(rows[i], to) == -1);
}

static void refuses_what_no_encoder_writes(void **state) {
    static const struct slice rows[] = {
        SLICE("A"),         SLICE("Zm9vY"), SLICE("Zg=="),    SLICE("Zm8="),     SLICE("Zm9v\n"), SLICE(" Zm9v"),
        SLICE("Zm 9v"),     SLICE("++++"),  SLICE("////"),    SLICE("Zh"),       SLICE("Zm9"),    SLICE("Zm9vYh"),
        SLICE("Zm9v\0AAA"), SLICE("Zm9v."), SLICE("\xff___"), SLICE("Zm9v\r\n"),
    };
    char to[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(decode(rows[i], to), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts),
        cmocka_unit_test(over_itself),
        cmocka_unit_test(decodes_what_an_encoder_wrote),
        cmocka_unit_test(refuses_what_no_encoder_writes),
        cmocka_unit_test(decodes_its_own),
        cmocka_unit_test(refuses_wrong_padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
