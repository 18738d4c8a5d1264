#include "ingress/front/verifier_keys.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/listen.h"
#include "unit_fd.h"
#include "unit_jwt.h"
#include "unit_loop.h"

static struct verifier_keys keys;
static unsigned settled;
static EVP_PKEY *first_key, *second_key;
static char first_set[4096], second_set[4096];

/* A server of one answer, which it gives when it is told to. */
static struct {
    struct watch watch;
    int fd, client;
    unsigned asked;
    char request[1024];
    char url[64];
} server = {.fd = -EBADF, .client = -EBADF};

static void accept_step(struct watch *watch) {
    (void)watch;
    fd_close(&server.client);
    server.client = accept4(server.fd, NULL, NULL, SOCK_CLOEXEC);
    server.asked += server.client >= 0;
}

static void count_settled(struct verifier_keys *which) {
    assert_ptr_equal(which, &keys);
    settled++;
}

static int make_all(void **state) {
    struct address address;
    char key[4000];

    (void)state;
    log_set_level(LOG_ERROR);
    assert_int_equal(loop_init(), 0);
    assert_int_equal(address_parse(SLICE("127.0.0.1"), 0, &address), 0);
    assert_int_equal(listen_tcp(&address, 8, &server.fd), 0);
    assert_int_equal(getsockname(server.fd, &address.any, &address.n), 0);
    (void)snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%u/keys/?x=1", ntohs(address.in.sin_port));
    assert_int_equal(watch_add(&server.watch, server.fd, accept_step), 0);
    first_key = ec_key("P-256");
    second_key = ec_key("P-256");
    write_jwk(first_key, ",\"kid\":\"first\"", key, sizeof(key));
    (void)snprintf(first_set, sizeof(first_set), "{\"keys\":[%s]}", key);
    write_jwk(second_key, ",\"kid\":\"second\"", key, sizeof(key));
    (void)snprintf(second_set, sizeof(second_set), "{\"keys\":[%s]}", key);
    return 0;
}

static int free_all(void **state) {
    (void)state;
    watch_remove(&server.watch);
    fd_close(&server.fd);
    EVP_PKEY_free(first_key);
    EVP_PKEY_free(second_key);
    return 0;
}

static int begin(void **state) {
    (void)state;
    verifier_keys_init(&keys, count_settled);
    settled = server.asked = 0;
    return 0;
}

static int end(void **state) {
    (void)state;
    assert_int_equal(verifier_keys_point(&keys, "", NULL, true), 0);
    fd_close(&server.client);
    return 0;
}

static void publish(void) {
    assert_int_equal(verifier_keys_point(&keys, server.url, NULL, true), 0);
    verifier_keys_fetch(&keys);
}

static bool is_asked(const void *times) {
    return server.asked == *(const unsigned *)times && server.client >= 0;
}

static bool has_settled(const void *times) {
    return settled == *(const unsigned *)times;
}

static void await_question(unsigned times) {
    ssize_t n;

    loop_until(is_asked, &times);
    n = recv(server.client, server.request, sizeof(server.request) - 1, 0);
    assert_true(n > 0);
    server.request[n] = '\0';
}

static void answer(const char *status, const char *body, unsigned times) {
    char head[256];
    int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status, strlen(body));

    assert_int_equal(fd_write_all(server.client, head, (size_t)n), 0);
    assert_int_equal(fd_write_all(server.client, body, strlen(body)), 0);
    fd_close(&server.client);
    loop_until(has_settled, &times);
}

static bool has_key(const char *kid) {
    const struct jwks *current = verifier_keys_current(&keys);
    const struct slice name = slice_of_string(kid);

    return current && jwks_find(current, JWK_EC, &name);
}

static void published_keys_are_fetched(void **state) {
    (void)state;
    publish();
    assert_null(verifier_keys_current(&keys));
    await_question(1);
    assert_true(strncmp(server.request, "GET /keys/?x=1 HTTP/1.1\r\nHost: 127.0.0.1:", 41) == 0);
    answer("200 OK", first_set, 1);
    assert_true(has_key("first"));
    assert_true(timer_is_set(&keys.next)); /* they are fetched again */
}

static void one_fetch_serves_all_who_wait(void **state) {
    (void)state;
    publish();
    for (unsigned i = 0; i < 100; i++)
        assert_true(verifier_keys_ask(&keys));
    await_question(1);
    assert_true(verifier_keys_ask(&keys));
    answer("200 OK", first_set, 1);
    loop_settle();
    assert_int_equal(server.asked, 1);
}

/* Tokens with made-up numbers of keys do not make us knock all day. */
static void an_unknown_key_is_asked_for_at_a_bounded_rate(void **state) {
    (void)state;
    publish();
    await_question(1);
    answer("200 OK", first_set, 1);
    for (unsigned i = 0; i < 100; i++)
        assert_false(verifier_keys_ask(&keys));
    keys.began_ms -= KEYS_SOONEST;
    assert_true(verifier_keys_ask(&keys));
    await_question(2);
    answer("200 OK", second_set, 2);
    assert_true(has_key("second") && !has_key("first"));
    assert_false(verifier_keys_ask(&keys));
    assert_int_equal(server.asked, 2);
}

static void old_keys_stay_while_new_ones_cannot_be_had(void **state) {
    static const struct {
        const char *status, *body;
    } failures[] = {{"500 Oh", first_set}, {"302 Found", second_set}, {"200 OK", "{}"}, {"200 OK", "<html>"}};

    (void)state;
    publish();
    await_question(1);
    answer("200 OK", first_set, 1);
    for (unsigned i = 0; i < ARRAY_LEN(failures); i++) {
        uint64_t delay_ms = keys.delay_ms;

        keys.began_ms -= KEYS_SOONEST;
        assert_true(verifier_keys_ask(&keys));
        await_question(2 + i);
        answer(failures[i].status, failures[i].body, 2 + i);
        assert_true(has_key("first"));
        assert_true(keys.delay_ms > delay_ms && timer_is_set(&keys.next)); /* later and later */
    }
    keys.got_ms = clock_now_ms() - KEYS_LIFE - 1;
    assert_false(has_key("first"));
}

static void an_answer_without_end_is_given_up(void **state) {
    static char much[4096];
    const unsigned once = 1;

    (void)state;
    publish();
    await_question(1);
    assert_int_equal(fd_write_all(server.client, "HTTP/1.1 200 OK\r\n\r\n", 19), 0);
    memset(much, ' ', sizeof(much));
    assert_int_equal(fcntl(server.client, F_SETFL, O_NONBLOCK), 0);
    for (size_t n = 0; settled == 0 && n < 64 * LIMIT_KEYS; n += sizeof(much)) {
        (void)send(server.client, much, sizeof(much), MSG_NOSIGNAL);
        loop_settle();
    }
    loop_until(has_settled, &once);
    assert_null(verifier_keys_current(&keys));
}

static void keys_of_somebody_else_go(void **state) {
    (void)state;
    publish();
    await_question(1);
    answer("200 OK", first_set, 1);
    assert_int_equal(verifier_keys_point(&keys, server.url, NULL, false), 0);
    assert_true(has_key("first"));
    assert_int_equal(verifier_keys_point(&keys, server.url, NULL, true), 0);
    assert_false(has_key("first"));
    assert_int_equal(verifier_keys_point(&keys, "http://192.0.2.1/", NULL, true), -EINVAL);
    assert_false(verifier_keys_ask(&keys));
}

static const char *read_file(struct slice text) {
    _cleanup_close_ int fd = memfd_create("keys", MFD_CLOEXEC);

    assert_int_equal(fd_write_all(fd, text.p, text.n), 0); /* and is read from the beginning all the same */
    return verifier_keys_read(&keys, fd);
}

static void keys_of_a_file(void **state) {
    _cleanup_free_ char *much = malloc(LIMIT_KEYS + 1);
    int ends[2];

    (void)state;
    assert_int_equal(verifier_keys_point(&keys, "", NULL, true), 0);
    assert_false(verifier_keys_ask(&keys));
    assert_null(read_file(slice_of_string(first_set)));
    assert_true(has_key("first"));
    assert_null(read_file(slice_of_string(second_set)));
    assert_true(has_key("second") && !has_key("first"));
    assert_string_equal(read_file(SLICE("nonsense")), "there is no key in it that can be used");
    assert_non_null(much);
    memset(much, ' ', LIMIT_KEYS + 1);
    assert_string_equal(read_file(slice_of(much, LIMIT_KEYS + 1)), "it is too long");
    assert_int_equal(fd_pair(SOCK_STREAM, ends), 0);
    assert_non_null(verifier_keys_read(&keys, ends[0])); /* and nothing is waited for */
    fd_close(&ends[0]);
    fd_close(&ends[1]);
    assert_true(has_key("second"));
    assert_false(verifier_keys_ask(&keys));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(published_keys_are_fetched, begin, end),
        cmocka_unit_test_setup_teardown(one_fetch_serves_all_who_wait, begin, end),
        cmocka_unit_test_setup_teardown(an_unknown_key_is_asked_for_at_a_bounded_rate, begin, end),
        cmocka_unit_test_setup_teardown(old_keys_stay_while_new_ones_cannot_be_had, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_without_end_is_given_up, begin, end),
        cmocka_unit_test_setup_teardown(keys_of_somebody_else_go, begin, end),
        cmocka_unit_test_setup_teardown(keys_of_a_file, begin, end),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}
