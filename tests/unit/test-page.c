#include "ingress/visit/page.h"

#include <jansson.h>
#include <nettle/sha2.h>
#include <stdio.h>

#include "unit.h"
#include "wire/base64.h"

static struct buf text;

static int begin(void **state) {
    (void)state;
    buf_init(&text, 64 * 1024);
    return 0;
}

static int end(void **state) {
    (void)state;
    buf_release(&text);
    return 0;
}

static struct slice write_anew(unsigned status, const char *reason, enum page_form form, unsigned refresh_s) {
    struct page page = page_for(status, reason);

    page.refresh_s = refresh_s;
    buf_release(&text);
    assert_int_equal(page_write(&page, form, &text), 0);
    return buf_slice(&text);
}

static const char *find_in(struct slice all, const char *part) {
    return memmem(all.p, all.n, part, strlen(part));
}

/* Of contract, letter by letter: programs compare them. */
static void a_text_is_its_words_and_nothing_else(void **state) {
    static const struct {
        unsigned status;
        const char *reason, *text;
    } rows[] = {
        {403, PAGE_NOBODY, "no t3 instance provisioned for this user\n"},
        {500, PAGE_MINT_FAILED, "pairing mint failed\n"},
        {500, PAGE_UNPARSEABLE, "unparseable pairing output\n"},
        {502, PAGE_UNREACHABLE, "bootstrap request failed\n"},
        {502, PAGE_REJECTED, "bootstrap rejected\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_slice(write_anew(rows[i].status, rows[i].reason, PAGE_TEXT, 0), rows[i].text);
}

static const char *const all_words[] = {
    PAGE_NOBODY,      PAGE_MINT_FAILED, PAGE_UNPARSEABLE, PAGE_UNREACHABLE,  PAGE_REJECTED, PAGE_LOOP,
    PAGE_LIMITED,     PAGE_NO_SESSION,  PAGE_DOWN,        PAGE_SLOW,         PAGE_GARBAGE,  PAGE_STARTING,
    PAGE_NOT_STARTED, PAGE_STRANGER,    PAGE_BAD_NAME,    PAGE_NOT_ASSERTED, PAGE_BUSY,     PAGE_BAD_REQUEST};

/* Whatever happened has a page of its own, not the one of its status. */
static void every_word_has_a_page_that_says_what_to_do(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all_words); i++) {
        struct page known = page_for(799, all_words[i]), unknown = page_for(799, "x");
        struct slice html = write_anew(502, all_words[i], PAGE_HTML, 0);
        json_t *object;

        assert_int_equal(known.status, 799);
        assert_ptr_not_equal(known.advice, unknown.advice);
        assert_true(strlen(known.advice) > 20);
        assert_true(slice_starts_with(html, SLICE("<!doctype html>")));
        assert_true(slice_ends_with(html, SLICE("</html>\n")));
        assert_non_null(find_in(html, "<p class=\"status\">502</p>"));
        object = json_loads(
            (write_anew(502, all_words[i], PAGE_JSON, 0), buf_append(&text, slice_of("", 1)), text.memory + text.start),
            0, NULL);
        assert_non_null(object);
        assert_int_equal(json_integer_value(json_object_get(object, "status")), 502);
        assert_string_equal(json_string_value(json_object_get(object, "reason")), all_words[i]);
        assert_true(json_string_length(json_object_get(object, "error")) > 0);
        assert_true(json_string_length(json_object_get(object, "hint")) > 20);
        json_decref(object);
    }
}

static void words_in_html_are_escaped(void **state) {
    struct slice html = write_anew(403, PAGE_LOOP, PAGE_HTML, 0);

    (void)state;
    assert_non_null(find_in(html, "the session&#39;s cookie"));
    html = write_anew(400, "<script>", PAGE_HTML, 0);
    assert_null(find_in(html, "<script"));
}

static void a_page_needs_nothing_from_elsewhere(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all_words); i++) {
        struct slice html = write_anew(500, all_words[i], PAGE_HTML, 2);

        assert_null(find_in(html, "<script"));
        assert_null(find_in(html, "http:"));
        assert_null(find_in(html, "https:"));
        assert_null(find_in(html, "url("));
        assert_null(find_in(html, "<link"));
        assert_null(find_in(html, " style="));
    }
}

static void a_page_that_waits_asks_again_by_itself(void **state) {
    (void)state;
    assert_non_null(
        find_in(write_anew(503, PAGE_STARTING, PAGE_HTML, 2), "<meta http-equiv=\"refresh\" content=\"2\">"));
    assert_null(find_in(buf_slice(&text), "Try again</a>"));
    assert_null(find_in(buf_slice(&text), "503")); /* it is no fault */
    assert_null(find_in(write_anew(502, PAGE_DOWN, PAGE_HTML, 0), "http-equiv"));
    assert_non_null(find_in(buf_slice(&text), "<a href=\"\">Try again</a>"));
}

static void a_status_without_words_of_ours_has_a_page_too(void **state) {
    static const unsigned statuses[] = {400, 403, 404, 408, 413, 421, 429, 431, 500, 501, 502, 503, 504, 505};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        struct page page = page_for(statuses[i], "some words");

        assert_int_equal(page.status, statuses[i]);
        assert_string_equal(page.reason, "some words");
        assert_non_null(page.title);
        assert_non_null(page.advice);
    }
    assert_string_equal(page_for(504, "x").title, page_for(504, PAGE_SLOW).title);
    assert_string_not_equal(page_for(404, "x").title, page_for(400, "x").title);
}

static void the_policy_is_that_of_its_style(void **state) {
    struct slice all = write_anew(502, PAGE_DOWN, PAGE_HTML, 0), style;
    uint8_t digest[SHA256_DIGEST_SIZE];
    char wanted[128], encoded[64];
    struct sha256_ctx sha;
    size_t n;

    (void)state;
    style.p = find_in(all, "<style>") + strlen("<style>");
    style.n = (size_t)(find_in(all, "</style>") - style.p);
    sha256_init(&sha);
    sha256_update(&sha, style.n, (const uint8_t *)style.p);
    sha256_digest(&sha, SHA256_DIGEST_SIZE, digest);
    n = base64_encode(slice_of(digest, sizeof(digest)), encoded);
    (void)snprintf(wanted, sizeof(wanted), "style-src 'sha256-%.*s';", (int)n, encoded);
    if (!strstr(PAGE_POLICY, wanted))
        fail_msg("PAGE_STYLE_SHA256 must be \"%.*s\"", (int)n, encoded);
}

#define FIELD(name, value)                                                                                             \
    { SLICE(name), SLICE(value) }

static void who_asks_gets_what_can_be_read_there(void **state) {
    static const struct {
        struct slice name;
        struct http_field fields[2];
        enum page_form form;
    } rows[] = {
        {SLICE("nothing said"), {FIELD("X", "y")}, PAGE_TEXT},
        {SLICE("a program"), {FIELD("Accept", "*/*")}, PAGE_TEXT},
        {SLICE("a browser"), {FIELD("accept", "text/html,application/xhtml+xml,*/*;q=0.8")}, PAGE_HTML},
        {SLICE("html with a weight"), {FIELD("Accept", "image/png, text/html;q=0.5")}, PAGE_HTML},
        {SLICE("html refused"), {FIELD("Accept", "text/html;q=0")}, PAGE_TEXT},
        {SLICE("json"), {FIELD("Accept", "application/json")}, PAGE_JSON},
        {SLICE("json among others"), {FIELD("Accept", "application/json, text/plain, */*")}, PAGE_JSON},
        {SLICE("a document"), {FIELD("Sec-Fetch-Dest", "document")}, PAGE_HTML},
        {SLICE("a frame"), {FIELD("Sec-Fetch-Dest", "iframe")}, PAGE_HTML},
        {SLICE("a fetch"), {FIELD("Sec-Fetch-Dest", "empty"), FIELD("Accept", "text/html")}, PAGE_TEXT},
        {SLICE("an image"), {FIELD("Sec-Fetch-Dest", "image"), FIELD("Accept", "image/*")}, PAGE_TEXT},
        {SLICE("a fetch of json"), {FIELD("Sec-Fetch-Dest", "empty"), FIELD("Accept", "application/json")}, PAGE_JSON},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_row(rows[i].name, page_form_for(rows[i].fields, rows[i].fields[1].name.n > 0 ? 2 : 1) == rows[i].form);
    assert_int_equal(page_form_for(NULL, 0), PAGE_TEXT);
}

static void a_page_goes_with_its_type_and_its_policy(void **state) {
    static const char *const types[] = {
        [PAGE_HTML] = "text/html; charset=utf-8",
        [PAGE_TEXT] = "text/plain; charset=utf-8",
        [PAGE_JSON] = "application/json",
    };
    struct http_field fields[PAGE_FIELDS];

    (void)state;
    for (enum page_form form = PAGE_HTML; form <= PAGE_JSON; form++) {
        assert_int_equal(page_fields(form, fields), form == PAGE_HTML ? 3 : 2);
        assert_slice(fields[0].value, types[form]);
        assert_slice(fields[1].value, "no-store");
    }
    assert_int_equal(page_fields(PAGE_HTML, fields), 3);
    assert_slice(fields[2].value, PAGE_POLICY);
}

/* It is a stranger's: it stands there escaped, and nothing else of theirs does. */
static void the_field_at_fault_is_named(void **state) {
    struct page page = page_for(400, "a field line is malformed");

    (void)state;
    page.field = SLICE("A<b>\"\n");
    assert_int_equal(page_write(&page, PAGE_HTML, &text), 0);
    assert_non_null(find_in(buf_slice(&text), "<footer>a field line is malformed: A&lt;b&gt;&quot;?</footer>"));
    assert_int_equal(page_write(&page, PAGE_JSON, &text), 0);
    assert_non_null(find_in(buf_slice(&text), "\"field\":\"A<b>\\\"\\u000a\""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_text_is_its_words_and_nothing_else),
        TEST(every_word_has_a_page_that_says_what_to_do),
        TEST(words_in_html_are_escaped),
        TEST(a_page_needs_nothing_from_elsewhere),
        TEST(a_page_that_waits_asks_again_by_itself),
        TEST(a_status_without_words_of_ours_has_a_page_too),
        TEST(the_policy_is_that_of_its_style),
        TEST(who_asks_gets_what_can_be_read_there),
        TEST(a_page_goes_with_its_type_and_its_policy),
        TEST(the_field_at_fault_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
