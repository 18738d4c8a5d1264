#include "net/own_machine.h"

#include <errno.h>
#include <poll.h>

#include "net/address.h"
#include "net/listen.h"
#include "unit_fd.h"

static struct address parsed(const char *text, uint16_t port) {
    struct address address = {.n = 0};

    assert_int_equal(address_parse(slice_of_string(text), port, &address), 0);
    return address;
}

/* A connection to that address of this machine, from the other one (NULL: as the kernel has it). */
static int connect_to(const char *text, const char *from) {
    _cleanup_close_ int listener = -EBADF, accepted = -EBADF;
    struct address address = parsed(text, 0);
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || listen_tcp(&address, 1, &listener) < 0)
        skip(); /* without IPv6 */
    if (from) {
        struct address here = parsed(from, 0);

        assert_int_equal(bind(fd, &here.any, here.n), 0);
    }
    address.n = sizeof(address.in6);
    assert_int_equal(getsockname(listener, &address.any, &address.n), 0);
    assert_int_equal(connect(fd, &address.any, address.n), 0);
    accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    return fd;
}

static void the_ends_of_a_connection_tell(void **state) {
    static const char *const own[] = {"127.0.0.1", "::1"};
    _cleanup_close_ int unconnected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_int_equal(own_machine_is_peer(-EBADF), -EBADF);
    assert_int_equal(own_machine_is_peer(unconnected), -ENOTCONN);
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        _cleanup_close_ int fd = connect_to(own[i], NULL);

        assert_int_equal(own_machine_is_peer(fd), 1);
    }
}

static void the_kernel_tells_where_they_do_not(void **state) {
    _cleanup_close_ int fd = connect_to("127.0.0.1", "127.0.0.2");

    (void)state;
    assert_int_equal(own_machine_is_peer(fd), 0);
    own_machine_init();
    for (int i = 0; i < 100; i++)
        assert_int_equal(own_machine_is_peer(fd), 1);
}

static void an_address_that_is_carried_is_the_same(void **state) {
    _cleanup_close_ int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), listener = -EBADF;
    struct address here = parsed("::ffff:127.0.0.2", 0), there = parsed("127.0.0.1", 0), carried;

    (void)state;
    assert_int_equal(listen_tcp(&there, 1, &listener), 0);
    assert_int_equal(getsockname(listener, &there.any, &there.n), 0);
    carried = parsed("::ffff:127.0.0.1", ntohs(there.in.sin_port));
    if (fd < 0 || bind(fd, &here.any, here.n) < 0)
        skip(); /* without IPv6 */
    assert_int_equal(connect(fd, &carried.any, carried.n), 0);
    assert_int_equal(own_machine_is_peer(fd), 1);
}

/* Its last words can still be read: whose they are nobody can tell. */
static void one_that_was_broken_off_is_nobodys(void **state) {
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), listener = -EBADF;
    struct linger at_once = {.l_onoff = 1};
    struct address there = parsed("127.0.0.1", 0);
    struct pollfd reset = {.fd = fd, .events = POLLRDHUP};
    int accepted;

    (void)state;
    assert_int_equal(listen_tcp(&there, 1, &listener), 0);
    assert_int_equal(getsockname(listener, &there.any, &there.n), 0);
    assert_int_equal(connect(fd, &there.any, there.n), 0);
    accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_int_equal(write(accepted, "words", 5), 5);
    assert_int_equal(setsockopt(accepted, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    (void)close(accepted);
    assert_int_equal(poll(&reset, 1, 10000), 1);
    assert_int_equal(own_machine_is_peer(fd), -ENOTCONN);
}

/* No datagram is sent. */
static void an_address_elsewhere_is_not_its_own(void **state) {
    _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct address elsewhere = parsed("192.0.2.1", 53);

    (void)state;
    if (connect(fd, &elsewhere.any, elsewhere.n) < 0)
        skip(); /* without a network */
    assert_int_equal(own_machine_is_peer(fd), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ends_of_a_connection_tell),          cmocka_unit_test(the_kernel_tells_where_they_do_not),
        cmocka_unit_test(an_address_that_is_carried_is_the_same), cmocka_unit_test(one_that_was_broken_off_is_nobodys),
        cmocka_unit_test(an_address_elsewhere_is_not_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
