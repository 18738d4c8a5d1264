#include "egress/audit/audit_line.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "egress/audit/audit_chain.h"
#include "unit.h"

static char line[LIMIT_AUDIT_LINE];

static const struct audit_subject subject = {"api", "alice", "api.example.org:8443", "7-1", 17, "/usr/bin/curl"};

static struct exchange_record record_of(struct slice path) {
    return (struct exchange_record){.method = SLICE("GET"),
                                    .path = path,
                                    .rule = SLICE("GET /**"),
                                    .reason = SLICE_EMPTY,
                                    .status = 200,
                                    .bytes_in = 1,
                                    .bytes_out = INT64_MAX,
                                    .duration_ms = 3,
                                    .masked = 4};
}

static struct slice exchange(const struct audit_subject *of, const struct exchange_record *record) {
    return slice_of(line, audit_line_exchange(line, of, record));
}

/* Behind the time and the hash, which have one length and are looked at on their own. */
static struct slice behind_prev(struct slice text) {
    return slice_from(text, sizeof("{\"time\":\"2000-01-01T00:00:00.000Z\",\"prev\":\"\"") - 1 + AUDIT_HASH);
}

static void every_field_stands_in_its_place(void **state) {
    struct exchange_record record = record_of(SLICE("/a/b"));

    (void)state;
    assert_slice(behind_prev(exchange(&subject, &record)),
                 ",\"lease\":\"api\",\"identity\":\"alice\",\"id\":\"7-1\",\"pid\":17,\"executable\":\"/usr/bin/curl\","
                 "\"method\":\"GET\",\"authority\":\"api.example.org:8443\",\"path\":\"/a/b\",\"status\":200,"
                 "\"bytes_in\":1,\"bytes_out\":9223372036854775807,\"duration_ms\":3,\"rule\":\"GET /**\","
                 "\"masked\":4}\n");
}

static void a_refusal_has_its_name_and_its_reason(void **state) {
    struct audit_subject unknown = subject;
    struct exchange_record record = record_of(SLICE("/"));
    struct slice text;

    (void)state;
    unknown.executable = NULL;
    record.refusal = REFUSAL_NO_RULE;
    record.reason = SLICE("none allows it");
    text = exchange(&unknown, &record);
    assert_non_null(memmem(text.p, text.n, ",\"executable\":null,", 19));
    assert_true(slice_ends_with(text, SLICE(",\"masked\":4,\"refusal\":\"no_rule\",\"reason\":\"none allows it\"}\n")));
}

static void events_have_a_line_of_their_own(void **state) {
    struct audit_event event = {AUDIT_LEASE_GRANTED, "api", "alice", "12-1", NULL};

    (void)state;
    assert_slice(behind_prev(slice_of(line, audit_line_event(line, &event))),
                 ",\"event\":\"lease_granted\",\"lease\":\"api\",\"identity\":\"alice\",\"id\":\"12-1\"}\n");
    event.kind = AUDIT_EXFILTRATION;
    event.to = &subject;
    event.where = SLICE("field X-\"Copy\"");
    assert_slice(behind_prev(slice_of(line, audit_line_event(line, &event))),
                 ",\"event\":\"exfiltration\",\"lease\":\"api\",\"identity\":\"alice\",\"id\":\"12-1\",\"to\":\"api\","
                 "\"authority\":\"api.example.org:8443\",\"where\":\"field X-\\\"Copy\\\"\",\"pid\":17,"
                 "\"executable\":\"/usr/bin/curl\"}\n");
    event.to = NULL;
    event.kind = AUDIT_LEASE_ENDED;
    event.reason = "the command ended";
    assert_slice(behind_prev(slice_of(line, audit_line_event(line, &event))),
                 ",\"event\":\"lease_ended\",\"lease\":\"api\",\"identity\":\"alice\",\"id\":\"12-1\","
                 "\"reason\":\"the command ended\"}\n");
}

static void the_time_is_of_one_form_and_true(void **state) {
    struct exchange_record record = record_of(SLICE("/"));
    time_t before = time(NULL), then;
    struct tm tm = {0};
    struct slice time_of;

    (void)state;
    time_of = audit_line_value(exchange(&subject, &record), SLICE("\"time\":"));
    assert_int_equal(time_of.n, strlen("2000-01-01T00:00:00.000Z"));
    assert_non_null(strptime(line + strlen("{\"time\":\""), "%Y-%m-%dT%H:%M:%S", &tm));
    then = timegm(&tm);
    assert_true(then >= before && then <= time(NULL));
}

struct row {
    struct slice path;
    const char *text;
};

static void whatever_is_told_stands_there_escaped(void **state) {
    static const struct row rows[] = {
        {{"/\"\\", 3}, "/\\\"\\\\"},
        {{"/\n\r\t\0\x1b\x7f", 7}, "/\\u000a\\u000d\\u0009\\u0000\\u001b\\u007f"},
        {{"/\xC3\xBC", 3}, "/\\u00fc"},
        {{"/\xE2\x82\xAC", 4}, "/\\u20ac"},
        {{"/\xF0\x9F\x94\x91", 5}, "/\\ud83d\\udd11"},
        {{"/\xFF\xC3", 3}, "/??"},
        {{"/~ !", 4}, "/~ !"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct exchange_record record = record_of(rows[i].path);
        struct slice text = exchange(&subject, &record);
        char wanted[128];
        int n = snprintf(wanted, sizeof(wanted), ",\"path\":\"%s\",\"status\":", rows[i].text);

        assert_row(rows[i].path, memmem(text.p, text.n, wanted, (size_t)n) != NULL);
    }
}

static void a_reader_gets_back_what_was_told(void **state) {
    static const char path[] = "/x\"},{\"prev\":\"\\\n\x01\xF0\x9F\x94\x91";
    struct exchange_record record = record_of(slice_of(path, sizeof(path) - 1));
    struct slice text = exchange(&subject, &record);
    json_t *object = json_loadb(text.p, text.n, 0, NULL);

    (void)state;
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "path")), path);
    assert_int_equal(json_object_size(object), 16);
    json_decref(object);
}

static char longest[LIMIT_TARGET * 2];

static void every_text_at_its_longest_fits(void **state) {
    struct slice text = slice_of(longest, sizeof(longest));
    struct exchange_record record = record_of(text);
    struct audit_subject of = {longest, longest, longest, longest, 1, longest};
    struct slice whole;
    json_t *object;

    (void)state;
    memset(longest, 1, sizeof(longest) - 1);
    record.method = record.rule = record.reason = text;
    record.refusal = REFUSAL_UPSTREAM_TIMEOUT;
    record.status = 4294967295;
    record.bytes_in = record.duration_ms = INT64_MAX;
    whole = exchange(&of, &record);
    assert_true(whole.n < sizeof(line));
    object = json_loadb(whole.p, whole.n, 0, NULL);
    assert_non_null(object);
    assert_int_equal(json_string_length(json_object_get(object, "path")), LIMIT_TARGET);
    json_decref(object);
}

static void prev_is_set_and_found_again(void **state) {
    static const char hash[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct exchange_record record = record_of(SLICE("/\"prev\":\"0\""));
    struct slice text = exchange(&subject, &record);

    (void)state;
    assert_slice(audit_line_prev(text), "0000000000000000000000000000000000000000000000000000000000000000");
    audit_line_set_prev(line, hash);
    assert_slice(audit_line_prev(text), hash);
    assert_slice(audit_line_prev(SLICE("{\"path\":\"\\\"prev\\\":\\\"\"}")), "");
    assert_slice(audit_line_prev(SLICE("{\"prev\":\"12\"}")), "");
    assert_slice(audit_line_prev(slice_first(text, 60)), "");
}

static void values_end_where_they_end(void **state) {
    (void)state;
    assert_slice(audit_line_value(SLICE("{\"a\":\"x\",\"b\":12}"), SLICE("\"a\":")), "x");
    assert_slice(audit_line_value(SLICE("{\"a\":\"x\",\"b\":12}"), SLICE("\"b\":")), "12");
    assert_slice(audit_line_value(SLICE("{\"a\":\"x\",\"b\":"), SLICE("\"b\":")), "");
    assert_slice(audit_line_value(SLICE("{\"a\":\"x\"}"), SLICE("\"c\":")), "");
}

static void a_hash_is_that_of_the_standard(void **state) {
    char hash[AUDIT_HASH + 1] = "";

    (void)state;
    audit_hash(SLICE("abc"), hash); /* FIPS 180-4's own example */
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_stands_in_its_place),
        cmocka_unit_test(a_refusal_has_its_name_and_its_reason),
        cmocka_unit_test(events_have_a_line_of_their_own),
        cmocka_unit_test(the_time_is_of_one_form_and_true),
        cmocka_unit_test(whatever_is_told_stands_there_escaped),
        cmocka_unit_test(a_reader_gets_back_what_was_told),
        cmocka_unit_test(every_text_at_its_longest_fits),
        cmocka_unit_test(prev_is_set_and_found_again),
        cmocka_unit_test(values_end_where_they_end),
        cmocka_unit_test(a_hash_is_that_of_the_standard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
