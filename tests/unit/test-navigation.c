#include "ingress/visit/navigation.h"

#include "unit.h"

#define FIELDS_MAX 6

struct field {
    const char *name, *value;
};

static size_t fields_of(const struct field *from, struct http_field *to) {
    size_t n = 0;

    for (; n < FIELDS_MAX && from[n].name; n++)
        to[n] = (struct http_field){slice_of_string(from[n].name), slice_of_string(from[n].value)};
    return n;
}

#define DEST(value)                                                                                                    \
    { "Sec-Fetch-Dest", value }
#define MODE(value)                                                                                                    \
    { "Sec-Fetch-Mode", value }
#define SITE(value)                                                                                                    \
    { "Sec-Fetch-Site", value }
#define HTML                                                                                                           \
    { "Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8" }

static const struct {
    const char *name;
    const char *method;
    bool is_upgrade;
    struct field fields[FIELDS_MAX];
    bool is_document;
} kinds[] = {
    {"a typed address", "GET", false, {DEST("document"), MODE("navigate"), SITE("none")}, true},
    {"a link of our own", "GET", false, {DEST("document"), MODE("navigate"), SITE("same-origin")}, true},
    {"a link in a mail", "GET", false, {DEST("document"), MODE("navigate"), SITE("cross-site")}, true},
    {"an old browser", "GET", false, {HTML}, true},
    {"an old browser, shouting", "GET", false, {{"ACCEPT", "TEXT/HTML"}}, true},
    {"html that is not first", "GET", false, {{"Accept", "application/json, text/html ;q=0.1"}}, true},
    {"curl", "GET", false, {{"Accept", "*/*"}}, false},
    {"nothing said", "GET", false, {{NULL, NULL}}, false},
    {"a type that only begins so", "GET", false, {{"Accept", "text/htmlx, x/text/html"}}, false},
    {"fetch that accepts html", "GET", false, {DEST("empty"), MODE("cors"), HTML}, false},
    {"an image", "GET", false, {DEST("image"), MODE("no-cors"), HTML}, false},
    {"a frame", "GET", false, {DEST("iframe"), MODE("navigate"), HTML}, false},
    {"a WebSocket", "GET", true, {DEST("document"), MODE("navigate")}, false},
    {"a WebSocket, as it is", "GET", true, {DEST("websocket"), MODE("websocket"), HTML}, false},
    {"HEAD", "HEAD", false, {DEST("document"), HTML}, false},
    {"POST", "POST", false, {DEST("document"), MODE("navigate"), HTML}, false},
    {"a prefetch", "GET", false, {DEST("document"), MODE("navigate"), {"Sec-Purpose", "prefetch"}}, false},
    {"a prerender", "GET", false, {DEST("document"), {"Sec-Purpose", "prefetch;prerender"}}, false},
    {"a prefetch of old", "GET", false, {HTML, {"Purpose", "prefetch"}}, false},
    {"a prefetch of Firefox", "GET", false, {HTML, {"X-Moz", "prefetch"}}, false},
    {"a preview", "GET", false, {HTML, {"X-Purpose", "preview"}}, false},
    {"another site's, without a mode", "GET", false, {HTML, SITE("cross-site")}, false},
    {"another site's fetch", "GET", false, {HTML, SITE("cross-site"), MODE("no-cors")}, false},
    {"another site's, and it navigates", "GET", false, {HTML, SITE("cross-site"), MODE("navigate")}, true},
    {"two of them", "GET", false, {DEST("empty"), DEST("document")}, false},
    {"two of them, turned", "GET", false, {DEST("document"), DEST("empty")}, false},
    {"two modes", "GET", false, {DEST("document"), MODE("navigate"), MODE("cors")}, false},
};

static void knows_a_document_that_a_person_opens(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct http_field fields[FIELDS_MAX];
        struct request_head request = {.method = slice_of_string(kinds[i].method),
                                       .path = SLICE("/"),
                                       .is_upgrade = kinds[i].is_upgrade,
                                       .fields = fields,
                                       .n_fields = fields_of(kinds[i].fields, fields)};

        assert_row(slice_of_string(kinds[i].name), navigation_is_document(&request) == kinds[i].is_document);
    }
}

static const struct {
    const char *path, *query, *back;
} ways_back[] = {
    {"/", NULL, "/"},
    {"/lab/tree/a.ipynb", NULL, "/lab/tree/a.ipynb"},
    {"/x", "a=1&b=2", "/x?a=1&b=2"},
    {"/x", "", "/x?"},
    {"/x", "to=https://evil.example//", "/x?to=https://evil.example//"},
    {"/a//b", NULL, "/a//b"},
    {"/%2fevil.example", NULL, "/%2fevil.example"},
    {"//evil.example", NULL, "/"},
    {"//evil.example", "q", "/"},
    {"///evil.example", NULL, "/"},
    {"/\\evil.example", NULL, "/"},
    {"/a\\b", NULL, "/"},
    {"/x", "a\\b", "/"},
    {"/a\tb", NULL, "/"},
    {"/\t/evil.example", NULL, "/"},
    {"/a\r\nSet-Cookie: x=y", NULL, "/"},
    {"/x", "a\nb", "/"},
    {"/a b", NULL, "/"},
    {"/a#b", NULL, "/"},
    {"/caf\xc3\xa9", NULL, "/"},
    {"/a\x7f", NULL, "/"},
    {"https://evil.example/", NULL, "/"},
    {"evil.example", NULL, "/"},
    {"*", NULL, "/"},
    {"", NULL, "/"},
};

static void sends_back_to_this_origin_alone(void **state) {
    static char back[NAVIGATION_BACK_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ways_back); i++) {
        struct request_head request = {.method = SLICE("GET"),
                                       .path = slice_of_string(ways_back[i].path),
                                       .query = slice_of_string(ways_back[i].query ? ways_back[i].query : ""),
                                       .has_query = ways_back[i].query != NULL};

        assert_slice(navigation_back(&request, back), ways_back[i].back);
    }
}

static void sends_back_no_further_than_there_is_room(void **state) {
    static char back[NAVIGATION_BACK_MAX], path[LIMIT_TARGET + 1];
    struct request_head request = {.path = slice_of(path, LIMIT_TARGET), .query = SLICE_EMPTY};

    (void)state;
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    assert_int_equal(navigation_back(&request, back).n, LIMIT_TARGET);
    request.query = SLICE("b");
    request.has_query = true;
    assert_slice(navigation_back(&request, back), "/");
}

static const struct {
    struct field fields[FIELDS_MAX];
    const char *patterns;
    bool has;
} jars[] = {
    {{{"Cookie", "t3_session=abc"}}, "t3_session", true},
    {{{"cookie", "a=b; t3_session_8080_beef=abc; c=d"}}, "t3_session; t3_session_*", true},
    {{{"Cookie", "a=b"}, {"Cookie", "t3_session=abc"}}, "t3_session", true},
    {{{"Cookie", "a=t3_session=abc"}}, "t3_session", false},
    {{{"Cookie", "xt3_session=abc"}}, "t3_session", false},
    {{{"Cookie", "t3_sessionx=abc"}}, "t3_session", false},
    {{{"Cookie", "T3_SESSION=abc"}}, "t3_session", false},
    {{{"Cookie", "t3_session"}}, "t3_session", false},
    {{{"X-Cookie", "t3_session=abc"}}, "t3_session", false},
    {{{"Cookie", "t3_session=abc"}}, "", false},
    {{{"Cookie", "anything=1"}}, "*", true},
    {{{"Cookie", ""}}, "*", false},
    {{{NULL, NULL}}, "*", false},
};

static void finds_the_session_among_the_cookies(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(jars); i++) {
        struct http_field fields[FIELDS_MAX];
        size_t n = fields_of(jars[i].fields, fields);

        if (navigation_has_cookie(fields, n, slice_of_string(jars[i].patterns)) != jars[i].has)
            fail_msg("row %zu: %s in %s", i, jars[i].patterns, n > 0 ? jars[i].fields[0].value : "nothing");
    }
}

static void joins_the_cookies(void **state) {
    static char joined[LIMIT_COOKIE];
    static const struct field given[FIELDS_MAX] = {
        {"Cookie", "a=1; b=2"}, {"Other", "x=y"}, {"cookie", " c=3 ;; d=4;"}, {"Cookie", ""}};
    struct http_field fields[FIELDS_MAX];
    size_t n = fields_of(given, fields);

    (void)state;
    assert_slice(navigation_cookies(fields, n, joined), "a=1; b=2; c=3; d=4");
    assert_int_equal(navigation_cookies(fields, 0, joined).n, 0);
}

/* What is left out is a whole cookie: half of one could be somebody's. */
static void joins_whole_cookies_only(void **state) {
    static char joined[LIMIT_COOKIE], large[LIMIT_COOKIE];
    struct http_field fields[] = {{SLICE("Cookie"), SLICE("a=1")},
                                  {SLICE("Cookie"), slice_of(large, LIMIT_COOKIE - 4)},
                                  {SLICE("Cookie"), SLICE("b=2")}};

    (void)state;
    memset(large, 'x', sizeof(large));
    assert_slice(navigation_cookies(fields, ARRAY_LEN(fields), joined), "a=1; b=2");
}

static const struct {
    const char *name;
    const char *method;
    bool is_upgrade;
    struct field fields[FIELDS_MAX];
    bool is_foreign;
} asked[] = {
    {"a look", "GET", false, {{"Origin", "https://evil.example"}, SITE("cross-site")}, false},
    {"a question of what is allowed", "OPTIONS", false, {{"Origin", "https://evil.example"}}, false},
    {"a program's POST", "POST", false, {{NULL, NULL}}, false},
    {"its own page's POST", "POST", false, {{"Origin", "https://box.example.org"}, SITE("same-origin")}, false},
    {"the same, with the port", "POST", false, {{"Origin", "https://box.example.org:443"}}, false},
    {"another site's POST", "POST", false, {{"Origin", "https://evil.example"}}, true},
    {"another port's POST", "POST", false, {{"Origin", "https://box.example.org:8443"}}, true},
    {"a POST of nobody knows whom", "POST", false, {{"Origin", "null"}}, true},
    {"a POST across sites without Origin", "POST", false, {SITE("cross-site")}, true},
    {"a DELETE of a neighbour's", "DELETE", false, {SITE("same-site")}, true},
    {"a program's WebSocket", "GET", true, {{NULL, NULL}}, false},
    {"its own page's WebSocket", "GET", true, {{"Origin", "http://box.example.org"}}, false},
    {"another site's WebSocket", "GET", true, {{"Origin", "https://evil.example"}}, true},
    {"a name that only begins so", "GET", true, {{"Origin", "https://box.example.org.evil.example"}}, true},
    {"two origins", "POST", false, {{"Origin", "https://box.example.org"}, {"Origin", "https://evil.example"}}, true},
};

static void knows_what_another_sites_page_has_sent(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        struct http_field fields[FIELDS_MAX];
        struct request_head request = {.method = slice_of_string(asked[i].method),
                                       .host = SLICE("box.example.org"),
                                       .is_upgrade = asked[i].is_upgrade,
                                       .fields = fields,
                                       .n_fields = fields_of(asked[i].fields, fields)};

        if (navigation_is_foreign(&request) != asked[i].is_foreign)
            fail_msg("%s", asked[i].name);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_another_sites_page_has_sent),
        cmocka_unit_test(knows_a_document_that_a_person_opens),
        cmocka_unit_test(sends_back_to_this_origin_alone),
        cmocka_unit_test(sends_back_no_further_than_there_is_room),
        cmocka_unit_test(finds_the_session_among_the_cookies),
        cmocka_unit_test(joins_the_cookies),
        cmocka_unit_test(joins_whole_cookies_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
