#include "ingress/visit/pool.h"

#include <netinet/tcp.h>
#include <sys/un.h>

#include "unit_visit.h"

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static struct place place;
static struct {
    struct client *client;
    int error;
    bool is_there;
} come;

static void connected(void *owner, struct client *client, int error) {
    assert_ptr_equal(owner, &come);
    assert_false(come.is_there);
    come.client = client;
    come.error = error;
    come.is_there = true;
}

static int open_pool(void **state) {
    (void)state;
    use_front();
    instance_open();
    instance.answer = ANSWER;
    place = (struct place){.kind = INSTANCE_ADDRESS, .is_led = true};
    return address_parse(SLICE("127.0.0.1"), instance.port, &place.address);
}

static int close_pool(void **state) {
    (void)state;
    pool_prune(&place, UINT64_MAX);
    instance_close();
    world.is_draining = false;
    return 0;
}

static struct client *connect_now(void) {
    come.is_there = false;
    assert_non_null(pool_connect(&place, connected, &come));
    assert_false(come.is_there); /* never from inside the call */
    loop_until_set(&come.is_there);
    return come.client;
}

static void nothing(struct watch *watch) {
    (void)watch;
}

static bool is_over(const void *of) {
    union {
        const void *given;
        struct client *client;
    } u = {.given = of};
    struct upstream_event event;

    (void)client_receive(u.client, &event);
    return client_is_exchange_over(u.client);
}

/* One whole exchange, so that it is clean and has been of use. */
static void use(struct client *client) {
    struct slice request = SLICE("GET / HTTP/1.1\r\nHost: x\r\n\r\n");

    client_attach(client, NULL, nothing);
    assert_int_equal(client_begin(client, request, false, (struct http_framing){HTTP_BODY_NONE, 0}, true), 0);
    loop_until(is_over, client);
}

static void connects_without_delay(void **state) {
    struct client *client = connect_now();
    int one = 0;
    socklen_t size = sizeof(one);

    (void)state;
    assert_non_null(client);
    assert_int_equal(getsockopt(client->stream.fd, IPPROTO_TCP, TCP_NODELAY, &one, &size), 0);
    assert_int_equal(one, 1);
    use(client);
    pool_drop(client);
}

static void says_when_nobody_is_there(void **state) {
    (void)state;
    watch_remove(&instance.listening);
    fd_close(&instance.fd);
    assert_null(connect_now());
    assert_int_equal(come.error, -ECONNREFUSED);
}

static void connects_to_a_unix_socket(void **state) {
    static char path[64];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = -EBADF;

    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/credfd-pool-%d", (int)getpid());
    place.kind = INSTANCE_UNIX;
    place.path = slice_of_string(path);
    assert_null(connect_now());
    assert_int_equal(come.error, -ENOENT);
    assert_int_equal(listen_unix(path, SOCK_STREAM, 4, &fd), 0);
    assert_non_null(connect_now());
    pool_drop(come.client);
    fd_close(&fd);
    assert_int_equal(unlink(path), 0);
    place.path = slice_of(path, sizeof(address.sun_path)); /* does not fit, and is never cut */
    assert_null(connect_now());
    assert_int_equal(come.error, -ENAMETOOLONG);
}

static void takes_the_one_used_last(void **state) {
    struct client *first = connect_now(), *second = connect_now(), *third = connect_now();

    (void)state;
    use(first);
    use(second);
    use(third);
    pool_give_back(&place, first);
    pool_give_back(&place, second);
    pool_give_back(&place, third);
    assert_int_equal(place.n_idle, 3);
    assert_ptr_equal(pool_take(&place, false), third);
    assert_ptr_equal(pool_take(&place, true), second);
    assert_ptr_equal(pool_take(&place, false), first);
    assert_null(pool_take(&place, false));
    pool_drop(first);
    pool_drop(second);
    pool_drop(third);
}

static void keeps_no_more_than_its_limit(void **state) {
    struct client *client;

    (void)state;
    place.n_idle = LIMIT_WARM - 1; /* as if they were there */
    client = connect_now();
    use(client);
    pool_give_back(&place, client);
    assert_int_equal(place.n_idle, LIMIT_WARM);
    client = connect_now();
    use(client);
    pool_give_back(&place, client);
    assert_int_equal(place.n_idle, LIMIT_WARM);
}

static void keeps_none_that_is_not_clean(void **state) {
    struct client *client = connect_now();

    (void)state;
    use(client);
    client->must_close = true;
    pool_give_back(&place, client);
    assert_int_equal(place.n_idle, 0);
    client = connect_now();
    place.is_led = false; /* its instance is in the table no more */
    pool_give_back(&place, client);
    assert_int_equal(place.n_idle, 0);
    place.is_led = true;
    client = connect_now();
    world.is_draining = true;
    pool_give_back(&place, client);
    assert_int_equal(place.n_idle, 0);
}

static bool has_none(const void *unused) {
    (void)unused;
    return place.n_idle == 0;
}

static void closes_one_that_ends_or_speaks_unasked(void **state) {
    struct client *client = connect_now();

    (void)state;
    use(client);
    pool_give_back(&place, client);
    far_close(far_of(0));
    loop_until(has_none, NULL);

    client = connect_now();
    use(client);
    pool_give_back(&place, client);
    assert_int_equal(fd_write_all(far_of(1)->fd, "HTTP", 4), 0);
    loop_until(has_none, NULL);
}

/* Where it must be sure, the kernel is asked: the loop may not know yet. */
static void takes_none_that_has_ended_meanwhile(void **state) {
    struct client *client = connect_now();

    (void)state;
    use(client);
    pool_give_back(&place, client);
    far_close(far_of(0));
    assert_null(pool_take(&place, true));
    assert_int_equal(place.n_idle, 0);
}

static void closes_what_has_grown_old(void **state) {
    struct client *client = connect_now();

    (void)state;
    use(client);
    pool_give_back(&place, client);
    pool_prune(&place, loop_now_ms());
    assert_int_equal(place.n_idle, 1);
    pool_prune(&place, loop_now_ms() + 1);
    assert_int_equal(place.n_idle, 0);
}

static void gives_up_when_it_is_told(void **state) {
    (void)state;
    come.is_there = false;
    pool_cancel(pool_connect(&place, connected, &come));
    loop_settle();
    assert_false(come.is_there);
}

int main(void) {
#define ROW(test) cmocka_unit_test_setup_teardown(test, open_pool, close_pool)
    const struct CMUnitTest tests[] = {
        ROW(connects_without_delay),
        ROW(says_when_nobody_is_there),
        ROW(connects_to_a_unix_socket),
        ROW(takes_the_one_used_last),
        ROW(keeps_no_more_than_its_limit),
        ROW(keeps_none_that_is_not_clean),
        ROW(closes_one_that_ends_or_speaks_unasked),
        ROW(takes_none_that_has_ended_meanwhile),
        ROW(closes_what_has_grown_old),
        ROW(gives_up_when_it_is_told),
    };

    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
