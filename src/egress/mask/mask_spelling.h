/*
 * The ways in which a text may write one character beside the character itself: as URLs do (%2F), as JSON does (\/ and
 * \u002f), as HTML does (&#47; &#x2f; &sol;). Read byte by byte, so that a text may be cut anywhere, and given up at
 * the first byte that leads nowhere. Pure; for mask_forms.c alone.
 *
 * A form may itself hold %, \ or &: whether a byte begins a spelling or stands for itself is not decided here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define SPELLING_MAX 18 /* bytes of the longest, &DiacriticalGrave; */

/* Named after what is waited for. */
enum spelling_state {
    WAIT_NOTHING, /* between two spellings */
    WAIT_PERCENT_DIGIT,
    WAIT_ESCAPED,        /* what a backslash is followed by */
    WAIT_UNICODE_DIGIT,  /* four, or eight for a surrogate pair */
    WAIT_PAIR_BACKSLASH, /* that of a low surrogate */
    WAIT_PAIR_U,
    WAIT_ENTITY, /* what an ampersand is followed by */
    WAIT_ENTITY_LETTER,
    WAIT_ENTITY_NUMBER, /* what &# is followed by */
    WAIT_DECIMAL_DIGIT,
    WAIT_HEX_DIGIT,
};

struct spelling {
    uint32_t value; /* of the digits so far; of a name, where it stands in the table; when done, the character */
    uint8_t n;      /* digits or letters so far */
    uint8_t state;
};

enum spelling_outcome {
    SPELLING_WRONG,
    SPELLING_OPEN,
    SPELLING_DONE,
};

/* Whether a spelling may begin with this byte; if so, `*ret` has read it. */
bool spelling_begin(char c, struct spelling *ret);

/* Whether HTML has a name for it: letters and digits have none. */
bool spelling_has_name(uint32_t character);

#define SPELLING_NEXT_MAX 53

/*
 * The bytes that may begin a spelling; of one that has begun, those with which it may go on, and some more. Of names
 * only where the character has one.
 */
struct slice spelling_next(const struct spelling *s, bool is_named);

/* Takes one byte more. When done, `s->value` is the character: a code point, or with % a byte. */
enum spelling_outcome spelling_read(struct spelling *s, char c);

/* Whether an open spelling can still become this character; of one that is done, whether it is that. */
bool spelling_may_be(const struct spelling *s, enum spelling_outcome outcome, uint32_t character);
