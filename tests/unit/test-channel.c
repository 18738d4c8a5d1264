#include "proc/channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"
#include "unit_fd.h"
#include "unit_loop.h"

enum phase { START = 1, WORK = 2 };

/* The channel under test, the other end as a plain socket, and what has been heard. */
static struct channel channel;
static int far_end = -EBADF;
static struct {
    uint32_t numbers[8192];
    size_t n;
    unsigned closed;
    int reason;
    bool is_closed;
    void *owner;
} heard;
static int owner;

static void on_closed(void *who, int reason) {
    heard.closed++;
    heard.is_closed = true;
    heard.reason = reason;
    heard.owner = who;
}

static int on_number(void *who, struct ipc_message *m) {
    uint32_t number = ipc_get_u32(m);

    heard.owner = who;
    if (heard.n < ARRAY_LEN(heard.numbers))
        heard.numbers[heard.n++] = number;
    return ipc_end(m);
}

static int on_hello(void *who, struct ipc_message *m) {
    (void)who;
    channel.phase = WORK;
    return ipc_end(m);
}

static int on_end(void *who, struct ipc_message *m) {
    (void)who;
    channel_done(&channel);
    return ipc_end(m);
}

static int on_trouble(void *who, struct ipc_message *m) {
    (void)who;
    (void)ipc_end(m);
    return -ENOMEM;
}

static const struct ipc_permit permits[] = {
    {IPC_HELLO, START, on_hello},    {IPC_STREAM_ENDED, START | WORK, on_number},
    {IPC_REFUSAL, WORK, on_number},  {IPC_ABORT, START, on_end},
    {IPC_SECRET, START, on_trouble},
};

static int open_channel(void **state) {
    int ends[2];

    (void)state;
    memset(&heard, 0, sizeof(heard));
    if (fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends) < 0)
        return -1;
    far_end = ends[1];
    return channel_init(&channel, ends[0], permits, ARRAY_LEN(permits), START, &owner, on_closed);
}

static int close_channel(void **state) {
    (void)state;
    channel_done(&channel);
    fd_close(&far_end);
    return loop_run(); /* returns when nothing of it is left on the loop */
}

static void say(enum ipc_type type) {
    struct ipc_writer w = ipc_begin(type);

    assert_int_equal(ipc_send(far_end, &w, -EBADF), 0);
}

static void say_number(enum ipc_type type, uint32_t number) {
    struct ipc_writer w = ipc_begin(type);

    ipc_put_u32(&w, number);
    assert_int_equal(ipc_send(far_end, &w, -EBADF), 0);
}

/* The next number that the far end receives, with its descriptor if there is one. */
static int64_t receive_number(int *ret_fd) {
    struct ipc_message m;
    uint32_t number;

    if (ipc_receive(far_end, &m) != 1)
        return -1;
    number = ipc_get_u32(&m);
    *ret_fd = ipc_has_fd(&m) ? ipc_get_fd(&m) : -EBADF;
    assert_int_equal(ipc_end(&m), 0);
    return number;
}

static int send_number(uint32_t number, int fd) {
    struct ipc_writer w = ipc_begin(IPC_STREAM_ENDED);

    ipc_put_u32(&w, number);
    return channel_send(&channel, &w, fd);
}

static void what_is_said_is_heard_in_order(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 200; i++) /* more than one turn's worth */
        say_number(IPC_STREAM_ENDED, i);
    loop_settle();
    assert_int_equal(heard.n, 200);
    for (uint32_t i = 0; i < 200; i++)
        assert_int_equal(heard.numbers[i], i);
    assert_ptr_equal(heard.owner, &owner);
    assert_int_equal(heard.closed, 0);
    assert_true(channel_is_open(&channel));
}

static void assert_closed_for(int reason) {
    struct ipc_message m;

    loop_until_set(&heard.is_closed);
    assert_int_equal(heard.reason, reason);
    assert_int_equal(heard.closed, 1);
    assert_ptr_equal(heard.owner, &owner);
    assert_false(channel_is_open(&channel));
    assert_int_equal(channel.fd, -EBADF);
    if (far_end >= 0)
        assert_true(ipc_receive(far_end, &m) <= 0); /* -ECONNRESET where something was left unread */
    assert_int_equal(send_number(1, -EBADF), -EPIPE);
}

/* Nothing behind what was not permitted is heard any more. */
static void what_is_not_permitted(void **state) {
    (void)state;
    say_number(IPC_STREAM_ENDED, 1);
    say(IPC_TRUST);
    say_number(IPC_STREAM_ENDED, 2);
    assert_closed_for(-EPROTO);
    assert_int_equal(heard.n, 1);
}

static void what_another_phase_permits(void **state) {
    (void)state;
    say_number(IPC_REFUSAL, 1);
    assert_closed_for(-EPROTO);
    assert_int_equal(heard.n, 0);
}

static void phases(void **state) {
    (void)state;
    say(IPC_HELLO);
    say_number(IPC_REFUSAL, 1);
    say_number(IPC_STREAM_ENDED, 2);
    loop_settle();
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.closed, 0);
    say(IPC_HELLO); /* once only */
    assert_closed_for(-EPROTO);
}

static void what_is_malformed(void **state) {
    (void)state;
    say(IPC_STREAM_ENDED); /* its number is missing */
    assert_closed_for(-EPROTO);
}

static void an_empty_datagram(void **state) {
    (void)state;
    assert_int_equal(send(far_end, "", 0, 0), 0);
    loop_until_set(&heard.is_closed);
    assert_int_equal(heard.closed, 1);
}

static void what_its_handler_cannot_do(void **state) {
    (void)state;
    say(IPC_SECRET);
    assert_closed_for(-ENOMEM);
}

static void a_handler_that_closes(void **state) {
    (void)state;
    say(IPC_ABORT);
    say_number(IPC_STREAM_ENDED, 1);
    loop_settle();
    assert_int_equal(heard.n, 0);
    assert_int_equal(heard.closed, 0); /* it knows: it did it */
    assert_false(channel_is_open(&channel));
}

static struct {
    unsigned times;
    size_t n; /* heard by then */
    bool was_open;
} at_heard;

static void note_heard(void *who) {
    assert_ptr_equal(who, &owner);
    at_heard.times++;
    at_heard.n = heard.n;
    at_heard.was_open = channel_is_open(&channel);
}

/* What is done once for many messages is done when they have all been handled, the last words too. */
static void tells_when_all_is_heard(void **state) {
    (void)state;
    memset(&at_heard, 0, sizeof(at_heard));
    channel.on_heard = note_heard;
    for (uint32_t i = 0; i < 3; i++)
        say_number(IPC_STREAM_ENDED, i);
    loop_settle();
    assert_int_equal(at_heard.times, 1);
    assert_int_equal(at_heard.n, 3);

    say_number(IPC_STREAM_ENDED, 3);
    fd_close(&far_end);
    loop_until_set(&heard.is_closed);
    assert_int_equal(at_heard.n, 4);
    assert_true(at_heard.was_open);
}

static void close_at_heard(void *who) {
    note_heard(who);
    channel_done(&channel);
}

/* There is more than it hears in one turn, and nobody to hear it any more. */
static void may_be_closed_when_all_is_heard(void **state) {
    (void)state;
    memset(&at_heard, 0, sizeof(at_heard));
    channel.on_heard = close_at_heard;
    for (uint32_t i = 0; i < 100; i++)
        say_number(IPC_STREAM_ENDED, i);
    loop_settle();
    assert_int_equal(at_heard.times, 1);
    assert_true(at_heard.n < 100);
    assert_int_equal(heard.closed, 0);
}

static void the_other_end_closes(void **state) {
    (void)state;
    say_number(IPC_STREAM_ENDED, 1);
    say_number(IPC_STREAM_ENDED, 2);
    fd_close(&far_end);
    assert_closed_for(0);
    assert_int_equal(heard.n, 2);
}

static void the_other_end_closes_without_having_read(void **state) {
    (void)state;
    assert_int_equal(send_number(3, -EBADF), 0);
    say_number(IPC_STREAM_ENDED, 1);
    say_number(IPC_STREAM_ENDED, 2);
    fd_close(&far_end);
    assert_closed_for(0);
    assert_int_equal(heard.n, 2);
}

static void the_other_end_is_gone_before_we_speak(void **state) {
    (void)state;
    fd_close(&far_end);
    assert_int_equal(send_number(1, -EBADF), -EPIPE);
    assert_closed_for(0);
}

/* Sends numbers from 0, every third with a descriptor that is closed right away, until some have had to wait. */
static uint32_t send_until_queued(size_t wanted) {
    uint32_t n = 0;

    while (channel.queued < wanted) {
        int fd = n % 3 == 0 ? fcntl(far_end, F_DUPFD_CLOEXEC, 3) : -EBADF;

        assert_int_equal(send_number(n++, fd), 0);
        fd_close(&fd);
        assert_true(n < 100000);
    }
    return n;
}

/* The other end does not read: sending goes on, in order and with descriptors, and what waits goes out when it reads. */
static void the_queue(void **state) {
    uint32_t sent, got = 0;
    int before = next_number();

    (void)state;
    loop_settle();
    sent = send_until_queued(50);
    for (; got < 100; got++) { /* there is room again, and what is said now must not overtake what waits */
        int fd;

        assert_int_equal(receive_number(&fd), got);
        fd_close(&fd);
    }
    assert_int_equal(send_number(sent, sent % 3 == 0 ? STDERR_FILENO : -EBADF), 0);
    sent++;
    for (unsigned idle = 0; got < sent && idle < 100; idle++) {
        int64_t number;
        int fd;

        while ((number = receive_number(&fd)) >= 0) {
            assert_int_equal(number, got);
            assert_int_equal(fd >= 0, got % 3 == 0);
            fd_close(&fd);
            got++;
            idle = 0;
        }
        loop_settle();
    }
    assert_int_equal(got, sent);
    assert_int_equal(channel.queued, 0);
    assert_null(channel.queue);
    assert_int_equal(next_number(), before);
    assert_int_equal(send_number(4711, -EBADF), 0); /* and it goes on as before */
    assert_int_equal(receive_number(&before), 4711);
}

static void the_queue_is_bounded(void **state) {
    uint32_t n = 0;
    int r;

    (void)state;
    while ((r = send_number(n, -EBADF)) == 0 && n < 100000)
        n++;
    assert_int_equal(r, -ENOBUFS);
    assert_true(channel.queued > 0 && channel_is_open(&channel));
    channel.max_queued++; /* as its owner likes */
    assert_int_equal(send_number(n, -EBADF), 0);
    assert_int_equal(send_number(n, -EBADF), -ENOBUFS);
}

static void what_waits_is_dropped_with_the_channel(void **state) {
    int before = open_descriptors();

    (void)state;
    (void)send_until_queued(9);
    assert_int_equal(open_descriptors(), before + 3);
    channel_done(&channel);
    channel_done(&channel); /* harmless */
    assert_int_equal(open_descriptors(), before - 1);
}

/* A role may wait: then nothing is queued, and everything arrives. */
static void a_channel_that_may_wait(void **state) {
    enum { MANY = 20000 };
    int status = 0, fd;
    pid_t pid;

    (void)state;
    channel.may_wait = true;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)fcntl(far_end, F_SETFL, 0);
        for (uint32_t i = 0; i < MANY; i++) {
            char bytes[8];

            if (recv(far_end, bytes, sizeof(bytes), 0) != 5)
                _exit(1);
        }
        _exit(0);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(send_number(i, -EBADF), 0);
        assert_int_equal(channel.queued, 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(receive_number(&fd), -1);
}

/* What is finished can still be heard. */
static void last_words_after_finish(void **state) {
    struct ipc_message m;

    (void)state;
    assert_int_equal(send_number(1, -EBADF), 0);
    channel_finish(&channel);
    assert_int_equal(ipc_receive(far_end, &m), 1);
    assert_int_equal(ipc_get_u32(&m), 1);
    assert_int_equal(ipc_end(&m), 0);
    assert_int_equal(ipc_receive(far_end, &m), 0);
    loop_settle();
    assert_int_equal(heard.closed, 0);
    say_number(IPC_STREAM_ENDED, 2);
    loop_settle();
    assert_int_equal(heard.n, 1);
    fd_close(&far_end);
    assert_closed_for(0);
}

/* The same, where the other end had not read all that was said to it. */
static void last_words_after_finish_with_a_queue(void **state) {
    int before = open_descriptors(), fd;

    (void)state;
    loop_settle();
    (void)send_until_queued(9);
    channel_finish(&channel);
    while (receive_number(&fd) >= 0)
        fd_close(&fd);
    assert_int_equal(open_descriptors(), before); /* what waited is dropped */
    say_number(IPC_STREAM_ENDED, 2);
    loop_settle();
    assert_int_equal(heard.n, 1);
    assert_int_equal(heard.closed, 0);
    fd_close(&far_end);
    assert_closed_for(0);
}

/* For a process that has exited: all that it said is heard at once, however much, without the loop. */
static void drain(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 200; i++)
        say_number(IPC_STREAM_ENDED, i);
    channel_drain(&channel);
    assert_int_equal(heard.n, 200);
    assert_int_equal(heard.closed, 0);
    assert_true(channel_is_open(&channel));
    say_number(IPC_STREAM_ENDED, 7);
    fd_close(&far_end);
    channel_drain(&channel);
    assert_int_equal(heard.n, 201);
    assert_int_equal(heard.closed, 1);
    assert_int_equal(heard.reason, 0);
    channel_drain(&channel); /* harmless */
    channel_finish(&channel);
    assert_int_equal(heard.closed, 1);
}

static void drain_meets_a_breach(void **state) {
    (void)state;
    say(IPC_TRUST);
    say_number(IPC_STREAM_ENDED, 1);
    channel_drain(&channel);
    assert_int_equal(heard.n, 0);
    assert_int_equal(heard.reason, -EPROTO);
}

static void a_descriptor_that_cannot_be_watched(void **state) {
    struct channel other;
    int before = next_number(), file;

    (void)state;
    file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(channel_init(&other, file, permits, ARRAY_LEN(permits), START, &owner, on_closed), -EPERM);
    assert_false(channel_is_open(&other));
    assert_int_equal(next_number(), before); /* taken over all the same */
    assert_int_equal(heard.closed, 0);
}

/* What is refused is logged; here it is expected. */
static void say_nothing(enum log_level level, struct slice text) {
    (void)level;
    (void)text;
}

#define channel_test(name) cmocka_unit_test_setup_teardown(name, open_channel, close_channel)

int main(void) {
    const struct CMUnitTest tests[] = {
        channel_test(what_is_said_is_heard_in_order),
        channel_test(what_is_not_permitted),
        channel_test(what_another_phase_permits),
        channel_test(phases),
        channel_test(what_is_malformed),
        channel_test(an_empty_datagram),
        channel_test(what_its_handler_cannot_do),
        channel_test(a_handler_that_closes),
        channel_test(tells_when_all_is_heard),
        channel_test(may_be_closed_when_all_is_heard),
        channel_test(the_other_end_closes),
        channel_test(the_other_end_closes_without_having_read),
        channel_test(the_other_end_is_gone_before_we_speak),
        channel_test(the_queue),
        channel_test(the_queue_is_bounded),
        channel_test(what_waits_is_dropped_with_the_channel),
        channel_test(a_channel_that_may_wait),
        channel_test(last_words_after_finish),
        channel_test(last_words_after_finish_with_a_queue),
        channel_test(drain),
        channel_test(drain_meets_a_breach),
        channel_test(a_descriptor_that_cannot_be_watched),
    };

    log_set_sink(say_nothing);
    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
