#include "egress/mask/mask_scan.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/macros.h"

/*
 * What often occurs in ordinary text is kept apart, for a basket confuses all that is in it: each kind of escape, a
 * character before an escape, and plain characters by kind of form.
 */
enum basket {
    PERCENT_FIRST,
    BACKSLASH_FIRST,
    AMPERSAND_FIRST,
    PERCENT_OR_AMPERSAND_SECOND,
    BACKSLASH_SECOND,
    PLAIN, /* and two more: one for each enum form_kind */
};

static unsigned basket_of(enum form_kind kind, const unsigned char *text, size_t n) {
    unsigned char second = n > 1 ? text[1] : 0;

    if (text[0] == '%')
        return PERCENT_FIRST;
    if (text[0] == '\\')
        return BACKSLASH_FIRST;
    if (text[0] == '&')
        return AMPERSAND_FIRST;
    if (second == '%' || second == '&')
        return PERCENT_OR_AMPERSAND_SECOND;
    return second == '\\' ? BACKSLASH_SECOND : PLAIN + (unsigned)kind;
}

/* A form that is being learnt. */
struct lesson {
    struct mask_scan *scan;
    const struct form *form;
    form_set set;
    unsigned char text[SCAN_DEPTH]; /* what is tried */
};

static void put(const struct lesson *lesson, size_t place, unsigned char byte, unsigned basket) {
    uint8_t bit = (uint8_t)(1u << basket);

    lesson->scan->begin[place][byte] |= lesson->set | bit;
    lesson->scan->low[place][byte & 15] |= bit;
    lesson->scan->high[place][byte >> 4] |= bit;
}

/* The form begins with the first `n` bytes. If we look at more than those, they are all of it, and anything follows. */
static void put_front(const struct lesson *lesson, size_t n) {
    unsigned basket = basket_of(lesson->form->kind, lesson->text, n);

    for (size_t i = 0; i < n; i++)
        put(lesson, i, lesson->text[i], basket);
    for (size_t i = n; i < SCAN_DEPTH; i++)
        for (unsigned byte = 0; byte < 256; byte++)
            put(lesson, i, (unsigned char)byte, basket);
}

/* How far a text has come with the form: a number of characters, and the spelling of the next one if that has begun. */
struct reading {
    size_t at;
    struct spelling spelling;
};

/* All ways to read a text. Each byte at most doubles them: it stands for itself, and it begins a spelling. */
struct readings {
    struct reading all[1 << SCAN_DEPTH];
    size_t n;
    bool is_whole; /* one of them was the whole form */
};

static void read_on(const struct form *form, struct reading reading, char c, struct readings *ret) {
    unsigned widths = form_advance(form, reading.at, &reading.spelling, c);

    if (reading.spelling.state != WAIT_NOTHING)
        ret->all[ret->n++] = reading;
    for (size_t width = 1; width <= FORM_ADVANCE_MAX; width++) {
        if (!(widths >> width & 1))
            continue;
        if (reading.at + width == form->n)
            ret->is_whole = true;
        else
            ret->all[ret->n++] = (struct reading){.at = reading.at + width};
    }
}

static void explore(struct lesson *lesson, const struct readings *from, size_t n);

/* With one byte more, behind the `n` that were read. */
static void try_byte(struct lesson *lesson, const struct readings *from, size_t n, char c) {
    struct readings next;

    next.n = 0;
    next.is_whole = false;
    lesson->text[n] = (unsigned char)c;
    for (size_t i = 0; i < from->n; i++)
        read_on(lesson->form, from->all[i], c, &next);
    if (next.is_whole || (next.n > 0 && n + 1 == SCAN_DEPTH))
        put_front(lesson, n + 1);
    else if (next.n > 0)
        explore(lesson, &next, n + 1);
}

/* Those bytes with which the form goes on, behind the `n` that were read, are its second or its third. */
static void explore(struct lesson *lesson, const struct readings *from, size_t n) {
    bool is_tried[256] = {false};
    char bytes[FORM_NEXT_MAX];

    for (size_t i = 0; i < from->n; i++) {
        size_t n_bytes = form_next(lesson->form, from->all[i].at, &from->all[i].spelling, bytes);

        for (size_t k = 0; k < n_bytes; k++) {
            bool *is_known = &is_tried[(unsigned char)bytes[k]];

            if (!*is_known)
                try_byte(lesson, from, n, bytes[k]);
            *is_known = true;
        }
    }
}

void mask_scan_init(struct mask_scan *scan, enum scan_way way) {
    *scan = (struct mask_scan){.way = way};
}

void mask_scan_add(struct mask_scan *scan, const struct form *form, size_t number) {
    struct lesson lesson = {.scan = scan, .form = form, .set = form_set_of(number)};
    const struct readings beginning = {.n = 1};
    char bytes[FORM_NEXT_MAX];
    size_t n_bytes = form_next(form, 0, &beginning.all[0].spelling, bytes);

    for (size_t i = 0; i < n_bytes; i++)
        if (form_takes(form, 0, bytes[i]))
            scan->taking[(unsigned char)bytes[i]] |= lesson.set;
    if (form->kind == FORM_BYTES && (unsigned char)form->secret.p[0] >= 0x80)
        scan->beyond |= lesson.set;
    explore(&lesson, &beginning, 0);
    explicit_bzero(&lesson, sizeof(lesson));
}

form_set mask_scan_look_closer(const struct mask_scan *scan, form_set forms, const char *text, size_t n) {
    enum spelling_outcome outcome = SPELLING_OPEN;
    form_set itself = forms & scan->taking[(unsigned char)text[0]];
    struct spelling s;

    if (!spelling_begin(text[0], &s))
        return forms;
    for (size_t i = 1; outcome == SPELLING_OPEN; i++) {
        if (i == n)
            return forms;
        outcome = spelling_read(&s, text[i]);
    }
    if (outcome == SPELLING_WRONG)
        return itself;
    return itself | (forms & (s.value < 0x80 ? scan->taking[s.value] : scan->beyond));
}

static size_t find_plain(const struct mask_scan *scan, const char *text, size_t n, size_t at) {
    while (at < n && mask_scan_look(scan, text + at, n - at) == 0)
        at++;
    return at;
}

#if defined(__x86_64__)

/* The first of the places that `hits` has a bit for, counted from `at`, that stands a second look; `n` without one. */
static size_t confirm(const struct mask_scan *scan, const char *text, size_t n, size_t at, uint32_t hits) {
    for (; hits != 0; hits &= hits - 1) {
        size_t place = at + (size_t)__builtin_ctz(hits);

        if (mask_scan_look(scan, text + place, n - place) != 0)
            return place;
    }
    return n;
}

__attribute__((target("ssse3"))) static __m128i baskets16(const struct mask_scan *scan, size_t place,
                                                          const char *text) {
    const __m128i half = _mm_set1_epi8(0x0F);
    __m128i low = _mm_loadu_si128((const __m128i_u *)scan->low[place]);
    __m128i high = _mm_loadu_si128((const __m128i_u *)scan->high[place]);
    __m128i bytes = _mm_loadu_si128((const __m128i_u *)text);

    low = _mm_shuffle_epi8(low, _mm_and_si128(bytes, half));
    high = _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(bytes, 4), half));
    return _mm_and_si128(low, high);
}

__attribute__((target("ssse3"))) static size_t find_ssse3(const struct mask_scan *scan, const char *text, size_t n,
                                                          size_t at) {
    for (; n - at >= 16 + SCAN_DEPTH - 1; at += 16) {
        __m128i baskets = baskets16(scan, 0, text + at);
        uint32_t misses;
        size_t place;

        for (size_t i = 1; i < SCAN_DEPTH; i++)
            baskets = _mm_and_si128(baskets, baskets16(scan, i, text + at + i));
        misses = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(baskets, _mm_setzero_si128()));
        place = confirm(scan, text, n, at, ~misses & 0xFFFF);
        if (place < n)
            return place;
    }
    return find_plain(scan, text, n, at);
}

__attribute__((target("avx2"))) static __m256i baskets32(const struct mask_scan *scan, size_t place, const char *text) {
    const __m256i half = _mm256_set1_epi8(0x0F);
    __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i_u *)scan->low[place]));
    __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i_u *)scan->high[place]));
    __m256i bytes = _mm256_loadu_si256((const __m256i_u *)text);

    low = _mm256_shuffle_epi8(low, _mm256_and_si256(bytes, half));
    high = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half));
    return _mm256_and_si256(low, high);
}

__attribute__((target("avx2"))) static size_t find_avx2(const struct mask_scan *scan, const char *text, size_t n,
                                                        size_t at) {
    for (; n - at >= 32 + SCAN_DEPTH - 1; at += 32) {
        __m256i baskets = baskets32(scan, 0, text + at);
        uint32_t misses;
        size_t place;

        for (size_t i = 1; i < SCAN_DEPTH; i++)
            baskets = _mm256_and_si256(baskets, baskets32(scan, i, text + at + i));
        misses = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(baskets, _mm256_setzero_si256()));
        place = confirm(scan, text, n, at, ~misses);
        if (place < n)
            return place;
    }
    return find_ssse3(scan, text, n, at);
}

enum scan_way scan_best_way(void) {
    if (__builtin_cpu_supports("avx2"))
        return SCAN_AVX2;
    return __builtin_cpu_supports("ssse3") ? SCAN_SSSE3 : SCAN_PLAIN;
}

size_t mask_scan_find(const struct mask_scan *scan, const char *text, size_t n, size_t at) {
    switch (scan->way) {
    case SCAN_AVX2:
        return find_avx2(scan, text, n, at);
    case SCAN_SSSE3:
        return find_ssse3(scan, text, n, at);
    case SCAN_PLAIN:
        break;
    }
    return find_plain(scan, text, n, at);
}

#else

enum scan_way scan_best_way(void) {
    return SCAN_PLAIN;
}

size_t mask_scan_find(const struct mask_scan *scan, const char *text, size_t n, size_t at) {
    return find_plain(scan, text, n, at);
}

#endif
