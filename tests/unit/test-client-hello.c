#include "wire/client_hello.h"

#include "unit.h"

/* A ClientHello under construction, and the records that it comes in. */
static struct {
    char bytes[200 * 1024];
    size_t n;
} extensions, hello, sent;

static void put_to(char *bytes, size_t *n, const void *from, size_t size) {
    memcpy(bytes + *n, from, size);
    *n += size;
}

static void put_number(char *bytes, size_t *n, size_t value, unsigned size) {
    while (size-- > 0)
        bytes[(*n)++] = (char)(value >> 8 * size);
}

#define PUT(to, from, size) put_to((to).bytes, &(to).n, (from), (size))
#define PUT_NUMBER(to, value, size) put_number((to).bytes, &(to).n, (value), (size))

static void extend(unsigned type, struct slice data) {
    PUT_NUMBER(extensions, type, 2);
    PUT_NUMBER(extensions, data.n, 2);
    PUT(extensions, data.p, data.n);
}

static void extend_name(struct slice name) {
    PUT_NUMBER(extensions, 0, 2);
    PUT_NUMBER(extensions, name.n + 5, 2);
    PUT_NUMBER(extensions, name.n + 3, 2);
    PUT_NUMBER(extensions, 0, 1);
    PUT_NUMBER(extensions, name.n, 2);
    PUT(extensions, name.p, name.n);
}

static void begin(void) {
    extensions.n = hello.n = sent.n = 0;
}

/* The message, of the extensions that there are; then in records of so many bytes. */
static void make(size_t record) {
    static const char zeros[32];
    size_t body = 2 + 32 + 1 + 32 + 2 + 4 + 2 + 2 + extensions.n;

    PUT_NUMBER(hello, 1, 1);
    PUT_NUMBER(hello, body, 3);
    PUT_NUMBER(hello, 0x0303, 2);
    PUT(hello, zeros, 32);
    PUT_NUMBER(hello, 32, 1);
    PUT(hello, zeros, 32);
    PUT_NUMBER(hello, 4, 2);
    PUT(hello, "\x13\x01\x13\x02", 4);
    PUT_NUMBER(hello, 0x0100, 2);
    PUT_NUMBER(hello, extensions.n, 2);
    PUT(hello, extensions.bytes, extensions.n);
    for (size_t at = 0; at < hello.n; at += record) {
        size_t n = MIN_OF(record, hello.n - at);

        PUT(sent, "\x16\x03\x01", 3);
        PUT_NUMBER(sent, n, 2);
        PUT(sent, hello.bytes + at, n);
    }
}

static struct slice all(void) {
    return slice_of(sent.bytes, sent.n);
}

static enum client_hello_verdict read_at_once(struct client_hello *ret) {
    _cleanup_slice_ struct slice in = exact_copy(all());

    *ret = (struct client_hello){0};
    return client_hello_read(ret, in);
}

/* Each byte alone: MORE until the last. */
static enum client_hello_verdict read_bytewise(struct client_hello *ret) {
    *ret = (struct client_hello){0};
    for (size_t n = 0; n < sent.n; n++) {
        _cleanup_slice_ struct slice in = exact_copy(slice_first(all(), n));

        assert_int_equal(client_hello_read(ret, in), CLIENT_HELLO_MORE);
    }
    return client_hello_read(ret, all());
}

static void a_name_is_read_however_it_is_split(void **state) {
    static const size_t records[] = {1, 2, 3, 4, 5, 60, 1 << 14};
    struct client_hello read;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        begin();
        extend(23, SLICE_EMPTY);
        extend_name(SLICE("Api.example-1.com"));
        extend(16, SLICE("\0\x0c\x02h2\x08http/1.1"));
        make(records[i]);
        assert_int_equal(read_at_once(&read), CLIENT_HELLO_WHOLE);
        assert_true(read.has_name);
        assert_false(read.has_ech);
        assert_slice(client_hello_name(&read), "Api.example-1.com");
        assert_int_equal(read_bytewise(&read), CLIENT_HELLO_WHOLE);
        assert_slice(client_hello_name(&read), "Api.example-1.com");
    }
}

static void what_comes_behind_it_is_let_be(void **state) {
    struct client_hello read;

    (void)state;
    begin();
    extend_name(SLICE("a.example"));
    make(100);
    PUT(sent, "\x14\x03\x03\0\x01\x01\x17\x03\x03", 9); /* a change of cipher, and early data */
    assert_int_equal(read_at_once(&read), CLIENT_HELLO_WHOLE);
}

static void none_may_be_named(void **state) {
    struct client_hello read;

    (void)state;
    begin();
    make(1 << 14);
    assert_int_equal(read_at_once(&read), CLIENT_HELLO_WHOLE);
    assert_false(read.has_name);
    assert_int_equal(client_hello_name(&read).n, 0);
    begin();
    extend(43, SLICE("\x02\x03\x04"));
    make(1 << 14);
    hello.n = sent.n = 0; /* TLS 1.2 may leave out the extensions with their length */
    extensions.n = 0;
    make(1 << 14);
    sent.bytes[4] = (char)(sent.bytes[4] - 2);
    sent.bytes[8] = (char)(sent.bytes[8] - 2);
    sent.n -= 2;
    assert_int_equal(read_at_once(&read), CLIENT_HELLO_WHOLE);
    assert_false(read.has_name);
}

static void a_long_one_is_read_up_to_the_limit(void **state) {
    static char padding[60 * 1024];
    struct client_hello read;

    (void)state;
    begin();
    extend(21, slice_of(padding, 20 * 1024));
    extend_name(SLICE("a.example"));
    extend(27, slice_of(padding, 40 * 1024));
    make(1 << 14);
    assert_int_equal(read_at_once(&read), CLIENT_HELLO_WHOLE);
    assert_slice(client_hello_name(&read), "a.example");
}

static void a_longer_one_is_not_waited_for(void **state) {
    struct client_hello read = {0};
    size_t n = 0;

    (void)state;
    assert_int_equal(client_hello_read(&read, SLICE("\x16\x03\x01\x40\0\x01\x02\0\0")), CLIENT_HELLO_LONG);
    sent.n = 0; /* and one that hides its length behind records of one byte is not either */
    for (read = (struct client_hello){0}; n < LIMIT_CLIENT_HELLO + 12; n += 6) {
        PUT(sent, "\x16\x03\x01\0\x01\x01", 6);
        if (n == 6)
            sent.bytes[sent.n - 1] = 1;
        if (n == 12 || n == 18)
            sent.bytes[sent.n - 1] = 0;
    }
    assert_int_equal(client_hello_read(&read, all()), CLIENT_HELLO_LONG);
}

static void ech_is_seen(void **state) {
    static const unsigned types[] = {0xfe0d, 0xfe0a, 0xfe08, 0xffce};
    struct client_hello read;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        begin();
        extend_name(SLICE("a.example"));
        extend(types[i], SLICE("\0\0\x01\0\x01"));
        make(1 << 14);
        assert_int_equal(read_at_once(&read), CLIENT_HELLO_WHOLE);
        assert_true(read.has_ech);
    }
}

static void what_is_no_tls_is_known_at_once(void **state) {
    static const struct slice rows[] = {
        SLICE("G"),        SLICE("GET / HTTP/1.1\r\n"), SLICE("\x80\x2e\x01\x03\x01"),
        SLICE("SSH-2.0-"), SLICE("\x16\x02"),           SLICE("\x15\x03\x01\0\x02\x02\x28"),
        SLICE("\0"),       SLICE("\x17\x03\x03\0\x05")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client_hello read = {0};

        assert_row(rows[i], client_hello_read(&read, rows[i]) == CLIENT_HELLO_NOT_TLS);
    }
}

static void records_out_of_order_are_bad(void **state) {
    static const struct slice rows[] = {
        SLICE("\x16\x03\x01\0\0"),                         /* an empty record */
        SLICE("\x16\x03\x01\x40\x01"),                     /* one too long */
        SLICE("\x16\x03\x01\0\x04\x02\0\0\x02"),           /* a ServerHello */
        SLICE("\x16\x03\x01\0\x01\x01\x17\x03\x03\0\x01"), /* data in between */
        SLICE("\x16\x03\x01\0\x01\x01\x16\x02"),
        SLICE("\x16\x03\x01\0\x06\x01\0\0\x01\x03\x03"), /* more than one message in a record */
        SLICE("\x16\x03\x01\0\x04\x01\0\0\0"),           /* nothing in it */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice in = exact_copy(rows[i]);
        struct client_hello read = {0};

        assert_row(rows[i], client_hello_read(&read, in) == CLIENT_HELLO_BAD);
        assert_non_null(read.fault);
    }
}

static void odd_names_are_bad(void **state) {
    static const struct slice rows[] = {SLICE(""),          SLICE("a.example."), SLICE(".a"),    SLICE("a..b"),
                                        SLICE("a\0.b"),     SLICE("a b"),        SLICE("a:443"), SLICE("[::1]"),
                                        SLICE("b\xc3\xbc"), SLICE("a/b"),        SLICE("u@a.b"), SLICE("a,b")};
    char longest[LIMIT_HOST + 1];
    struct client_hello read;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin();
        extend_name(rows[i]);
        make(1 << 14);
        assert_row(rows[i], read_at_once(&read) == CLIENT_HELLO_BAD);
    }
    memset(longest, 'a', sizeof(longest));
    begin();
    extend_name(slice_of(longest, sizeof(longest)));
    make(1 << 14);
    assert_int_equal(read_at_once(&read), CLIENT_HELLO_BAD);
}

static void two_opinions_are_bad(void **state) {
    struct client_hello read;

    (void)state;
    begin(); /* two extensions */
    extend_name(SLICE("a.example"));
    extend_name(SLICE("b.example"));
    make(1 << 14);
    assert_int_equal(read_at_once(&read), CLIENT_HELLO_BAD);
    begin(); /* two names in one */
    extend(0, SLICE("\0\x08\0\0\x01"
                    "a\0\0\x01"
                    "b"));
    make(1 << 14);
    assert_int_equal(read_at_once(&read), CLIENT_HELLO_BAD);
    begin(); /* a name of no known kind */
    extend(0, SLICE("\0\x04\x01\0\x01"
                    "a"));
    make(1 << 14);
    assert_int_equal(read_at_once(&read), CLIENT_HELLO_BAD);
    begin(); /* any extension twice */
    extend(23, SLICE_EMPTY);
    extend(23, SLICE_EMPTY);
    make(1 << 14);
    assert_int_equal(read_at_once(&read), CLIENT_HELLO_BAD);
    begin(); /* pre_shared_key is the last one */
    extend(41, SLICE_EMPTY);
    extend_name(SLICE("a.example"));
    make(1 << 14);
    assert_int_equal(read_at_once(&read), CLIENT_HELLO_BAD);
}

/* Whatever length is changed by one, the parts no longer fit. */
static void lengths_must_fit(void **state) {
    static const size_t at[] = {4 + 2 + 32, 4 + 2 + 32 + 1 + 32 + 1, 4 + 2 + 32 + 1 + 32 + 2 + 4 + 2 + 1};
    struct client_hello read;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        for (int by = -1; by <= 1; by += 2) {
            begin();
            extend_name(SLICE("a.example"));
            make(1 << 14);
            sent.bytes[5 + at[i]] = (char)(sent.bytes[5 + at[i]] + by);
            assert_int_equal(read_at_once(&read), CLIENT_HELLO_BAD);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_read_however_it_is_split),
        cmocka_unit_test(what_comes_behind_it_is_let_be),
        cmocka_unit_test(none_may_be_named),
        cmocka_unit_test(a_long_one_is_read_up_to_the_limit),
        cmocka_unit_test(a_longer_one_is_not_waited_for),
        cmocka_unit_test(ech_is_seen),
        cmocka_unit_test(what_is_no_tls_is_known_at_once),
        cmocka_unit_test(records_out_of_order_are_bad),
        cmocka_unit_test(odd_names_are_bad),
        cmocka_unit_test(two_opinions_are_bad),
        cmocka_unit_test(lengths_must_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
