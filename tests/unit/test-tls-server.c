#include "net/tls_server.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "net/tls.h"
#include "unit_loop.h"
#include "unit_tls_client.h"

static struct identity authority, other_authority, server, friend, stranger, old_friend, a_server;
static struct tls_server *tls;

static struct {
    struct stream stream;
    bool is_over; /* its handshake */
    int result;
    char failure[256];
} here;
static struct tls_client there;

static struct tls_server *server_of(const struct identity *of, const struct identity *key, const char *phrase,
                                    const struct identity *trusted, const char **ret_fault) {
    _cleanup_slice_ struct slice certificate = of ? certificate_pem(of) : exact_copy(SLICE("no PEM at all"));
    _cleanup_slice_ struct slice secret = key ? key_pem(key, phrase) : exact_copy(SLICE("-----BEGIN"));
    _cleanup_slice_ struct slice ca = trusted ? certificate_pem(trusted) : exact_copy(SLICE(""));
    const struct tls_server_parts parts = {certificate, secret, ca};
    struct tls_server *made = NULL;
    int r = tls_server_new(&parts, &made, ret_fault);

    assert_int_equal(r, made ? 0 : -EINVAL);
    return made;
}

static int make_all(void **state) {
    const struct identity_want ca = {.common_name = "CA", .is_authority = true},
                               other_ca = {.common_name = "other CA", .is_authority = true},
                               any = {.common_name = "x", .extended_usage = "clientAuth"};
    const char *fault;

    (void)state;
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* as in every role */
    assert_int_equal(loop_init(), 0);
    assert_int_equal(tls_server_init(), 0);
    assert_int_equal(tls_init(), 0);
    authority = identity_make(NULL, &ca);
    other_authority = identity_make(NULL, &other_ca);
    server = identity_make(&authority, &(struct identity_want){.alternatives = "DNS:dispatch.example"});
    friend = identity_make(&authority, &any);
    stranger = identity_make(&other_authority, &any);
    old_friend = identity_make(&authority, &(struct identity_want){.common_name = "x", .has_expired = true});
    a_server = identity_make(&authority, &(struct identity_want){.common_name = "x", .extended_usage = "serverAuth"});
    tls = server_of(&server, &server, NULL, &authority, &fault);
    assert_non_null(tls);
    return 0;
}

static int free_all(void **state) {
    struct identity *all[] = {&authority, &other_authority, &server, &friend, &stranger, &old_friend, &a_server};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        identity_free(all[i]);
    tls_server_free(tls);
    OPENSSL_cleanup(); /* which tls_init has taken from the end of the process */
    return 0;
}

static void shake(struct watch *watch) {
    (void)watch;
    if (here.is_over)
        return;
    here.result = tls_handshake(&here.stream);
    here.is_over = here.result != -EAGAIN;
    if (here.is_over && here.result < 0) {
        (void)snprintf(here.failure, sizeof(here.failure), "%s", tls_failure(&here.stream));
        stream_done(&here.stream);
    }
}

static void begin_here(struct tls_server *with, int ret_ends[2]) {
    memset(&here, 0, sizeof(here));
    assert_int_equal(fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ret_ends), 0);
    assert_int_equal(stream_init(&here.stream, ret_ends[0], shake), 0);
    assert_int_equal(tls_server_accept(&here.stream, with), 0);
}

static void begin(struct tls_server *with, const struct identity *client, bool is_old) {
    int ends[2];

    begin_here(with, ends);
    tls_client_begin(&there, ends[1], client, is_old);
}

static bool both_have_shaken(const void *unused) {
    bool there_too = tls_client_shakes(&there);

    (void)unused;
    return there_too && here.is_over;
}

static void end(void) {
    stream_done(&here.stream);
    tls_client_end(&there);
}

static void who_shows_a_certificate_enters(void **state) {
    (void)state;
    for (int is_old = 0; is_old < 2; is_old++) {
        begin(tls, &friend, is_old);
        loop_until(both_have_shaken, NULL);
        assert_int_equal(here.result, 0);
        assert_true(there.is_done);
        assert_int_equal(SSL_version(there.ssl), is_old ? TLS1_2_VERSION : TLS1_3_VERSION);
        assert_int_equal(X509_cmp(tls_server_client(&here.stream), friend.certificate), 0);
        end();
    }
}

/* Whoever has entered is judged again by other rules, with all that it has shown. */
static void who_would_not_enter_any_more_is_told_apart(void **state) {
    const char *fault;
    struct tls_server *same = server_of(&server, &server, NULL, &authority, &fault),
                      *other = server_of(&server, &server, NULL, &other_authority, &fault);

    (void)state;
    assert_true(same && other);
    for (int is_old = 0; is_old < 2; is_old++) {
        begin(tls, &friend, is_old);
        assert_false(tls_server_trusts(tls, &here.stream)); /* it has shown nothing yet */
        loop_until(both_have_shaken, NULL);
        assert_true(tls_server_trusts(tls, &here.stream));
        assert_true(tls_server_trusts(same, &here.stream));
        assert_false(tls_server_trusts(other, &here.stream));
        end();
    }
    tls_server_free(same);
    tls_server_free(other);
}

static void who_does_not_is_refused(void **state) {
    static const struct {
        const struct identity *client;
        const char *why;
    } rows[] = {
        {NULL, "TLS: peer did not return a certificate"},
        {&stranger, "its certificate: unable to get local issuer certificate"},
        {&old_friend, "its certificate: certificate has expired"},
        {&a_server, "its certificate: unsuitable certificate purpose"},
        {&other_authority, "its certificate: self-signed certificate"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
        begin(tls, rows[i / 2].client, i % 2);
        loop_until(both_have_shaken, NULL);
        assert_int_equal(here.result, -EPROTO);
        assert_string_equal(here.failure, rows[i / 2].why);
        end();
    }
}

static void old_versions_are_refused(void **state) {
    (void)state;
    begin(tls, &friend, true);
    SSL_set_security_level(there.ssl, 0);
    assert_int_equal(SSL_set_min_proto_version(there.ssl, TLS1_VERSION), 1);
    assert_int_equal(SSL_set_max_proto_version(there.ssl, TLS1_1_VERSION), 1);
    loop_until(both_have_shaken, NULL);
    assert_int_equal(here.result, -EPROTO);
    assert_string_equal(here.failure, "TLS: unsupported protocol");
    end();
}

static bool is_over_here(const void *unused) {
    (void)unused;
    return here.is_over;
}

static void what_is_no_tls_is_refused(void **state) {
    _cleanup_close_ int other = -EBADF;
    int ends[2];

    (void)state;
    begin_here(tls, ends);
    other = ends[1];
    assert_int_equal(fd_write_all(other, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27), 0);
    loop_until(is_over_here, NULL);
    assert_string_equal(here.failure, "it does not speak TLS");
    begin_here(tls, ends);
    fd_close(&other);
    fd_close(&ends[1]);
    loop_until(is_over_here, NULL);
    assert_int_equal(here.result, -EPROTO);
}

static size_t heard;
static int heard_error;
static char heard_bytes[1024];

static bool has_heard(const void *n) {
    heard = tls_client_hear(&there, heard_bytes, heard, sizeof(heard_bytes), &heard_error);
    return heard >= *(const size_t *)n;
}

static void write_here(struct slice bytes) {
    size_t n = bytes.n;

    assert_int_equal(stream_write(&here.stream, &bytes, 1), bytes.n);
    heard = 0;
    loop_until(has_heard, &n);
    assert_memory_equal(heard_bytes, bytes.p, bytes.n);
}

/* What would go round the certificate, and round a change of whom to trust. */
static void nothing_is_resumed(void **state) {
    (void)state;
    for (int is_old = 0; is_old < 2; is_old++) {
        SSL_SESSION *session;

        begin(tls, &friend, is_old);
        loop_until(both_have_shaken, NULL);
        write_here(SLICE("hello")); /* a ticket would have come before it */
        session = SSL_get1_session(there.ssl);
        assert_int_equal(SSL_SESSION_has_ticket(session), 0);
        end();
        begin(tls, &friend, is_old);
        assert_int_equal(SSL_set_session(there.ssl, session), 1);
        loop_until(both_have_shaken, NULL);
        assert_int_equal(here.result, 0);
        assert_int_equal(SSL_session_reused(there.ssl), 0);
        SSL_SESSION_free(session);
        end();
    }
}

static ssize_t read_here(char *to, size_t size) {
    ssize_t n;

    loop_settle();
    n = stream_read(&here.stream, to, size);
    return n;
}

static void nothing_is_renegotiated(void **state) {
    char bytes[16];

    (void)state;
    begin(tls, &friend, true);
    loop_until(both_have_shaken, NULL);
    assert_int_equal(SSL_renegotiate(there.ssl), 1);
    (void)SSL_do_handshake(there.ssl);
    assert_true(read_here(bytes, sizeof(bytes)) < 0);
    assert_int_not_equal(SSL_do_handshake(there.ssl), 1);
    end();
}

static void an_end_is_told_from_a_break(void **state) {
    char bytes[16];

    (void)state;
    begin(tls, &friend, false);
    loop_until(both_have_shaken, NULL);
    assert_int_equal(SSL_write(there.ssl, "hi", 2), 2);
    assert_int_equal(read_here(bytes, sizeof(bytes)), 2);
    (void)SSL_shutdown(there.ssl);
    assert_int_equal(read_here(bytes, sizeof(bytes)), 0);
    write_here(SLICE("still here"));
    stream_shut_write(&here.stream);
    heard = 0;
    loop_settle();
    (void)has_heard(&heard);
    assert_int_equal(heard_error, SSL_ERROR_ZERO_RETURN);
    end();
    begin(tls, &friend, false);
    loop_until(both_have_shaken, NULL);
    fd_close(&there.fd);
    assert_int_equal(read_here(bytes, sizeof(bytes)), -ECONNRESET);
    end();
}

static void only_http_1_is_spoken_behind_it(void **state) {
    const unsigned char *chosen;
    unsigned n;

    (void)state;
    begin(tls, &friend, false);
    assert_int_equal(SSL_set_alpn_protos(there.ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12), 0);
    loop_until(both_have_shaken, NULL);
    assert_int_equal(here.result, 0);
    SSL_get0_alpn_selected(there.ssl, &chosen, &n);
    assert_slice(slice_of(chosen, n), "http/1.1");
    end();
    begin(tls, &friend, false);
    assert_int_equal(SSL_set_alpn_protos(there.ssl, (const unsigned char *)"\x02h2", 3), 0);
    loop_until(both_have_shaken, NULL);
    assert_int_equal(here.result, -EPROTO);
    end();
}

static void an_end_of_trust_counts_from_the_next_handshake_on(void **state) {
    const char *fault;
    struct tls_server *first = server_of(&server, &server, NULL, &authority, &fault),
                      *second = server_of(&server, &server, NULL, &other_authority, &fault);

    (void)state;
    begin(first, &friend, false);
    tls_server_free(first);
    loop_until(both_have_shaken, NULL);
    assert_int_equal(here.result, 0);
    write_here(SLICE("hello"));
    end();
    begin(second, &friend, false);
    loop_until(both_have_shaken, NULL);
    assert_int_equal(here.result, -EPROTO);
    end();
    tls_server_free(second);
}

static void parts_that_cannot_be_used_are_said(void **state) {
    const char *fault = "";

    (void)state;
    assert_null(server_of(NULL, &server, NULL, &authority, &fault));
    assert_string_equal(fault, "there is no certificate in it that can be used");
    assert_null(server_of(&server, &friend, NULL, &authority, &fault));
    assert_string_equal(fault, "the key does not belong to the certificate");
    assert_null(server_of(&server, NULL, NULL, &authority, &fault));
    assert_string_equal(fault, "there is no key in it, or one with a pass phrase");
    assert_null(server_of(&server, &server, "phrase", &authority, &fault));
    assert_string_equal(fault, "there is no key in it, or one with a pass phrase");
    assert_null(server_of(&server, &server, NULL, NULL, &fault));
    assert_string_equal(fault, "there is no certificate among those that are to be trusted");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_shows_a_certificate_enters),
        cmocka_unit_test(who_would_not_enter_any_more_is_told_apart),
        cmocka_unit_test(who_does_not_is_refused),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(what_is_no_tls_is_refused),
        cmocka_unit_test(nothing_is_resumed),
        cmocka_unit_test(nothing_is_renegotiated),
        cmocka_unit_test(an_end_is_told_from_a_break),
        cmocka_unit_test(only_http_1_is_spoken_behind_it),
        cmocka_unit_test(an_end_of_trust_counts_from_the_next_handshake_on),
        cmocka_unit_test(parts_that_cannot_be_used_are_said),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}
