#include "ingress/desk/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/listen.h"
#include "unit_fd.h"
#include "unit_port.h"

static char directory[] = "/tmp/credfd-test-XXXXXX";
static char path[64];

static int make_place(void **state) {
    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/s", directory);
    return 0;
}

static int remove_place(void **state) {
    (void)state;
    assert_int_equal(rmdir(directory), 0); /* so nothing was left in it */
    return 0;
}

static struct address free_address(void) {
    struct address address;

    assert_int_equal(address_parse(SLICE("127.0.0.1"), free_port(), &address), 0);
    return address;
}

static int open_socket(const struct address *address, bool is_spread) {
    int fd = -EBADF;

    assert_int_equal((is_spread ? listen_tcp_beside : listen_tcp)(address, 8, &fd), 0);
    return fd;
}

static struct listen_place place(enum listen_kind kind, struct address address, char *at) {
    static char text[] = "place", where[] = "f.yaml:1: dispatch.listen[0]";

    return (struct listen_place){.kind = kind, .address = address, .path = at, .text = text, .where = where};
}

/* What a predecessor, or systemd, would have left: the descriptors are the inherited's from then on. */
static void inherit(struct inherited *to, const int *fds, size_t n, const char *name) {
    to->sockets = calloc(n, sizeof(to->sockets[0]));
    for (size_t i = 0; i < n; i++) {
        struct inherited_socket *s = &to->sockets[to->n++];
        int on = 0;
        socklen_t size = sizeof(on);
        struct sockaddr_un un = {0};
        socklen_t un_size = sizeof(un);

        *s = (struct inherited_socket){.fd = fds[i], .address.n = sizeof(s->address.in6)};
        (void)snprintf(s->name, sizeof(s->name), "%s", name);
        assert_int_equal(getsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &on, &size), 0);
        s->is_spread = on;
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&un, &un_size), 0);
        s->is_unix = un.sun_family == AF_UNIX;
        if (s->is_unix)
            s->path = un;
        else
            assert_int_equal(getsockname(fds[i], &s->address.any, &s->address.n), 0);
    }
}

/* How many sockets that dispatcher accepts at. */
static size_t count_for(const struct listeners *listeners, uint32_t worker) {
    size_t n = 0;

    for (size_t i = 0; i < listeners->n; i++)
        n += listener_is_for(&listeners->items[i], worker);
    return n;
}

static bool can_connect(const struct address *address) {
    _cleanup_close_ int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return connect(fd, &address->any, address->n) == 0;
}

static void gives_each_dispatcher_a_socket_of_its_own(void **state) {
    struct listen_place places[] = {place(LISTEN_TCP, free_address(), NULL)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 1};
    struct inherited none = {0};
    struct listeners listeners;
    char *error;

    (void)state;
    assert_int_equal(listeners_open(&listeners, &settings, 3, &none, &error), 0);
    assert_int_equal(listeners.n, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(count_for(&listeners, i), 1);
    assert_true(can_connect(&places[0].address));
    listeners_close(&listeners, false);
    assert_false(can_connect(&places[0].address));
}

static void does_not_share_a_port_with_a_stranger(void **state) {
    struct listen_place places[] = {place(LISTEN_TCP, free_address(), NULL)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 1};
    _cleanup_close_ _unused_ int stranger =
        open_socket(&places[0].address, true); /* the kernel would let both have it */
    int before = open_descriptors();
    _cleanup_free_ char *error = NULL;
    struct inherited none = {0};
    struct listeners listeners;

    (void)state;
    assert_int_equal(listeners_open(&listeners, &settings, 2, &none, &error), -EADDRINUSE);
    assert_string_equal(error, "f.yaml:1: dispatch.listen[0]: place: cannot be listened at: Address already in use; "
                               "another process listens there; end it, or name another place");
    assert_int_equal(open_descriptors(), before);
}

static void leaves_no_socket_of_a_predecessor_without_a_dispatcher(void **state) {
    struct listen_place places[] = {place(LISTEN_TCP, free_address(), NULL)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 1};
    int before = open_descriptors();

    (void)state;
    for (uint32_t n_workers = 1; n_workers <= 5; n_workers++) {
        int fds[3];
        struct inherited inherited = {0};
        struct listeners listeners;
        size_t n = 0;
        char *error;

        for (size_t i = 0; i < 3; i++)
            fds[i] = open_socket(&places[0].address, true);
        inherit(&inherited, fds, 3, INHERITED_OWN);
        assert_int_equal(listeners_open(&listeners, &settings, n_workers, &inherited, &error), 0);
        inherited_done(&inherited);
        assert_int_equal(listeners.n, MAX_OF(n_workers, 3U)); /* taken, and made where there are too few */
        for (uint32_t i = 0; i < n_workers; i++) {
            assert_true(count_for(&listeners, i) > 0);
            n += count_for(&listeners, i);
        }
        assert_int_equal(n, listeners.n); /* each has one who accepts there, and only one */
        listeners_close(&listeners, true);
        assert_int_equal(open_descriptors(), before);
    }
}

static void shares_what_the_kernel_does_not_spread(void **state) {
    struct listen_place places[] = {place(LISTEN_TCP, free_address(), NULL)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 1};
    int fd = open_socket(&places[0].address, false);
    struct inherited inherited = {0};
    struct listeners listeners;
    char *error;

    (void)state;
    inherit(&inherited, &fd, 1, "web");
    assert_int_equal(listeners_open(&listeners, &settings, 4, &inherited, &error), 0);
    inherited_done(&inherited);
    assert_int_equal(listeners.n, 1);
    assert_string_equal(listeners.items[0].name, "web");
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(count_for(&listeners, i), 1);
    listeners_close(&listeners, false);
}

static void matches_by_address_and_leaves_the_rest_to_systemd(void **state) {
    struct address a = free_address(), b = free_address();
    int fds[2] = {open_socket(&a, true), -EBADF};
    struct listen_place places[] = {place(LISTEN_SYSTEMD, a, NULL), place(LISTEN_TCP, a, NULL)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 2};
    struct inherited inherited = {0};
    struct listeners listeners;
    char *error;

    (void)state;
    fds[1] = open_socket(&b, false);
    inherit(&inherited, fds, 2, "x");
    assert_int_equal(listeners_open(&listeners, &settings, 1, &inherited, &error), 0);
    inherited_done(&inherited);
    assert_int_equal(listeners.n, 2);
    assert_int_equal(listeners.items[0].place, 1);
    assert_int_equal(listeners.items[0].fd, fds[0]);
    assert_int_equal(listeners.items[1].place, 0);
    assert_int_equal(listeners.items[1].fd, fds[1]);
    listeners_close(&listeners, false);
}

static void closes_what_stands_nowhere(void **state) {
    struct address a = free_address(), b = free_address();
    int fd = open_socket(&b, false);
    struct listen_place places[] = {place(LISTEN_TCP, a, NULL)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 1};
    struct inherited inherited = {0};
    struct listeners listeners;
    char *error;

    (void)state;
    inherit(&inherited, &fd, 1, "x");
    assert_int_equal(listeners_open(&listeners, &settings, 1, &inherited, &error), 0);
    assert_false(is_open(fd) && can_connect(&b));
    assert_true(can_connect(&a));
    inherited_done(&inherited);
    listeners_close(&listeners, false);
}

static void needs_a_socket_where_systemd_is_to_give_one(void **state) {
    struct listen_place places[] = {place(LISTEN_SYSTEMD, free_address(), NULL)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 1};
    _cleanup_free_ char *error = NULL;
    struct inherited none = {0};
    struct listeners listeners;

    (void)state;
    assert_int_equal(listeners_open(&listeners, &settings, 1, &none, &error), -ENOTCONN);
    assert_string_equal(error, "f.yaml:1: dispatch.listen[0]: systemd: hands no socket over; start the socket unit, or "
                               "name an address to listen at");
}

/* Nothing is written, and :3780 is the very socket that the shipped unit hands over. */
static void listens_at_what_is_handed_over_where_nothing_is_written(void **state) {
    struct address a = free_address();
    struct listen_place places[] = {place(LISTEN_TCP, a, NULL)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 1, .listens_by_default = true};
    char expected[ADDRESS_TEXT_MAX + 32], text[ADDRESS_TEXT_MAX];
    struct inherited inherited = {0};
    struct listeners listeners;
    int fd = open_socket(&a, false);
    _cleanup_free_ char *said = NULL;
    char *error;

    (void)state;
    inherit(&inherited, &fd, 1, "credfd-dispatch.socket");
    assert_int_equal(listeners_open(&listeners, &settings, 2, &inherited, &error), 0);
    inherited_done(&inherited);
    assert_int_equal(listeners.n, 1);
    assert_int_equal(listeners.items[0].fd, fd);
    assert_true(count_for(&listeners, 0) == 1 && count_for(&listeners, 1) == 1);
    said = listeners_describe(&listeners, &settings);
    address_format(&a, text);
    (void)snprintf(expected, sizeof(expected), "%s (from systemd)", text);
    assert_string_equal(said, expected);
    listeners_close(&listeners, false);
}

static void says_who_has_the_port(void **state) {
    struct address handed = free_address(), all;
    struct listen_place places[] = {place(LISTEN_TCP, handed, NULL)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 1};
    _cleanup_free_ char *error = NULL;
    struct inherited inherited = {0};
    struct listeners listeners;
    int fd = open_socket(&handed, false);

    (void)state;
    assert_int_equal(address_parse(SLICE("0.0.0.0"), ntohs(handed.in.sin_port), &all), 0);
    places[0].address = all;
    inherit(&inherited, &fd, 1, "credfd-dispatch.socket");
    assert_int_equal(listeners_open(&listeners, &settings, 1, &inherited, &error), -EADDRINUSE);
    inherited_done(&inherited);
    assert_string_equal(error, "f.yaml:1: dispatch.listen[0]: place: cannot be listened at: Address already in use; "
                               "systemd has handed over a socket of that port; write listen: [ systemd ], or stop the "
                               "socket unit");
}

static void says_what_lies_where_a_socket_should(void **state) {
    struct listen_place places[] = {place(LISTEN_UNIX, free_address(), path)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 1};
    _cleanup_free_ char *error = NULL;
    struct inherited none = {0};
    struct listeners listeners;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    (void)state;
    fd_close(&fd);
    assert_int_equal(listeners_open(&listeners, &settings, 1, &none, &error), -EADDRINUSE);
    assert_string_equal(error, "f.yaml:1: dispatch.listen[0]: place: cannot be listened at: Address already in use; "
                               "what lies there is no socket; remove it, or name another place");
    assert_int_equal(unlink(path), 0);
}

static unsigned mode_of(const char *name) {
    struct stat st;

    assert_int_equal(lstat(name, &st), 0);
    return st.st_mode & 07777;
}

static void opens_a_path_for_others_only_where_users_are_named(void **state) {
    struct listen_place places[] = {place(LISTEN_UNIX, free_address(), path)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 1, .trust.takes_all_uids = true};
    struct inherited none = {0};
    struct listeners listeners;
    char *error;

    (void)state;
    assert_int_equal(listeners_open(&listeners, &settings, 2, &none, &error), 0);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(listeners.items[0].kind, LISTENER_UNIX);
    assert_true(count_for(&listeners, 0) == 1 && count_for(&listeners, 1) == 1);
    listeners_close(&listeners, false);
    settings.trust.names_users = true;
    assert_int_equal(listeners_open(&listeners, &settings, 2, &none, &error), 0);
    assert_int_equal(mode_of(path), 0666);
    listeners_close(&listeners, false);
    assert_int_equal(access(path, F_OK), -1);
}

static void keeps_the_path_that_a_successor_serves(void **state) {
    struct listen_place places[] = {place(LISTEN_UNIX, free_address(), path)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 1};
    struct inherited none = {0}, inherited = {0};
    struct listeners old, new;
    char *error;
    int fd;

    (void)state;
    assert_int_equal(listeners_open(&old, &settings, 1, &none, &error), 0);
    fd = fcntl(old.items[0].fd, F_DUPFD_CLOEXEC, 3);
    inherit(&inherited, &fd, 1, old.items[0].name);
    assert_int_equal(listeners_open(&new, &settings, 1, &inherited, &error), 0);
    inherited_done(&inherited);
    assert_int_equal(new.items[0].fd, fd);
    listeners_close(&old, true);
    assert_int_equal(access(path, F_OK), 0);
    listeners_close(&new, false); /* it is a dispatcher's own, whoever made it */
    assert_int_equal(access(path, F_OK), -1);
}

static void leaves_a_path_of_systemd_where_it_is(void **state) {
    struct listen_place places[] = {place(LISTEN_UNIX, free_address(), path)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 1};
    struct inherited inherited = {0};
    struct listeners listeners;
    char *error;
    int fd = -EBADF;

    (void)state;
    assert_int_equal(listen_unix(path, SOCK_STREAM, 8, &fd), 0);
    inherit(&inherited, &fd, 1, "credfd.socket");
    assert_int_equal(listeners_open(&listeners, &settings, 1, &inherited, &error), 0);
    inherited_done(&inherited);
    listeners_close(&listeners, false);
    assert_int_equal(unlink(path), 0);
}

static void does_without_a_family_that_this_machine_has_not(void **state) {
    struct address absent = {.in = {.sin_family = AF_APPLETALK}, .n = sizeof(absent.in)};
    struct listen_place places[] = {place(LISTEN_TCP, free_address(), NULL), place(LISTEN_TCP, absent, NULL)};
    struct dispatch_settings settings = {.listen = places, .n_listen = 2};
    _cleanup_free_ char *error = NULL;
    struct inherited none = {0};
    struct listeners listeners;

    (void)state;
    assert_int_equal(listeners_open(&listeners, &settings, 1, &none, &error), -EAFNOSUPPORT);
    places[1].is_half = true;
    free(steal_pointer(&error));
    assert_int_equal(listeners_open(&listeners, &settings, 1, &none, &error), 0);
    assert_int_equal(listeners.n, 1);
    listeners_close(&listeners, false);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_each_dispatcher_a_socket_of_its_own),
        cmocka_unit_test(does_not_share_a_port_with_a_stranger),
        cmocka_unit_test(leaves_no_socket_of_a_predecessor_without_a_dispatcher),
        cmocka_unit_test(shares_what_the_kernel_does_not_spread),
        cmocka_unit_test(matches_by_address_and_leaves_the_rest_to_systemd),
        cmocka_unit_test(closes_what_stands_nowhere),
        cmocka_unit_test(needs_a_socket_where_systemd_is_to_give_one),
        cmocka_unit_test(listens_at_what_is_handed_over_where_nothing_is_written),
        cmocka_unit_test(says_who_has_the_port),
        cmocka_unit_test(says_what_lies_where_a_socket_should),
        cmocka_unit_test(opens_a_path_for_others_only_where_users_are_named),
        cmocka_unit_test(keeps_the_path_that_a_successor_serves),
        cmocka_unit_test(leaves_a_path_of_systemd_where_it_is),
        cmocka_unit_test(does_without_a_family_that_this_machine_has_not),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}
