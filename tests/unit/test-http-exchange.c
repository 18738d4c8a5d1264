/*
 * `credfd call`'s exchange, and its upload, against a peer whose bytes are queued before it starts; where order counts,
 * the exchange runs in a thread and the test takes part by reading and writing.
 */
#include "cmd/http_exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "unit.h"

#define PATIENCE_S 60 /* before a test that hangs is ended */
#define HEAD "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"

struct fixture {
    int peer, output; /* the other ends */
    struct buf request;
    struct upload upload;
    struct exchange x;
    enum exchange_end end;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    int stream[2], output[2];

    assert_non_null(f);
    (void)alarm(PATIENCE_S);
    assert_int_equal(fd_pair(SOCK_STREAM, stream), 0);
    assert_return_code(pipe2(output, O_CLOEXEC), errno);
    f->peer = stream[1];
    f->output = output[0];
    f->upload = UPLOAD_NONE;
    buf_init(&f->request, LIMIT_HEAD + LIMIT_READ);
    assert_int_equal(buf_append(&f->request, SLICE(HEAD)), 0);
    f->x = (struct exchange){.stream = stream[0], .method = SLICE("GET"), .request = &f->request,
                             .upload = &f->upload, .output = output[1]};
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;

    fd_close(&f->peer);
    fd_close(&f->output);
    fd_close(&f->x.stream);
    fd_close(&f->x.output);
    upload_done(&f->upload);
    buf_release(&f->request);
    free(f);
    (void)alarm(0);
    return 0;
}

static void tell(int fd, const char *bytes) {
    assert_int_equal(fd_write_all(fd, bytes, strlen(bytes)), 0);
}

/* What the peer says, and then no more. */
static void queue(struct fixture *f, const char *bytes) {
    tell(f->peer, bytes);
    assert_return_code(shutdown(f->peer, SHUT_WR), errno);
}

static void check_output(struct fixture *f, const char *expected) {
    char bytes[4096];
    ssize_t n;

    fd_close(&f->x.output);
    n = fd_read_all(f->output, bytes, sizeof(bytes));
    assert_true(n >= 0);
    assert_slice(slice_of(bytes, (size_t)n), expected);
}

static void check_sent(struct fixture *f, const char *expected) {
    char bytes[4096];
    ssize_t n;

    fd_close(&f->x.stream);
    n = fd_read_all(f->peer, bytes, sizeof(bytes));
    assert_true(n >= 0);
    assert_slice(slice_of(bytes, (size_t)n), expected);
}

static const char *const end_names[] = {
    [EXCHANGE_GOES_ON] = "goes on", [EXCHANGE_COMPLETE] = "complete", [EXCHANGE_NO_ANSWER] = "no answer",
    [EXCHANGE_CUT] = "cut", [EXCHANGE_BAD_ANSWER] = "bad answer", [EXCHANGE_UPLOAD_ERROR] = "upload error",
    [EXCHANGE_OUTPUT_ERROR] = "output error", [EXCHANGE_ERROR] = "error",
};

static void test_answers(void **state) {
    static const struct {
        const char *answer;
        const char *method;
        enum exchange_end end;
        unsigned status;
        const char *output;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", EXCHANGE_COMPLETE, 200, "hello"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", "GET", EXCHANGE_COMPLETE, 200, "hello"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "GET", EXCHANGE_CUT, 200, "hell"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", EXCHANGE_COMPLETE, 200, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", EXCHANGE_COMPLETE, 200, ""},
        {"HTTP/1.1 204 No Content\r\n\r\n", "DELETE", EXCHANGE_COMPLETE, 204, ""},
        {"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "GET",
         EXCHANGE_COMPLETE, 404, "hello"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", "GET", EXCHANGE_CUT, 200, "hel"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nx", "GET", EXCHANGE_BAD_ANSWER, 200, "hel"},
        {"HTTP/1.1 200 OK\r\n\r\nhello", "GET", EXCHANGE_COMPLETE, 200, "hello"}, /* the end of the stream ends it */
        {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "GET", EXCHANGE_COMPLETE, 200, "ok"},
        {"HTTP/1.1 103 Early Hints\r\n\r\n", "GET", EXCHANGE_NO_ANSWER, 0, ""},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "GET", EXCHANGE_BAD_ANSWER, 0,
         ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "GET", EXCHANGE_BAD_ANSWER, 0, ""},
        {"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "GET", EXCHANGE_BAD_ANSWER, 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Le", "GET", EXCHANGE_NO_ANSWER, 0, ""},
        {"", "GET", EXCHANGE_NO_ANSWER, 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        void *own = NULL;
        (void)set_up(&own);
        struct fixture *f = own;

        queue(f, rows[i].answer);
        f->x.method = slice_of_string(rows[i].method);
        f->end = exchange_run(&f->x);
        if (f->end != rows[i].end || f->x.status != rows[i].status)
            fail_msg("%s: \"%s\", %u", rows[i].answer, end_names[f->end], f->x.status);
        if (f->end == EXCHANGE_COMPLETE || f->end == EXCHANGE_CUT)
            assert_int_equal(f->x.body_bytes, strlen(rows[i].output));
        check_output(f, rows[i].output);
        (void)tear_down(&own);
    }
}

static void test_too_many_interim_answers(void **state) {
    struct fixture *f = *state;

    for (unsigned i = 0; i <= LIMIT_INTERIM_RESPONSES; i++)
        tell(f->peer, "HTTP/1.1 103 \r\n\r\n");
    queue(f, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(exchange_run(&f->x), EXCHANGE_BAD_ANSWER);
}

static void test_head_is_shown(void **state) {
    struct fixture *f = *state;

    f->x.shows_head = true;
    queue(f, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n\r\nok");
    assert_int_equal(exchange_run(&f->x), EXCHANGE_COMPLETE);
    check_output(f, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n\r\nok");
}

static void *run_in_thread(void *argument) {
    struct fixture *f = argument;

    f->end = exchange_run(&f->x);
    return NULL;
}

static void read_exactly(int fd, const char *expected) {
    char bytes[256];
    ssize_t n = fd_read_all(fd, bytes, strlen(expected));

    assert_int_equal(n, strlen(expected));
    assert_slice(slice_of(bytes, (size_t)n), expected);
}

/* Each event is written out before the next one is sent. */
static void test_events_flow(void **state) {
    static const char *const pieces[] = {"1d\r\n", "data: one\n\n", "data: two\n\n", "data: \n", "\r\n0\r\n\r\n"};
    struct fixture *f = *state;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, run_in_thread, f), 0);
    read_exactly(f->peer, HEAD);
    tell(f->peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        tell(f->peer, pieces[i]);
        if (pieces[i][0] == 'd')
            read_exactly(f->output, pieces[i]);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(f->end, EXCHANGE_COMPLETE);
}

/* Here the answer follows the request: one that came first would be right to end the upload. */
static void test_upload_of_text(void **state) {
    struct fixture *f = *state;
    pthread_t thread;

    assert_int_equal(upload_open("a=b&c", &f->upload), 0);
    assert_int_equal(f->upload.remaining, 5);
    assert_false(f->upload.is_chunked);
    assert_int_equal(pthread_create(&thread, NULL, run_in_thread, f), 0);
    read_exactly(f->peer, HEAD "a=b&c");
    queue(f, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(f->end, EXCHANGE_COMPLETE);
    check_sent(f, "");
}

/* A file of `text`; its name, for `-d`, goes to `argument`. */
static int make_file(char argument[32], const char *text) {
    int fd;

    (void)snprintf(argument, 32, "@/tmp/test-exchange-XXXXXX");
    fd = mkostemp(argument + 1, O_CLOEXEC);
    assert_return_code(fd, errno);
    tell(fd, text);
    return fd;
}

static void test_upload_of_a_file(void **state) {
    struct fixture *f = *state;
    char argument[32];
    int fd = make_file(argument, "contents");
    pthread_t thread;

    assert_int_equal(upload_open(argument, &f->upload), 0);
    assert_int_equal(f->upload.remaining, 8);
    assert_false(f->upload.is_chunked);
    tell(fd, " and more"); /* what it has grown by is not sent */
    assert_int_equal(pthread_create(&thread, NULL, run_in_thread, f), 0);
    read_exactly(f->peer, HEAD "contents");
    queue(f, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(f->end, EXCHANGE_COMPLETE);
    check_sent(f, "");
    assert_return_code(unlink(argument + 1), errno);
    fd_close(&fd);
}

static void test_upload_of_a_file_that_shrinks(void **state) {
    struct fixture *f = *state;
    char argument[32];
    int fd = make_file(argument, "contents");

    assert_int_equal(upload_open(argument, &f->upload), 0);
    assert_return_code(ftruncate(fd, 3), errno);
    assert_int_equal(exchange_run(&f->x), EXCHANGE_UPLOAD_ERROR);
    assert_int_equal(f->x.error, -ENODATA);
    check_sent(f, HEAD "con");
    assert_return_code(unlink(argument + 1), errno);
    fd_close(&fd);
}

static void test_upload_of_a_pipe(void **state) {
    struct fixture *f = *state;
    char argument[32];
    int pipe_ends[2];
    pthread_t thread;

    assert_return_code(pipe2(pipe_ends, O_CLOEXEC), errno);
    (void)snprintf(argument, sizeof(argument), "@/proc/self/fd/%d", pipe_ends[0]);
    assert_int_equal(upload_open(argument, &f->upload), 0);
    assert_true(f->upload.is_chunked);
    assert_int_equal(pthread_create(&thread, NULL, run_in_thread, f), 0);
    tell(pipe_ends[1], "hello");
    read_exactly(f->peer, HEAD "5\r\nhello\r\n");
    fd_close(&pipe_ends[1]);
    read_exactly(f->peer, "0\r\n\r\n");
    queue(f, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(f->end, EXCHANGE_COMPLETE);
    fd_close(&pipe_ends[0]);
}

/* The files of /proc say that they are empty; only those that are go with a length of 0. */
static void test_upload_of_empty_files(void **state) {
    struct upload upload;
    char argument[32];
    int fd = make_file(argument, "");

    (void)state;
    assert_int_equal(upload_open(argument, &upload), 0);
    assert_true(!upload.is_chunked && upload.is_complete && upload.remaining == 0);
    upload_done(&upload);
    assert_int_equal(upload_open("@/proc/self/status", &upload), 0);
    assert_true(upload.is_chunked && !upload.is_complete);
    upload_done(&upload);
    assert_int_equal(upload_open("", &upload), 0);
    assert_true(!upload.is_chunked && upload.is_complete);
    assert_int_equal(upload_open("@/", &upload), -EISDIR);
    assert_int_equal(upload_open("@/no/such/file", &upload), -ENOENT);
    assert_return_code(unlink(argument + 1), errno);
    fd_close(&fd);
}

/* The upload has no end and nobody reads it any more: the answer is enough. */
static void test_early_answer_ends_the_upload(void **state) {
    struct fixture *f = *state;
    pthread_t thread;

    assert_int_equal(upload_open("@/dev/zero", &f->upload), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_in_thread, f), 0);
    read_exactly(f->peer, HEAD "8000\r\n");
    queue(f, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(f->end, EXCHANGE_COMPLETE);
    assert_int_equal(f->x.status, 413);
    check_output(f, "no");
}

/* The peer goes away with the upload under way: no SIGPIPE, which would end this program. */
static void test_peer_hangs_up(void **state) {
    struct fixture *f = *state;
    pthread_t thread;

    assert_int_equal(upload_open("@/dev/zero", &f->upload), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_in_thread, f), 0);
    read_exactly(f->peer, HEAD "8000\r\n");
    fd_close(&f->peer);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(f->end, EXCHANGE_NO_ANSWER);
}

static void test_output_is_full(void **state) {
    struct fixture *f = *state;

    fd_close(&f->x.output);
    f->x.output = open("/dev/full", O_WRONLY | O_CLOEXEC);
    queue(f, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_int_equal(exchange_run(&f->x), EXCHANGE_OUTPUT_ERROR);
    assert_int_equal(f->x.error, -ENOSPC);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_answers),
        TEST(test_too_many_interim_answers),
        TEST(test_head_is_shown),
        TEST(test_events_flow),
        TEST(test_upload_of_text),
        TEST(test_upload_of_a_file),
        TEST(test_upload_of_a_file_that_shrinks),
        TEST(test_upload_of_a_pipe),
        TEST(test_upload_of_empty_files),
        TEST(test_early_answer_ends_the_upload),
        TEST(test_peer_hangs_up),
        TEST(test_output_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
