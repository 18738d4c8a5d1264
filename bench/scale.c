/*
 * The machine's own scale: what the things cost that every server is made of, so that a figure of one machine can be
 * held against another's. Measured with the rest, in the same run; nothing of ours is in it.
 *
 *     scale MILLISECONDS
 *
 * A line of JSON: nanoseconds of CPU time, of all who take part, for one bare system call; for sending 128 bytes on a
 * loopback TCP connection and receiving them at its other end, in one process; for one switch between two processes on
 * this CPU; and for starting `true` and waiting for its end.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define MESSAGE 128
#define AT_ONCE 64 /* between two looks at the clock */

extern char **environ;

static uint64_t for_ns;
static int ends[2]; /* what is written to one is read from the other */

/* CPU time of this process and of its children that have ended: strangers do not count. */
static double spent_ns(void) {
    struct timespec own;
    struct rusage children;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
    (void)getrusage(RUSAGE_CHILDREN, &children);
    return (double)own.tv_sec * 1e9 + (double)own.tv_nsec +
           (double)(children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1e9 +
           (double)(children.ru_utime.tv_usec + children.ru_stime.tv_usec) * 1e3;
}

/* Again and again for a while: how often. */
static double repeat(void (*once)(void), int at_once) {
    uint64_t began = client_now_ns();
    double n = 0;

    do {
        for (int i = 0; i < at_once; i++)
            once();
        n += at_once;
    } while (client_now_ns() - began < for_ns);
    return n;
}

static double cost_of(void (*once)(void), int at_once) {
    double before = spent_ns(), n = repeat(once, at_once);

    return (spent_ns() - before) / n;
}

static void call_system(void) {
    (void)syscall(SYS_getppid);
}

static void send_and_receive(void) {
    char bytes[MESSAGE] = {0};

    if (send(ends[0], bytes, sizeof(bytes), 0) != MESSAGE || recv(ends[1], bytes, sizeof(bytes), 0) != MESSAGE)
        client_fail("loopback", -errno);
}

static void connect_ends(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(address);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listener < 0 || bind(listener, (struct sockaddr *)&address, n) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &n) < 0)
        client_fail("listen", -errno);
    ends[0] = client_connect(ntohs(address.sin_port));
    ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (ends[1] < 0 || setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
        client_fail("accept", -errno);
    (void)close(listener);
}

/* To the other process and back: two switches, four calls. */
static void take_turns(void) {
    char byte = 0;

    if (send(ends[0], &byte, 1, MSG_NOSIGNAL) != 1 || recv(ends[0], &byte, 1, 0) != 1)
        client_fail("turns", -errno);
}

static double cost_of_switch(void) {
    double n, before = spent_ns();
    char byte;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 || (pid = fork()) < 0)
        client_fail("fork", -errno);
    if (pid == 0) {
        (void)close(ends[0]);
        while (recv(ends[1], &byte, 1, 0) == 1 && send(ends[1], &byte, 1, MSG_NOSIGNAL) == 1)
            ;
        _exit(0);
    }
    (void)close(ends[1]);
    n = repeat(take_turns, AT_ONCE) * 2;
    (void)close(ends[0]);
    (void)waitpid(pid, NULL, 0);
    return (spent_ns() - before) / n;
}

static void start_true(void) {
    char name[] = "true", *words[] = {name, NULL};
    pid_t pid;
    int status, r = posix_spawnp(&pid, name, NULL, NULL, words, environ);

    if (r != 0)
        client_fail("true", -r);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        client_fail("true", -ECHILD);
}

int main(int argc, char **argv) {
    double call, loopback, turn;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: scale MILLISECONDS\n");
        return 2;
    }
    for_ns = client_number(argv[1], UINT32_MAX) * 1000000U;
    call = cost_of(call_system, AT_ONCE);
    connect_ends();
    loopback = cost_of(send_and_receive, AT_ONCE);
    (void)close(ends[0]);
    (void)close(ends[1]);
    turn = cost_of_switch();
    (void)printf("{\"call_ns\": %.1f, \"loopback_ns\": %.1f, \"switch_ns\": %.1f, \"start_ns\": %.1f}\n", call,
                 loopback, turn, cost_of(start_true, 1));
    client_flush();
    return 0;
}
