#include "net/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "unit_fd.h"
#include "unit_loop.h"

static struct {
    int fd;
    unsigned times;
    bool is_done;
    void *owner;
} result;

static void done(void *owner, int fd) {
    result.fd = fd;
    result.times++;
    result.is_done = true;
    result.owner = owner;
}

static int forget(void **state) {
    (void)state;
    memset(&result, 0, sizeof(result));
    result.fd = -EBADF;
    return 0;
}

/* A socket on a free port of that family's loopback. -1 where the machine has no such family. */
static int bound(const char *host, bool listens, struct address *ret) {
    socklen_t n;
    int fd;

    assert_int_equal(address_parse(slice_of_string(host), 0, ret), 0);
    fd = socket(ret->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, &ret->any, ret->n) < 0 || (listens && listen(fd, 8) < 0)) {
        fd_close(&fd);
        return -1;
    }
    n = ret->n;
    assert_int_equal(getsockname(fd, &ret->any, &n), 0);
    return fd;
}

static struct address port_that_listens(int *ret_listener) {
    struct address address;

    *ret_listener = bound("127.0.0.1", true, &address);
    assert_true(*ret_listener >= 0);
    return address;
}

/* Bound and not listening: nobody else can take it meanwhile, and whoever connects is refused. */
static struct address port_that_is_closed(int *ret_holder) {
    struct address address;

    *ret_holder = bound("127.0.0.1", false, &address);
    assert_true(*ret_holder >= 0);
    return address;
}

static void assert_connected_to(int fd, const struct address *address) {
    struct address peer = {.n = sizeof(peer.in6)};

    assert_int_equal(getpeername(fd, &peer.any, &peer.n), 0);
    assert_int_equal(peer.n, address->n);
    assert_memory_equal(&peer.any, &address->any, peer.n);
}

static void an_address_that_listens(void **state) {
    _cleanup_close_ int listener = -EBADF;
    struct address address = port_that_listens(&listener);
    struct dial *dial = NULL;
    int owner;

    (void)state;
    assert_int_equal(dial_start(&address, 1, done, &owner, &dial), 0);
    assert_non_null(dial);
    assert_int_equal(result.times, 0); /* later, from the loop */
    loop_until_set(&result.is_done);
    assert_int_equal(result.times, 1);
    assert_ptr_equal(result.owner, &owner);
    assert_connected_to(result.fd, &address);
    assert_true(fcntl(result.fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(result.fd, F_GETFD) & FD_CLOEXEC);
    fd_close(&result.fd);
    assert_int_equal(loop_run(), 0); /* nothing of the dial is left on the loop */
}

static void a_closed_port(void **state) {
    _cleanup_close_ int holder = -EBADF;
    struct address address = port_that_is_closed(&holder);
    int before = next_number();
    struct dial *dial;

    (void)state;
    assert_int_equal(dial_start(&address, 1, done, NULL, &dial), 0);
    loop_until_set(&result.is_done);
    assert_int_equal(result.fd, -ECONNREFUSED);
    assert_int_equal(result.times, 1);
    assert_int_equal(next_number(), before);
    assert_int_equal(loop_run(), 0);
}

/* The next address is tried as soon as one fails, not when the delay between attempts is over. */
static void a_dead_and_a_live_address(void **state) {
    _cleanup_close_ int listener = -EBADF, holder = -EBADF;
    struct address addresses[4];
    struct dial *dial;
    int before;

    (void)state;
    addresses[0] = addresses[1] = addresses[2] = port_that_is_closed(&holder);
    addresses[3] = port_that_listens(&listener);
    before = next_number();
    assert_int_equal(dial_start(addresses, 4, done, NULL, &dial), 0);
    loop_until_set(&result.is_done);
    assert_connected_to(result.fd, &addresses[3]);
    fd_close(&result.fd);
    assert_int_equal(next_number(), before);
    assert_int_equal(loop_run(), 0);
    assert_int_equal(result.times, 1);
}

static void every_address_is_dead(void **state) {
    _cleanup_close_ int holder = -EBADF;
    struct address addresses[LIMIT_ADDRESSES];
    uint64_t started;
    int before;
    struct dial *dial;

    (void)state;
    addresses[0] = port_that_is_closed(&holder);
    for (size_t i = 1; i < ARRAY_LEN(addresses); i++)
        addresses[i] = addresses[0];
    before = next_number();
    loop_settle();
    started = loop_now_ms();
    assert_int_equal(dial_start(addresses, ARRAY_LEN(addresses), done, NULL, &dial), 0);
    loop_until_set(&result.is_done);
    assert_true(loop_now_ms() - started <
                LIMIT_ADDRESSES * TIMEOUT_ATTEMPT_DELAY / 2); /* nobody waited for the delay */
    assert_int_equal(result.fd, -ECONNREFUSED);
    assert_int_equal(result.times, 1);
    assert_int_equal(next_number(), before);
}

/* A failure that connect(2) tells at once is told like any other: later, and the next address gets its chance. */
static void an_address_that_cannot_be_connected_to(void **state) {
    _cleanup_close_ int listener = -EBADF;
    struct address addresses[2];
    struct dial *dial;

    (void)state;
    assert_int_equal(address_parse(SLICE("255.255.255.255"), 9, &addresses[0]), 0);
    assert_int_equal(dial_start(addresses, 1, done, NULL, &dial), 0);
    assert_int_equal(result.times, 0);
    loop_until_set(&result.is_done);
    assert_true(result.fd < 0);

    addresses[1] = port_that_listens(&listener);
    result.is_done = false;
    assert_int_equal(dial_start(addresses, 2, done, NULL, &dial), 0);
    loop_until_set(&result.is_done);
    assert_connected_to(result.fd, &addresses[1]);
    fd_close(&result.fd);
    assert_int_equal(result.times, 2);
}

/* RFC 8305 §4: IPv6 goes first, wherever it stands in the list. */
static void ipv6_goes_first(void **state) {
    _cleanup_close_ int listener = -EBADF, listener6 = -EBADF;
    struct address addresses[3];
    struct dial *dial;

    (void)state;
    addresses[0] = addresses[1] = port_that_listens(&listener);
    listener6 = bound("::1", true, &addresses[2]);
    if (listener6 < 0) {
        print_message("this machine has no IPv6 loopback\n");
        skip();
    }
    assert_int_equal(dial_start(addresses, 3, done, NULL, &dial), 0);
    loop_until_set(&result.is_done);
    assert_connected_to(result.fd, &addresses[2]);
    fd_close(&result.fd);
}

static void a_dial_that_is_cancelled(void **state) {
    _cleanup_close_ int listener = -EBADF, holder = -EBADF;
    struct address addresses[2];
    int before;
    struct dial *dial;

    (void)state;
    addresses[0] = port_that_is_closed(&holder);
    addresses[1] = port_that_listens(&listener);
    before = next_number();
    for (size_t n = 1; n <= 2; n++) {
        assert_int_equal(dial_start(addresses + 2 - n, n, done, NULL, &dial), 0);
        dial_cancel(dial);
        assert_int_equal(next_number(), before);
    }
    assert_int_equal(loop_run(), 0);
    assert_int_equal(result.times, 0);
    dial_cancel(NULL);
}

static void numbers_of_addresses(void **state) {
    static struct address addresses[LIMIT_ADDRESSES + 1];
    struct dial *dial = NULL;

    (void)state;
    assert_int_equal(dial_start(addresses, 0, done, NULL, &dial), -EINVAL);
    assert_int_equal(dial_start(addresses, LIMIT_ADDRESSES + 1, done, NULL, &dial), -EINVAL);
    assert_null(dial);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_address_that_listens, forget),
        cmocka_unit_test_setup(a_closed_port, forget),
        cmocka_unit_test_setup(a_dead_and_a_live_address, forget),
        cmocka_unit_test_setup(every_address_is_dead, forget),
        cmocka_unit_test_setup(an_address_that_cannot_be_connected_to, forget),
        cmocka_unit_test_setup(ipv6_goes_first, forget),
        cmocka_unit_test_setup(a_dial_that_is_cancelled, forget),
        cmocka_unit_test_setup(numbers_of_addresses, forget),
    };

    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
