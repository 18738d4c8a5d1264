#include "ingress/visit/access.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/log.h"
#include "unit_fd.h"
#include "unit_loop.h"

static struct access_line line_of(const char *path) {
    return (struct access_line){.event = "request",
                                .peer = SLICE("127.0.0.1"),
                                .client = SLICE("192.0.2.7"),
                                .name = SLICE("alice"),
                                .instance = SLICE("alice@127.0.0.1:3773 t3"),
                                .method = SLICE("GET"),
                                .host = SLICE("studio.example.org"),
                                .path = slice_of_string(path),
                                .status = 200,
                                .bytes_in = 1,
                                .bytes_out = 4096,
                                .duration_us = 12345,
                                .upstream_us = 10007,
                                .reason = SLICE_EMPTY};
}

static int file;           /* what the log goes to */
static char text[1 << 20]; /* what stands there */
static char told[512];     /* what the process said of itself */

static void on_log(enum log_level level, struct slice what) {
    (void)level;
    (void)snprintf(told, sizeof(told), "%.*s", SLICE_ARG(what));
}

static int begin(void **state) {
    (void)state;
    told[0] = '\0';
    file = memfd_create("access", MFD_CLOEXEC);
    assert_true(file >= 0);
    access_open(dup(file));
    return 0;
}

static int end(void **state) {
    (void)state;
    access_open(-EBADF);
    (void)close(file);
    return 0;
}

static struct slice written(void) {
    ssize_t n = pread(file, text, sizeof(text) - 1, 0);

    assert_true(n >= 0);
    text[n] = '\0';
    return slice_of(text, (size_t)n);
}

static struct slice behind_time(struct slice line) {
    return slice_from(line, strlen("{\"time\":\"2000-01-01T00:00:00.000Z\""));
}

static void a_line_has_every_member_in_its_place(void **state) {
    struct access_line line = line_of("/a/b");

    (void)state;
    access_write(&line);
    access_flush();
    assert_slice(behind_time(written()),
                 ",\"event\":\"request\",\"peer\":\"127.0.0.1\",\"client\":\"192.0.2.7\",\"name\":\"alice\","
                 "\"instance\":\"alice@127.0.0.1:3773 t3\",\"method\":\"GET\",\"host\":\"studio.example.org\","
                 "\"path\":\"/a/b\",\"status\":200,\"bytes_in\":1,\"bytes_out\":4096,\"duration_ms\":12.345,"
                 "\"upstream_ms\":10.007}\n");
}

static void what_there_is_not_is_left_out(void **state) {
    struct access_line line = {.event = "tunnel_end", .status = 101, .close_code = 1001, .reason = SLICE("drain")};

    (void)state;
    access_write(&line);
    access_flush();
    assert_slice(behind_time(written()),
                 ",\"event\":\"tunnel_end\",\"peer\":\"\",\"status\":101,"
                 "\"bytes_in\":0,\"bytes_out\":0,\"duration_ms\":0.000,\"close_code\":1001,\"reason\":\"drain\"}\n");
}

static void no_query_is_ever_written(void **state) {
    struct access_line line = line_of("/a?token=canary");

    (void)state;
    access_write(&line);
    access_flush();
    assert_null(strstr((written(), text), "canary"));
    assert_non_null(strstr(text, "\"path\":\"/a\""));
}

static void no_text_begins_a_line_of_its_own(void **state) {
    struct access_line line = line_of("/\n{\"event\":\"forged\"}\x1b[31m\xFF");
    json_t *object;

    (void)state;
    line.name = SLICE("a\"b\\c\r\n");
    line.host = SLICE("\0\x7f");
    access_write(&line);
    access_flush();
    assert_int_equal(slice_index(written(), '\n'), written().n - 1);
    object = json_loadb(text, written().n, JSON_ALLOW_NUL, NULL);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "name")), "a\"b\\c\r\n");
    assert_string_equal(json_string_value(json_object_get(object, "event")), "request");
    json_decref(object);
}

static char longest[16384];

static void every_text_at_its_longest_fits(void **state) {
    struct slice all = slice_of(longest, sizeof(longest));
    struct access_line line = {.event = "request",
                               .peer = all,
                               .client = all,
                               .name = all,
                               .instance = all,
                               .method = all,
                               .host = all,
                               .path = all,
                               .bytes_in = UINT64_MAX,
                               .bytes_out = UINT64_MAX,
                               .duration_us = UINT64_MAX,
                               .upstream_us = UINT64_MAX,
                               .status = UINT32_MAX,
                               .close_code = UINT32_MAX,
                               .reason = all};
    struct slice rest;
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < 20; i++)
        access_write(&line);
    access_flush();
    for (rest = written(); rest.n > 0; n++) {
        struct slice one = slice_cut(&rest, '\n');

        assert_in_range(one.n, 1, LIMIT_ACCESS_LINE);
        if (!rest.p)
            break;
    }
    assert_int_equal(n, 20);
}

static void lines_wait_for_the_turn_and_go_together(void **state) {
    struct access_line line = line_of("/");
    struct slice rest;
    size_t n = 0;

    (void)state;
    access_write(&line);
    access_write(&line);
    assert_int_equal(written().n, 0);
    loop_settle();
    for (rest = written(); rest.p && rest.n > 0; n++)
        (void)slice_cut(&rest, '\n');
    assert_int_equal(n, 2);
}

static void a_log_that_is_changed_gets_what_was_gathered_before(void **state) {
    struct access_line line = line_of("/old");
    int other = memfd_create("other", MFD_CLOEXEC);

    (void)state;
    access_write(&line);
    access_open(dup(other));
    assert_non_null(memmem(written().p, written().n, "/old", 4));
    line.path = SLICE("/new");
    access_write(&line);
    access_flush();
    assert_null(memmem(written().p, written().n, "/new", 4));
    assert_true(pread(other, text, sizeof(text), 0) > 0);
    (void)close(other);
}

static void without_a_log_nothing_happens(void **state) {
    struct access_line line = line_of("/");

    (void)state;
    access_open(-EBADF);
    access_write(&line);
    access_flush();
    assert_int_equal(written().n, 0);
}

/* Reads all that is in a pipe or a socket. The number of lines; each is whole. */
static size_t drain_lines(int fd) {
    static char bytes[1 << 20];
    size_t n = 0, lines = 0;
    ssize_t got;

    while ((got = read(fd, bytes + n, sizeof(bytes) - n)) > 0)
        n += (size_t)got;
    for (struct slice rest = slice_of(bytes, n); rest.n > 0; lines++) {
        struct slice one = slice_cut(&rest, '\n');

        assert_non_null(rest.p);
        assert_true(slice_starts_with(one, SLICE("{\"time\":")));
        assert_true(slice_ends_with(one, SLICE("}")));
    }
    return lines;
}

/* The reader of a pipe is slow: nobody waits for it, no line is torn, and none is lost as long as there is room. */
static void nobody_waits_for_a_reader(void **state) {
    struct access_line line = line_of("/");
    size_t lines = 0;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0); /* a write to a full one would wait for ever */
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096);
    access_open(ends[1]);
    for (size_t i = 0; i < 200; i++)
        access_write(&line);
    for (size_t i = 0; i < 200 && lines < 200; i++) {
        access_flush();
        lines += drain_lines(ends[0]);
    }
    assert_int_equal(lines, 200);
    access_open(-EBADF);
    (void)close(ends[0]);
}

static void a_socket_is_not_waited_for_either(void **state) {
    struct access_line line = line_of("/");
    size_t lines = 0, wrote = 0;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    access_open(ends[1]);
    for (; wrote < 3000; wrote++) {
        access_write(&line);
        if (wrote % 100 == 0)
            access_flush();
    }
    for (size_t i = 0; i < 200; i++) {
        char bytes[65536];
        ssize_t n;

        access_flush();
        while ((n = read(ends[0], bytes, sizeof(bytes))) > 0)
            for (ssize_t b = 0; b < n; b++)
                lines += bytes[b] == '\n';
    }
    assert_true(lines > 100 && lines <= wrote);
    access_open(-EBADF);
    (void)close(ends[0]);
}

static void lost_lines_are_counted_and_told(void **state) {
    struct access_line line = line_of("/");
    int ends[2];

    (void)state;
    log_set_sink(on_log);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    access_open(ends[1]);
    for (size_t i = 0; i < 3000; i++)
        access_write(&line);
    loop_settle();
    assert_non_null(strstr(told, "lines are lost: Resource temporarily unavailable"));
    access_open(-EBADF);
    (void)close(ends[0]);
    log_set_sink(NULL);
}

static void a_disk_that_is_full_loses_lines_and_serves_again(void **state) {
    struct access_line line = line_of("/");

    (void)state;
    if (access("/dev/full", W_OK) < 0)
        skip();
    access_open(open("/dev/full", O_WRONLY | O_CLOEXEC));
    for (size_t i = 0; i < 3000; i++)
        access_write(&line);
    access_flush();
    access_open(dup(file));
    access_write(&line);
    access_flush();
    assert_int_equal(slice_index(written(), '\n'), written().n - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_line_has_every_member_in_its_place),
        TEST(what_there_is_not_is_left_out),
        TEST(no_query_is_ever_written),
        TEST(no_text_begins_a_line_of_its_own),
        TEST(every_text_at_its_longest_fits),
        TEST(lines_wait_for_the_turn_and_go_together),
        TEST(a_log_that_is_changed_gets_what_was_gathered_before),
        TEST(without_a_log_nothing_happens),
        TEST(nobody_waits_for_a_reader),
        TEST(a_socket_is_not_waited_for_either),
        TEST(lost_lines_are_counted_and_told),
        TEST(a_disk_that_is_full_loses_lines_and_serves_again),
    };

    if (loop_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
