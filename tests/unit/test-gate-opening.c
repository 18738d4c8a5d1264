#include "egress/gate/opening.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "egress/gate/gate_rule.h"
#include "names/lookup.h"
#include "net/dial.h"
#include "net/listen.h"
#include "unit_fd.h"
#include "unit_loop.h"

/* In the places of the real ones: what was asked for, and the answer that comes when a test says so. */
static struct {
    unsigned times;
    bool is_waiting, is_at_once;
    char host[LIMIT_HOST + 1];
    uint16_t port;
    lookup_done *done;
    void *owner;
    struct lookup_result at_once;
} asked;

static struct {
    unsigned times;
    bool is_waiting, is_failing;
    size_t n;
    struct address addresses[LIMIT_ADDRESSES];
    dial_done *done;
    void *owner;
} called;

struct lookup {
    int unused;
};
struct dial {
    int unused;
};
static struct lookup the_lookup;
static struct dial the_dial;

struct lookup *lookup_start(struct slice host, uint16_t port, lookup_done *done, void *owner) {
    asked.times++;
    (void)snprintf(asked.host, sizeof(asked.host), "%.*s", SLICE_ARG(host));
    asked.port = port;
    asked.done = done;
    asked.owner = owner;
    if (asked.is_at_once) {
        done(owner, &asked.at_once);
        return NULL;
    }
    asked.is_waiting = true;
    return &the_lookup;
}

void lookup_cancel(struct lookup *lookup) {
    if (lookup)
        asked.is_waiting = false;
}

int dial_start(const struct address *addresses, size_t n, dial_done *done, void *owner, struct dial **ret) {
    called.times++;
    if (called.is_failing)
        return -ENOMEM;
    called.is_waiting = true;
    called.n = n;
    memcpy(called.addresses, addresses, n * sizeof(addresses[0]));
    called.done = done;
    called.owner = owner;
    *ret = &the_dial;
    return 0;
}

void dial_cancel(struct dial *dial) {
    if (dial)
        called.is_waiting = false;
}

static void resolve(const char *const *addresses, size_t n) {
    struct lookup_result result = {.n = n, .failure = "Domain name not found"};

    assert_true(asked.is_waiting);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(address_parse(slice_of_string(addresses[i]), asked.port, &result.addresses[i]), 0);
    asked.is_waiting = false;
    asked.done(asked.owner, &result);
}

static void connected(int fd) {
    assert_true(called.is_waiting);
    called.is_waiting = false;
    called.done(called.owner, fd);
}

static struct {
    bool is_over;
    int fd;
    enum refusal refusal;
    char rule[512], reason[512], hint[512];
} end;

static void over(void *owner, struct opening_end *how) {
    assert_ptr_equal(owner, &end);
    assert_false(end.is_over);
    end.is_over = true;
    end.fd = how->fd;
    end.refusal = how->refusal;
    (void)snprintf(end.rule, sizeof(end.rule), "%.*s", SLICE_ARG(how->rule));
    (void)snprintf(end.reason, sizeof(end.reason), "%.*s", SLICE_ARG(how->reason));
    (void)snprintf(end.hint, sizeof(end.hint), "%.*s", SLICE_ARG(how->hint));
}

static const char *const written[] = {"packages.example.org:443", "*.example.net:443", "127.0.0.1:80", "localhost:80",
                                      "[::1]:80"};
static struct gate_rule rules[ARRAY_LEN(written)];

static int begin_all(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(written); i++)
        if (gate_rule_parse(slice_of_string(written[i]), &rules[i]))
            return -1;
    return loop_init();
}

static int end_all(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(written); i++)
        gate_rule_done(&rules[i]);
    return 0;
}

static int begin(void **state) {
    (void)state;
    memset(&asked, 0, sizeof(asked));
    memset(&called, 0, sizeof(called));
    memset(&end, 0, sizeof(end));
    return 0;
}

static struct opening *start_within(const char *host, uint16_t port, uint64_t ms) {
    _cleanup_slice_ struct slice copy = exact_copy(slice_of_string(host));
    struct opening_plan plan = {
        .rules = rules, .n_rules = ARRAY_LEN(rules), .host = copy, .port = port, .timeout_ms = ms};
    struct opening *opening = NULL;

    assert_int_equal(opening_start(&plan, over, &end, &opening), 0);
    assert_non_null(opening);
    assert_false(end.is_over);
    return opening;
}

static struct opening *start(const char *host, uint16_t port) {
    return start_within(host, port, LOOP_PATIENCE_MS);
}

static void assert_refused(enum refusal refusal, const char *reason) {
    loop_until_set(&end.is_over);
    assert_int_equal(end.fd, -EBADF);
    assert_int_equal(end.refusal, refusal);
    if (!strstr(end.reason, reason))
        fail_msg("%s is not %s", end.reason, reason);
    assert_false(asked.is_waiting || called.is_waiting);
}

static void assert_dialled(const char *const *addresses, size_t n) {
    assert_true(called.is_waiting);
    assert_int_equal(called.n, n);
    for (size_t i = 0; i < n; i++) {
        char text[ADDRESS_TEXT_MAX];

        address_format(&called.addresses[i], text);
        assert_string_equal(text, addresses[i]);
    }
}

static void a_host_without_a_rule_is_neither_asked_for_nor_called(void **state) {
    static const struct {
        const char *host;
        uint16_t port;
        const char *hint;
    } rows[] = {
        {"evil.example", 443, "add to egress.allow: \"evil.example:443\""},
        {"packages.example.org", 80, "add to egress.allow: \"packages.example.org:80\""},
        {"example.net", 443, "add to egress.allow: \"example.net:443\""},
        {"10.0.0.1", 80, "add to egress.allow: \"10.0.0.1:80\""},
        {"fd00::1", 443, "add to egress.allow: \"[fd00::1]:443\""},
        {"a\"b.example.net", 443, "add the host and its port to egress.allow, such as: \"packages.example.org:443\""},
        {"127.1", 80, "add the host and its port to egress.allow, such as: \"packages.example.org:443\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        (void)begin(NULL);
        (void)start(rows[i].host, rows[i].port);
        assert_refused(REFUSAL_HOST, "no rule lets it through");
        assert_string_equal(end.rule, "egress.allow");
        assert_string_equal(end.hint, rows[i].hint);
        assert_int_equal(asked.times + called.times, 0);
    }
}

/* As to another machine: a unix socket has no address of this one. */
static int connect_elsewhere(int *ret_far) {
    int ends[2];

    assert_int_equal(fd_pair(SOCK_STREAM, ends), 0);
    *ret_far = ends[1];
    return ends[0];
}

static void a_name_is_asked_for_and_connected_to(void **state) {
    static const char *const found[] = {"93.184.216.34", "2606:2800:220:1::1"};
    static const char *const dialled[] = {"93.184.216.34:443", "[2606:2800:220:1::1]:443"};

    _cleanup_close_ int far = -EBADF, fd = connect_elsewhere(&far);

    (void)state;
    (void)start("A.B.Example.net", 443);
    assert_string_equal(asked.host, "A.B.Example.net");
    resolve(found, 2);
    assert_dialled(dialled, 2);
    connected(fd);
    assert_true(end.is_over);
    assert_int_equal(end.fd, fd);
    assert_int_equal(end.refusal, REFUSAL_NONE);
    assert_string_equal(end.rule, "*.example.net:443");
}

static void no_name_stands_for_an_address_that_is_not_public(void **state) {
    static const char *const addresses[] = {
        "127.0.0.1",  "169.254.169.254",  "10.0.0.1",      "192.168.1.1", "172.16.0.1",
        "100.64.0.1", "::ffff:127.0.0.1", "::1",           "fd00::1",     "fe80::1",
        "0.0.0.0",    "64:ff9b::7f00:1",  "2002:7f00:1::", "224.0.0.1",   "::"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        (void)begin(NULL);
        (void)start("packages.example.org", 443);
        resolve(&addresses[i], 1);
        assert_refused(REFUSAL_ADDRESS, "not public");
        assert_string_equal(end.rule, "egress.allow");
        assert_int_equal(called.times, 0);
    }
}

/* A connection of this process with itself, as it is to whatever address of the machine. */
static int connect_here(int *ret_listener) {
    struct address address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(address_parse(SLICE("127.0.0.1"), 0, &address), 0);
    assert_int_equal(listen_tcp(&address, 1, ret_listener), 0);
    assert_int_equal(getsockname(*ret_listener, &address.any, &address.n), 0);
    assert_int_equal(connect(fd, &address.any, address.n), 0);
    return fd;
}

static void nor_for_one_of_this_machine(void **state) {
    static const char *const found[] = {"93.184.216.34"};
    _cleanup_close_ int listener = -EBADF, other = -EBADF;
    int fd;

    (void)state;
    (void)start("packages.example.org", 443);
    resolve(found, 1);
    fd = connect_here(&listener);
    connected(fd);
    assert_refused(REFUSAL_ADDRESS, "of this machine");
    assert_string_equal(end.rule, "egress.allow");
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    (void)begin(NULL);
    (void)start("127.0.0.1", 80);
    fd = connect_here(&other);
    connected(fd);
    assert_int_equal(end.fd, fd);
    fd_close(&fd);
}

/* Broken off already: whose it was nobody can tell. */
static void one_that_is_over_is_no_connection(void **state) {
    static const char *const found[] = {"93.184.216.34"};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    (void)start("packages.example.org", 443);
    resolve(found, 1);
    connected(fd);
    assert_refused(REFUSAL_UPSTREAM, "the connection failed");
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void of_many_addresses_the_public_ones_are_called(void **state) {
    static const char *const found[] = {"127.0.0.1", "93.184.216.34", "::1", "10.0.0.1"};
    static const char *const dialled[] = {"93.184.216.34:443"};
    _cleanup_close_ int far = -EBADF, fd = connect_elsewhere(&far);

    (void)state;
    opening_cancel(start("packages.example.org", 443));
    (void)start("packages.example.org", 443);
    resolve(found, 4);
    assert_dialled(dialled, 1);
    connected(fd);
    assert_int_equal(end.fd, fd);
}

static void an_address_that_is_written_is_meant(void **state) {
    static const struct {
        const char *host;
        const char *dialled[2];
        size_t n;
    } rows[] = {
        {"127.0.0.1", {"127.0.0.1:80"}, 1},
        {"0:0:0:0:0:0:0:1", {"[::1]:80"}, 1},
        {"LocalHost", {"127.0.0.1:80", "[::1]:80"}, 2},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        (void)begin(NULL);
        (void)start(rows[i].host, 80);
        assert_int_equal(asked.times, 0);
        assert_dialled(rows[i].dialled, rows[i].n);
        connected(1000);
        assert_int_equal(end.fd, 1000);
    }
}

static void why_there_is_no_connection_is_told(void **state) {
    static const struct {
        int error;
        enum refusal refusal;
        const char *reason;
    } rows[] = {
        {-ECONNREFUSED, REFUSAL_UPSTREAM, "nobody listens there"},
        {-ENETUNREACH, REFUSAL_UPSTREAM, "unreachable"},
        {-EHOSTUNREACH, REFUSAL_UPSTREAM, "unreachable"},
        {-ETIMEDOUT, REFUSAL_UPSTREAM_TIMEOUT, "in time"},
        {-EMFILE, REFUSAL_NO_MEMORY, "no descriptor"},
        {-EIO, REFUSAL_UPSTREAM, "failed"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        (void)begin(NULL);
        (void)start("127.0.0.1", 80);
        connected(rows[i].error);
        assert_refused(rows[i].refusal, rows[i].reason);
        assert_string_equal(end.rule, "");
    }
}

static void a_name_that_is_not_known_is_told(void **state) {
    (void)state;
    (void)start("packages.example.org", 443);
    resolve(NULL, 0);
    assert_refused(REFUSAL_UPSTREAM,
                   "the host's name packages.example.org could not be resolved: Domain name not found");
    assert_non_null(strstr(end.hint, "how the host is written"));
}

static void an_answer_that_is_known_at_once_is_fine(void **state) {
    (void)state;
    asked.is_at_once = true;
    asked.at_once.failure = "the resolver is not there";
    (void)start("packages.example.org", 443);
    assert_refused(REFUSAL_UPSTREAM, "the resolver is not there");
    (void)begin(NULL);
    called.is_failing = true;
    (void)start("127.0.0.1", 80);
    assert_refused(REFUSAL_NO_MEMORY, "memory");
}

static void nobody_waits_for_ever(void **state) {
    static const char *const found[] = {"93.184.216.34"};

    (void)state;
    (void)start_within("packages.example.org", 443, 1);
    assert_refused(REFUSAL_UPSTREAM_TIMEOUT, "not resolved in time");
    (void)begin(NULL);
    (void)start_within("packages.example.org", 443, 1);
    resolve(found, 1);
    assert_refused(REFUSAL_UPSTREAM_TIMEOUT, "did not accept");
}

static void who_does_not_wait_hears_nothing(void **state) {
    (void)state;
    opening_cancel(start("packages.example.org", 443));
    assert_false(asked.is_waiting);
    opening_cancel(start("127.0.0.1", 80));
    assert_false(called.is_waiting);
    opening_cancel(start("evil.example", 80));
    opening_cancel(NULL);
    loop_settle();
    assert_false(end.is_over);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_host_without_a_rule_is_neither_asked_for_nor_called, begin),
        cmocka_unit_test_setup(a_name_is_asked_for_and_connected_to, begin),
        cmocka_unit_test_setup(no_name_stands_for_an_address_that_is_not_public, begin),
        cmocka_unit_test_setup(one_that_is_over_is_no_connection, begin),
        cmocka_unit_test_setup(nor_for_one_of_this_machine, begin),
        cmocka_unit_test_setup(of_many_addresses_the_public_ones_are_called, begin),
        cmocka_unit_test_setup(an_address_that_is_written_is_meant, begin),
        cmocka_unit_test_setup(why_there_is_no_connection_is_told, begin),
        cmocka_unit_test_setup(a_name_that_is_not_known_is_told, begin),
        cmocka_unit_test_setup(an_answer_that_is_known_at_once_is_fine, begin),
        cmocka_unit_test_setup(nobody_waits_for_ever, begin),
        cmocka_unit_test_setup(who_does_not_wait_hears_nothing, begin),
    };

    return cmocka_run_group_tests(tests, begin_all, end_all);
}
