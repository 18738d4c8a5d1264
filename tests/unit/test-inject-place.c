#include "egress/keeper/inject_place.h"

#include <errno.h>

#include "base/limits.h"
#include "unit.h"

typedef int put_in_place(struct buf *to, const struct inject *inject, struct slice secret);

/* `expected` is NULL for a secret that cannot stand there. */
struct row {
    struct slice secret;
    const char *expected;
};

/* Also behind other bytes, and with every cap that is too small. */
static void assert_rows(put_in_place *put, const struct inject *inject, const struct row *rows, size_t n_rows) {
    for (size_t i = 0; i < n_rows; i++) {
        struct slice secret = rows[i].secret;
        struct buf out;

        buf_init_secret(&out, LIMIT_DATAGRAM);
        assert_int_equal(buf_append(&out, SLICE("before")), 0);
        assert_row(secret, put(&out, inject, secret) == (rows[i].expected ? 0 : -EINVAL));
        if (rows[i].expected)
            assert_slice(slice_from(buf_slice(&out), 6), rows[i].expected);
        buf_release(&out);
        for (size_t cap = 1; rows[i].expected && cap < strlen(rows[i].expected); cap++) {
            buf_init_secret(&out, cap);
            assert_row(secret, put(&out, inject, secret) == -ENOBUFS);
            buf_release(&out);
        }
    }
}

static void parameters(void **state) {
    static char name[] = "app_key";
    static const struct inject inject = {INJECT_QUERY, name, NULL};
    static const struct row rows[] = {
        {SLICE("k3y"), "app_key=k3y"},
        {SLICE("AZaz09-._~"), "app_key=AZaz09-._~"},
        {SLICE("a&b=c#d e%f+g/h?i;j"), "app_key=a%26b%3Dc%23d%20e%25f%2Bg%2Fh%3Fi%3Bj"},
        {SLICE("\r\n\0\xff"), "app_key=%0D%0A%00%FF"},
    };

    (void)state;
    assert_rows(inject_put_parameter, &inject, rows, ARRAY_LEN(rows));
}

/* A byte that a field cannot hold must not split the head, wherever the secret came from. */
static void headers(void **state) {
    static char name[] = "X-Key", format[] = "{\"{}\"}";
    static const struct inject inject = {INJECT_HEADER, name, format};
    static const struct row rows[] = {
        {SLICE("k3y"), "X-Key: {\"k3y\"}\r\n"},
        {SLICE("k {} 3\ty"), "X-Key: {\"k {} 3\ty\"}\r\n"},
        {SLICE("\xc3\xa9"), "X-Key: {\"\xc3\xa9\"}\r\n"},
        {SLICE("a\r\nHost: evil"), NULL},
        {SLICE("a\nb"), NULL},
        {SLICE("a\rb"), NULL},
        {SLICE("a\0b"), NULL},
        {SLICE("\x1b"), NULL},
        {SLICE("a\x7f"), NULL},
    };

    (void)state;
    assert_rows(inject_put_header, &inject, rows, ARRAY_LEN(rows));
}

static void basic_passwords(void **state) {
    static char user[] = "alice";
    static const struct inject inject = {INJECT_BASIC_USER, user, NULL};
    static const struct row rows[] = {
        {SLICE("k3y"), "YWxpY2U6azN5"}, {SLICE("a:b"), "YWxpY2U6YTpi"}, /* only the first colon parts them */
        {SLICE("k"), "YWxpY2U6aw=="},   {SLICE("\xc3\xa9"), "YWxpY2U6w6k="},
        {SLICE("a\nb"), NULL},          {SLICE("a\tb"), NULL},
        {SLICE("a\0b"), NULL},          {SLICE("a\x7f"), NULL},
    };

    (void)state;
    assert_rows(inject_put_pair, &inject, rows, ARRAY_LEN(rows));
}

static void basic_users(void **state) {
    static char none[] = "", password[] = "x:y", odd[] = "a\nb";
    static const struct inject inject = {INJECT_BASIC_PASSWORD, none, NULL},
                               with = {INJECT_BASIC_PASSWORD, password, NULL}, bad = {INJECT_BASIC_PASSWORD, odd, NULL};
    static const struct row rows[] = {
        {SLICE("k3y"), "azN5Og=="}, {SLICE("a:b"), NULL}, {SLICE(":"), NULL}, {SLICE("a\rb"), NULL}};
    static const struct row with_rows[] = {{SLICE("k"), "azp4Onk="}};
    static const struct row bad_rows[] = {{SLICE("k"), NULL}};

    (void)state;
    assert_rows(inject_put_pair, &inject, rows, ARRAY_LEN(rows));
    assert_rows(inject_put_pair, &with, with_rows, ARRAY_LEN(with_rows));
    assert_rows(inject_put_pair, &bad, bad_rows, ARRAY_LEN(bad_rows));
}

static void the_longest_pair(void **state) {
    static char name[LIMIT_FORMAT + 1], secret[LIMIT_SECRET];
    static const struct inject inject = {INJECT_BASIC_USER, name, NULL};
    struct buf out;

    (void)state;
    memset(name, 'n', LIMIT_FORMAT);
    memset(secret, 's', sizeof(secret));
    buf_init_secret(&out, LIMIT_PAIR);
    assert_int_equal(inject_put_pair(&out, &inject, slice_of(secret, sizeof(secret))), 0);
    assert_int_equal(buf_length(&out), LIMIT_PAIR);
    buf_release(&out);
}

/* RFC 6265 §4.1.1, byte for byte. */
static void cookies(void **state) {
    static char name[] = "sid";
    static const struct inject inject = {INJECT_COOKIE, name, NULL};
    static const struct row rows[] = {
        {SLICE("k3y"), "sid=k3y"}, {SLICE("!#$%&'()*+-./:<=>?@[]^_`{|}~"), "sid=!#$%&'()*+-./:<=>?@[]^_`{|}~"},
        {SLICE("a b"), NULL},      {SLICE("a\tb"), NULL},
        {SLICE("\"a\""), NULL},    {SLICE("a,b"), NULL},
        {SLICE("a;b"), NULL},      {SLICE("a\\b"), NULL},
        {SLICE("a\r\nb"), NULL},   {SLICE("a\0"), NULL},
        {SLICE("a\x7f"), NULL},    {SLICE("\xc3\xa9"), NULL},
    };

    (void)state;
    assert_rows(inject_put_cookie, &inject, rows, ARRAY_LEN(rows));
}

static void paths(void **state) {
    static char bare[] = "/{}", bot[] = "/bot{}", dotted[] = "/.{}/x";
    static const struct inject at_bare = {INJECT_PATH, NULL, bare}, at_bot = {INJECT_PATH, NULL, bot},
                               at_dotted = {INJECT_PATH, NULL, dotted};
    static const struct row rows[] = {
        {SLICE("12:Ab-c_d.e~f"), "/12:Ab-c_d.e~f"},
        {SLICE("!$&'()*+,=:@"), "/!$&'()*+,=:@"},
        {SLICE("a/b?c#d;e%f\\g h"), "/a%2Fb%3Fc%23d%3Be%25f%5Cg%20h"},
        {SLICE("\r\n\0\xff"), "/%0D%0A%00%FF"},
        {SLICE("..."), "/..."},
        {SLICE("../a"), "/..%2Fa"},
        {SLICE("."), NULL},
        {SLICE(".."), NULL},
    };
    static const struct row bot_rows[] = {{SLICE(".."), "/bot.."}};
    static const struct row dotted_rows[] = {{SLICE("."), NULL}, {SLICE(".."), "/.../x"}, {SLICE("a"), "/.a/x"}};

    (void)state;
    assert_rows(inject_put_path, &at_bare, rows, ARRAY_LEN(rows));
    assert_rows(inject_put_path, &at_bot, bot_rows, ARRAY_LEN(bot_rows));
    assert_rows(inject_put_path, &at_dotted, dotted_rows, ARRAY_LEN(dotted_rows));
}

static void a_format_without_its_place(void **state) {
    static char name[] = "X-Key", none[] = "Bearer", cut[] = "Bearer {", turned[] = "}{";
    char *const formats[] = {none, cut, turned};
    static const struct row rows[] = {{SLICE("k"), NULL}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        struct inject header = {INJECT_HEADER, name, formats[i]}, path = {INJECT_PATH, NULL, formats[i]};

        assert_rows(inject_put_header, &header, rows, ARRAY_LEN(rows));
        assert_rows(inject_put_path, &path, rows, ARRAY_LEN(rows));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters),
        cmocka_unit_test(headers),
        cmocka_unit_test(basic_passwords),
        cmocka_unit_test(basic_users),
        cmocka_unit_test(the_longest_pair),
        cmocka_unit_test(cookies),
        cmocka_unit_test(paths),
        cmocka_unit_test(a_format_without_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
