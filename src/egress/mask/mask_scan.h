/*
 * Finds quickly where in a text a form may begin, and which: nearly always nowhere. It looks at three bytes at each
 * place and may say yes too often, never too seldom. What it looks for it learns by trying bytes on mask_forms.c, so
 * the two cannot differ.
 *
 * The ways to begin are put into eight baskets. A place is one where the same basket, and the same form, has the first
 * byte, the second and the third. Vector instructions take a look first: they see baskets alone, and those by looking
 * up the halves of a byte in tables of sixteen, so they see a little too much. All ways find the same places.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "egress/mask/mask_forms.h"

#define SCAN_DEPTH 3

enum scan_way {
    SCAN_PLAIN,
    SCAN_SSSE3,
    SCAN_AVX2,
};

/* Baskets, a bit for each, and above them forms; those whose numbers are 24 apart share a bit. */
typedef uint32_t form_set;

#define FORM_SET_BASKETS 0xFFu

static inline form_set form_set_of(size_t number) {
    return 1u << (8 + number % 24);
}

struct mask_scan {
    form_set begin[SCAN_DEPTH][256]; /* with the byte as the first, second, third */
    form_set taking[256];            /* forms whose first character may stand as that byte itself */
    form_set beyond;                 /* forms whose first character is none of ASCII */
    uint8_t low[SCAN_DEPTH][16], high[SCAN_DEPTH][16];
    enum scan_way way;
};

/* The fastest way that this processor has. */
enum scan_way scan_best_way(void);

/* Nothing is found yet. */
void mask_scan_init(struct mask_scan *scan, enum scan_way way);
void mask_scan_add(struct mask_scan *scan, const struct form *form, size_t number);

/* Of these forms, those that may begin at the front of `text` if that is an escape: reads it to its end. */
form_set mask_scan_look_closer(const struct mask_scan *scan, form_set forms, const char *text, size_t n);

/* The forms that may begin at the front of `text`: as far as that goes, if it is short. */
static inline form_set mask_scan_look(const struct mask_scan *scan, const char *text, size_t n) {
    form_set forms = scan->begin[0][(unsigned char)text[0]];

    for (size_t i = 1; forms != 0 && i < SCAN_DEPTH && i < n; i++)
        forms &= scan->begin[i][(unsigned char)text[i]];
    if ((forms & FORM_SET_BASKETS) == 0 || (forms & ~FORM_SET_BASKETS) == 0)
        return 0;
    return mask_scan_look_closer(scan, forms, text, n);
}

/* The first place in `text`, from `at` on, where a form may begin; `n` when there is none. */
size_t mask_scan_find(const struct mask_scan *scan, const char *text, size_t n, size_t at);
