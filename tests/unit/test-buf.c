#include "base/buf.h"

#include <errno.h>

#include "unit.h"

static void put(struct buf *b, const char *text) {
    assert_int_equal(buf_append(b, slice_of_string(text)), 0);
}

static void a_queue_of_bytes(void **state) {
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    assert_true(buf_is_empty(&b));
    assert_slice(buf_slice(&b), "");
    put(&b, "hello ");
    put(&b, "world");
    assert_slice(buf_slice(&b), "hello world");
    buf_consume(&b, 6);
    assert_slice(buf_slice(&b), "world");
    assert_int_equal(buf_length(&b), 5);
    assert_int_equal(buf_room(&b), 95);
    buf_consume(&b, 500);
    assert_true(buf_is_empty(&b));
    assert_int_equal(b.start, 0);
    buf_release(&b);
    assert_null(b.memory);
    put(&b, "again");
    assert_slice(buf_slice(&b), "again");
    buf_release(&b);
}

static void the_cap_holds(void **state) {
    struct buf b;
    size_t room = 0;

    (void)state;
    buf_init(&b, 8);
    put(&b, "12345678");
    assert_int_equal(buf_append(&b, SLICE("9")), -ENOBUFS);
    assert_int_equal(buf_append(&b, SLICE("")), 0);
    assert_slice(buf_slice(&b), "12345678");
    errno = 0;
    assert_null(buf_reserve(&b, 1, &room));
    assert_int_equal(errno, ENOBUFS);
    buf_consume(&b, 3);
    assert_int_equal(buf_append(&b, SLICE("abcd")), -ENOBUFS);
    assert_slice(buf_slice(&b), "45678");
    put(&b, "abc");
    assert_slice(buf_slice(&b), "45678abc");
    assert_true(b.size <= 8);
    buf_release(&b);
}

static void reserve_gives_what_the_cap_leaves(void **state) {
    struct buf b;
    size_t room = 0;
    char *to;

    (void)state;
    buf_init(&b, 10000);
    put(&b, "0123456789");
    to = buf_reserve(&b, 1 << 20, &room);
    assert_non_null(to);
    assert_int_equal(room, 9990);
    memset(to, 'x', room);
    buf_commit(&b, room);
    assert_int_equal(buf_length(&b), 10000);
    assert_int_equal(buf_room(&b), 0);
    assert_memory_equal(buf_slice(&b).p, "0123456789xxx", 13);
    buf_release(&b);
}

/* Odd sizes in and out, over many turns: nothing lost, nothing reordered, memory bounded. */
static void order_over_many_turns(void **state) {
    unsigned char next_in = 0, next_out = 0;
    struct buf b;

    (void)state;
    buf_init(&b, 5000);
    for (size_t turn = 0; turn < 20000; turn++) {
        char bytes[97];
        size_t in = turn * 31 % sizeof(bytes), out = turn * 17 % 101;
        struct slice queued;

        for (size_t i = 0; i < in; i++)
            bytes[i] = (char)(next_in + i);
        if (buf_append(&b, slice_of(bytes, in)) == 0)
            next_in = (unsigned char)(next_in + in);
        queued = slice_first(buf_slice(&b), out);
        for (size_t i = 0; i < queued.n; i++)
            assert_int_equal((unsigned char)queued.p[i], (unsigned char)(next_out + i));
        next_out = (unsigned char)(next_out + queued.n);
        buf_consume(&b, out);
        assert_true(b.size <= 5000);
    }
    buf_release(&b);
}

static void a_secret_buffer_wipes_what_it_drops(void **state) {
    struct buf b;

    (void)state;
    buf_init_secret(&b, 100);
    put(&b, "secretrest");
    buf_consume(&b, 6);
    assert_slice(buf_slice(&b), "rest");
    assert_memory_equal(b.memory, "\0\0\0\0\0\0", 6);
    buf_release(&b);
    assert_true(b.is_secret);
}

/* Whatever was written elsewhere, the rest follows it exactly. */
static void the_rest_of_parts(void **state) {
    static const struct slice parts[] = {SLICE("ab"), SLICE(""), SLICE("c"), SLICE("def")};
    struct buf b;

    (void)state;
    for (size_t skip = 0; skip <= 7; skip++) {
        buf_init(&b, 100);
        assert_int_equal(buf_append_rest(&b, parts, ARRAY_LEN(parts), skip), 0);
        assert_slice(buf_slice(&b), &"abcdef"[MIN_OF(skip, 6)]);
        buf_release(&b);
    }
    buf_init(&b, 4);
    assert_int_equal(buf_append_rest(&b, parts, ARRAY_LEN(parts), 0), -ENOBUFS);
    buf_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_of_bytes),
        cmocka_unit_test(the_cap_holds),
        cmocka_unit_test(reserve_gives_what_the_cap_leaves),
        cmocka_unit_test(order_over_many_turns),
        cmocka_unit_test(the_rest_of_parts),
        cmocka_unit_test(a_secret_buffer_wipes_what_it_drops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
