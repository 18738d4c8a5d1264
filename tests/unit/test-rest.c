#include "proc/rest.h"

#include <malloc.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/limits.h"
#include "ipc/message.h"
#include "net/loop.h"
#include "unit_fd.h"

#define DEEP ((size_t)256 * 1024)
#define BUFFERS 16

/* The loop, as far as it matters here: what was asked of it, and what happens when the time has come. */
static struct timer *asked;
static uint64_t asked_ms;
static unsigned times;

void timer_set(struct timer *timer, uint64_t after_ms) {
    asked = timer;
    asked_ms = after_ms;
    times++;
    timer->deadline_ms = 1;
}

static void rest_now(void) {
    rest_soon();
    asked->deadline_ms = 0;
    asked->on_expiry(asked);
}

static void of_several_calls_the_first_counts(void **state) {
    (void)state;
    times = 0;
    rest_soon();
    rest_soon();
    assert_int_equal(times, 1);
    assert_int_equal(asked_ms, REST_AFTER);
    rest_now();
    assert_int_equal(times, 1);
    rest_now();
    assert_int_equal(times, 2);
}

static void gives_back_what_messages_took(void **state) {
    char bytes[LIMIT_READ];
    struct ipc_writer w;
    struct slice made;

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    w = ipc_begin(IPC_LOG);
    ipc_put_raw(&w, slice_of(bytes, sizeof(bytes)));
    made = ipc_writer_bytes(&w);
    assert_int_equal(made.p[0], IPC_LOG);
    rest_now();
    assert_int_equal(made.p[0], 0);
    assert_int_equal(made.p[sizeof(bytes) / 2], 0);
}

#ifndef CREDFD_SANITIZED
static void gives_back_buffers_kept_for_the_next_work(void **state) {
    struct buf buffers[BUFFERS];
    struct mallinfo2 before;

    (void)state;
    if (is_in_valgrind())
        skip();
    for (size_t i = 0; i < BUFFERS; i++) {
        buf_init(&buffers[i], LIMIT_READ);
        assert_int_equal(buf_append(&buffers[i], SLICE("x")), 0);
    }
    for (size_t i = 0; i < BUFFERS; i++)
        buf_release(&buffers[i]);
    before = mallinfo2();
    rest_now();
    assert_true(mallinfo2().uordblks + BUFFERS * 1024 < before.uordblks);
}

/* Goes deep, and tells where that was. */
static __attribute__((noinline)) uintptr_t work(void) {
    volatile char deep[DEEP];

    for (size_t i = 0; i < DEEP; i++)
        deep[i] = 'x';
    return (uintptr_t)deep + DEEP / 2;
}

static bool is_resident(uintptr_t at) {
    unsigned char is_there = 0;

    assert_int_equal(mincore((void *)(at & ~(uintptr_t)4095), 4096, &is_there), 0);
    return is_there & 1;
}

static void gives_back_the_stack_below(void **state) {
    uintptr_t at;

    (void)state;
    if (is_in_valgrind())
        skip();
    at = work();
    assert_true(is_resident(at));
    rest_now();
    assert_false(is_resident(at));
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_several_calls_the_first_counts),
        cmocka_unit_test(gives_back_what_messages_took),
#ifndef CREDFD_SANITIZED
        cmocka_unit_test(gives_back_buffers_kept_for_the_next_work),
        cmocka_unit_test(gives_back_the_stack_below),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
