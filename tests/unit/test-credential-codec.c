#include "egress/credential_codec.h"

#include <errno.h>

#include "base/limits.h"
#include "unit.h"

static char name[] = "flashduty", upstream[] = "https://api.example.org:8443/base", header[] = "X-App-Key",
            format[] = "Bearer {}", get[] = "GET", any[] = "*", incidents[] = "/incident/**", root[] = "/";
static struct rule rules[] = {{get, incidents}, {any, root}};

static struct credential sound(void) {
    return (struct credential){.name = name,
                               .upstream = upstream,
                               .inject = {INJECT_HEADER, header, format},
                               .allow = rules,
                               .n_allow = ARRAY_LEN(rules),
                               .allows_private = true,
                               .response_timeout_ms = 61000};
}

static char storage[LIMIT_DATAGRAM];
static size_t stored;

static int pass(const struct credential *credential, uint32_t *ret_id, struct credential **ret) {
    struct ipc_writer w = credential_encode(0xfffffffe, credential);
    struct ipc_message m;

    assert_false(w.is_failed);
    stored = ipc_writer_bytes(&w).n;
    memcpy(storage, ipc_writer_bytes(&w).p, stored);
    m = ipc_message_of(slice_of(storage, stored));
    assert_int_equal(m.type, IPC_CREDENTIAL);
    return credential_decode(&m, ret_id, ret);
}

static void a_credential_comes_back(void **state) {
    struct credential given = sound(), *got = NULL;
    uint32_t id;

    (void)state;
    assert_int_equal(pass(&given, &id, &got), 0);
    memset(storage, 'x', sizeof(storage)); /* the copy is its own */
    assert_int_equal(id, 0xfffffffe);
    assert_string_equal(got->name, name);
    assert_string_equal(got->upstream, upstream);
    assert_slice(got->authority.host, "api.example.org");
    assert_int_equal(got->authority.port, 8443);
    assert_slice(got->authority.base_path, "/base");
    assert_true(got->authority.is_tls);
    assert_int_equal(got->inject.kind, INJECT_HEADER);
    assert_string_equal(got->inject.name, header);
    assert_string_equal(got->inject.format, format);
    assert_true(got->allows_private && !got->allows_all);
    assert_true(got->response_timeout_ms == 61000);
    assert_int_equal(got->n_allow, 2);
    assert_string_equal(got->allow[0].method, get);
    assert_string_equal(got->allow[0].path, incidents);
    assert_string_equal(got->allow[1].method, any);
    assert_string_equal(got->allow[1].path, root);
    credential_free(got);
}

static void the_least_of_a_credential(void **state) {
    struct credential given = sound(), *got = NULL;
    uint32_t id;

    (void)state;
    given.inject = (struct inject){INJECT_QUERY, header, NULL};
    given.allow = NULL;
    given.n_allow = 0;
    given.allows_all = true;
    given.allows_private = false;
    assert_int_equal(pass(&given, &id, &got), 0);
    assert_int_equal(got->inject.kind, INJECT_QUERY);
    assert_string_equal(got->inject.format, "{}");
    assert_true(got->allows_all && !got->allows_private);
    assert_int_equal(got->n_allow, 0);
    credential_free(got);
}

static void credentials_of_another_length(void **state) {
    struct credential given = sound(), *got = NULL;
    uint32_t id = 7;
    size_t whole;

    (void)state;
    assert_int_equal(pass(&given, &id, &got), 0);
    credential_free(got);
    got = NULL;
    id = 7;
    whole = stored;
    for (size_t n = 1; n <= whole + 1; n++) {
        _cleanup_slice_ struct slice bytes = exact_copy(slice_of(storage, n));
        struct ipc_message m = ipc_message_of(bytes);

        if (n == whole)
            continue;
        assert_int_equal(credential_decode(&m, &id, &got), -EPROTO);
        assert_null(got);
        assert_int_equal(id, 7);
    }
}

static void assert_refused(struct slice row, const struct credential *given) {
    struct credential *got = NULL;
    uint32_t id;

    assert_row(row, pass(given, &id, &got) == -EPROTO);
    assert_null(got);
}

static void credentials_that_are_unsound(void **state) {
    static char no_scheme[] = "api.example.org", userinfo[] = "https://a@b", empty[] = "", line[] = "X\r\nHost",
                spaced[] = "X Y", relative[] = "incident/**", three_stars[] = "/***", long_name[LIMIT_NAME + 2],
                long_format[LIMIT_FORMAT + 2], long_path[LIMIT_RULE + 2], long_method[LIMIT_METHOD + 2];
    struct rule bad_rule = {get, relative};
    struct credential given = sound();

    (void)state;
    given.upstream = no_scheme;
    assert_refused(SLICE("no scheme"), &given);
    given.upstream = userinfo;
    assert_refused(SLICE("a user in the upstream"), &given);
    given.upstream = empty;
    assert_refused(SLICE("no upstream"), &given);

    given = sound();
    given.inject.name = line;
    assert_refused(SLICE("a field name with a line end"), &given);
    given.inject.name = spaced;
    assert_refused(SLICE("a field name with a blank"), &given);
    given.inject.name = empty;
    assert_refused(SLICE("an empty field name"), &given);
    memset(long_name, 'n', LIMIT_NAME + 1);
    given.inject.name = long_name;
    assert_refused(SLICE("a long field name"), &given);
    given = sound();
    given.name = long_name;
    assert_refused(SLICE("a long name"), &given);
    given = sound();
    memset(long_format, 'f', LIMIT_FORMAT + 1);
    given.inject.format = long_format;
    assert_refused(SLICE("a long format"), &given);
    given = sound();
    given.inject.kind = (enum inject_kind)2;
    assert_refused(SLICE("no kind of injection"), &given);

    given = sound();
    given.allow = &bad_rule;
    given.n_allow = 1;
    assert_refused(SLICE("a rule without a slash"), &given);
    bad_rule.path = three_stars;
    assert_refused(SLICE("a rule of three stars"), &given);
    memset(long_path, '/', LIMIT_RULE + 1);
    bad_rule.path = long_path;
    assert_refused(SLICE("a long rule"), &given);
    memset(long_method, 'M', LIMIT_METHOD + 1);
    bad_rule = (struct rule){long_method, root};
    assert_refused(SLICE("a long method"), &given);
}

static void the_number_of_rules(void **state) {
    static struct rule many[LIMIT_RULES + 1];
    struct credential given = sound(), *got = NULL;
    uint32_t id;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct rule){get, root};
    given.allow = many;
    given.n_allow = LIMIT_RULES;
    assert_int_equal(pass(&given, &id, &got), 0);
    assert_int_equal(got->n_allow, LIMIT_RULES);
    credential_free(got);
    given.n_allow = LIMIT_RULES + 1;
    assert_refused(SLICE("one rule too many"), &given);
}

/* What the settings permit can be told to the keeper: every rule as long as it may be. */
static void the_longest_rules(void **state) {
    static char longest[LIMIT_RULES_TEXT / LIMIT_RULES + 1]; /* as many and as long as the settings let through */
    static struct rule many[LIMIT_RULES];
    struct credential given = sound();
    struct ipc_writer w;

    (void)state;
    memset(longest, 'r', sizeof(longest) - 1);
    longest[0] = '/';
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct rule){get, longest};
    given.allow = many;
    given.n_allow = LIMIT_RULES;
    w = credential_encode(1, &given);
    assert_false(w.is_failed);
}

/* A string with a NUL inside would be checked as one text and used as another. */
static void a_nul_in_a_string(void **state) {
    struct credential given = sound(), *got = NULL;
    uint32_t id;

    (void)state;
    assert_int_equal(pass(&given, &id, &got), 0);
    credential_free(got);
    got = NULL;
    for (size_t at = 0; at + 4 < stored; at++) {
        struct ipc_message m;
        char kept = storage[at];

        if (kept < 'a' || kept > 'z')
            continue; /* a letter: it stands inside a string */
        storage[at] = '\0';
        m = ipc_message_of(slice_of(storage, stored));
        assert_int_equal(credential_decode(&m, &id, &got), -EPROTO);
        storage[at] = kept;
    }
    assert_null(got);
}

static void timeouts_come_back(void **state) {
    const struct timeouts given = {1, 2, 3, 4, 5, UINT64_MAX};
    struct ipc_writer w = timeouts_encode(&given);
    struct timeouts got = {0};
    struct ipc_message m;

    (void)state;
    stored = ipc_writer_bytes(&w).n;
    memcpy(storage, ipc_writer_bytes(&w).p, stored);
    for (size_t n = 1; n <= stored + 1; n++) {
        _cleanup_slice_ struct slice bytes = exact_copy(slice_of(storage, n));

        m = ipc_message_of(bytes);
        if (n == stored)
            continue;
        assert_int_equal(timeouts_decode(&m, &got), -EPROTO);
        assert_true(got.head == 0 && got.connect == 0);
    }
    m = ipc_message_of(slice_of(storage, stored));
    assert_int_equal(m.type, IPC_TIMEOUTS);
    assert_int_equal(timeouts_decode(&m, &got), 0);
    assert_true(got.head == 1 && got.idle == 2 && got.body == 3 && got.write == 4 && got.stream == 5);
    assert_true(got.connect == UINT64_MAX);
}

static void freeing_nothing(void **state) {
    (void)state;
    credential_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_credential_comes_back),       cmocka_unit_test(the_least_of_a_credential),
        cmocka_unit_test(credentials_of_another_length), cmocka_unit_test(credentials_that_are_unsound),
        cmocka_unit_test(the_number_of_rules),           cmocka_unit_test(the_longest_rules),
        cmocka_unit_test(a_nul_in_a_string),             cmocka_unit_test(timeouts_come_back),
        cmocka_unit_test(freeing_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
