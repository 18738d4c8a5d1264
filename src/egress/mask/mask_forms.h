/*
 * The forms in which a secret may stand in a text: its bytes, its hexadecimal digits, its base64 in each of the three
 * places that it can have among groups of three bytes. A form is a row of characters, and each of them may be written
 * in any of its spellings (mask_spelling.h): so what is half escaped, or escaped base64, is a form too.
 *
 * Letters of hexadecimal digits may be of either case, and 62 and 63 in base64 be written as + / or - _, also mixed. Of
 * base64 the first and the last character may be the secret's in part only, the rest being what stands beside it: a
 * character with at most two bits of the secret is none of the form's, one with four belongs to it whatever its other
 * two bits are. A form holds no copy of the secret; it works out each character when asked. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "egress/mask/mask_spelling.h"

enum form_kind {
    FORM_BYTES,
    FORM_HEX,
    FORM_BASE64,
};

struct form {
    enum form_kind kind;
    struct slice secret;
    size_t n;      /* characters; none only for an empty secret */
    size_t before; /* of base64: bytes of something else in the secret's first group of three */
    size_t skip;   /* of base64: characters of that group that say too little of the secret */
};

#define FORMS_OF_SECRET 5

/* All forms of a secret, which must outlive them. */
void forms_init(struct slice secret, struct form ret[static FORMS_OF_SECRET]);

/* Whether a character of the form may stand in a text as this byte. */
bool form_takes(const struct form *form, size_t at, char c);

/*
 * Reads byte `c` of a text which has come as far as character `at` of the form, and has maybe begun to spell that one.
 * Returns how far it comes, a bit for each number of characters: none, one, or several when a code point of as many
 * bytes was spelled. Beside that, while `*spelling` waits for anything, the text stays at `at` and goes on to spell.
 */
unsigned form_advance(const struct form *form, size_t at, struct spelling *spelling, char c);

#define FORM_ADVANCE_MAX 4 /* characters by one byte */

#define FORM_NEXT_MAX (SPELLING_NEXT_MAX + 9)

/* The bytes with which such a text may go on, and some more; some of them twice. How many. */
size_t form_next(const struct form *form, size_t at, const struct spelling *spelling, char ret[static FORM_NEXT_MAX]);

/* Marks the bytes that may stand in a form of this secret, in whatever spelling, and some more. */
void form_mark_bytes(struct slice secret, bool may_hold[static 256]);
