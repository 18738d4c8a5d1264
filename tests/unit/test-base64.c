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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts),
        cmocka_unit_test(over_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
