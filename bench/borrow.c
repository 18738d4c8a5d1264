/*
 * Leases of a supervisor that lives on, as a runner has them for its tasks: borrowed, used, and kept.
 *
 *     borrow UPSTREAM CA-FILE KEY PATH GET-ONCE LENDER [WORD...]
 *
 * It starts the lender (tests/soak/lender.c tells what is said to one), writes the line "ready", and obeys lines, each
 * answered with a line of JSON:
 *
 *     first N     N times: borrows a lease, starts the program GET-ONCE with it, waits for its end, and gives the lease
 *                 back; and, to compare, starts `true`, and asks the upstream itself, over a new connection; each by
 *                 itself, after a pause. Milliseconds of each
 *     hold N      borrows until N are held or no more can be had, or gives back
 *     ask N       N requests, each on a new stream of the next lease that is held
 *     together N  a request on a new stream of each of the first N leases, all under way at once
 *     try         whether the lease that was borrowed last works
 *
 * For the benchmark only: what fails ends it.
 */
#include <credfd.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"
#include "client.h"
#include "transport.h"

#define LEASES_MAX 20000
#define FIRST_MAX 1000
#define REST_MS 100
#define CHANNEL 3 /* where a command finds its lease */
#define SAID_MAX (128 * 1024)

static char said[SAID_MAX];

extern char **environ;

static struct {
    const char *upstream, *ca_file, *key, *path;
    char *get_once;
    int lender;
    int channels[LEASES_MAX];
    size_t n_held;
} all;

static void tell(const char *text) {
    if (send(all.lender, text, strlen(text), MSG_NOSIGNAL) < 0)
        client_fail("lender", -errno);
}

/* What the lender says next; a descriptor that comes with it, or -EBADF. */
static int listen_to(char *text, size_t size) {
    struct iovec part = {.iov_base = text, .iov_len = size - 1};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(all.lender, &m, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *c;
    int fd = -EBADF;

    if (n <= 0)
        client_fail("the lender has ended", n < 0 ? -errno : -ECONNRESET);
    text[n] = '\0';
    c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

/* A lease's channel; without one, what the lender said of it in `text`. */
static int borrow(size_t number, char text[static SAID_MAX]) {
    (void)snprintf(text, SAID_MAX, "lend %zu task %s %s %s", number, all.upstream, all.ca_file, all.key);
    tell(text);
    return listen_to(text, SAID_MAX);
}

static void give_back(size_t number, int channel) {
    char text[64];

    (void)close(channel);
    (void)snprintf(text, sizeof(text), "end %zu", number);
    tell(text);
}

/* Starts a program, with a channel or without, and waits for its end. */
static void run_program(char *const *words, int channel) {
    posix_spawn_file_actions_t actions;
    int status;
    pid_t pid;

    (void)posix_spawn_file_actions_init(&actions);
    if (channel >= 0)
        (void)posix_spawn_file_actions_adddup2(&actions, channel, CHANNEL);
    if (posix_spawnp(&pid, words[0], &actions, NULL, words, environ) != 0 || waitpid(pid, &status, 0) < 0 ||
        status != 0)
        client_fail(words[0], -ECHILD);
    (void)posix_spawn_file_actions_destroy(&actions);
}

static char text[64 * 1024]; /* a request, or the beginning of its answer */

static int write_request(void) {
    return snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: api.example\r\n\r\n", all.path);
}

static bool is_good(ssize_t n) {
    return n >= 12 && memcmp(text, "HTTP/1.1 200", 12) == 0;
}

static bool send_request(int stream) {
    int n = write_request();

    return stream >= 0 && send(stream, text, (size_t)n, MSG_NOSIGNAL) == n;
}

static bool hear_answer(int stream) {
    return is_good(recv(stream, text, sizeof(text), 0));
}

static double ms_since(uint64_t began) {
    return (double)(client_now_ns() - began) / 1e6;
}

static void print_list(const char *name, const double *values, size_t n, const char *end) {
    (void)printf("\"%s\": [", name);
    for (size_t i = 0; i < n; i++)
        (void)printf("%s%.3f", i > 0 ? ", " : "", values[i]);
    (void)printf("]%s", end);
}

/* What the one before has left to do, its end and what is made ready for the next, is not measured with this one. */
static void rest(void) {
    const struct timespec pause = {.tv_nsec = REST_MS * 1000000};

    (void)nanosleep(&pause, NULL);
}

/* What is left of a first answer without a program and without a broker. */
static void ask_upstream(const struct target *target) {
    struct transport t;
    struct pollfd answer = {.events = POLLIN};
    int n = write_request(), r = transport_open(&t, target);

    if (r == 0)
        r = transport_write(&t, slice_of(text, (size_t)n));
    answer.fd = t.fd;
    while (r == 0 && (n = (int)transport_read(&t, text, sizeof(text))) == -EAGAIN)
        (void)poll(&answer, 1, -1);
    if (r < 0 || !is_good(n))
        client_fail(all.upstream, r < 0 ? r : -EPROTO);
    transport_close(&t);
}

static struct target *upstream_target(void) {
    struct target *target;
    int r = target_new("tls", strrchr(all.upstream, ':') + 1, all.ca_file, &target);

    if (r < 0)
        client_fail(all.upstream, r);
    return target;
}

static void first(size_t n) {
    static char number[] = "3", path[256], program[] = "true";
    static double leased[FIRST_MAX], alone[FIRST_MAX], direct[FIRST_MAX];
    struct target *target = upstream_target();
    char *const with[] = {all.get_once, number, path, NULL}, *const without[] = {program, NULL};

    (void)snprintf(path, sizeof(path), "%s", all.path);
    for (size_t i = 0; i < n; i++) {
        uint64_t began;
        int channel;

        rest();
        began = client_now_ns();
        channel = borrow(LEASES_MAX + i, said);

        if (channel < 0)
            client_fail(said, -ENOTCONN);
        run_program(with, channel);
        leased[i] = ms_since(began);
        give_back(LEASES_MAX + i, channel);
        rest();
        began = client_now_ns();
        run_program(without, -EBADF);
        alone[i] = ms_since(began);
        rest();
        began = client_now_ns();
        ask_upstream(target);
        direct[i] = ms_since(began);
    }
    target_free(target);
    (void)printf("{");
    print_list("leased_ms", leased, n, ", ");
    print_list("alone_ms", alone, n, ", ");
    print_list("direct_ms", direct, n, "}\n");
}

static void hold(size_t n) {
    uint64_t began = client_now_ns();

    said[0] = '\0';
    while (all.n_held < n && (all.channels[all.n_held] = borrow(all.n_held, said)) >= 0)
        all.n_held++;
    while (all.n_held > n) {
        all.n_held--;
        give_back(all.n_held, all.channels[all.n_held]);
    }
    (void)printf("{\"held\": %zu, \"ms\": %.3f, \"why\": \"%s\"}\n", all.n_held, ms_since(began),
                 all.n_held < n ? said : "");
}

static bool ask_once(int channel) {
    int stream = credfd_connect_fd(channel);
    bool is_good = send_request(stream) && hear_answer(stream);

    if (stream >= 0)
        (void)close(stream);
    return is_good;
}

static void print_asked(size_t n, uint64_t started) {
    (void)printf("{\"requests\": %zu, \"seconds\": %.6f, ", n, ms_since(started) / 1e3);
    latency_print();
    (void)printf("}\n");
}

static void ask(size_t n) {
    uint64_t started = client_now_ns();

    latency_reset();
    for (size_t i = 0; i < n; i++) {
        uint64_t began = client_now_ns();

        if (!ask_once(all.channels[i % all.n_held]))
            client_fail("answer", -EPROTO);
        latency_add(client_now_ns() - began);
    }
    print_asked(n, started);
}

/* Streams are opened before, one by one; then all ask, and each is heard as it answers. */
static void together(size_t n) {
    static int streams[LEASES_MAX];
    static uint64_t began[LEASES_MAX];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
    uint64_t started;

    for (size_t i = 0; i < n; i++) {
        streams[i] = credfd_connect_fd(all.channels[i]);
        event.data.u64 = i;
        if (streams[i] < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, streams[i], &event) < 0)
            client_fail("stream", streams[i] < 0 ? streams[i] : -errno);
    }
    latency_reset();
    started = client_now_ns();
    for (size_t i = 0; i < n; i++) {
        began[i] = client_now_ns();
        if (!send_request(streams[i]))
            client_fail("request", -EPROTO);
    }
    for (size_t heard = 0; heard < n; heard++) {
        if (epoll_wait(epoll, &event, 1, -1) != 1 || !hear_answer(streams[event.data.u64]))
            client_fail("answer", -EPROTO);
        latency_add(client_now_ns() - began[event.data.u64]);
    }
    print_asked(n, started);
    for (size_t i = 0; i < n; i++)
        (void)close(streams[i]);
    (void)close(epoll);
}

static void obey(char *line) {
    char *rest = line;
    const char *word = strsep(&rest, " ");

    if (strcmp(word, "first") == 0)
        first(client_number(rest, FIRST_MAX));
    else if (strcmp(word, "hold") == 0)
        hold(client_number(rest, LEASES_MAX));
    else if (strcmp(word, "ask") == 0 && all.n_held > 0)
        ask(client_number(rest, UINT32_MAX));
    else if (strcmp(word, "together") == 0)
        together(client_number(rest, (uint32_t)all.n_held));
    else if (strcmp(word, "try") == 0 && all.n_held > 0)
        (void)printf("{\"works\": %s}\n", ask_once(all.channels[all.n_held - 1]) ? "true" : "false");
    else
        client_fail(line, -EINVAL);
    client_flush();
}

static void start_lender(char *const *words) {
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        client_fail("socketpair", -errno);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    if (posix_spawn(&pid, words[0], &actions, NULL, words, environ) != 0)
        client_fail(words[0], -ENOENT);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    all.lender = ends[0];
    (void)listen_to(said, sizeof(said));
}

int main(int argc, char **argv) {
    char *line;

    if (argc < 7) {
        (void)fprintf(stderr, "usage: borrow UPSTREAM CA-FILE KEY PATH GET-ONCE LENDER [WORD...]\n");
        return 2;
    }
    all.upstream = argv[1];
    all.ca_file = argv[2];
    all.key = argv[3];
    all.path = argv[4];
    all.get_once = argv[5];
    start_lender(argv + 6);
    (void)puts("ready");
    client_flush();
    while ((line = client_line()))
        obey(line);
    tell("stop");
    (void)wait(NULL);
    return 0;
}
