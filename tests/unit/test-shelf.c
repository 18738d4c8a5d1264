#include "ingress/desk/shelf.h"

#include <stdio.h>

#include "unit.h"

#define ITEMS 100

static struct shelf shelf;
static struct shelf_item items[ITEMS];
static char keys[ITEMS][16];

static int begin(void **state) {
    (void)state;
    assert_int_equal(shelf_init(&shelf, 8), 0); /* fewer slots than items: they share them */
    for (size_t i = 0; i < ITEMS; i++) {
        int n = snprintf(keys[i], sizeof(keys[i]), "key%zu", i);

        items[i] = (struct shelf_item){.key = slice_of(keys[i], (size_t)n)};
        shelf_add(&shelf, &items[i]);
    }
    return 0;
}

static int end(void **state) {
    (void)state;
    shelf_done(&shelf);
    return 0;
}

/* Both ways along the order, and each of them found. */
static void assert_order(size_t n) {
    size_t up = 0, down = 0;

    for (struct shelf_item *item = shelf.oldest; item; item = item->newer) {
        assert_ptr_equal(shelf_find(&shelf, item->key), item);
        assert_true(!item->newer || item->newer->older == item);
        up++;
    }
    for (struct shelf_item *item = shelf.newest; item; item = item->older)
        down++;
    assert_int_equal(up, n);
    assert_int_equal(down, n);
    assert_int_equal(shelf.n, n);
}

static void what_stands_there_is_found(void **state) {
    (void)state;
    assert_order(ITEMS);
    assert_null(shelf_find(&shelf, SLICE("key")));
    assert_null(shelf_find(&shelf, SLICE("key100")));
    assert_null(shelf_find(&shelf, SLICE_EMPTY));
}

static void what_is_used_becomes_the_newest(void **state) {
    (void)state;
    assert_ptr_equal(shelf.oldest, &items[0]);
    shelf_touch(&shelf, &items[0]);
    shelf_touch(&shelf, &items[50]);
    shelf_touch(&shelf, &items[50]);
    assert_ptr_equal(shelf.oldest, &items[1]);
    assert_ptr_equal(shelf.newest, &items[50]);
    assert_ptr_equal(shelf.newest->older, &items[0]);
    assert_order(ITEMS);
}

static void what_is_removed_is_gone(void **state) {
    size_t left = ITEMS;

    (void)state;
    shelf_remove(&shelf, &items[ITEMS - 1]);
    shelf_remove(&shelf, &items[0]);
    assert_order(left -= 2);
    for (size_t i = 1; i < ITEMS - 1; i += 3) {
        shelf_remove(&shelf, &items[i]);
        assert_null(shelf_find(&shelf, items[i].key));
        assert_order(--left);
    }
    while (shelf.oldest)
        shelf_remove(&shelf, shelf.oldest);
    assert_order(0);
    assert_null(shelf.newest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_stands_there_is_found),
        TEST(what_is_used_becomes_the_newest),
        TEST(what_is_removed_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
