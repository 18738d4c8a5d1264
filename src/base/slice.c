#include "base/slice.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/macros.h"

/* Eight bytes with `A` to `Z` made small: the high bit of each byte of `upper` says that it is one of these. */
static uint64_t word_lower(uint64_t word) {
    const uint64_t ones = UINT64_C(0x0101010101010101), high_bits = ones * 0x80;
    uint64_t low = word & ~high_bits;
    uint64_t upper = (low + ones * (0x80 - 'A')) & ~(low + ones * (0x7F - 'Z')) & ~word & high_bits;

    return word | upper >> 2;
}

static bool are_words_equal_nocase(const char *a, const char *b) {
    uint64_t left, right;

    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return left == right || word_lower(left) == word_lower(right);
}

/* A word at a time; the last one begins where it ends with the text, and may cover bytes that were compared before. */
bool bytes_equal_nocase(const char *a, const char *b, size_t n) {
    const size_t word = sizeof(uint64_t);

    if (n < word) {
        while (n > 0 && ascii_lower(a[n - 1]) == ascii_lower(b[n - 1]))
            n--;
        return n == 0;
    }
    for (size_t i = 0; i < n - word; i += word)
        if (!are_words_equal_nocase(a + i, b + i))
            return false;
    return are_words_equal_nocase(a + n - word, b + n - word);
}

void free_pointer(void *pointer_to_pointer) {
    free(*(void **)pointer_to_pointer);
}
