#include "net/listen.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "unit_fd.h"
#include "unit_port.h"

static char folder[64], path[96];

static int begin(void **state) {
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/credfd-unit-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof(path), "%s/socket", folder);
    return 0;
}

static int end(void **state) {
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static int connect_to(const char *where, int type) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", where);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    fd_close(&fd);
    return -errno;
}

static void a_unix_socket_is_its_owners_under_any_umask(void **state) {
    static const mode_t masks[] = {0, 077, 0777};
    mode_t before = umask(0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
        _cleanup_close_ int fd = -EBADF;
        struct stat made;

        (void)umask(masks[i]);
        assert_int_equal(listen_unix(path, SOCK_STREAM, 4, &fd), 0);
        assert_int_equal(umask(masks[i]), masks[i]);
        assert_int_equal(stat(path, &made), 0);
        assert_int_equal(made.st_mode & 07777, 0600);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        assert_int_equal(unlink(path), 0);
    }
    (void)umask(before);
}

static void what_was_left_there_is_replaced(void **state) {
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        int fd, client;

        assert_int_equal(listen_unix(path, types[i], 4, &fd), 0);
        fd_close(&fd); /* as a process does that is killed: the name stays */
        assert_int_equal(listen_unix(path, types[i], 4, &fd), 0);
        client = connect_to(path, types[i]);
        assert_true(client >= 0);
        fd_close(&client);
        fd_close(&fd);
    }
}

static void what_somebody_serves_stays(void **state) {
    _cleanup_close_ int fd = -EBADF, client = -EBADF;
    int second = -EBADF, before;

    (void)state;
    assert_int_equal(listen_unix(path, SOCK_STREAM, 4, &fd), 0);
    before = next_number();
    assert_int_equal(listen_unix(path, SOCK_STREAM, 4, &second), -EADDRINUSE);
    assert_int_equal(second, -EBADF);
    assert_int_equal(listen_unix(path, SOCK_SEQPACKET, 4, &second), -EADDRINUSE); /* of another type */
    assert_int_equal(next_number(), before);
    client = connect_to(path, SOCK_STREAM);
    assert_true(client >= 0);
}

static void what_is_no_socket_stays(void **state) {
    char other[96];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    fd_close(&fd);
    assert_int_equal(listen_unix(path, SOCK_STREAM, 4, &fd), -EADDRINUSE);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(other, sizeof(other), "%s/elsewhere", folder);
    assert_int_equal(symlink(other, path), 0);
    assert_int_equal(listen_unix(path, SOCK_STREAM, 4, &fd), -EADDRINUSE);
    assert_int_equal(access(other, F_OK), -1);
}

static void a_path_that_cannot_be_is_refused(void **state) {
    char longer[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    int fd, before = next_number();

    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(listen_unix(longer, SOCK_STREAM, 4, &fd), -ENAMETOOLONG);
    assert_int_equal(listen_unix("/no/such/folder/socket", SOCK_STREAM, 4, &fd), -ENOENT);
    assert_int_equal(next_number(), before);
}

static void listen_and_connect(const char *host) {
    _cleanup_close_ int fd = -EBADF, client = -EBADF, taken = -EBADF;
    struct address address;
    int again;

    assert_int_equal(address_parse(slice_of_string(host), free_port(), &address), 0);
    if (listen_tcp(&address, 4, &fd) == -EAFNOSUPPORT || fd < 0)
        skip(); /* a machine without that family */
    client = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, &address.any, address.n), 0);
    assert_int_equal(listen_tcp(&address, 4, &again), -EADDRINUSE);
    /* connections of its own that linger do not keep the port */
    taken = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(taken >= 0);
    fd_close(&fd);
    fd_close(&taken);
    assert_int_equal(listen_tcp(&address, 4, &fd), 0);
}

static void an_ipv4_address(void **state) {
    (void)state;
    listen_and_connect("127.0.0.1");
}

static void an_ipv6_address(void **state) {
    (void)state;
    listen_and_connect("::1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_unix_socket_is_its_owners_under_any_umask),
        TEST(what_was_left_there_is_replaced),
        TEST(what_somebody_serves_stays),
        TEST(what_is_no_socket_stays),
        TEST(a_path_that_cannot_be_is_refused),
        TEST(an_ipv4_address),
        TEST(an_ipv6_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
