#include "wire/http_body.h"

#include <stdio.h>

#include "unit.h"

static const struct http_framing chunked = {.kind = HTTP_BODY_CHUNKED};

struct result {
    enum http_fault fault;
    bool is_complete, may_end;
    size_t used;
    char content[64 * 1024];
    size_t n;
};

/* Decodes `text` as it comes in pieces of `step` bytes, each in memory of its own. */
static void decode(struct http_framing framing, struct slice text, size_t step, struct result *to) {
    struct http_body body;

    http_body_init(&body, framing);
    *to = (struct result){.fault = HTTP_OK};
    for (size_t at = 0; at < text.n && to->fault == HTTP_OK; at += step) {
        _cleanup_slice_ struct slice piece = exact_copy(slice_first(slice_from(text, at), step));
        struct slice in = piece;

        for (;;) {
            struct slice data;
            ptrdiff_t n = http_body_decode(&body, in, &data, &to->fault);

            if (n <= 0)
                break;
            assert_true((size_t)n <= in.n);
            assert_true(data.n == 0 || (data.p >= in.p && data.p + data.n <= in.p + n));
            assert_true(to->n + data.n <= sizeof(to->content));
            memcpy(to->content + to->n, data.p, data.n);
            to->n += data.n;
            to->used += (size_t)n;
            in = slice_from(in, (size_t)n);
        }
    }
    to->is_complete = body.is_complete;
    to->may_end = http_body_may_end(&body);
}

static const size_t steps[] = {1, 2, 3, 7, SIZE_MAX / 2};

static void good_chunks(void **state) {
    static const struct {
        struct slice text;
        const char *content;
        size_t left; /* behind the body */
    } rows[] = {
        {SLICE("0\r\n\r\n"), "", 0},
        {SLICE("5\r\nhello\r\n0\r\n\r\n"), "hello", 0},
        {SLICE("5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\nGET /"), "hello world", 5},
        {SLICE("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), "01234567890123456789", 0},
        {SLICE("0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n"), "abc", 0},
        {SLICE("3;a=b;c=\"d e\"\r\nabc\r\n0;x\r\n\r\n"), "abc", 0},
        {SLICE("3;\r\nabc\r\n0\r\n\r\n"), "abc", 0},
        {SLICE("4\r\n\r\n\r\n\r\n0\r\n\r\n"), "\r\n\r\n", 0},
        {SLICE("3\r\nabc\r\n0\r\nX: y\r\n\r\n"), "abc", 0},
        {SLICE("0\r\nX:\r\nETag: \"\xE9\"\tz\r\n\r\n\r\n"), "", 2},
    };
    struct result *got = malloc(sizeof(*got));

    (void)state;
    assert_non_null(got);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
            decode(chunked, rows[i].text, steps[s], got);
            assert_row(rows[i].text, got->fault == HTTP_OK && got->is_complete && got->may_end);
            assert_slice(slice_of(got->content, got->n), rows[i].content);
            assert_row(rows[i].text, got->used == rows[i].text.n - rows[i].left);
        }
    free(got);
}

static void bad_chunks(void **state) {
    static const struct {
        struct slice text;
        enum http_fault fault;
    } rows[] = {
        {SLICE("\r\n"), HTTP_BAD_CHUNK},
        {SLICE(";a\r\n"), HTTP_BAD_CHUNK},
        {SLICE(" 3\r\nabc"), HTTP_BAD_CHUNK},
        {SLICE("3 \r\nabc"), HTTP_BAD_CHUNK},
        {SLICE("3 ;a\r\nabc"), HTTP_BAD_CHUNK},
        {SLICE("3\t\r\nabc"), HTTP_BAD_CHUNK},
        {SLICE("+3\r\nabc"), HTTP_BAD_CHUNK},
        {SLICE("-3\r\nabc"), HTTP_BAD_CHUNK},
        {SLICE("0x3\r\nabc"), HTTP_BAD_CHUNK},
        {SLICE("3h\r\nabc"), HTTP_BAD_CHUNK},
        {SLICE("3_0\r\n"), HTTP_BAD_CHUNK},
        {SLICE("g\r\n"), HTTP_BAD_CHUNK},
        {SLICE("00000000000000003\r\nabc"), HTTP_BAD_CHUNK},
        {SLICE("8000000000000000\r\n"), HTTP_BAD_CHUNK},
        {SLICE("ffffffffffffffff\r\n"), HTTP_BAD_CHUNK},
        {SLICE("10000000000000000\r\n"), HTTP_BAD_CHUNK},
        {SLICE("3\nabc\r\n"), HTTP_BAD_CHUNK},
        {SLICE("3\rabc\r\n"), HTTP_BAD_CHUNK},
        {SLICE("3\r\r\nabc\r\n"), HTTP_BAD_CHUNK},
        {SLICE("3;a\nabc\r\n"), HTTP_BAD_CHUNK},
        {SLICE("3;a\rb\r\nabc\r\n"), HTTP_BAD_CHUNK},
        {SLICE("3;a\0\r\nabc\r\n"), HTTP_BAD_CHUNK},
        {SLICE("3;a\tb\r\nabc\r\n"), HTTP_BAD_CHUNK},
        {SLICE("3;\x7F\r\nabc\r\n"), HTTP_BAD_CHUNK},
        {SLICE("3\r\nabc\n"), HTTP_BAD_CHUNK},
        {SLICE("3\r\nabc\rx"), HTTP_BAD_CHUNK},
        {SLICE("3\r\nabcd\r\n"), HTTP_BAD_CHUNK},
        {SLICE("3\r\nabc0\r\n"), HTTP_BAD_CHUNK},
        {SLICE("0\r\n\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\n\rx"), HTTP_BAD_CHUNK},
        {SLICE("0\r\nX: y\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nX: y\rz\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nX: \0\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nX: \x1B\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nX y: z\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nX : z\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\n X: z\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nX: y\r\n z\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\n: y\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nGET / HTTP/1.1\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nContent-Length: 3\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nX: y\r\ntransfer-encoding: chunked\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nhost: a\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nAuthorization: a\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nProxy-Authorization: a\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nCOOKIE: a\r\n\r\n"), HTTP_BAD_TRAILER},
        {SLICE("0\r\nSet-Cookie: a\r\n\r\n"), HTTP_BAD_TRAILER},
    };
    struct result *got = malloc(sizeof(*got));

    (void)state;
    assert_non_null(got);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
            decode(chunked, rows[i].text, steps[s], got);
            assert_row(rows[i].text, got->fault == rows[i].fault);
            assert_row(rows[i].text, !got->is_complete && !got->may_end);
        }
    free(got);
}

/* Wherever a body is cut, it is no fault yet, and it may not end there. */
static void cut_chunks(void **state) {
    static const struct slice text = SLICE("3;a\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nX: y\r\n\r\n");
    struct result *got = malloc(sizeof(*got));

    (void)state;
    assert_non_null(got);
    for (size_t n = 0; n < text.n; n++) {
        decode(chunked, slice_first(text, n), 5, got);
        assert_int_equal(got->fault, HTTP_OK);
        assert_int_equal(got->used, n);
        assert_false(got->is_complete);
        assert_false(got->may_end);
    }
    free(got);
}

static char big[40 * 1024];

/* `before`, `n` bytes, `after`, decoded in one piece and in many: whether it was good. */
static bool is_good(const char *before, size_t n, const char *after) {
    size_t start = strlen(before), end = strlen(after);
    struct result *got = malloc(sizeof(*got));
    bool good[2];

    assert_non_null(got);
    memcpy(big, before, start);
    memset(big + start, 'x', n);
    memcpy(big + start + n, after, end);
    for (size_t i = 0; i < 2; i++) {
        decode(chunked, slice_of(big, start + n + end), i == 0 ? sizeof(big) : 1, got);
        good[i] = got->is_complete;
        assert_int_equal(got->fault == HTTP_OK, got->is_complete);
    }
    free(got);
    assert_int_equal(good[0], good[1]);
    return good[0];
}

static void limits(void **state) {
    (void)state;
    /* the semicolon counts */
    assert_true(is_good("0;", LIMIT_CHUNK_EXTENSION - 1, "\r\n\r\n"));
    assert_false(is_good("0;", LIMIT_CHUNK_EXTENSION, "\r\n\r\n"));
    assert_true(is_good("1;x\r\n-\r\n0;", LIMIT_CHUNK_EXTENSION - 1, "\r\n\r\n"));
    /* all trailer lines together, without their LFs */
    assert_true(is_good("0\r\nX:", LIMIT_TRAILERS - 4, "\r\n\r\n"));
    assert_false(is_good("0\r\nX:", LIMIT_TRAILERS - 3, "\r\n\r\n"));
    /* a name must end within what is kept of its line */
    assert_true(is_good("0\r\n", 255, ":\r\n\r\n"));
    assert_false(is_good("0\r\n", 256, ":\r\n\r\n"));
    assert_false(is_good("0\r\n", 1000, ":\r\n\r\n"));
}

/* The largest sizes are taken as they come and allocate nothing. */
static void huge_sizes(void **state) {
    struct result *got = malloc(sizeof(*got));

    (void)state;
    assert_non_null(got);
    decode(chunked, SLICE("7fffffffffffffff\r\nabc"), 1, got);
    assert_int_equal(got->fault, HTTP_OK);
    assert_slice(slice_of(got->content, got->n), "abc");
    decode((struct http_framing){.kind = HTTP_BODY_LENGTH, .length = INT64_MAX}, SLICE("abc"), 2, got);
    assert_slice(slice_of(got->content, got->n), "abc");
    assert_false(got->may_end);
    free(got);
}

static void other_kinds(void **state) {
    static const struct {
        struct http_framing framing;
        struct slice text;
        const char *content;
        bool is_complete, may_end;
    } rows[] = {
        {{HTTP_BODY_NONE, 0}, SLICE("next"), "", true, true},
        {{HTTP_BODY_LENGTH, 0}, SLICE("next"), "", true, true},
        {{HTTP_BODY_LENGTH, 5}, SLICE("hello"), "hello", true, true},
        {{HTTP_BODY_LENGTH, 5}, SLICE("hellonext"), "hello", true, true},
        {{HTTP_BODY_LENGTH, 5}, SLICE("hell"), "hell", false, false},
        {{HTTP_BODY_LENGTH, 5}, SLICE(""), "", false, false},
        {{HTTP_BODY_CLOSE, 0}, SLICE("anything"), "anything", false, true},
        {{HTTP_BODY_CLOSE, 0}, SLICE(""), "", false, true},
    };
    struct result *got = malloc(sizeof(*got));

    (void)state;
    assert_non_null(got);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
            decode(rows[i].framing, rows[i].text, steps[s], got);
            assert_int_equal(got->fault, HTTP_OK);
            assert_slice(slice_of(got->content, got->n), rows[i].content);
            assert_row(rows[i].text, got->is_complete == rows[i].is_complete && got->may_end == rows[i].may_end);
            assert_int_equal(got->used, got->n);
        }
    free(got);
}

static void gathering(void **state) {
    static const struct {
        struct http_framing framing;
        struct slice text;
        ptrdiff_t used;
        const char *content;
        bool is_complete;
    } rows[] = {
        {{HTTP_BODY_CHUNKED, 0}, SLICE("1\r\na\r\n2;x\r\nbc\r\n1\r\nd\r\n0\r\nX: y\r\n\r\nGET"), 32, "abcd", true},
        {{HTTP_BODY_CHUNKED, 0}, SLICE("3\r\nabc\r\n5\r\nde"), 13, "abcde", false},
        {{HTTP_BODY_CHUNKED, 0}, SLICE("3"), 1, "", false},
        {{HTTP_BODY_CHUNKED, 0}, SLICE(""), 0, "", false},
        {{HTTP_BODY_CHUNKED, 0}, SLICE("3\r\nabc\n"), -1, NULL, false},
        {{HTTP_BODY_LENGTH, 3}, SLICE("abcnext"), 3, "abc", true},
        {{HTTP_BODY_CLOSE, 0}, SLICE("abc"), 3, "abc", false},
        {{HTTP_BODY_NONE, 0}, SLICE("next"), 0, "", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum http_fault fault = HTTP_OK;
        struct http_body body;
        size_t content = 0;
        char bytes[64];

        memcpy(bytes, rows[i].text.p, rows[i].text.n);
        http_body_init(&body, rows[i].framing);
        assert_row(rows[i].text, http_body_gather(&body, bytes, rows[i].text.n, &content, &fault) == rows[i].used);
        assert_row(rows[i].text, (fault != HTTP_OK) == (rows[i].used < 0));
        assert_row(rows[i].text, body.is_complete == rows[i].is_complete);
        if (rows[i].content)
            assert_slice(slice_of(bytes, content), rows[i].content);
    }
}

static void chunk_frames(void **state) {
    static char content[65536];
    static const struct {
        size_t size;
        bool is_end;
        const char *before, *after;
    } rows[] = {
        {1, false, "1\r\n", "\r\n"},         {15, false, "f\r\n", "\r\n"}, {16, true, "10\r\n", "\r\n0\r\n\r\n"},
        {65536, false, "10000\r\n", "\r\n"},
    };
    struct slice parts[HTTP_CHUNK_PARTS];
    char line[20];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(http_chunk_frame(slice_of(content, rows[i].size), rows[i].is_end, line, parts), 3);
        assert_slice(parts[0], rows[i].before);
        assert_true(parts[1].p == content && parts[1].n == rows[i].size);
        assert_slice(parts[2], rows[i].after);
    }
    assert_int_equal(http_chunk_frame(SLICE_EMPTY, true, line, parts), 1);
    assert_slice(parts[0], "0\r\n\r\n");
    assert_int_equal(http_chunk_frame(SLICE_EMPTY, false, line, parts), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_chunks), cmocka_unit_test(bad_chunks), cmocka_unit_test(cut_chunks),
        cmocka_unit_test(limits),      cmocka_unit_test(huge_sizes), cmocka_unit_test(other_kinds),
        cmocka_unit_test(gathering),   cmocka_unit_test(chunk_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
