#include "config/events.h"

#include <errno.h>
#include <stdio.h>

#include "base/limits.h"
#include "unit.h"

/* The events as a text: "{" "[" "}" for what opens and closes, a scalar with its line, and what it may be. */
static void trace(enum events_format format, struct slice bytes, char *to, size_t size) {
    _cleanup_events_ struct events *events = NULL;
    struct event event = {.type = EVENT_MAPPING};
    size_t n = 0, line;

    assert_int_equal(events_open(format, bytes, &events), 0);
    to[0] = '\0';
    do {
        int r = events_next(events, &event);

        if (r < 0) {
            assert_int_equal(r, -EINVAL);
            (void)snprintf(to + n, size - n, "%s", events_fault(events, &line));
            (void)snprintf(to + strlen(to), size - strlen(to), " (%zu)", line);
            return;
        }
        if (event.type == EVENT_SCALAR)
            n += (size_t)snprintf(to + n, size - n, "%.*s:%zu%s%s ", SLICE_ARG(event.text), event.line,
                                  event.is_text ? "t" : "", event.is_number ? "n" : "");
        else
            n += (size_t)snprintf(to + n, size - n, "%s ",
                                  event.type == EVENT_MAPPING ? "{"
                                  : event.type == EVENT_LIST  ? "["
                                  : event.type == EVENT_CLOSE ? "}"
                                                              : ".");
        assert_true(n < size);
    } while (event.type != EVENT_END);
}

struct row {
    struct slice text;
    const char *events;
};

static void check_rows(enum events_format format, const struct row *rows, size_t n) {
    char got[512];

    for (size_t i = 0; i < n; i++) {
        _cleanup_slice_ struct slice bytes = exact_copy(rows[i].text);

        trace(format, bytes, got, sizeof(got));
        if (strcmp(got, rows[i].events) != 0)
            fail_msg("%.*s: %s, not %s", SLICE_ARG(rows[i].text), got, rows[i].events);
    }
}

static void json_as_events(void **state) {
    static const struct row rows[] = {
        {SLICE("{}"), "{ } . "},
        {SLICE("\xef\xbb\xbf \t\r\n[]\n"), "[ } . "},
        {SLICE("{\n\"a\":\n1,\"b\" : [true , null,\"\"]\n}"), "{ a:2t 1:3n b:3t [ true:3 null:3 :3t } } . "},
        {SLICE("\"x\""), "x:1t . "},
        {SLICE("[-0,0.5,1e9,-1.25E-3,10]"), "[ -0:1n 0.5:1n 1e9:1n -1.25E-3:1n 10:1n } . "},
        {SLICE("[\"\\\"\\\\\\/\\n\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"]"),
         "[ \"\\/\nA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80:1t } . "},
        {SLICE("[\"\xc3\xa9\"]"), "[ \xc3\xa9:1t } . "},
        {SLICE("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"),
         "[ [ [ [ [ [ [ [ [ [ [ [ [ [ [ [ } } } } } } } } } } } } } } } } . "},
    };

    (void)state;
    check_rows(EVENTS_JSON, rows, ARRAY_LEN(rows));
}

/* Each is refused, on the line where it stands. */
static void refuses_what_is_no_json(void **state) {
    static const struct {
        struct slice text;
        size_t line;
    } rows[] = {
        {SLICE(""), 1},
        {SLICE("\n"), 2},
        {SLICE("{"), 1},
        {SLICE("{\n\n\"a\""), 3},
        {SLICE("{\"a\":"), 1},
        {SLICE("{\"a\":1"), 1},
        {SLICE("{\"a\":1,\n}"), 2},
        {SLICE("{,}"), 1},
        {SLICE("{\"a\" 1}"), 1},
        {SLICE("{\"a\"::1}"), 1},
        {SLICE("{\"a\":1\n\"b\":2}"), 2},
        {SLICE("{a:1}"), 1},
        {SLICE("{1:1}"), 1},
        {SLICE("{'a':1}"), 1},
        {SLICE("{\"a\":}"), 1},
        {SLICE("{\"a\":]"), 1},
        {SLICE("{\"a\":1]"), 1},
        {SLICE("[1}"), 1},
        {SLICE("[1,\n\n]"), 3},
        {SLICE("[,1]"), 1},
        {SLICE("[1 2]"), 1},
        {SLICE("[1:2]"), 1},
        {SLICE("{}{}"), 1},
        {SLICE("{}\n x"), 2},
        {SLICE("[01]"), 1},
        {SLICE("[+1]"), 1},
        {SLICE("[1.]"), 1},
        {SLICE("[.5]"), 1},
        {SLICE("[1e]"), 1},
        {SLICE("[0x1]"), 1},
        {SLICE("[-]"), 1},
        {SLICE("[NaN]"), 1},
        {SLICE("[True]"), 1},
        {SLICE("[nul]"), 1},
        {SLICE("[// c\n1]"), 1},
        {SLICE("[\"a]"), 1},
        {SLICE("[\"a\nb\"]"), 1},
        {SLICE("[\"a\0b\"]"), 1},
        {SLICE("[\"\\"), 1},
        {SLICE("[\"\\x41\"]"), 1},
        {SLICE("[\"\\u12\"]"), 1},
        {SLICE("[\"\\u12g4\"]"), 1},
        {SLICE("[\"\\ud800\"]"), 1},
        {SLICE("[\"\\ud800\\u0041\"]"), 1},
        {SLICE("[\"\\udc00\"]"), 1},
        {SLICE("[\"\xff\"]"), 1},
        {SLICE("[\"\xc0\x80\"]"), 1},
        {SLICE("[[[[[[[[[[[[[[[[["), 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice bytes = exact_copy(rows[i].text);
        char got[512], line[16];

        trace(EVENTS_JSON, bytes, got, sizeof(got));
        (void)snprintf(line, sizeof(line), " (%zu)", rows[i].line);
        assert_row(rows[i].text, slice_ends_with(slice_of_string(got), slice_of_string(line)));
        for (const char *p = got; *p; p++)
            assert_row(rows[i].text, *p >= 0x20 && *p < 0x7f);
    }
}

static void a_text_of_json_has_a_limit(void **state) {
    _cleanup_free_ char *text = malloc(LIMIT_EVENT_TEXT + 4);

    (void)state;
    assert_non_null(text);
    for (size_t extra = 0; extra < 2; extra++) {
        _cleanup_events_ struct events *events = NULL;
        size_t n = LIMIT_EVENT_TEXT + extra;
        struct event event;

        memset(text, '\\', n + 3);
        text[0] = text[n + 1] = '"';
        if (extra)
            text[n] = 'a';
        assert_int_equal(events_open(EVENTS_JSON, slice_of(text, n + 2), &events), 0);
        assert_int_equal(events_next(events, &event), extra ? -EINVAL : 0);
        if (!extra)
            assert_int_equal(event.text.n, LIMIT_EVENT_TEXT / 2);
    }
}

static void yaml_as_events(void **state) {
    static const struct row rows[] = {
        {SLICE(""), ". "},
        {SLICE("# nothing\n"), ". "},
        {SLICE("\xef\xbb\xbf"
               "a: 1\n"),
         "{ a:1tn 1:1tn } . "},
        {SLICE("a:\n  b: \"1\"\n  c: [x, ~]\n"), "{ a:1tn { b:2tn 1:2t c:3tn [ x:3tn ~:3n } } } . "},
        {SLICE("a:\nb: null\n"), "{ a:1tn :1n b:2tn null:2n } . "},
        {SLICE("&x a: 1\n"), "{ an anchor (&) has no meaning here; remove it, or put the text in quotes (1)"},
        {SLICE("a: 1\nb: *a\n"),
         "{ a:1tn 1:1tn b:2tn an alias (*) has no meaning here; write the value out, or put the text in quotes (2)"},
        {SLICE("a: !!str 1\n"), "{ a:1tn a tag (!) has no meaning here; remove it, or put the text in quotes (1)"},
        {SLICE("a: 1\n---\nb: 1\n"), "{ a:1tn 1:1tn } a second document starts here; keep one in a file (2)"},
        {SLICE("a:\n\tb: 1\n"), "{ a:1tn a tab in the indentation; YAML takes spaces only (2)"},
        {SLICE("a: \x01\n"), "not text: control characters are not allowed; save the file as UTF-8 without control "
                             "characters (1)"},
        {SLICE("[[[[[[[[[[[[[[[[[\n"), "[ [ [ [ [ [ [ [ [ [ [ [ [ [ [ [ nested more than 16 deep; flatten it (1)"},
    };

    (void)state;
    check_rows(EVENTS_YAML, rows, ARRAY_LEN(rows));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_as_events),
        cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(a_text_of_json_has_a_limit),
        cmocka_unit_test(yaml_as_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
