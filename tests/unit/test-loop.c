#include "net/loop.h"

#include <errno.h>
#include <sys/socket.h>

#include "unit_fd.h"
#include "unit_loop.h"

/* What was called, in order. */
static const void *calls[4096];
static size_t n_calls;

static void note(const void *what) {
    assert_true(n_calls < ARRAY_LEN(calls));
    calls[n_calls++] = what;
}

static void note_timer(struct timer *timer) {
    note(timer);
}

static void note_watch(struct watch *watch) {
    note(watch);
    watch_not_ready(watch, EPOLLIN);
}

static size_t calls_of(const void *what) {
    size_t n = 0;

    for (size_t i = 0; i < n_calls; i++)
        n += calls[i] == what;
    return n;
}

static int forget_calls(void **state) {
    (void)state;
    n_calls = 0;
    return 0;
}

/* Runs until nothing is left: every test takes away what it has added. */
static void run(void) {
    assert_int_equal(loop_run(), 0);
}

static void nothing_to_do(void **state) {
    (void)state;
    run();
    assert_int_equal(n_calls, 0);
}

static void timers_come_in_order(void **state) {
    struct timer a = {.on_expiry = note_timer}, b = a, c = a, d = a;

    (void)state;
    timer_set(&a, 9);
    timer_set(&b, 1);
    timer_set(&c, 5);
    timer_set(&d, 0);
    assert_true(timer_is_set(&a) && timer_is_set(&d));
    run();
    assert_int_equal(n_calls, 4);
    assert_ptr_equal(calls[2], &c);
    assert_ptr_equal(calls[3], &a);
    assert_false(timer_is_set(&a) || timer_is_set(&b) || timer_is_set(&c) || timer_is_set(&d));
}

static void a_timer_waits_as_long_as_it_was_told(void **state) {
    struct timer timer = {.on_expiry = note_timer};
    uint64_t before;

    (void)state;
    timer_set(&timer, 1);
    run(); /* so that the loop's clock is read */
    before = loop_now_ms();
    timer_set(&timer, 20);
    run();
    assert_true(loop_now_ms() >= before + 20);
    assert_int_equal(calls_of(&timer), 2);
}

static void a_timer_moved_away(void **state) {
    struct timer moved = {.on_expiry = note_timer}, between = moved;

    (void)state;
    timer_set(&moved, 1);
    timer_set(&between, 5);
    timer_set(&moved, 10);
    run();
    assert_int_equal(n_calls, 2);
    assert_ptr_equal(calls[0], &between);
    assert_ptr_equal(calls[1], &moved);
}

static void a_timer_moved_closer(void **state) {
    struct timer moved = {.on_expiry = note_timer}, between = moved;

    (void)state;
    timer_set(&moved, 1000000);
    timer_set(&between, 5);
    timer_set(&moved, 1);
    run();
    assert_int_equal(n_calls, 2);
    assert_ptr_equal(calls[0], &moved);
    /* away and closer again, past where it stands in the heap */
    timer_set(&moved, 1000);
    timer_set(&moved, 2000000);
    timer_set(&moved, 1);
    run();
    assert_int_equal(calls_of(&moved), 2);
}

static void a_timer_that_is_cancelled(void **state) {
    struct timer kept = {.on_expiry = note_timer}, cancelled = kept;

    (void)state;
    timer_set(&cancelled, 1);
    timer_set(&kept, 3);
    timer_cancel(&cancelled);
    assert_false(timer_is_set(&cancelled));
    timer_cancel(&cancelled); /* harmless */
    run();
    assert_int_equal(n_calls, 1);
    assert_ptr_equal(calls[0], &kept);
}

/* It stands where it stood, and nobody hears of it; set again it has its time, sooner or later than before. */
static void a_timer_that_pauses(void **state) {
    struct timer kept = {.on_expiry = note_timer}, paused = kept, sooner = kept;

    (void)state;
    timer_set(&paused, 1);
    timer_pause(&paused);
    assert_false(timer_is_set(&paused));
    timer_set(&kept, 3);
    run();
    assert_int_equal(n_calls, 1);
    assert_ptr_equal(calls[0], &kept);
    timer_set(&paused, 2);
    timer_pause(&paused);
    timer_set(&paused, 5);
    timer_set(&sooner, 1000000);
    timer_pause(&sooner);
    timer_set(&sooner, 1);
    run();
    assert_int_equal(n_calls, 3);
    assert_ptr_equal(calls[1], &sooner);
    assert_ptr_equal(calls[2], &paused);
}

static struct timer *pair_of_timers;

static void cancel_other(struct timer *timer) {
    note(timer);
    timer_cancel(&pair_of_timers[timer == pair_of_timers]);
}

/* Both are due in the same millisecond; the first takes the other away. */
static void a_timer_that_cancels_another(void **state) {
    struct timer timers[2] = {{.on_expiry = cancel_other}, {.on_expiry = cancel_other}};

    (void)state;
    pair_of_timers = timers;
    timer_set(&timers[0], 1);
    timer_set(&timers[1], 1);
    run();
    assert_int_equal(n_calls, 1);
}

static void set_again(struct timer *timer) {
    note(timer);
    if (calls_of(timer) < 5)
        timer_set(timer, 0);
}

static void a_timer_that_sets_itself(void **state) {
    struct timer timer = {.on_expiry = set_again};

    (void)state;
    timer_set(&timer, 0);
    run();
    assert_int_equal(calls_of(&timer), 5);
}

static void free_timer(struct timer *timer) {
    note(timer);
    free(timer);
}

static void a_timer_that_frees_itself(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct timer *timer = calloc(1, sizeof(*timer));

        assert_non_null(timer);
        timer->on_expiry = free_timer;
        timer_set(timer, i);
    }
    run();
    assert_int_equal(n_calls, 3);
}

static uint64_t last_deadline;
static bool is_in_order = true;

struct recorded_timer {
    struct timer timer;
    uint64_t deadline;
    unsigned fired;
};

static void record(struct timer *timer) {
    struct recorded_timer *t = container_of(timer, struct recorded_timer, timer);

    t->fired++;
    if (t->deadline < last_deadline || t->deadline > loop_now_ms())
        is_in_order = false;
    last_deadline = t->deadline;
}

/* A thousand timers, set, moved both ways and cancelled at random (a fixed one): each that is left comes once, in order. */
static void many_timers(void **state) {
    static struct recorded_timer timers[1000];
    uint32_t random = 1;

    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
            struct recorded_timer *t = &timers[i];

            random = random * 1664525 + 1013904223;
            t->timer.on_expiry = record;
            if (round > 0 && random >> 30 == 0)
                timer_cancel(&t->timer);
            else
                timer_set(&t->timer, (random >> 8) % 50);
            t->deadline = t->timer.deadline_ms;
        }
    }
    run();
    assert_true(is_in_order);
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        assert_int_equal(timers[i].fired, timers[i].deadline > 0);
}

static void make_pair(int ends[2]) {
    assert_int_equal(fd_pair(SOCK_STREAM | SOCK_NONBLOCK, ends), 0);
}

static void close_pair(int ends[2]) {
    fd_close(&ends[0]);
    fd_close(&ends[1]);
}

static void say(int fd) {
    assert_int_equal(write(fd, "x", 1), 1);
}

static void remove_watch(struct watch *watch) {
    note(watch);
    watch_remove(watch);
}

/* What stands there already is told first, and then each change once. */
static void a_watch_remembers(void **state) {
    struct watch watch;
    int ends[2];

    (void)state;
    make_pair(ends);
    say(ends[1]);
    assert_int_equal(watch_add(&watch, ends[0], note_watch), 0);
    assert_int_equal(watch.ready, EPOLLOUT); /* until a write says otherwise */
    loop_settle();
    assert_int_equal(n_calls, 1);
    loop_settle();
    assert_int_equal(n_calls, 1); /* nothing changed */
    say(ends[1]);
    loop_settle();
    assert_int_equal(n_calls, 2);
    say(ends[1]);
    say(ends[1]);
    loop_settle();
    assert_in_range(n_calls, 3, 4);
    watch_remove(&watch);
    say(ends[1]);
    n_calls = 0;
    run();
    assert_int_equal(n_calls, 0);
    close_pair(ends);
}

static uint32_t seen_ready;

static void keep_ready(struct watch *watch) {
    note(watch);
    seen_ready = watch->ready;
}

static void readiness_adds_up(void **state) {
    struct watch watch;
    int ends[2];

    (void)state;
    make_pair(ends);
    assert_int_equal(watch_add(&watch, ends[0], keep_ready), 0);
    say(ends[1]);
    loop_settle();
    assert_int_equal(seen_ready, EPOLLOUT | EPOLLIN);
    watch_not_ready(&watch, EPOLLIN);
    assert_int_equal(watch.ready, EPOLLOUT);
    assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
    loop_settle();
    assert_true(seen_ready & EPOLLRDHUP);
    watch_remove(&watch);
    close_pair(ends);
    assert_int_equal(watch.ready, 0);
}

static void fill(int fd) {
    static char much[10000];

    while (send(fd, much, sizeof(much), MSG_DONTWAIT) > 0) {
    }
}

static void drain(int fd) {
    static char much[10000];

    while (recv(fd, much, sizeof(much), MSG_DONTWAIT) > 0) {
    }
}

/* It is woken when there is room again, each time that it had to wait, and not for every byte that the other end reads. */
static void a_writer_that_had_to_wait(void **state) {
    struct watch watch;
    int ends[2];

    (void)state;
    make_pair(ends);
    assert_int_equal(watch_add(&watch, ends[0], keep_ready), 0);
    for (unsigned i = 0; i < 3; i++) {
        n_calls = 0;
        fill(ends[0]);
        watch_not_ready(&watch, EPOLLOUT);
        assert_int_equal(watch.ready & EPOLLOUT, 0);
        loop_settle();
        assert_int_equal(n_calls, 0);
        drain(ends[1]);
        loop_settle();
        assert_true(n_calls > 0 && (watch.ready & EPOLLOUT));
    }
    for (unsigned i = 0; i < 20; i++) { /* which never waits */
        say(ends[0]);
        drain(ends[1]);
        loop_settle();
    }
    assert_true(n_calls <= 4);
    watch_remove(&watch);
    close_pair(ends);
}

static struct watch *other_watch;

static void remove_other(struct watch *watch) {
    note(watch);
    watch_remove(&other_watch[watch == other_watch]);
    watch_remove(watch);
}

/* Both became ready in the same batch: an event already fetched for a watch that is gone must not reach it. */
static void a_watch_that_removes_another(void **state) {
    static struct watch watches[2];
    int a[2], b[2];

    (void)state;
    make_pair(a);
    make_pair(b);
    say(a[1]);
    say(b[1]);
    assert_int_equal(watch_add(&watches[0], a[0], remove_other), 0);
    assert_int_equal(watch_add(&watches[1], b[0], remove_other), 0);
    other_watch = watches;
    run();
    assert_int_equal(n_calls, 1);
    close_pair(a);
    close_pair(b);
}

static void remove_and_free(struct watch *watch) {
    note(watch);
    watch_remove(watch);
    free(watch);
}

static void a_watch_that_frees_itself(void **state) {
    struct watch *watch = malloc(sizeof(*watch));
    int ends[2];

    (void)state;
    assert_non_null(watch);
    make_pair(ends);
    assert_int_equal(watch_add(watch, ends[0], remove_and_free), 0);
    watch_again(watch); /* it stands in that list, too */
    run();
    assert_int_equal(n_calls, 1);
    close_pair(ends);
}

/* epoll(7), Q6: a descriptor that was merely closed goes on being reported while a copy of it is open. */
static void a_removed_watch_with_a_copy_of_its_descriptor(void **state) {
    struct watch watch;
    int ends[2], copy;

    (void)state;
    make_pair(ends);
    assert_int_equal(watch_add(&watch, ends[0], note_watch), 0);
    copy = dup(ends[0]);
    watch_remove(&watch);
    fd_close(&ends[0]);
    say(ends[1]);
    loop_settle();
    assert_int_equal(n_calls, 0);
    (void)close(copy);
    close_pair(ends);
}

static void removing_what_was_not_added(void **state) {
    struct watch watch = {.fd = -EBADF};

    (void)state;
    watch_remove(&watch);
    watch_remove(&watch);
    run(); /* and the count of watches is still right: it returns */
}

static void what_cannot_be_watched(void **state) {
    _cleanup_close_ int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct watch watch = {.fd = -EBADF};

    (void)state;
    assert_int_equal(watch_add(&watch, file, note_watch), -EPERM);
    assert_int_equal(watch_add(&watch, -1, note_watch), -EBADF);
    run();
}

static void again_until_five(struct watch *watch) {
    note(watch);
    if (calls_of(watch) < 5) {
        watch_again(watch);
        watch_again(watch); /* twice is once */
    } else {
        watch_remove(watch);
    }
}

static void a_watch_that_asks_for_another_turn(void **state) {
    struct watch watch;
    int ends[2];

    (void)state;
    make_pair(ends);
    assert_int_equal(watch_add(&watch, ends[0], again_until_five), 0);
    watch_again(&watch);
    run();
    assert_int_equal(n_calls, 5);
    close_pair(ends);
}

static void again_forever(struct watch *watch) {
    watch_again(watch);
}

static void remove_victims(struct timer *timer) {
    note(timer);
    watch_remove(other_watch);
}

/* A watch that always has more to do keeps neither a timer nor another watch from its turn. */
static void others_get_their_turn(void **state) {
    static struct watch busy;
    struct watch quiet;
    struct timer timer = {.on_expiry = remove_victims};
    int a[2], b[2];

    (void)state;
    make_pair(a);
    make_pair(b);
    other_watch = &busy;
    assert_int_equal(watch_add(&busy, a[0], again_forever), 0);
    assert_int_equal(watch_add(&quiet, b[0], remove_watch), 0);
    timer_set(&timer, 1);
    watch_again(&busy);
    say(b[1]);
    run();
    assert_int_equal(calls_of(&quiet), 1);
    assert_int_equal(calls_of(&timer), 1);
    close_pair(a);
    close_pair(b);
}

static void again_then_remove_other(struct watch *watch) {
    note(watch);
    if (n_calls <= 2) {
        watch_again(watch); /* now both stand in the list */
        return;
    }
    watch_remove(&other_watch[0]);
    watch_remove(&other_watch[1]);
}

static void removed_while_it_waits_for_its_turn(void **state) {
    static struct watch watches[2];
    int a[2], b[2];

    (void)state;
    make_pair(a);
    make_pair(b);
    other_watch = watches;
    assert_int_equal(watch_add(&watches[0], a[0], again_then_remove_other), 0);
    assert_int_equal(watch_add(&watches[1], b[0], again_then_remove_other), 0);
    say(a[1]);
    say(b[1]);
    run();
    assert_int_equal(n_calls, 3);
    close_pair(a);
    close_pair(b);
}

static void stop(struct timer *timer) {
    note(timer);
    loop_stop();
}

static void a_stopped_loop_can_run_again(void **state) {
    struct timer first = {.on_expiry = stop}, second = {.on_expiry = note_timer};

    (void)state;
    timer_set(&second, 1000000);
    timer_set(&first, 1);
    run();
    assert_int_equal(n_calls, 1);
    timer_set(&second, 1);
    run();
    assert_int_equal(n_calls, 2);
}

static bool was_called(const void *what) {
    return calls_of(what) > 0;
}

static void run_until_called(const void *what) {
    loop_until(was_called, what);
}

/* The watch that gathers, and how often it still wants to. */
static unsigned gathers_left;

static void gather(struct watch *watch) {
    char bytes[16];

    if (recv(watch->fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
        return;
    note(watch);
    if (gathers_left > 0) {
        gathers_left--;
        watch_gather(watch, 5);
    }
}

/* Says something on `said_at` once `timer` fires, and notes itself. */
static int said_at;

static void say_later(struct timer *timer) {
    note(timer);
    say(said_at);
}

static bool has_two_calls(const void *unused) {
    (void)unused;
    return n_calls >= 2;
}

/* The first is heard at once; what follows wakes nobody, and is heard together when the time is over. */
static void news_is_gathered(void **state) {
    struct watch watch;
    uint64_t first;
    int ends[2];

    (void)state;
    make_pair(ends);
    gathers_left = 1;
    assert_int_equal(watch_add(&watch, ends[0], gather), 0);
    say(ends[1]);
    run_until_called(&watch);
    first = loop_now_ms();
    say(ends[1]);
    say(ends[1]);
    loop_until(has_two_calls, NULL);
    assert_true(loop_now_ms() >= first + 1);
    assert_int_equal(calls_of(&watch), 2); /* two words, one call */
    watch_remove(&watch);
    run();
    close_pair(ends);
}

static void note_news(struct watch *watch) {
    char bytes[16];

    if (recv(watch->fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        note(watch);
}

/* Whatever wakes the loop: what was gathered is heard before it. */
static void what_is_gathered_is_heard_first(void **state) {
    struct watch gathering, other;
    int a[2], b[2];

    (void)state;
    make_pair(a);
    make_pair(b);
    assert_int_equal(watch_add(&other, b[0], note_news), 0);
    assert_int_equal(watch_add(&gathering, a[0], note_news), 0);
    watch_gather(&gathering, 1000000);
    say(a[1]);
    say(b[1]);
    loop_until(has_two_calls, NULL);
    assert_ptr_equal(calls[0], &gathering);
    assert_ptr_equal(calls[1], &other);
    watch_remove(&gathering); /* and its timer with it: the loop has nothing left */
    watch_remove(&other);
    run();
    close_pair(a);
    close_pair(b);
}

/* Where nobody asks for it again, the next news wakes the loop by itself. */
static void an_end_of_gathering_loses_nothing(void **state) {
    struct timer timer = {.on_expiry = say_later};
    struct watch watch;
    int ends[2];

    (void)state;
    make_pair(ends);
    said_at = ends[1];
    assert_int_equal(watch_add(&watch, ends[0], note_news), 0);
    watch_gather(&watch, 1);
    timer_set(&timer, 10);
    loop_until(has_two_calls, NULL);
    assert_ptr_equal(calls[0], &timer);
    assert_ptr_equal(calls[1], &watch);
    watch_remove(&watch);
    close_pair(ends);
}

/* The end of the connection is no news that could wait. */
static void the_end_is_not_gathered(void **state) {
    struct watch watch;
    int ends[2];

    (void)state;
    make_pair(ends);
    assert_int_equal(watch_add(&watch, ends[0], note_watch), 0);
    watch_gather(&watch, 1000000);
    fd_close(&ends[1]);
    run_until_called(&watch);
    assert_true(watch.ready & EPOLLHUP);
    watch_remove(&watch);
    run();
    fd_close(&ends[0]);
}

/* Called before the events of the turn, it is gone when its own comes. */
static void an_end_that_was_heard_already(void **state) {
    struct watch watch;
    int ends[2];

    (void)state;
    make_pair(ends);
    assert_int_equal(watch_add(&watch, ends[0], remove_watch), 0);
    watch_gather(&watch, 1000000);
    fd_close(&ends[1]);
    run();
    assert_int_equal(calls_of(&watch), 1);
    fd_close(&ends[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_to_do, forget_calls),
        cmocka_unit_test_setup(timers_come_in_order, forget_calls),
        cmocka_unit_test_setup(a_timer_waits_as_long_as_it_was_told, forget_calls),
        cmocka_unit_test_setup(a_timer_moved_away, forget_calls),
        cmocka_unit_test_setup(a_timer_moved_closer, forget_calls),
        cmocka_unit_test_setup(a_timer_that_is_cancelled, forget_calls),
        cmocka_unit_test_setup(a_timer_that_pauses, forget_calls),
        cmocka_unit_test_setup(a_timer_that_cancels_another, forget_calls),
        cmocka_unit_test_setup(a_timer_that_sets_itself, forget_calls),
        cmocka_unit_test_setup(a_timer_that_frees_itself, forget_calls),
        cmocka_unit_test_setup(many_timers, forget_calls),
        cmocka_unit_test_setup(a_watch_remembers, forget_calls),
        cmocka_unit_test_setup(readiness_adds_up, forget_calls),
        cmocka_unit_test_setup(a_writer_that_had_to_wait, forget_calls),
        cmocka_unit_test_setup(a_watch_that_removes_another, forget_calls),
        cmocka_unit_test_setup(a_watch_that_frees_itself, forget_calls),
        cmocka_unit_test_setup(a_removed_watch_with_a_copy_of_its_descriptor, forget_calls),
        cmocka_unit_test_setup(removing_what_was_not_added, forget_calls),
        cmocka_unit_test_setup(what_cannot_be_watched, forget_calls),
        cmocka_unit_test_setup(a_watch_that_asks_for_another_turn, forget_calls),
        cmocka_unit_test_setup(others_get_their_turn, forget_calls),
        cmocka_unit_test_setup(removed_while_it_waits_for_its_turn, forget_calls),
        cmocka_unit_test_setup(a_stopped_loop_can_run_again, forget_calls),
        cmocka_unit_test_setup(news_is_gathered, forget_calls),
        cmocka_unit_test_setup(what_is_gathered_is_heard_first, forget_calls),
        cmocka_unit_test_setup(an_end_of_gathering_loses_nothing, forget_calls),
        cmocka_unit_test_setup(the_end_is_not_gathered, forget_calls),
        cmocka_unit_test_setup(an_end_that_was_heard_already, forget_calls),
    };

    if (loop_init() < 0)
        return EXIT_FAILURE;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
