#include "ingress/pairing/mint_output.h"

#include <errno.h>
#include <stdio.h>

#include "unit_fd.h"

static char credential[LIMIT_SECRET];

static const struct {
    struct slice name, bytes;
    const char *credential; /* NULL: there is none */
} rows[] = {
    {SLICE("plain"), SLICE("{\"credential\":\"k\"}"), "k"},
    {SLICE("several lines and more fields"),
     SLICE("{\n  \"id\": 7,\n  \"credential\": \"abc.DEF-1\",\n  \"scopes\": [\"a\", {\"b\": null}]\n}\n"),
     "abc.DEF-1"},
    {SLICE("blanks around"), SLICE(" \r\n\t{\"credential\":\"k\"}\n\n"), "k"},
    {SLICE("escapes"), SLICE("{\"credential\":\"a\\\"\\\\\\u00e9\\n\"}"), "a\"\\\xc3\xa9\n"},
    {SLICE("nothing"), SLICE(""), NULL},
    {SLICE("no JSON"), SLICE("pairing failed"), NULL},
    {SLICE("words before it"), SLICE("here: {\"credential\":\"k\"}"), NULL},
    {SLICE("words behind it"), SLICE("{\"credential\":\"k\"} done"), NULL},
    {SLICE("a second object"), SLICE("{\"credential\":\"k\"}{\"credential\":\"l\"}"), NULL},
    {SLICE("cut off"), SLICE("{\"credential\":\"k\""), NULL},
    {SLICE("a list"), SLICE("[{\"credential\":\"k\"}]"), NULL},
    {SLICE("a string"), SLICE("\"k\""), NULL},
    {SLICE("none"), SLICE("{\"credentials\":\"k\"}"), NULL},
    {SLICE("another case"), SLICE("{\"Credential\":\"k\"}"), NULL},
    {SLICE("deeper"), SLICE("{\"a\":{\"credential\":\"k\"}}"), NULL},
    {SLICE("empty"), SLICE("{\"credential\":\"\"}"), NULL},
    {SLICE("null"), SLICE("{\"credential\":null}"), NULL},
    {SLICE("a number"), SLICE("{\"credential\":7}"), NULL},
    {SLICE("twice"), SLICE("{\"credential\":\"k\",\"credential\":\"l\"}"), NULL},
    {SLICE("a NUL"), SLICE("{\"credential\":\"k\\u0000l\"}"), NULL},
    {SLICE("no UTF-8"), SLICE("{\"credential\":\"\xff\"}"), NULL},
};

static void takes_the_one_object(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice bytes = exact_copy(rows[i].bytes);
        size_t n = 0;
        int r = mint_credential_parse(bytes, credential, &n);

        assert_row(rows[i].name, r == (rows[i].credential ? 0 : -EINVAL));
        if (rows[i].credential)
            assert_row(rows[i].name, slice_equals(slice_of(credential, n), slice_of_string(rows[i].credential)));
    }
}

static void a_credential_has_a_limit(void **state) {
    static char json[LIMIT_SECRET + 64];
    size_t n = 0;

    (void)state;
    for (int over = 0; over <= 1; over++) {
        static char key[LIMIT_SECRET + 2];

        memset(key, 'k', LIMIT_SECRET + 1);
        key[LIMIT_SECRET + over] = '\0';
        (void)snprintf(json, sizeof(json), "{\"credential\":\"%s\"}", key);
        assert_int_equal(mint_credential_parse(slice_of_string(json), credential, &n), over ? -EINVAL : 0);
    }
    assert_int_equal(n, LIMIT_SECRET);
}

/* A pipe as the supervisor passes it: whoever reads is not blocked. */
static void open_pipe(int ends[2]) {
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
}

static void is_read_as_it_comes(void **state) {
    struct mint_output *output = mint_output_new();
    struct slice found;
    int ends[2];

    (void)state;
    assert_non_null(output);
    open_pipe(ends);
    assert_int_equal(mint_output_read(output, ends[0]), -EAGAIN);
    assert_int_equal(fd_write_all(ends[1], "{\"credential\"", 13), 0);
    assert_int_equal(mint_output_read(output, ends[0]), -EAGAIN);
    assert_int_equal(fd_write_all(ends[1], ":\"key\"}", 7), 0);
    fd_close(&ends[1]);
    assert_int_equal(mint_output_read(output, ends[0]), 0);
    assert_int_equal(mint_output_parse(output, &found), 0);
    assert_slice(found, "key");
    fd_close(&ends[0]);
    mint_output_free(output);
    mint_output_free(NULL);
}

static void too_much_is_told(void **state) {
    static char blanks[8192];
    struct mint_output *output = mint_output_new();
    int ends[2], r;

    (void)state;
    open_pipe(ends);
    memset(blanks, ' ', sizeof(blanks));
    do {
        assert_int_equal(fd_write_all(ends[1], blanks, sizeof(blanks)), 0);
        r = mint_output_read(output, ends[0]);
    } while (r == -EAGAIN);
    assert_int_equal(r, -EMSGSIZE);
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    mint_output_free(output);
}

static int init_json(void **state) {
    (void)state;
    mint_json_init();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_one_object),
        cmocka_unit_test(a_credential_has_a_limit),
        cmocka_unit_test(is_read_as_it_comes),
        cmocka_unit_test(too_much_is_told),
    };

    return cmocka_run_group_tests(tests, init_json, NULL);
}
