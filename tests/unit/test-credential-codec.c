#include "egress/credential_codec.h"

#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "egress/credential.h"
#include "unit.h"

static char name[] = "flashduty", upstream[] = "https://api.example.org:8443/base", header[] = "X-App-Key",
            format[] = "Bearer {}", key[] = "key", user[] = "", bot[] = "/bot{}", get[] = "GET", any[] = "*",
            incidents[] = "/incident/**", root[] = "/", secrets[] = "/secret/*";
static struct inject places[] = {
    {INJECT_HEADER, header, format}, {INJECT_QUERY, key, NULL}, {INJECT_BASIC_PASSWORD, user, NULL},
    {INJECT_COOKIE, key, NULL},      {INJECT_PATH, NULL, bot},
};
static struct rule allow[] = {{get, incidents, 7}, {any, root, 8}}, deny[] = {{any, secrets, 70000}};

static struct credential sound(void) {
    return (struct credential){.name = name,
                               .upstream = upstream,
                               .inject = places,
                               .n_inject = ARRAY_LEN(places),
                               .allow = allow,
                               .n_allow = ARRAY_LEN(allow),
                               .deny = deny,
                               .n_deny = ARRAY_LEN(deny),
                               .limits = {1, 2, 3, 4, 5, 6, UINT64_MAX},
                               .allows_private = true,
                               .passes_cookies = true,
                               .allows_websocket = true,
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

static void assert_rules(const struct rule *got, size_t n_got, const struct rule *given, size_t n_given) {
    assert_int_equal(n_got, n_given);
    for (size_t i = 0; i < n_given; i++) {
        assert_string_equal(got[i].method, given[i].method);
        assert_string_equal(got[i].path, given[i].path);
        assert_int_equal(got[i].line, given[i].line);
    }
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
    assert_true(got->allows_private && got->passes_cookies && got->allows_websocket && !got->allows_all &&
                !got->is_mask_off);
    assert_true(got->response_timeout_ms == 61000);
    assert_true(got->limits.requests == 1 && got->limits.bytes == 2 && got->limits.rate_count == 3);
    assert_true(got->limits.rate_ms == 4 && got->limits.concurrent == 5 && got->limits.ttl_ms == 6);
    assert_true(got->limits.max_body == UINT64_MAX);
    assert_rules(got->allow, got->n_allow, allow, ARRAY_LEN(allow));
    assert_rules(got->deny, got->n_deny, deny, ARRAY_LEN(deny));
    assert_true(credential_is_same_place(got, &given)); /* each injection, and the flags that tell of the place */
    credential_free(got);
}

static void the_least_of_a_credential(void **state) {
    struct credential given = sound(), *got = NULL;
    uint32_t id;

    (void)state;
    given.inject = &places[1];
    given.n_inject = 1;
    given.n_allow = given.n_deny = 0;
    given.limits = (struct limits){0};
    given.allows_all = given.is_mask_off = true;
    given.allows_private = given.passes_cookies = given.allows_websocket = false;
    assert_int_equal(pass(&given, &id, &got), 0);
    assert_true(got->allows_all && got->is_mask_off && !got->allows_private && !got->passes_cookies &&
                !got->allows_websocket);
    assert_int_equal(got->n_inject, 1);
    assert_int_equal(got->inject[0].kind, INJECT_QUERY);
    assert_string_equal(got->inject[0].name, key);
    assert_null(got->inject[0].format);
    assert_int_equal(got->n_allow + got->n_deny, 0);
    assert_null(got->allow);
    assert_null(got->deny);
    assert_true(got->limits.requests == 0 && got->limits.max_body == 0);
    credential_free(got);
}

/* Each kind alone, and all the other way round. */
static void every_kind_of_injection(void **state) {
    struct inject turned[ARRAY_LEN(places)];
    struct credential given = sound(), *got = NULL;
    uint32_t id;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        given.inject = &places[i];
        given.n_inject = 1;
        assert_int_equal(pass(&given, &id, &got), 0);
        assert_true(credential_is_same_place(got, &given));
        credential_free(got);
        turned[ARRAY_LEN(places) - 1 - i] = places[i];
    }
    given.inject = turned;
    given.n_inject = ARRAY_LEN(turned);
    assert_int_equal(pass(&given, &id, &got), 0);
    assert_true(credential_is_same_place(got, &given));
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

/* What credential_is_sound refuses does not arrive, and neither does what is longer than it may be. */
static void credentials_that_are_unsound(void **state) {
    static char no_scheme[] = "api.example.org", line[] = "X\r\nHost", relative[] = "incident/**",
                long_name[LIMIT_NAME + 2], long_format[LIMIT_FORMAT + 2], long_path[LIMIT_RULE + 2],
                long_method[LIMIT_METHOD + 2];
    struct inject place = {INJECT_HEADER, line, format}, two[] = {places[1], places[1]};
    struct rule rule = {get, relative, 1};
    struct credential given = sound();

    (void)state;
    given.upstream = no_scheme;
    assert_refused(SLICE("no scheme"), &given);
    given = sound();
    memset(long_name, 'n', LIMIT_NAME + 1);
    given.name = long_name;
    assert_refused(SLICE("a long name"), &given);

    given = sound();
    given.inject = &place;
    given.n_inject = 1;
    assert_refused(SLICE("a field name with a line end"), &given);
    memset(long_format, 'f', LIMIT_FORMAT + 1);
    place = (struct inject){INJECT_HEADER, header, long_format};
    assert_refused(SLICE("a long format"), &given);
    place = (struct inject){INJECT_BASIC_USER, long_format, NULL};
    assert_refused(SLICE("a long user"), &given);
    place = (struct inject){(enum inject_kind)(INJECT_PATH + 1), key, format};
    assert_refused(SLICE("no kind of injection"), &given);
    given.n_inject = 0;
    assert_refused(SLICE("no injection"), &given);
    given.inject = two;
    given.n_inject = ARRAY_LEN(two);
    assert_refused(SLICE("two injections in one place"), &given);

    given = sound();
    given.deny = &rule;
    assert_refused(SLICE("a rule without a slash"), &given);
    memset(long_path, '/', LIMIT_RULE + 1);
    rule.path = long_path;
    assert_refused(SLICE("a long rule"), &given);
    memset(long_method, 'M', LIMIT_METHOD + 1);
    rule = (struct rule){long_method, root, 1};
    assert_refused(SLICE("a long method"), &given);
}

/* A flag that is not known here may be one that forbids something. */
static void a_flag_that_is_unknown(void **state) {
    struct credential given = sound(), *got = NULL;
    struct ipc_message m;
    uint32_t id;
    size_t at;

    (void)state;
    given.inject = &places[4];
    given.n_inject = 1;
    assert_int_equal(pass(&given, &id, &got), 0);
    credential_free(got);
    got = NULL;
    at = 1 + 4 + 4 + strlen(name) + 4 + strlen(upstream) + 1 + 1 + 4 + strlen(bot);
    assert_int_equal(storage[at], 2 | 8 | 16);
    storage[at] |= 32;
    m = ipc_message_of(slice_of(storage, stored));
    assert_int_equal(credential_decode(&m, &id, &got), -EPROTO);
    assert_null(got);
}

static void the_number_of_rules(void **state) {
    static struct rule many[LIMIT_RULES + 1];
    struct credential given = sound(), *got = NULL;
    uint32_t id;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct rule){get, root, i};
    given.allow = given.deny = many;
    given.n_allow = given.n_deny = LIMIT_RULES;
    assert_int_equal(pass(&given, &id, &got), 0);
    assert_int_equal(got->n_allow, LIMIT_RULES);
    assert_int_equal(got->n_deny, LIMIT_RULES);
    credential_free(got);
    given.n_deny = LIMIT_RULES + 1;
    assert_refused(SLICE("one rule too many"), &given);
}

/* What the settings permit can be told to the keeper: everything as long and as many as it may be. */
static void the_longest_credential(void **state) {
    static char path[LIMIT_RULES_TEXT / (2 * LIMIT_RULES)], text[LIMIT_FORMAT + 1];
    static struct rule many[LIMIT_RULES];
    struct inject places_of_all[LIMIT_INJECTIONS];
    struct credential given = sound();
    struct ipc_writer w;

    (void)state;
    memset(path, 'r', sizeof(path) - 1);
    path[0] = '/';
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct rule){any, path, UINT32_MAX};
    memset(text, 'f', LIMIT_FORMAT);
    for (size_t i = 0; i < ARRAY_LEN(places_of_all); i++)
        places_of_all[i] = (struct inject){INJECT_HEADER, text, text};
    given.inject = places_of_all;
    given.n_inject = ARRAY_LEN(places_of_all);
    given.allow = given.deny = many; /* each list has half of LIMIT_RULES_TEXT */
    given.n_allow = given.n_deny = LIMIT_RULES;
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

static struct ipc_message door_message(const struct credential *credential, int fd) {
    struct ipc_writer w = door_encode(63, credential);
    struct ipc_message m;

    assert_false(w.is_failed);
    stored = ipc_writer_bytes(&w).n;
    memcpy(storage, ipc_writer_bytes(&w).p, stored);
    m = ipc_message_of(slice_of(storage, stored));
    m.fd = fd;
    return m;
}

/* The fields that Connection must not name: of what is put elsewhere the relay learns nothing. */
static void a_door_comes_back(void **state) {
    struct credential given = sound();
    struct door_order got;
    struct ipc_message m;
    int fd = dup(STDERR_FILENO);

    (void)state;
    assert_true(fd >= 0);
    m = door_message(&given, fd);
    assert_int_equal(m.type, IPC_DOOR);
    assert_int_equal(door_decode(&m, &got), 0);
    assert_int_equal(got.number, 63);
    assert_int_equal(got.fd, fd);
    assert_slice(got.lease, name);
    assert_int_equal(got.n_fields, 3);
    assert_slice(got.fields[0], header);
    assert_slice(got.fields[1], "Authorization");
    assert_slice(got.fields[2], "Cookie");

    given.inject = &places[1];
    given.n_inject = 1;
    m = door_message(&given, fd);
    assert_int_equal(door_decode(&m, &got), 0);
    assert_int_equal(got.n_fields, 0);
    assert_int_equal(close(fd), 0);
}

static void doors_that_are_malformed(void **state) {
    struct credential given = sound();
    struct door_order got = {.fd = -EBADF};
    struct ipc_message m = door_message(&given, -EBADF);
    size_t whole = stored;

    (void)state;
    assert_int_equal(door_decode(&m, &got), -EPROTO); /* without a descriptor */
    for (size_t n = 1; n <= whole + 1; n++) {
        _cleanup_slice_ struct slice bytes = exact_copy(slice_of(storage, n));

        if (n == whole)
            continue;
        m = ipc_message_of(bytes);
        m.fd = dup(STDERR_FILENO);
        assert_true(m.fd >= 0);
        assert_int_equal(door_decode(&m, &got), -EPROTO);
        assert_int_equal(m.fd, -EBADF); /* closed */
    }
    assert_int_equal(got.fd, -EBADF);
}

static void a_door_with_too_many_fields(void **state) {
    for (uint8_t n = LIMIT_INJECTIONS; n <= LIMIT_INJECTIONS + 1; n++) {
        struct ipc_writer w = ipc_begin(IPC_DOOR);
        struct door_order got = {.fd = -EBADF};
        struct ipc_message m;

        (void)state;
        ipc_put_u32(&w, 0);
        ipc_put_bytes(&w, SLICE("api"));
        ipc_put_u8(&w, n);
        for (uint8_t i = 0; i < n; i++)
            ipc_put_bytes(&w, SLICE("X"));
        m = ipc_message_of(ipc_writer_bytes(&w));
        m.fd = dup(STDERR_FILENO);
        assert_true(m.fd >= 0);
        assert_int_equal(door_decode(&m, &got), n <= LIMIT_INJECTIONS ? 0 : -EPROTO);
        assert_int_equal(m.fd, -EBADF);
        fd_close(&got.fd);
    }
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
        cmocka_unit_test(a_credential_comes_back),
        cmocka_unit_test(the_least_of_a_credential),
        cmocka_unit_test(every_kind_of_injection),
        cmocka_unit_test(credentials_of_another_length),
        cmocka_unit_test(credentials_that_are_unsound),
        cmocka_unit_test(a_flag_that_is_unknown),
        cmocka_unit_test(the_number_of_rules),
        cmocka_unit_test(the_longest_credential),
        cmocka_unit_test(a_nul_in_a_string),
        cmocka_unit_test(a_door_comes_back),
        cmocka_unit_test(doors_that_are_malformed),
        cmocka_unit_test(a_door_with_too_many_fields),
        cmocka_unit_test(timeouts_come_back),
        cmocka_unit_test(freeing_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
