#include "fleet/link/hub_message.h"

#include <errno.h>
#include <stdio.h>

#include "fleet/link/hub_json.h"
#include "unit.h"

static int seed_once(void **state) {
    (void)state;
    hub_json_init(1);
    return 0;
}

static const char *parse(struct slice text, struct hub_message *ret) {
    _cleanup_slice_ struct slice exact = exact_copy(text);
    const char *fault = NULL;

    assert_true((hub_message_parse(exact, ret, &fault) == 0) == !fault);
    return fault;
}

/* A request with these args, in a message. */
static const char *request(const char *operation, const char *args, struct hub_message *ret) {
    char text[4096];

    (void)snprintf(text, sizeof(text),
                   "{\"id\":\"m\",\"type\":\"task.request\",\"timestamp\":1,\"payload\":{\"task_id\":\"t-1\","
                   "\"trace_id\":\"tr\",\"source_instance_id\":\"s\",\"operation\":%s,\"args\":%s}}",
                   operation, args);
    return parse(slice_of_string(text), ret);
}

static void a_bash_task_is_understood(void **state) {
    struct hub_message m;

    (void)state;
    assert_null(
        request("\"bash\"",
                "{\"command\":\"echo \\u00e9 $x\",\"workdir\":\"a/b\",\"timeout\":7,\"env\":{\"A\":\"1\","
                "\"B\":\"\"},\"credential\":{\"key\":\"sk-1\",\"base_url\":\"https://x\",\"more\":1},\"later\":{}}",
                &m));
    assert_int_equal(m.type, HUB_TASK_REQUEST);
    assert_string_equal(m.fault, "");
    assert_slice(m.task_id, "t-1");
    assert_slice(m.trace_id, "tr");
    assert_slice(m.source_id, "s");
    assert_int_equal(m.order.order.operation, OPERATION_BASH);
    assert_slice(m.order.order.command, "echo \xc3\xa9 $x");
    assert_slice(m.order.order.workdir, "a/b");
    assert_int_equal(m.order.order.timeout_ms, 7000);
    assert_int_equal(m.order.order.n_variables, 2);
    assert_slice(m.order.key, "sk-1");
    assert_slice(m.order.base_url, "https://x");
    hub_message_done(&m);
}

static void files_are_understood(void **state) {
    struct hub_message m;

    (void)state;
    assert_null(request("\"read\"", "{\"path\":\"x\",\"offset\":5,\"limit\":null}", &m));
    assert_slice(m.order.order.path, "x");
    assert_int_equal(m.order.order.offset, 5);
    assert_int_equal(m.order.order.limit, 0);
    hub_message_done(&m);
    assert_null(request("\"write\"", "{\"path\":\"x\",\"content\":\"AP8=\"}", &m));
    assert_string_equal(m.fault, "");
    assert_true(slice_equals(m.order.order.content, SLICE("\0\xff")));
    hub_message_done(&m);
    assert_null(request("\"write\"", "{\"path\":\"x\",\"content\":\"\"}", &m));
    assert_string_equal(m.fault, "");
    assert_int_equal(m.order.order.content.n, 0);
    hub_message_done(&m);
    assert_null(request("\"list\"", "{\"path\":\"\",\"recursive\":true,\"ignore\":[\"*.o\",\"x\"]}", &m));
    assert_true(m.fault[0] == '\0' && m.order.order.is_recursive && m.order.order.n_globs == 2);
    assert_slice(m.order.order.globs[0], "*.o");
    hub_message_done(&m);
    assert_null(request("\"grep\"", "{\"pattern\":\"a.b\",\"include\":[]}", &m));
    assert_slice(m.order.order.pattern, "a.b");
    hub_message_done(&m);
}

/* The task has an id: the hub is told. */
static void faults_of_a_task_are_for_the_hub(void **state) {
    static const struct {
        const char *operation, *args;
        struct slice fault;
    } rows[] = {
        {"\"dance\"", "{}", SLICE("unknown operation: dance")},
        {"\"mcp_call\"", "{}", SLICE("unknown operation: mcp_call")},
        {"\"\"", "{}", SLICE("unknown operation: ")},
        {"5", "{}", SLICE("operation: must be a string")},
        {"\"bash\"", "\"text\"", SLICE("args: must be an object")},
        {"\"bash\"", "null", SLICE("args.command: must be a string")},
        {"\"bash\"", "{\"command\":\"\"}", SLICE("args.command: must not be empty")},
        {"\"bash\"", "{\"command\":\"a\\u0000b\"}", SLICE("args.command: must not hold a NUL")},
        {"\"bash\"", "{\"command\":\"x\",\"workdir\":1}", SLICE("args.workdir: must be a string")},
        {"\"bash\"", "{\"command\":\"x\",\"timeout\":-1}",
         SLICE("args.timeout: must be a whole number, and not negative")},
        {"\"bash\"", "{\"command\":\"x\",\"timeout\":1.5}",
         SLICE("args.timeout: must be a whole number, and not negative")},
        {"\"bash\"", "{\"command\":\"x\",\"env\":[]}", SLICE("args.env: must be an object")},
        {"\"bash\"", "{\"command\":\"x\",\"env\":{\"A=B\":\"x\"}}",
         SLICE("args.env: a name must not be empty, too long, or hold a =")},
        {"\"bash\"", "{\"command\":\"x\",\"env\":{\"A\":1}}", SLICE("args.env: must be a string")},
        {"\"bash\"", "{\"command\":\"x\",\"credential\":\"k\"}", SLICE("args.credential: must be an object")},
        {"\"bash\"", "{\"command\":\"x\",\"credential\":{\"key\":\"\",\"base_url\":\"u\"}}",
         SLICE("args.credential.key: must not be empty")},
        {"\"bash\"", "{\"command\":\"x\",\"credential\":{\"key\":\"k\"}}",
         SLICE("args.credential.base_url: must be a string")},
        {"\"write\"", "{\"path\":\"x\",\"content\":\"A\"}", SLICE("args.content: must be base64")},
        {"\"write\"", "{\"path\":\"x\"}", SLICE("args.content: must be a string")},
        {"\"list\"", "{\"path\":\"x\",\"recursive\":1}", SLICE("args.recursive: must be true or false")},
        {"\"list\"", "{\"path\":\"x\",\"ignore\":\"*\"}", SLICE("args.ignore: must be a list of strings")},
        {"\"grep\"", "{\"pattern\":\"x\",\"include\":[1]}", SLICE("args.include: must be a string")},
        {"\"glob\"", "{}", SLICE("args.pattern: must be a string")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct hub_message m;

        assert_row(rows[i].fault, !request(rows[i].operation, rows[i].args, &m));
        assert_string_equal(m.fault, rows[i].fault.p);
        assert_slice(m.task_id, "t-1");
        hub_message_done(&m);
    }
}

static void messages_that_are_none(void **state) {
    static const struct slice rows[] = {
        SLICE(""),
        SLICE("no JSON"),
        SLICE("[]"),
        SLICE("null"),
        SLICE("\"text\""),
        SLICE("{}"),
        SLICE("{\"type\":1,\"payload\":{}}"),
        SLICE("{\"type\":\"task.request\"}"),
        SLICE("{\"type\":\"task.request\",\"payload\":\"text\"}"),
        SLICE("{\"type\":\"task.request\",\"payload\":{}}"),
        SLICE("{\"type\":\"task.request\",\"payload\":{\"task_id\":5}}"),
        SLICE("{\"type\":\"task.request\",\"payload\":{\"task_id\":\"\"}}"),
        SLICE("{\"type\":\"task.request\",\"payload\":{\"task_id\":\"a b\"}}"),
        SLICE("{\"type\":\"task.request\",\"payload\":{\"task_id\":\"a\\u0000\"}}"),
        SLICE("{\"type\":\"task.cancel\",\"payload\":{\"task_id\":[\"x\"]}}"),
        SLICE("{\"type\":\"task.ack\",\"payload\":{}}"),
        SLICE("{\"type\":\"mcp.call\",\"payload\":{}}"),
        SLICE("{\"type\":\"welcome\",\"payload\":{\"labels\":7}}"),
        SLICE("{\"type\":\"welcome\",\"payload\":{\"acks\":1}}"),
        SLICE("{\"type\":\"task.ack\",\"type\":\"task.ack\",\"payload\":{\"task_id\":\"a\"}}"),
        SLICE("{\"type\":\"task.ack\",\"payload\":{\"task_id\":\"a\"}} x"),
        SLICE("\xef\xbb\xbf{}"),
        SLICE("\"\\"),
        SLICE("{\"a"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct hub_message m;

        assert_row(rows[i], parse(rows[i], &m) != NULL);
        hub_message_done(&m);
    }
}

static void an_unknown_type_is_no_fault(void **state) {
    struct hub_message m;

    (void)state;
    assert_null(parse(SLICE("{\"type\":\"surprise\",\"payload\":[1]}"), &m));
    assert_int_equal(m.type, HUB_UNKNOWN);
    assert_slice(m.type_name, "surprise");
    hub_message_done(&m);
}

static void a_welcome_is_understood(void **state) {
    struct hub_message m;
    struct slice text;
    size_t at = 0;

    (void)state;
    assert_null(parse(SLICE("{\"type\":\"welcome\",\"payload\":{\"worknode_id\":\"w-1\",\"name\":\"one\",\"labels\":"
                            "[\"a\",5,\"b\"],\"acks\":true,\"received\":[\"t-1\",\"no id\",\"t-2\"]}}"),
                      &m));
    assert_int_equal(m.type, HUB_WELCOME);
    assert_slice(m.worknode_id, "w-1");
    assert_slice(m.name, "one");
    assert_true(m.acknowledges);
    assert_true(hub_message_label(&m, &at, &text) && slice_equals(text, SLICE("a")));
    assert_true(hub_message_label(&m, &at, &text) && slice_equals(text, SLICE("b")));
    assert_false(hub_message_label(&m, &at, &text));
    at = 0;
    assert_true(hub_message_received(&m, &at, &text) && slice_equals(text, SLICE("t-1")));
    assert_true(hub_message_received(&m, &at, &text) && slice_equals(text, SLICE("t-2")));
    assert_false(hub_message_received(&m, &at, &text));
    hub_message_done(&m);
    assert_null(parse(SLICE("{\"type\":\"welcome\",\"payload\":{\"worknode_id\":null}}"), &m));
    assert_int_equal(m.worknode_id.n, 0);
    assert_false(m.acknowledges);
    hub_message_done(&m);
}

static void repeat(char *to, size_t times, const char *text) {
    for (size_t i = 0; i < times; i++)
        memcpy(to + i * strlen(text), text, strlen(text));
}

/* A small text that would become a large tree is not taken apart at all. */
static void what_would_cost_too_much_is_not_parsed(void **state) {
    enum { TIMES = 100000 };
    char *text = malloc(5 * TIMES);

    (void)state;
    assert_non_null(text);
    repeat(text, TIMES, "[");
    assert_false(hub_json_is_tame(slice_of(text, TIMES)));
    repeat(text, TIMES, "{\"a\":");
    assert_false(hub_json_is_tame(slice_of(text, 5 * TIMES)));
    repeat(text, TIMES, "1,");
    assert_false(hub_json_is_tame(slice_of(text, 2 * TIMES)));
    text[0] = '"';
    assert_true(hub_json_is_tame(slice_of(text, 2 * TIMES))); /* a string's commas are its own */
    repeat(text, LIMIT_HUB_DEPTH, "[");
    assert_true(hub_json_is_tame(slice_of(text, LIMIT_HUB_DEPTH)));
    repeat(text, LIMIT_HUB_DEPTH + 1, "[");
    assert_false(hub_json_is_tame(slice_of(text, LIMIT_HUB_DEPTH + 1)));
    assert_false(hub_json_is_tame(SLICE("\"\\\"\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[")));
    free(text);
}

static void too_many_of_a_thing_are_refused(void **state) {
    struct hub_message m;
    char text[2048] = "[";

    (void)state;
    for (unsigned i = 0; i <= LIMIT_TASK_GLOBS; i++)
        repeat(text + strlen(text), 1, i > 0 ? ",\"x\"" : "\"x\"");
    repeat(text + strlen(text), 1, "]");
    {
        char args[2048];

        (void)snprintf(args, sizeof(args), "{\"pattern\":\"x\",\"include\":%.1500s}", text);
        assert_null(request("\"grep\"", args, &m));
    }
    assert_string_equal(m.fault, "args.include: more than 256 of them");
    hub_message_done(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bash_task_is_understood),
        cmocka_unit_test(files_are_understood),
        cmocka_unit_test(faults_of_a_task_are_for_the_hub),
        cmocka_unit_test(messages_that_are_none),
        cmocka_unit_test(an_unknown_type_is_no_fault),
        cmocka_unit_test(a_welcome_is_understood),
        cmocka_unit_test(what_would_cost_too_much_is_not_parsed),
        cmocka_unit_test(too_many_of_a_thing_are_refused),
    };

    return cmocka_run_group_tests(tests, seed_once, NULL);
}
