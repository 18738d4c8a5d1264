#include "config/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "config/schema.h"
#include "config/value.h"
#include "unit.h"

#define assert_error(error, expected) assert_string_equal((error) ? (error) : "no error", (expected))

/* A document that must parse; freed by the caller's cleanup. */
static struct document *parse(const char *text) {
    _cleanup_slice_ struct slice bytes = exact_copy(slice_of_string(text));
    struct document *document = NULL;
    char *error = NULL;

    if (document_parse("f.yaml", bytes, &document, &error) < 0)
        fail_msg("\"%s\": %s", text, error ? error : "no error");
    assert_null(error);
    return document;
}

static void refuses(void **state) {
    static const struct {
        struct slice text;
        const char *error;
    } rows[] = {
        {SLICE(""), "f.yaml: holds nothing; see credfd.yaml(5) for what to write"},
        {SLICE("# nothing\n"), "f.yaml: holds nothing; see credfd.yaml(5) for what to write"},
        {SLICE("---\n"), "f.yaml:2: the file must hold keys and their values; see credfd.yaml(5)"},
        {SLICE("- a\n"), "f.yaml:1: the file must hold keys and their values; see credfd.yaml(5)"},
        {SLICE("\n\nword\n"), "f.yaml:3: the file must hold keys and their values; see credfd.yaml(5)"},
        {SLICE("a: 1\nb: 2\na: 3\n"), "f.yaml:3: a: is written twice, first on line 1; remove one"},
        {SLICE("a:\n  - b: 1\n    c: 2\n    b: 3\n"),
         "f.yaml:4: a[0].b: is written twice, first on line 2; remove one"},
        {SLICE("a: 1\n\"a\": 2\n"), "f.yaml:2: a: is written twice, first on line 1; remove one"},
        {SLICE("a: 1\n---\nb: 2\n"), "f.yaml:2: a second document starts here; keep one in a file"},
        {SLICE("a: 1\n...\nb: 2\n"),
         "f.yaml:3: not YAML: did not find expected <document start>; check indentation and "
         "colons, and quote text that has : # { [ * & or ! in it"},
        {SLICE("a: &x 1\n"), "f.yaml:1: a: an anchor (&) has no meaning here; remove it, or put the text in quotes"},
        {SLICE("a: [ 1, &x 2 ]\n"),
         "f.yaml:1: a: an anchor (&) has no meaning here; remove it, or put the text in quotes"},
        {SLICE("&x a: 1\n"), "f.yaml:1: an anchor (&) has no meaning here; remove it, or put the text in quotes"},
        {SLICE("a: 1\nb: *a\n"),
         "f.yaml:2: b: an alias (*) has no meaning here; write the value out, or put the text in quotes"},
        {SLICE("a: !!str 1\n"), "f.yaml:1: a: a tag (!) has no meaning here; remove it, or put the text in quotes"},
        {SLICE("a: !x {}\n"), "f.yaml:1: a: a tag (!) has no meaning here; remove it, or put the text in quotes"},
        {SLICE("? [ a ]\n: 1\n"), "f.yaml:1: a key must be a word; write `key: value`"},
        {SLICE("a:\n\tb: 1\n"), "f.yaml:2: a tab in the indentation; YAML takes spaces only"},
        {SLICE("a:\n  b: \"open\n  c: 1\n"),
         "f.yaml:2: not YAML: found unexpected end of stream; check indentation and colons, and quote text that has "
         ": # { [ * & or ! in it"},
        {SLICE("a: b: c\n"),
         "f.yaml:1: not YAML: mapping values are not allowed in this context; check indentation and "
         "colons, and quote text that has : # { [ * & or ! in it"},
        {SLICE("a: [ 1\nb: 2\n"), "f.yaml:2: not YAML: did not find expected ',' or ']'; check indentation and colons, "
                                  "and quote text that has : # { [ * & or ! in it"},
        {SLICE("a: 1\nb: \xff\n"),
         "f.yaml:2: not text: invalid leading UTF-8 octet; save the file as UTF-8 without control characters"},
        {SLICE("a: 1\nb: \x1b[2J\n"),
         "f.yaml:2: not text: control characters are not allowed; save the file as UTF-8 without control characters"},
        {SLICE("a: 1\n\0"),
         "f.yaml:2: not text: control characters are not allowed; save the file as UTF-8 without control characters"},
        {SLICE("a: [[[[[[[[[[[[[[[]]]]]]]]]]]]]]]\nb: [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n"),
         "f.yaml:2: b[0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested more than 16 deep; flatten it"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_slice_ struct slice bytes = exact_copy(rows[i].text);
        struct document *document = NULL;
        _cleanup_free_ char *error = NULL;

        assert_row(rows[i].text, document_parse("f.yaml", bytes, &document, &error) == -EINVAL);
        assert_null(document);
        assert_error(error, rows[i].error);
    }
}

static void refuses_too_many_values(void **state) {
    static const char item[] = "0,";
    _cleanup_free_ char *text = malloc(8 + 2 * (LIMIT_CONFIG_NODES + 1));
    struct document *document = NULL;
    size_t n = 0;

    (void)state;
    assert_non_null(text);
    memcpy(text, "a: [", 4);
    n = 4;
    for (size_t i = 0; i < LIMIT_CONFIG_NODES - 2; i++, n += 2)
        memcpy(text + n, item, 2);
    for (int extra = 0; extra <= 1; extra++) {
        _cleanup_free_ char *error = NULL;

        memcpy(text + n, extra ? "0,]" : "]", extra ? 3 : 1);
        assert_int_equal(document_parse("f.yaml", slice_of(text, n + (extra ? 3 : 1)), &document, &error),
                         extra ? -EINVAL : 0);
        if (extra)
            assert_error(error, "f.yaml:1: a: more than 32768 values; keep the file smaller");
        else
            document_free(steal_pointer(&document));
    }
}

static void keeps_what_was_written(void **state) {
    _cleanup_document_ struct document *document =
        parse("\xef\xbb\xbfone: \"x\\0y\"\r\n'two words': >-\n  folded\n  text\nlist:\n- true\n- 'true'\nempty:\n");
    const struct node *root = document_root(document);
    const struct node *list = node_find(root, "list");
    const struct node *two = node_find(root, "two words");

    (void)state;
    assert_int_equal(node_kind(root), NODE_MAPPING);
    assert_int_equal(node_count(root), 4);
    assert_int_equal(node_line(root), 1);
    assert_true(slice_equals(node_scalar(node_find(root, "one")), SLICE("x\0y")));
    assert_slice(node_scalar(two), "folded text");
    assert_int_equal(node_line(two), 2);
    assert_slice(node_key(two), "two words");
    assert_int_equal(node_kind(list), NODE_LIST);
    assert_int_equal(node_line(list), 5);
    assert_true(node_is_plain(node_first(list)));
    assert_false(node_is_plain(node_next(node_first(list))));
    assert_int_equal(node_line(node_next(node_first(list))), 7);
    assert_null(node_next(node_next(node_first(list))));
    assert_slice(node_scalar(node_find(root, "empty")), "");
    assert_null(node_find(root, "absent"));
    assert_null(node_find(list, "absent"));
    assert_null(node_first(two));
}

static const struct node *at(const struct node *node, const char *key) {
    const struct node *found = node_find(node, key);

    if (!found)
        fail_msg("no key %s", key);
    return found;
}

static void names_the_place(void **state) {
    _cleanup_document_ struct document *document =
        parse("top: 1\n"
              "items:\n"
              "  - name: one\n"
              "    inner: { deep: [ x, y ] }\n"
              "  - name: two words\n"
              "    inner: 1\n"
              "  - secret: { CANARY: [ CANARY ] }\n"
              "    long012345678901234567890123456789012345678901234567890123456789xyz: 1\n"
              "    \"e\\e[2Jsc\": 1\n");
    const struct node *root = document_root(document);
    const struct node *one = node_first(at(root, "items")), *two = node_next(one), *three = node_next(two);
    const struct node *canary = at(at(three, "secret"), "CANARY");
    const struct {
        const struct node *node;
        const char *where;
    } rows[] = {
        {root, "f.yaml:1"},
        {at(root, "top"), "f.yaml:1: top"},
        {one, "f.yaml:3: items.one"},
        {at(one, "name"), "f.yaml:3: items[0].name"},
        {node_next(node_first(at(at(one, "inner"), "deep"))), "f.yaml:4: items.one.inner.deep[1]"},
        {at(two, "inner"), "f.yaml:6: items[1].inner"},
        {at(three, "secret"), "f.yaml:7: items[2].secret"},
        {canary, "f.yaml:7: items[2].secret"},
        {node_first(canary), "f.yaml:7: items[2].secret"},
        {node_next(at(three, "secret")),
         "f.yaml:8: items[2].long012345678901234567890123456789012345678901234567890123456789..."},
        {at(three, "e\033[2Jsc"), "f.yaml:9: items[2].e\\x1b[2Jsc"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_free_ char *where = NULL;

        assert_int_equal(node_where(rows[i].node, &where), 0);
        assert_string_equal(where, rows[i].where);
    }
    assert_true(node_is_secret(canary));
    assert_true(node_is_secret(at(three, "secret")));
    assert_false(node_is_secret(three));
}

static void keeps_the_first_complaint(void **state) {
    _cleanup_document_ struct document *document = parse("a: 1\nb: 2\n");
    const struct node *root = document_root(document);
    _cleanup_free_ char *error = NULL, *missing = NULL;

    (void)state;
    assert_null(document_take_error(document));
    assert_int_equal(node_fail(at(root, "b"), "bad \n %s", "\xc3\xa9"), -EINVAL);
    assert_int_equal(node_fail(at(root, "a"), "worse"), -EINVAL);
    error = document_take_error(document);
    assert_error(error, "f.yaml:2: b: bad \\x0a \\xc3\\xa9");
    assert_int_equal(node_fail_missing(root, "c", "add c: 3"), -EINVAL);
    missing = document_take_error(document);
    assert_error(missing, "f.yaml:1: c: is missing; add c: 3");
}

enum value_kind { TEXT, BOOL, INTEGER, COUNT, WORD, DURATION, SIZE, RATE, PATH, STRINGS, LIST, MAPPING };

static int read_value(enum value_kind kind, const struct node *node) {
    static const char *const words[] = {"on", "off", "half"};
    _cleanup_free_ char *path = NULL;
    struct slice text;
    char **strings;
    uint64_t number, time;
    bool truth;
    size_t n;

    switch (kind) {
    case TEXT:
        return value_text(node, &text);
    case BOOL:
        return value_bool(node, &truth);
    case INTEGER:
        return value_integer(node, 1000, &number);
    case COUNT:
        return value_count(node, 1000, &number);
    case WORD:
        return value_word(node, words, ARRAY_LEN(words), &n);
    case DURATION:
        return value_duration(node, 90000, &number);
    case SIZE:
        return value_size(node, 1000, 2 << 20, &number);
    case RATE:
        return value_rate(node, 100, &number, &time);
    case STRINGS:
        return value_strings(node, 1, 2, &strings, &n);
    case PATH:
        return value_path(node, &path);
    case LIST:
        return value_list(node, 1, 2, &n);
    case MAPPING:
        return value_mapping(node, &n);
    }
    return 0;
}

static void refuses_wrong_values(void **state) {
    static const struct {
        enum value_kind kind;
        const char *text;
        const char *error; /* behind "f.yaml:1: a: " */
    } rows[] = {
        {TEXT, "a:", "has no value; write one, or remove the key"},
        {TEXT, "a: ~", "has no value; write one, or remove the key"},
        {TEXT, "a: null", "has no value; write one, or remove the key"},
        {TEXT, "a: ''", "must not be empty; write a value, or remove the key"},
        {TEXT, "a: {fd}", "must be text, not keys and values; put text that starts with { in quotes"},
        {TEXT, "a: [x]", "must be text, not a list; put text that starts with [ in quotes"},
        {TEXT, "a: \"x\\ny\"", "must not hold a line break or another control character; remove it"},
        {TEXT, "a: \"x\\0\"", "must not hold a line break or another control character; remove it"},
        {TEXT, "a: \"x\\x7f\"", "must not hold a line break or another control character; remove it"},
        {TEXT, "a: \"x\\x9b\"", "must not hold a line break or another control character; remove it"},
        {TEXT, "a: |\n  x\n", "must not hold a line break or another control character; remove it"},
        {BOOL, "a: yes", "must be true or false; write one of them, without quotes"},
        {BOOL, "a: 'true'", "must be true or false; write one of them, without quotes"},
        {BOOL, "a: True", "must be true or false; write one of them, without quotes"},
        {BOOL, "a: []", "must be true or false; write one of them, without quotes"},
        {BOOL, "a:", "must be true or false; write one of them, without quotes"},
        {INTEGER, "a: 1001", "is too large; write at most 1000"},
        {INTEGER, "a: -1", "must be a whole number; write it in decimal digits"},
        {INTEGER, "a: 0x10", "must be a whole number; write it in decimal digits"},
        {INTEGER, "a: 1.5", "must be a whole number; write it in decimal digits"},
        {INTEGER, "a: {}", "must be text, not keys and values; put text that starts with { in quotes"},
        {DURATION, "a: 10", "must be a time; write digits and a unit, as 500ms, 30s, 5m or 1h"},
        {DURATION, "a: 1 s", "must be a time; write digits and a unit, as 500ms, 30s, 5m or 1h"},
        {DURATION, "a: -1s", "must be a time; write digits and a unit, as 500ms, 30s, 5m or 1h"},
        {DURATION, "a: 91s", "is too long; write at most 90s"},
        {DURATION, "a: 2m", "is too long; write at most 90s"},
        {DURATION, "a: 0s", "must be more than nothing; write 1ms to 90s, or remove the key for the default"},
        {COUNT, "a: 0", "must be more than nothing; write 1 to 1000, or remove the key"},
        {COUNT, "a: 1001", "is too large; write at most 1000"},
        {COUNT, "a: one", "must be a whole number; write it in decimal digits"},
        {WORD, "a: Off", "must be on, off or half; write one of them"},
        {WORD, "a: ''", "must be on, off or half; write one of them"},
        {WORD, "a: []", "must be on, off or half; write one of them"},
        {SIZE, "a: 2048", "must be a size; write digits and one of B, KB, MB, GB, KiB, MiB and GiB, as 100MiB"},
        {SIZE, "a: 1 KiB", "must be a size; write digits and one of B, KB, MB, GB, KiB, MiB and GiB, as 100MiB"},
        {SIZE, "a: 999B", "is too small; write 1000B to 2MiB, or remove the key"},
        {SIZE, "a: 3MiB", "is too large; write at most 2MiB"},
        {SIZE, "a: [ 1KiB ]", "must be text, not a list; put text that starts with [ in quotes"},
        {RATE, "a: 5", "must be a rate; write digits and one of /s, /min and /h, as 10/s"},
        {RATE, "a: 5/m", "must be a rate; write digits and one of /s, /min and /h, as 10/s"},
        {RATE, "a: 0/h", "must be more than nothing; write 1 or more in that time, or remove the key"},
        {RATE, "a: 101/s", "is too large; write at most 100 in that time"},
        {STRINGS, "a: x", "must be a list; write it as [ a, b ], or a line for each item that starts with -"},
        {STRINGS, "a: []", "the list is too short; write at least 1"},
        {STRINGS, "a: [1, 2, 3]", "the list is too long; write at most 2"},
        {PATH, "a: ~/key", "~ stands for no home directory here; write the path in full"},
        {PATH, "a: ''", "must not be empty; write a value, or remove the key"},
        {LIST, "a: x", "must be a list; write it as [ a, b ], or a line for each item that starts with -"},
        {LIST, "a: {}", "must be a list; write it as [ a, b ], or a line for each item that starts with -"},
        {LIST, "a: []", "the list is too short; write at least 1"},
        {LIST, "a: [1, 2, 3]", "the list is too long; write at most 2"},
        {MAPPING, "a: x", "must hold keys and their values; write it as { key: value }, or a line for each key"},
        {MAPPING, "a: []", "must hold keys and their values; write it as { key: value }, or a line for each key"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_document_ struct document *document = parse(rows[i].text);
        _cleanup_free_ char *error = NULL, *expected = NULL;

        assert_true(asprintf(&expected, "f.yaml:1: a: %s", rows[i].error) > 0);
        assert_row(slice_of_string(rows[i].text),
                   read_value(rows[i].kind, at(document_root(document), "a")) == -EINVAL);
        error = document_take_error(document);
        assert_error(error, expected);
    }
}

static void reads_right_values(void **state) {
    _cleanup_document_ struct document *document =
        parse("text: a \"b\" #c\nyes: true\nno: false\nnumber: 1000\nquoted: '7'\nwait: 90s\nshort: 1ms\n"
              "here: key\nfull: /etc/key\nlist: [ 1, 2 ]\nmapping: { x: 1 }\nnull_text: 'null'\n");
    const struct node *root = document_root(document);
    _cleanup_free_ char *directory = realpath(".", NULL), *here = NULL, *full = NULL, *joined = NULL;
    struct slice text;
    uint64_t number;
    bool truth;
    size_t n;

    (void)state;
    assert_int_equal(value_text(at(root, "text"), &text), 0);
    assert_slice(text, "a \"b\"");
    assert_int_equal(value_text(at(root, "null_text"), &text), 0);
    assert_slice(text, "null");
    assert_true(value_bool(at(root, "yes"), &truth) == 0 && truth);
    assert_true(value_bool(at(root, "no"), &truth) == 0 && !truth);
    assert_true(value_integer(at(root, "number"), 1000, &number) == 0 && number == 1000);
    assert_true(value_integer(at(root, "quoted"), 1000, &number) == 0 && number == 7);
    assert_true(value_duration(at(root, "wait"), 90000, &number) == 0 && number == 90000);
    assert_true(value_duration(at(root, "short"), 90000, &number) == 0 && number == 1);
    assert_true(value_list(at(root, "list"), 1, 2, &n) == 0 && n == 2);
    assert_true(value_mapping(at(root, "mapping"), &n) == 0 && n == 1);
    assert_int_equal(value_path(at(root, "full"), &full), 0);
    assert_string_equal(full, "/etc/key");
    assert_int_equal(value_path(at(root, "here"), &here), 0);
    assert_true(asprintf(&joined, "%s/key", directory) > 0);
    assert_string_equal(here, joined);
}

static void reads_quantities_and_words(void **state) {
    static const char *const words[] = {"on", "off", "half"};
    _cleanup_document_ struct document *document =
        parse("one: 1\noff: off\nhalf: 'half'\nmost: 2MiB\nleast: 1KB\nrate: 100/min\nstrings: [ a, b c ]\nnone: []\n");
    const struct node *root = document_root(document);
    char **strings = NULL;
    uint64_t number, time;
    size_t n;

    (void)state;
    assert_true(value_count(at(root, "one"), 1, &number) == 0 && number == 1);
    assert_true(value_word(at(root, "off"), words, ARRAY_LEN(words), &n) == 0 && n == 1);
    assert_true(value_word(at(root, "half"), words, ARRAY_LEN(words), &n) == 0 && n == 2);
    assert_true(value_size(at(root, "most"), 1000, 2 << 20, &number) == 0 && number == 2 << 20);
    assert_true(value_size(at(root, "least"), 1000, 2 << 20, &number) == 0 && number == 1000);
    assert_true(value_rate(at(root, "rate"), 100, &number, &time) == 0 && number == 100 && time == 60000);
    assert_true(value_strings(at(root, "strings"), 1, 2, &strings, &n) == 0 && n == 2);
    assert_string_equal(strings[0], "a");
    assert_string_equal(strings[1], "b c");
    assert_null(strings[2]);
    value_strings_free(strings);
    assert_true(value_strings(at(root, "none"), 0, 2, &strings, &n) == 0 && n == 0);
    assert_null(strings[0]);
    value_strings_free(strings);
    value_strings_free(NULL);
}

/* What was read before the fault is freed, and the complaint is about the item. */
static void refuses_a_wrong_item(void **state) {
    _cleanup_document_ struct document *document = parse("a:\n- x\n- [ y ]\n");
    _cleanup_free_ char *error = NULL;
    char **strings = NULL;
    size_t n;

    (void)state;
    assert_int_equal(value_strings(at(document_root(document), "a"), 0, 9, &strings, &n), -EINVAL);
    assert_null(strings);
    error = document_take_error(document);
    assert_error(error, "f.yaml:3: a[1]: must be text, not a list; put text that starts with [ in quotes");
}

struct pair {
    uint64_t first, second;
};

static int read_number(const struct node *node, void *field) {
    return value_integer(node, 9, field);
}

static const struct schema_key pair_keys[] = {
    {"first", read_number, offsetof(struct pair, first), "add first: 1"},
    {"second_number", read_number, offsetof(struct pair, second)},
};

static void walks_a_schema(void **state) {
    static const struct {
        const char *text;
        const char *error; /* NULL: in order */
    } rows[] = {
        {"first: 1\nsecond_number: 2", NULL},
        {"second_number: 2\nfirst: 1", NULL},
        {"second_number: 2", "f.yaml:1: first: is missing; add first: 1"},
        {"fisrt: 1", "f.yaml:1: fisrt: unknown key; did you mean `first`?"},
        {"First: 1", "f.yaml:1: First: unknown key; did you mean `first`?"},
        {"first: 1\nsecondnumbr: 2", "f.yaml:2: secondnumbr: unknown key; did you mean `second_number`?"},
        {"third: 1", "f.yaml:1: third: unknown key; use first and second_number"},
        {"'': 1", "f.yaml:1: : unknown key; use first and second_number"},
        {"first: 10\nthird: 1", "f.yaml:1: first: is too large; write at most 9"},
        {"third: 1\nfirst: 10", "f.yaml:1: third: unknown key; use first and second_number"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_document_ struct document *document = parse(rows[i].text);
        _cleanup_free_ char *error = NULL;
        struct pair pair = {0};
        int r = schema_read(pair_keys, ARRAY_LEN(pair_keys), document_root(document), &pair);

        error = document_take_error(document);
        if (rows[i].error)
            assert_error(error, rows[i].error);
        else
            assert_null(error);
        assert_row(slice_of_string(rows[i].text), r == (rows[i].error ? -EINVAL : 0));
        if (r == 0)
            assert_true(pair.first == 1 && pair.second == 2);
    }
}

static void finds_the_nearest_key(void **state) {
    static const struct schema_key keys[] = {{"inject"}, {"env"}, {"allow"}, {"allow_private"}, {"ca_file"}};
    static const struct {
        struct slice text;
        const char *nearest;
    } rows[] = {
        {SLICE("injekt"), "inject"},
        {SLICE("ijnect"), "inject"},
        {SLICE("INJECT"), "inject"},
        {SLICE("injects"), "inject"},
        {SLICE("inj"), NULL},
        {SLICE("evn"), "env"},
        {SLICE("en"), NULL},
        {SLICE("url"), NULL},
        {SLICE("allows"), "allow"},
        {SLICE("allow-private"), "allow_private"},
        {SLICE("cafile"), "ca_file"},
        {SLICE(""), NULL},
        {SLICE("e"), NULL},
        {SLICE("allow_privately_and_for_ever_xy"), NULL},
        {SLICE("allow_privately_and_for_ever_xyz"), NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *nearest = schema_nearest(keys, ARRAY_LEN(keys), rows[i].text);

        if (rows[i].nearest)
            assert_string_equal(nearest ? nearest : "none", rows[i].nearest);
        else
            assert_row(rows[i].text, !nearest);
    }
}

static void says_nothing_of_a_secret(void **state) {
    static const char *const rows[] = {
        "secret: { CANARY: 1 }",
        "secret: { firstCANARY: 1 }",
        "secret: { first: CANARY }",
        "secret: CANARY",
        "secret: [ CANARY ]",
        "secret: { first: { CANARY: 1 } }",
        "secret: { CANARY: &x 1 }",
        "secret: { CANARY: *x }",
        "secret: { CANARY: !x 1 }",
        "secret: { CANARY: 1, CANARY: 2 }",
        "secret: { CANARY: { a: 1, a: 2 } }",
        "secret: \"CANARY",
        "secret: CANARY: 1",
        "secret: @CANARY",
        "secret: { CANARY: \"\x01\" }",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice text = slice_of_string(rows[i]);
        _cleanup_document_ struct document *document = NULL;
        _cleanup_free_ char *error = NULL;
        struct pair pair;

        if (document_parse("f.yaml", text, &document, &error) == 0) {
            const struct node *secret = at(document_root(document), "secret");

            assert_row(text, schema_read(pair_keys, ARRAY_LEN(pair_keys), secret, &pair) == -EINVAL);
            error = document_take_error(document);
        }
        assert_row(text, error && slice_starts_with(slice_of_string(error), SLICE("f.yaml:1: ")));
        assert_row(text, !strstr(error, "CANARY"));
    }
}

static void loads_files(void **state) {
    char directory[] = "/tmp/credfd-test-XXXXXX";
    struct document *document = NULL;
    _cleanup_free_ char *missing = NULL, *folder = NULL, *large = NULL, *none = NULL, *path = NULL;
    _cleanup_close_ int fd = -EBADF;

    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    assert_int_equal(document_load("none.yaml", &document, &missing), -ENOENT);
    assert_error(missing, "none.yaml: cannot be read: No such file or directory; create it, or name another file with "
                          "--config");
    assert_int_equal(document_load(".", &document, &folder), -EISDIR);
    assert_error(folder, ".: cannot be read: Is a directory; name another file with --config");

    fd = open("f.yaml", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(fd_write_all(fd, "a: key\n#", 8), 0);
    assert_int_equal(ftruncate(fd, LIMIT_CONFIG + 1), 0);
    assert_int_equal(document_load("f.yaml", &document, &large), -EINVAL);
    assert_error(large, "f.yaml: larger than 1024 KiB; is it the right file?");
    assert_null(document);

    assert_int_equal(ftruncate(fd, 7), 0);
    assert_int_equal(chdir("/"), 0);
    assert_true(asprintf(&path, "%s/f.yaml", directory) > 0);
    assert_int_equal(document_load(path, &document, &none), 0);
    assert_null(none);
    assert_string_equal(document_path(document), path);
    assert_string_equal(node_directory(document_root(document)), directory);
    document_free(document);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_too_many_values),
        cmocka_unit_test(keeps_what_was_written),
        cmocka_unit_test(names_the_place),
        cmocka_unit_test(keeps_the_first_complaint),
        cmocka_unit_test(refuses_wrong_values),
        cmocka_unit_test(reads_right_values),
        cmocka_unit_test(reads_quantities_and_words),
        cmocka_unit_test(refuses_a_wrong_item),
        cmocka_unit_test(walks_a_schema),
        cmocka_unit_test(finds_the_nearest_key),
        cmocka_unit_test(says_nothing_of_a_secret),
        cmocka_unit_test(loads_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
