#include "net/tls_terminate.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "net/tls.h"
#include "unit_loop.h"
#include "unit_tls_client.h"

static struct identity authority, leaf;
static struct tls_terminator *of_name, *of_address;
static struct tls_client client;
static struct stream stream;
static int verdict; /* of our side: 0, -EAGAIN, or what failed */

static int make_all(void **state) {
    const struct identity_want ca = {.common_name = "CA", .is_authority = true},
                               server = {.alternatives = "DNS:api.example.com,IP:127.0.0.1"};

    (void)state;
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* as in every role */
    assert_int_equal(loop_init(), 0);
    assert_int_equal(tls_init(), 0);
    authority = identity_make(NULL, &ca);
    leaf = identity_make(&authority, &server);
    assert_int_equal(tls_terminator_new(SLICE("api.example.com"), false, leaf.certificate, leaf.key, &of_name), 0);
    assert_int_equal(tls_terminator_new(SLICE("127.0.0.1"), true, leaf.certificate, leaf.key, &of_address), 0);
    return 0;
}

static int free_all(void **state) {
    (void)state;
    tls_terminator_free(of_name);
    tls_terminator_free(of_address);
    tls_terminator_free(NULL);
    identity_free(&authority);
    identity_free(&leaf);
    OPENSSL_cleanup(); /* which tls_init has taken from the end of the process */
    return 0;
}

static void shake(struct watch *watch) {
    (void)watch;
    if (verdict == -EAGAIN)
        verdict = tls_handshake(&stream);
}

/* `host` in capitals is what it asks for; NULL: no name is sent. It believes the authority where `trusts`. */
static void begin(struct tls_terminator *terminator, const char *host, bool is_old, bool trusts) {
    int ends[2];

    assert_int_equal(fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends), 0);
    assert_int_equal(stream_init(&stream, ends[0], shake), 0);
    assert_int_equal(tls_terminate(&stream, terminator), 0);
    verdict = tls_handshake(&stream);
    assert_int_equal(verdict, -EAGAIN);
    tls_client_begin(&client, ends[1], NULL, is_old);
    SSL_set_verify(client.ssl, SSL_VERIFY_PEER, NULL);
    if (trusts)
        assert_int_equal(
            X509_STORE_add_cert(SSL_CTX_get_cert_store(SSL_get_SSL_CTX(client.ssl)), authority.certificate), 1);
    if (host)
        assert_int_equal(
            SSL_ctrl(client.ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)host), 1);
}

static bool is_over(const void *unused) {
    (void)unused;
    (void)tls_client_shakes(&client);
    return verdict != -EAGAIN;
}

static void end(void) {
    stream_done(&stream);
    tls_client_end(&client);
}

static void ends_tls_for_its_host(void **state) {
    static const struct {
        bool is_address, is_old;
        const char *named;
    } rows[] = {{false, false, "api.example.com"},
                {false, true, "API.Example.COM"},
                {true, false, NULL},
                {true, true, NULL},
                {true, false, "127.0.0.1"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct slice said = SLICE("GET / HTTP/1.1\r\n\r\n");
        char heard[64];
        size_t n;

        begin(rows[i].is_address ? of_address : of_name, rows[i].named, rows[i].is_old, true);
        assert_int_equal(SSL_set_alpn_protos(client.ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12), 0);
        loop_until(is_over, NULL);
        assert_int_equal(verdict, 0);
        assert_true(tls_client_shakes(&client) && client.is_done);
        assert_false(tls_terminate_is_distrusted(&stream));
        assert_int_equal(SSL_write_ex(client.ssl, said.p, said.n, &n), 1);
        assert_int_equal(stream_read(&stream, heard, sizeof(heard)), said.n);
        assert_memory_equal(heard, said.p, said.n);
        end();
    }
}

/* What came behind the handshake, and how the stream ended: 1 while it has not. */
static struct {
    char bytes[256];
    size_t n;
    ssize_t end;
} heard;

/* As every reader of a stream does: for as long as it is said to be ready. */
static void listen_on(struct watch *watch) {
    (void)watch;
    while (heard.end == 1 && stream_is_ready(&stream, EPOLLIN | EPOLLRDHUP | EPOLLHUP)) {
        ssize_t n = stream_read(&stream, heard.bytes + heard.n, 5); /* less than a record has */

        if (n == -EAGAIN)
            return;
        if (n > 0)
            heard.n += (size_t)n;
        else
            heard.end = n;
    }
}

static void listen_again(const char *text) {
    assert_int_equal(heard.n, strlen(text));
    assert_memory_equal(heard.bytes, text, heard.n);
    heard.n = 0;
}

/* Shakes hands, and has what the client says from then on in memory: the test passes it on in pieces of its own. */
static BIO *begin_listening(bool is_old) {
    struct stream shaken;
    BIO *said = BIO_new(BIO_s_mem());

    begin(of_name, "api.example.com", is_old, true);
    loop_until(is_over, NULL);
    assert_int_equal(verdict, 0);
    assert_true(tls_client_shakes(&client) && client.is_done);
    memset(&heard, 0, sizeof(heard));
    heard.end = 1;
    assert_int_equal(stream_move(&stream, &shaken, listen_on), 0);
    assert_int_equal(stream_move(&shaken, &stream, listen_on), 0);
    SSL_set0_wbio(client.ssl, said);
    return said;
}

static void pass_on(BIO *said, size_t n) {
    char bytes[512];

    assert_int_equal(BIO_read(said, bytes, (int)n), n);
    assert_int_equal(write(client.fd, bytes, n), n);
    loop_settle();
}

static void say_two_records(void) {
    size_t n;

    assert_int_equal(SSL_write_ex(client.ssl, "first record", 12, &n), 1);
    assert_int_equal(SSL_write_ex(client.ssl, ", second", 8, &n), 1);
}

/* Neither of two records is left lying, wherever the stream of bytes is cut. */
static void records_may_be_cut_anywhere(void **state) {
    (void)state;
    for (int is_old = 0; is_old < 2; is_old++) {
        BIO *said = begin_listening(is_old);

        say_two_records();
        for (size_t cut = 0, n = BIO_ctrl_pending(said); cut <= n; cut++) {
            if (cut > 0)
                say_two_records();
            assert_int_equal(BIO_ctrl_pending(said), n);
            if (cut > 0)
                pass_on(said, cut);
            if (cut < n)
                pass_on(said, n - cut);
            listen_again("first record, second");
        }
        end();
    }
}

static void records_may_come_byte_by_byte(void **state) {
    BIO *said = begin_listening(false);

    (void)state;
    say_two_records();
    while (BIO_ctrl_pending(said) > 0)
        pass_on(said, 1);
    listen_again("first record, second");
    end();
}

/* The words before it are heard, and it too, with no edge of its own. */
static void a_close_may_come_with_the_last_record(void **state) {
    (void)state;
    for (int is_old = 0; is_old < 2; is_old++) {
        BIO *said = begin_listening(is_old);

        say_two_records();
        assert_int_equal(SSL_shutdown(client.ssl), 0);
        pass_on(said, BIO_ctrl_pending(said));
        listen_again("first record, second");
        assert_int_equal(heard.end, 0);
        end();
    }
}

static void a_break_may_come_with_the_last_record(void **state) {
    BIO *said = begin_listening(false);
    char bytes[512];
    int n;

    (void)state;
    say_two_records();
    n = BIO_read(said, bytes, sizeof(bytes));
    assert_int_equal(write(client.fd, bytes, (size_t)n), n);
    fd_close(&client.fd);
    loop_settle();
    listen_again("first record, second");
    assert_int_equal(heard.end, -ECONNRESET);
    end();
}

static void refuses_another_name(void **state) {
    static const struct {
        bool is_address;
        const char *named, *words;
    } rows[] = {
        {false, "evil.example.net", "the client names another host in TLS than the one that it asked for"},
        {false, "x.api.example.com", "the client names another host in TLS than the one that it asked for"},
        {false, NULL, "the client names no host in TLS"},
        {true, "api.example.com", "the client names another host in TLS than the one that it asked for"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(rows[i].is_address ? of_address : of_name, rows[i].named, i % 2, true);
        loop_until(is_over, NULL);
        assert_int_equal(verdict, -EPROTO);
        assert_string_equal(tls_failure(&stream), rows[i].words);
        assert_true(tls_client_shakes(&client) && client.has_failed);
        assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_TLSV1_UNRECOGNIZED_NAME);
        end();
    }
}

static void speaks_nothing_but_http_1(void **state) {
    (void)state;
    begin(of_name, "api.example.com", false, true);
    assert_int_equal(SSL_set_alpn_protos(client.ssl, (const unsigned char *)"\x02h2", 3), 0);
    loop_until(is_over, NULL);
    assert_int_equal(verdict, -EPROTO);
    assert_string_equal(tls_failure(&stream), "it offers no protocol that is spoken here: only HTTP/1.1 is");
    assert_true(tls_client_shakes(&client) && client.has_failed);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
    end();
}

static void tells_who_does_not_trust_it(void **state) {
    (void)state;
    for (int is_old = 0; is_old < 2; is_old++) {
        begin(of_name, "api.example.com", is_old, false);
        loop_until(is_over, NULL);
        assert_int_equal(verdict, -EPROTO);
        assert_true(tls_terminate_is_distrusted(&stream));
        assert_string_equal(tls_failure(&stream),
                            "the client does not trust the authority of this certificate (alert unknown_ca)");
        end();
    }
}

static void tells_who_speaks_no_tls(void **state) {
    static const char *const words[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        begin(of_name, NULL, false, false);
        assert_int_equal(write(client.fd, words[i], strlen(words[i])), strlen(words[i]));
        client.is_done = true; /* it does not shake hands */
        loop_until(is_over, NULL);
        assert_int_equal(verdict, -EPROTO);
        assert_string_equal(tls_failure(&stream), "it does not speak TLS");
        assert_false(tls_terminate_is_distrusted(&stream));
        end();
    }
}

static void takes_no_foreign_key(void **state) {
    struct tls_terminator *made;

    (void)state;
    assert_int_equal(tls_terminator_new(SLICE("x"), false, leaf.certificate, authority.key, &made), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_tls_for_its_host),
        cmocka_unit_test(records_may_be_cut_anywhere),
        cmocka_unit_test(records_may_come_byte_by_byte),
        cmocka_unit_test(a_close_may_come_with_the_last_record),
        cmocka_unit_test(a_break_may_come_with_the_last_record),
        cmocka_unit_test(refuses_another_name),
        cmocka_unit_test(speaks_nothing_but_http_1),
        cmocka_unit_test(tells_who_does_not_trust_it),
        cmocka_unit_test(tells_who_speaks_no_tls),
        cmocka_unit_test(takes_no_foreign_key),
    };

    return cmocka_run_group_tests(tests, make_all, free_all);
}
