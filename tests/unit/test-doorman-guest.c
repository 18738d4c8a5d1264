#include "ingress/front/doorman_guest.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "net/tls.h"
#include "unit_loop.h"
#include "unit_tls_client.h"

#define MUCH (1024 * 1024)

static struct identity authority, server, friend;
static struct tls_server *tls;
static struct tls_client client;
static int dispatcher = -EBADF; /* the end that it would have */

static struct {
    struct guest *guest;
    bool is_turned_away; /* admit says no */
    bool has_entered, is_gone;
    char refusal[256];
} told;

static int make_all(void **state) {
    const struct identity_want ca = {.common_name = "CA", .is_authority = true},
                               any = {.common_name = "x", .extended_usage = "clientAuth"};
    const char *fault;

    (void)state;
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* as in every role */
    assert_int_equal(loop_init(), 0);
    assert_int_equal(tls_init(), 0);
    authority = identity_make(NULL, &ca);
    server = identity_make(&authority, &any);
    friend = identity_make(&authority, &any);
    {
        _cleanup_slice_ struct slice certificate = certificate_pem(&server), key = key_pem(&server, NULL),
                                     trusted = certificate_pem(&authority);
        const struct tls_server_parts parts = {certificate, key, trusted};

        assert_int_equal(tls_server_new(&parts, &tls, &fault), 0);
    }
    return 0;
}

static int free_all(void **state) {
    (void)state;
    identity_free(&authority);
    identity_free(&server);
    identity_free(&friend);
    tls_server_free(tls);
    OPENSSL_cleanup(); /* which tls_init has taken from the end of the process */
    return 0;
}

static int admit(struct guest *guest, int *ret_fd, const char **ret_reason) {
    int ends[2];

    assert_int_equal(X509_cmp(tls_server_client(&guest->outer), friend.certificate), 0);
    *ret_reason = "not today";
    if (told.is_turned_away)
        return -EACCES;
    assert_int_equal(fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends), 0);
    *ret_fd = ends[0];
    dispatcher = ends[1];
    return 0;
}

static void refused(struct guest *guest, const char *reason) {
    assert_ptr_equal(guest, told.guest);
    (void)snprintf(told.refusal, sizeof(told.refusal), "%s", reason);
}

static void entered(struct guest *guest) {
    assert_ptr_equal(guest, told.guest);
    told.has_entered = true;
}

static void gone(struct guest *guest) {
    assert_ptr_equal(guest, told.guest);
    assert_false(told.is_gone);
    told.is_gone = true;
}

static void begin(const struct identity *identity) {
    static const struct guest_host host = {.admit = admit, .refused = refused, .entered = entered, .gone = gone};
    struct address address;
    int ends[2];

    memset(&told, 0, sizeof(told));
    assert_int_equal(address_parse(SLICE("192.0.2.1"), 1, &address), 0);
    assert_int_equal(fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends), 0);
    assert_int_equal(guest_new(ends[0], &address, 7, tls, &host, &told.guest), 0);
    assert_int_equal(told.guest->listener, 7);
    timer_set(&told.guest->deadline, LOOP_PATIENCE_MS); /* valgrind is long about the first handshake */
    tls_client_begin(&client, ends[1], identity, false);
}

static bool has_entered(const void *unused) {
    (void)unused;
    (void)tls_client_shakes(&client);
    return told.has_entered && client.is_done;
}

static void let_in(void) {
    begin(&friend);
    loop_until(has_entered, NULL);
}

static void end(void) {
    fd_close(&dispatcher);
    tls_client_end(&client);
    loop_until_set(&told.is_gone);
}

static struct {
    char bytes[MUCH + 1];
    size_t n;
    int error;      /* of TLS */
    bool has_ended; /* the dispatcher's end */
} heard;

static bool client_hears(const void *n) {
    heard.n = tls_client_hear(&client, heard.bytes, heard.n, sizeof(heard.bytes), &heard.error);
    return heard.n >= *(const size_t *)n;
}

static bool client_hears_the_end(const void *unused) {
    size_t n = 0;

    (void)unused;
    (void)client_hears(&n);
    return heard.error != SSL_ERROR_WANT_READ && heard.error != SSL_ERROR_NONE;
}

static bool dispatcher_hears(const void *n) {
    ssize_t got;

    while (heard.n < sizeof(heard.bytes) &&
           (got = recv(dispatcher, heard.bytes + heard.n, sizeof(heard.bytes) - heard.n, MSG_DONTWAIT)) >= 0) {
        heard.n += (size_t)got;
        heard.has_ended = got == 0;
        if (got == 0)
            break;
    }
    return heard.n >= *(const size_t *)n;
}

static bool dispatcher_hears_the_end(const void *unused) {
    size_t n = 0;

    (void)unused;
    (void)dispatcher_hears(&n);
    return heard.has_ended;
}

static void forget(void) {
    heard.n = 0;
    heard.error = SSL_ERROR_NONE;
    heard.has_ended = false;
}

static char byte_at(size_t i) {
    return (char)(i * 7 + i / 251);
}

static void assert_whole(size_t n) {
    assert_int_equal(heard.n, n);
    for (size_t i = 0; i < n; i++)
        if (heard.bytes[i] != byte_at(i))
            fail_msg("byte %zu is another", i);
}

static void what_is_said_goes_both_ways(void **state) {
    size_t n = 5;

    (void)state;
    let_in();
    forget();
    assert_int_equal(SSL_write(client.ssl, "hello", 5), 5);
    loop_until(dispatcher_hears, &n);
    assert_memory_equal(heard.bytes, "hello", 5);
    forget();
    assert_int_equal(write(dispatcher, "there", 5), 5);
    loop_until(client_hears, &n);
    assert_memory_equal(heard.bytes, "there", 5);
    end();
}

/* What came in one piece with the last of the handshake is not forgotten. */
static void words_behind_the_handshake(void **state) {
    size_t n = 5;

    (void)state;
    begin(&friend);
    while (!client.is_done) { /* the client is done first, and speaks before the server has heard of that */
        (void)tls_client_shakes(&client);
        if (!client.is_done)
            loop_settle();
    }
    assert_int_equal(SSL_write(client.ssl, "hello", 5), 5);
    forget();
    loop_until(has_entered, NULL);
    loop_until(dispatcher_hears, &n);
    assert_memory_equal(heard.bytes, "hello", 5);
    end();
}

/* More than all buffers on the way hold: the sender waits, and nothing is lost. */
struct flow {
    size_t sent;
    bool is_inward;
};

static bool all_has_flowed(const void *of) {
    union {
        const void *given;
        struct flow *mine;
    } flow = {of};
    const size_t n = MUCH;
    char bytes[4096];

    for (;;) {
        size_t size = MIN_OF(sizeof(bytes), MUCH - flow.mine->sent), went = 0;

        for (size_t i = 0; i < size; i++)
            bytes[i] = byte_at(flow.mine->sent + i);
        if (size == 0)
            break;
        if (flow.mine->is_inward) {
            if (SSL_write_ex(client.ssl, bytes, size, &went) != 1)
                break;
        } else {
            ssize_t r = send(dispatcher, bytes, size, MSG_DONTWAIT);

            if (r < 0)
                break;
            went = (size_t)r;
        }
        flow.mine->sent += went;
    }
    return flow.mine->is_inward ? dispatcher_hears(&n) : client_hears(&n);
}

static void much_flows_without_loss(void **state) {
    struct flow inward = {.is_inward = true}, outward = {0};

    (void)state;
    let_in();
    (void)SSL_set_mode(client.ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    forget();
    loop_until(all_has_flowed, &inward);
    assert_whole(MUCH);
    forget();
    loop_until(all_has_flowed, &outward);
    assert_whole(MUCH);
    end();
}

static void a_guests_end_is_told_and_the_answer_still_comes(void **state) {
    size_t n = 6;

    (void)state;
    let_in();
    forget();
    assert_int_equal(SSL_write(client.ssl, "ask", 3), 3);
    assert_true(SSL_shutdown(client.ssl) >= 0);
    loop_until(dispatcher_hears_the_end, NULL);
    assert_int_equal(heard.n, 3);
    forget();
    assert_int_equal(write(dispatcher, "answer", 6), 6);
    loop_until(client_hears, &n);
    assert_false(told.is_gone);
    fd_close(&dispatcher);
    loop_until_set(&told.is_gone);
    loop_until(client_hears_the_end, NULL);
    assert_int_equal(heard.error, SSL_ERROR_ZERO_RETURN);
    end();
}

static void a_dispatchers_half_end_is_a_close_notify(void **state) {
    size_t n = 4;

    (void)state;
    let_in();
    forget();
    assert_int_equal(shutdown(dispatcher, SHUT_WR), 0);
    loop_until(client_hears_the_end, NULL);
    assert_int_equal(heard.error, SSL_ERROR_ZERO_RETURN);
    assert_false(told.is_gone);
    assert_int_equal(SSL_write(client.ssl, "last", 4), 4);
    loop_until(dispatcher_hears, &n);
    end();
}

/* As after an answer with `Connection: close`: however slow the guest is, it gets all, though it goes on talking. */
static void last_words_reach_a_slow_guest(void **state) {
    size_t sent = 0;
    char bytes[4096];
    ssize_t n;

    (void)state;
    let_in();
    forget();
    do {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = byte_at(sent + i);
        n = send(dispatcher, bytes, sizeof(bytes), MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        loop_settle();
    } while (n > 0 && sent < MUCH / 2);
    assert_true(sent > 100000);
    fd_close(&dispatcher);
    loop_settle();
    assert_false(told.is_gone);
    assert_int_equal(SSL_write(client.ssl, "never heard", 11), 11);
    loop_settle();
    loop_until(client_hears_the_end, NULL);
    assert_int_equal(heard.error, SSL_ERROR_ZERO_RETURN);
    assert_whole(sent);
    end();
}

static void a_broken_guest_is_gone_for_the_dispatcher(void **state) {
    (void)state;
    let_in();
    forget();
    fd_close(&client.fd);
    loop_until(dispatcher_hears_the_end, NULL);
    assert_true(told.is_gone);
    end();
}

static bool is_gone_and_heard(const void *unused) {
    (void)tls_client_shakes(&client);
    (void)unused;
    return told.is_gone;
}

static void who_may_not_enter_is_refused_with_a_reason(void **state) {
    (void)state;
    begin(NULL);
    loop_until(is_gone_and_heard, NULL);
    assert_string_equal(told.refusal, "TLS: peer did not return a certificate");
    assert_false(told.has_entered);
    end();
    begin(&friend);
    told.is_turned_away = true;
    loop_until(is_gone_and_heard, NULL);
    assert_string_equal(told.refusal, "not today");
    assert_false(told.has_entered);
    end();
    begin(&friend);
    guest_end(told.guest, "its time is over");
    assert_string_equal(told.refusal, "its time is over");
    assert_true(told.is_gone);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_goes_both_ways),
        cmocka_unit_test(words_behind_the_handshake),
        cmocka_unit_test(much_flows_without_loss),
        cmocka_unit_test(a_guests_end_is_told_and_the_answer_still_comes),
        cmocka_unit_test(a_dispatchers_half_end_is_a_close_notify),
        cmocka_unit_test(last_words_reach_a_slow_guest),
        cmocka_unit_test(a_broken_guest_is_gone_for_the_dispatcher),
        cmocka_unit_test(who_may_not_enter_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}
