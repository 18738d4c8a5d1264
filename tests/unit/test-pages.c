#include "base/pages.h"

#include <sys/mman.h>

#include "unit.h"

#define PAGE ((size_t)4096)
#define PAGES ((size_t)4)

static char memory[PAGES * PAGE] ON_ITS_OWN_PAGES;

static int fill(void **state) {
    (void)state;
    memset(memory, 'x', sizeof(memory));
    return 0;
}

/* One letter for each page: what its first byte and its last are. */
static void assert_pages(const char *of, const char *pages) {
    for (size_t i = 0; pages[i]; i++) {
        char is = pages[i] == '0' ? '\0' : 'x';

        assert_int_equal(of[i * PAGE], is);
        assert_int_equal(of[(i + 1) * PAGE - 1], is);
    }
}

static void gives_back_all(void **state) {
    (void)state;
    pages_give_back(memory, sizeof(memory));
    assert_pages(memory, "0000");
}

static void leaves_a_page_that_lies_in_it_in_part(void **state) {
    (void)state;
    pages_give_back(memory + 1, 3 * PAGE);
    assert_pages(memory, "x00x");
}

static void leaves_what_is_smaller_than_a_page(void **state) {
    (void)state;
    pages_give_back(memory + 1, PAGE);
    pages_give_back(memory + PAGE, PAGE - 1);
    pages_give_back(memory + PAGE, 0);
    assert_pages(memory, "xxxx");
}

static void goes_over_what_is_not_mapped(void **state) {
    char *mapped = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(mapped, MAP_FAILED);
    memset(mapped, 'x', 3 * PAGE);
    assert_int_equal(munmap(mapped + PAGE, PAGE), 0);
    pages_give_back(mapped, 3 * PAGE);
    assert_pages(mapped, "0");
    assert_pages(mapped + 2 * PAGE, "0");
    (void)munmap(mapped, PAGE);
    (void)munmap(mapped + 2 * PAGE, PAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(gives_back_all, fill),
        cmocka_unit_test_setup(leaves_a_page_that_lies_in_it_in_part, fill),
        cmocka_unit_test_setup(leaves_what_is_smaller_than_a_page, fill),
        cmocka_unit_test(goes_over_what_is_not_mapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
