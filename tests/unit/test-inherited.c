#include "ingress/desk/inherited.h"

#include <stdio.h>
#include <sys/un.h>

#include "net/listen.h"
#include "unit_child.h"
#include "unit_fd.h"

static char path[64];

/* What a process finds: `fds` from 3 on, and what is said of them. It runs in a child, whose numbers are its own. */
struct situation {
    int fds[4];
    int n;
    const char *count, *names;
    bool is_for_another;
    int (*look)(const struct situation *situation, struct inherited *inherited, int r, const char *error);
};

static int find_itself_in(const void *of) {
    const struct situation *situation = of;
    struct inherited inherited;
    _cleanup_free_ char *error = NULL;
    char text[16];
    int copies[4], r;

    for (int i = 0; i < situation->n; i++)
        copies[i] = fcntl(situation->fds[i], F_DUPFD, 100);
    for (int i = 0; i < situation->n; i++)
        (void)dup2(copies[i], 3 + i);
    (void)snprintf(text, sizeof(text), "%d", (int)getpid() + situation->is_for_another);
    (void)setenv("LISTEN_PID", text, 1);
    (void)setenv("LISTEN_FDS", situation->count, 1);
    if (situation->names)
        (void)setenv("LISTEN_FDNAMES", situation->names, 1);
    r = inherited_take(&inherited, &error);
    if (getenv("LISTEN_PID") || getenv("LISTEN_FDS") || getenv("LISTEN_FDNAMES"))
        return 99; /* a command would take them for its own */
    return situation->look(situation, &inherited, r, error);
}

static void assert_sound(const struct situation *situation) {
    int status = status_of_child(find_itself_in, situation);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int open_tcp(const char *text, struct address *ret) {
    int fd = -EBADF;

    assert_int_equal(address_parse(slice_of_string(text), 0, ret), 0);
    assert_int_equal(listen_tcp_beside(ret, 4, &fd), 0);
    assert_int_equal(getsockname(fd, &ret->any, &ret->n), 0);
    return fd;
}

static struct address known;

static int look_at_three(const struct situation *situation, struct inherited *inherited, int r, const char *error) {
    struct inherited_socket *s;
    struct address other = known;

    (void)situation;
    other.in.sin_port = htons((uint16_t)(ntohs(other.in.sin_port) + 1));
    if (r < 0 || error || inherited->n != 3)
        return 1;
    if (inherited_at_address(inherited, &other) || inherited_at_path(inherited, "/elsewhere"))
        return 2;
    s = inherited_at_address(inherited, &known);
    if (!s || s->fd != 3 || !s->is_spread || s->is_unix || strcmp(s->name, "web") != 0)
        return 3;
    if (fcntl(s->fd, F_GETFD) != FD_CLOEXEC || !(fcntl(s->fd, F_GETFL) & O_NONBLOCK))
        return 4;
    (void)fd_steal(&s->fd); /* taken: the next at the same address */
    s = inherited_at_address(inherited, &known);
    if (!s || s->fd != 5 || strcmp(s->name, "") != 0)
        return 5;
    s = inherited_at_path(inherited, path);
    if (!s || s->fd != 4 || !s->is_unix || s->is_spread || strcmp(s->name, "local") != 0)
        return 6;
    inherited_done(inherited);
    return is_open(4) || is_open(5) || !is_open(3) ? 7 : 0;
}

static void knows_each_by_where_it_listens(void **state) {
    _cleanup_close_ int a = open_tcp("127.0.0.1", &known), b = -EBADF, c = -EBADF;
    struct situation situation = {.n = 3, .count = "3", .names = "web:local", .look = look_at_three};

    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/credfd-test-inherited-%d", (int)getpid());
    assert_int_equal(listen_unix(path, SOCK_STREAM, 4, &b), 0);
    assert_int_equal(listen_tcp_beside(&known, 4, &c), 0);
    situation.fds[0] = a;
    situation.fds[1] = b;
    situation.fds[2] = c;
    assert_sound(&situation);
    assert_int_equal(unlink(path), 0);
}

static int look_at_none(const struct situation *situation, struct inherited *inherited, int r, const char *error) {
    (void)situation;
    return r == 0 && !error && inherited->n == 0 && !inherited_next(inherited) && is_open(3) ? 0 : 1;
}

static void leaves_what_is_meant_for_another_process(void **state) {
    struct address address;
    _cleanup_close_ int fd = open_tcp("127.0.0.1", &address);
    struct situation situation = {.fds = {fd}, .n = 1, .count = "1", .is_for_another = true, .look = look_at_none};

    (void)state;
    assert_sound(&situation);
}

static int look_at_refusal(const struct situation *situation, struct inherited *inherited, int r, const char *error) {
    (void)situation;
    inherited_done(inherited);
    return r < 0 && error && strstr(error, "$LISTEN_FDS") ? 0 : 1;
}

static void refuses_what_does_not_listen_for_streams(void **state) {
    int ends[2];
    struct address address;
    _cleanup_close_ int listening = open_tcp("127.0.0.1", &address), datagrams = socket(AF_INET, SOCK_DGRAM, 0),
                        unbound = socket(AF_INET, SOCK_STREAM, 0);
    struct situation situation = {.n = 2, .count = "2", .look = look_at_refusal};

    (void)state;
    assert_int_equal(pipe(ends), 0);
    for (size_t i = 0; i < 3; i++) {
        const int wrong[] = {datagrams, unbound, ends[0]};

        situation.fds[0] = listening;
        situation.fds[1] = wrong[i];
        assert_sound(&situation);
    }
    fd_close(&ends[0]);
    fd_close(&ends[1]);
}

static void refuses_a_count_that_is_none(void **state) {
    static const char *const counts[] = {"", "-1", "2049", "1x"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct situation situation = {.count = counts[i], .look = look_at_refusal};

        assert_sound(&situation);
    }
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_each_by_where_it_listens),
        cmocka_unit_test(leaves_what_is_meant_for_another_process),
        cmocka_unit_test(refuses_what_does_not_listen_for_streams),
        cmocka_unit_test(refuses_a_count_that_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
