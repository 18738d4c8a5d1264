#include "ingress/visit/app.h"

#include "unit.h"
#include "wire/http_head.h"

#define ADDED "<link rel=manifest>"

static struct app app;
static struct http_field fields[8];
static struct response_head response;

static void respond(const char *type) {
    fields[0] = (struct http_field){SLICE("Content-Type"), slice_of_string(type)};
    response = (struct response_head){
        .status = 200, .fields = fields, .n_fields = 1, .body = {.kind = HTTP_BODY_LENGTH, .length = 100}};
    response.declared = response.body;
}

static void add_field(struct slice name, struct slice value) {
    fields[response.n_fields++] = (struct http_field){name, value};
}

static bool begin_with(const char *head) {
    app_done(&app);
    return app_begin(&app, head, false, &response, fields);
}

static int end(void **state) {
    (void)state;
    app_done(&app);
    return 0;
}

static char out[4 * LIMIT_APP_LOOK];
static size_t n_out;

static void take(struct slice data, bool is_end) {
    _cleanup_slice_ struct slice copy = exact_copy(data);
    struct slice parts[3];
    size_t n = app_take(&app, copy, is_end, parts);

    for (size_t i = 0; i < n; i++) {
        assert_true(parts[i].n > 0 && n_out + parts[i].n < sizeof(out));
        memcpy(out + n_out, parts[i].p, parts[i].n);
        n_out += parts[i].n;
    }
}

/* The document as it goes on when it comes in pieces of `size`. */
static struct slice pass(struct slice document, size_t size) {
    respond("text/html; charset=utf-8");
    assert_true(begin_with(ADDED));
    n_out = 0;
    for (struct slice rest = document; rest.n > 0; rest = slice_from(rest, size))
        take(slice_first(rest, size), rest.n <= size);
    if (document.n == 0)
        take(SLICE_EMPTY, true);
    assert_true(app_is_decided(&app));
    out[n_out] = '\0';
    return slice_of(out, n_out);
}

struct row {
    const char *before, *behind; /* of the place; no place when `behind` is NULL */
};

static const struct row rows[] = {
    {"<head>", "<title>x</title>"},
    {"<!DOCTYPE html><html><head>", "</head><body>"},
    {"<!doctype html>\n<html lang=\"en\">\r\n\t<HEAD>", "x"},
    {"\xEF\xBB\xBF<!doctype html><html><head>", "x"},
    {"<!-- <head> --><html><head>", "x"},
    {"<!----><!--><!---><!-- a -- b --!><html><head>", "x"},
    {"<!-- <!-- --><html><head>", "x"},
    {"<!-- -- ><head> --><html><head>", "x"},
    {"<?xml version=\"1.0\"?><html><head>", "x"},
    {"<![CDATA[<x><head>", "x"}, /* a bogus comment, up to the first > */
    {"<!><html><head>", "x"},
    {"<!-><html><head>", "x"},
    {"<html><head data-x=\">\">", "x"},
    {"<html a='>' b = \"'>\" c=d><head>", "x"},
    {"<html/><head/>", "x"},
    {"<html a=b/><head>", "x"},
    {"<html =\"><head>", "x"}, /* a name that begins with =, not a value */
    {"<html a=\"x\"=\"><head>", "x"},
    {"<html a= ><head>", "x"},
    {"<html><html><head>", "x"},
    {"<head\n\nprofile=x>", ""},
    {"<html><head>", "<script>var a = '<head>'</script>"},
    {"<![CDATA[<head>x", NULL},
    {"", NULL},
    {"text<head>", NULL},
    {"<html>text<head>", NULL},
    {"<header><head>", NULL},
    {"<heads>", NULL},
    {"<hea>", NULL},
    {"<h><head>", NULL},
    {"<html><body><head>", NULL},
    {"<html><script>'<head>'</script><head>", NULL},
    {"<title><head></title>", NULL},
    {"</head><head>", NULL},
    {"</p><head>", NULL},
    {"<><head>", NULL},
    {"< head>", NULL},
    {"<!-- <head>", NULL},
    {"<!-- -><head>", NULL},
    {"<!--- -!><head>", NULL},
    {"<head", NULL},
    {"<html><head x=\"", NULL},
    {"\xEF\xBB<head>", NULL},
    {"\xFF\xFE<\0h\0", NULL},
    {" \xEF\xBB\xBF<head>", NULL},
    {"{\"json\":1}", NULL},
};

static void assert_passed(const struct row *row, size_t size) {
    static char document[4096], wanted[4096];
    size_t n_before = strlen(row->before), n_behind = row->behind ? strlen(row->behind) : 0;
    size_t n_added = row->behind ? strlen(ADDED) : 0;

    memcpy(document, row->before, n_before);
    memcpy(document + n_before, row->behind ? row->behind : "", n_behind);
    memcpy(wanted, row->before, n_before);
    memcpy(wanted + n_before, ADDED, n_added);
    memcpy(wanted + n_before + n_added, row->behind ? row->behind : "", n_behind + 1);
    assert_slice(pass(slice_of(document, n_before + n_behind), size), wanted);
    app_settle(&app, &response, fields);
    assert_int_equal(response.body.length, 100 + n_added);
}

static void it_is_added_behind_the_tag_and_nowhere_else(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t size = 1; size < 40; size++)
            assert_passed(&rows[i], size);
}

/* A place that lies further than is looked; one byte nearer it is found. */
static void it_is_looked_so_far_and_no_further(void **state) {
    static char document[2 * LIMIT_APP_LOOK];
    static const char tag[] = "<head>";
    static const size_t sizes[] = {1, 4096, LIMIT_APP_LOOK, sizeof(document)};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        for (size_t beyond = 0; beyond < 2; beyond++) {
            size_t at = LIMIT_APP_LOOK - strlen(tag) + beyond;

            memset(document, ' ', sizeof(document));
            memcpy(document + at, tag, strlen(tag));
            assert_int_equal(pass(slice_of(document, sizeof(document)), sizes[i]).n,
                             sizeof(document) + (beyond == 0 ? strlen(ADDED) : 0));
            assert_int_equal(app.state, beyond == 0 ? APP_FOUND : APP_NOT_FOUND);
        }
}

static void nothing_goes_on_before_it_is_decided(void **state) {
    struct slice parts[3];

    (void)state;
    respond("text/html");
    assert_true(begin_with(ADDED));
    assert_int_equal(app_take(&app, SLICE("<html><he"), false, parts), 0);
    assert_false(app_is_decided(&app));
    assert_int_equal(app_take(&app, SLICE_EMPTY, false, parts), 0);
    assert_int_equal(app_take(&app, SLICE("ad>"), false, parts), 2);
    assert_true(app_is_decided(&app));
    assert_slice(parts[0], "<html><head>");
    assert_slice(parts[1], ADDED);
    assert_int_equal(app_take(&app, SLICE("rest"), true, parts), 1);
    assert_slice(parts[0], "rest");
}

static void an_end_decides_too(void **state) {
    struct slice parts[3];

    (void)state;
    respond("text/html");
    assert_true(begin_with(ADDED));
    assert_int_equal(app_take(&app, SLICE("<html>"), true, parts), 1);
    assert_int_equal(app.state, APP_NOT_FOUND);
    app_settle(&app, &response, fields);
    assert_int_equal(response.body.length, 100);
}

static void only_documents_are_looked_at(void **state) {
    static const struct {
        const char *type;
        bool is_looked_at;
    } types[] = {
        {"text/html", true},
        {"TEXT/HTML ; charset=UTF-8", true},
        {"text/html; charset=\"utf-8\"", true},
        {"text/html; charset=iso-8859-1", true},
        {"text/html;charset=windows-1252; x=y", true},
        {"text/html; charset=utf-16", false},
        {"text/html; charset=utf-16le", false},
        {"text/html; charset=utf-7", false},
        {"text/html; charset=iso-2022-jp", false},
        {"text/html; charset", false},
        {"text/htmlx", false},
        {"application/xhtml+xml", false},
        {"application/json", false},
        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        respond(types[i].type);
        assert_row(slice_of_string(types[i].type), begin_with(ADDED) == types[i].is_looked_at);
    }
    respond("text/html; charset=iso-8859-1");
    assert_false(begin_with("<meta content=\"\xC3\xBC\">")); /* it would be read as another text */
    respond("text/html");
    assert_false(begin_with(NULL));
}

static void what_a_field_forbids_is_left_alone(void **state) {
    static const struct {
        struct slice name, value;
        bool is_looked_at;
    } given[] = {
        {SLICE("Content-Encoding"), SLICE("identity"), true},
        {SLICE("Content-Encoding"), SLICE("gzip"), false},
        {SLICE("content-encoding"), SLICE("br"), false},
        {SLICE("Content-Range"), SLICE("bytes 0-1/2"), false},
        {SLICE("Content-Type"), SLICE("text/html"), false}, /* a second one */
        {SLICE("Content-Disposition"), SLICE("inline"), true},
        {SLICE("Content-Disposition"), SLICE("attachment; filename=x.html"), false},
        {SLICE("Cache-Control"), SLICE("private, no-transform"), false},
        {SLICE("Cache-Control"), SLICE("private, no-store"), true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        respond("text/html");
        add_field(given[i].name, given[i].value);
        assert_row(given[i].value, begin_with(ADDED) == given[i].is_looked_at);
    }
}

static void only_a_whole_200_with_a_body_is_looked_at(void **state) {
    static const unsigned statuses[] = {201, 204, 206, 301, 304, 404, 500};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        respond("text/html");
        response.status = statuses[i];
        assert_false(begin_with(ADDED));
    }
    respond("text/html");
    response.body.kind = HTTP_BODY_NONE;
    assert_false(begin_with(ADDED));
    respond("text/html");
    response.body.length = UINT64_MAX - 3; /* what it would become cannot be told */
    assert_false(begin_with(ADDED));
}

static bool has_field(struct slice name) {
    for (size_t i = 0; i < response.n_fields; i++)
        if (slice_equals_nocase(fields[i].name, name))
            return true;
    return false;
}

static void respond_with_all(const char *tag) {
    respond("text/html");
    add_field(SLICE("etag"), slice_of_string(tag));
    add_field(SLICE("Accept-Ranges"), SLICE("bytes"));
    add_field(SLICE("Repr-Digest"), SLICE("sha-256=:x:"));
    add_field(SLICE("Content-MD5"), SLICE("x"));
    add_field(SLICE("Last-Modified"), SLICE("x"));
}

static void what_tells_of_the_bytes_is_taken_out_where_they_change(void **state) {
    (void)state;
    respond_with_all("\"strong\"");
    assert_true(begin_with(ADDED));
    assert_int_equal(response.n_fields, 6);
    n_out = 0;
    take(SLICE("<head>"), true);
    app_settle(&app, &response, fields);
    assert_int_equal(response.n_fields, 2);
    assert_true(has_field(SLICE("Content-Type")) && has_field(SLICE("Last-Modified")));
    assert_int_equal(response.declared.length, 100 + strlen(ADDED));

    respond_with_all("W/\"weak\"");
    assert_true(begin_with(ADDED));
    take(SLICE("<head>"), true);
    app_settle(&app, &response, fields);
    assert_true(has_field(SLICE("ETag")));

    respond_with_all("\"strong\"");
    assert_true(begin_with(ADDED));
    take(SLICE("<body>"), true);
    app_settle(&app, &response, fields);
    assert_int_equal(response.n_fields, 6);
}

/* HEAD must not tell a length that GET would not have (RFC 9110 §9.3.2): nobody knows it without the body. */
static void head_tells_no_length_that_get_might_not_have(void **state) {
    (void)state;
    respond_with_all("\"strong\"");
    response.body = (struct http_framing){.kind = HTTP_BODY_NONE};
    app_done(&app);
    assert_false(app_begin(&app, ADDED, true, &response, fields));
    assert_int_equal(response.declared.kind, HTTP_BODY_NONE);
    assert_int_equal(response.n_fields, 2);
    respond_with_all("\"strong\"");
    fields[0].value = SLICE("image/png");
    response.body = (struct http_framing){.kind = HTTP_BODY_NONE};
    assert_false(app_begin(&app, ADDED, true, &response, fields));
    assert_int_equal(response.declared.kind, HTTP_BODY_LENGTH);
    assert_int_equal(response.n_fields, 6);
}

static void a_length_that_is_not_known_stays_so(void **state) {
    (void)state;
    respond("text/html");
    response.body = (struct http_framing){.kind = HTTP_BODY_CHUNKED};
    assert_true(begin_with(ADDED));
    n_out = 0;
    take(SLICE("<head>"), true);
    app_settle(&app, &response, fields);
    assert_int_equal(response.body.kind, HTTP_BODY_CHUNKED);
    assert_slice(slice_of(out, n_out), "<head>" ADDED);
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_is_added_behind_the_tag_and_nowhere_else),
        TEST(it_is_looked_so_far_and_no_further),
        TEST(nothing_goes_on_before_it_is_decided),
        TEST(an_end_decides_too),
        TEST(only_documents_are_looked_at),
        TEST(what_a_field_forbids_is_left_alone),
        TEST(only_a_whole_200_with_a_body_is_looked_at),
        TEST(what_tells_of_the_bytes_is_taken_out_where_they_change),
        TEST(head_tells_no_length_that_get_might_not_have),
        TEST(a_length_that_is_not_known_stays_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
