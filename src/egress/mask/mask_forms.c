#include "egress/mask/mask_forms.h"

#include <assert.h>
#include <string.h>

#include "base/macros.h"
#include "base/num.h"
#include "base/utf8.h"

/* Base64 tells the bits of three bytes by four characters of six bits each (RFC 4648 §4). */
#define SEXTET_BITS 6
#define SEXTET 0x3Fu
#define STANDARD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

/* A character of a form: what it tells, and which bits of that are the secret's. */
struct character {
    enum form_kind kind;
    unsigned bits, known;
};

static struct character sextet_at(const struct form *form, size_t at) {
    size_t first_bit = SEXTET_BITS * (form->skip + at), shift = 16 - SEXTET_BITS - first_bit % 8;
    unsigned bits = 0, known = 0;

    for (size_t i = first_bit / 8; i < first_bit / 8 + 2; i++) {
        bool is_inside = i >= form->before && i - form->before < form->secret.n;

        bits = bits << 8 | (is_inside ? (unsigned char)form->secret.p[i - form->before] : 0);
        known = known << 8 | (is_inside ? 0xFF : 0);
    }
    return (struct character){FORM_BASE64, bits >> shift & SEXTET, known >> shift & SEXTET};
}

static struct character nibble_at(const struct form *form, size_t at) {
    unsigned byte = (unsigned char)form->secret.p[at / 2];

    return (struct character){FORM_HEX, at % 2 == 0 ? byte >> 4 : byte & 0x0F, 0x0F};
}

static inline struct character character_at(const struct form *form, size_t at) {
    if (form->kind == FORM_BYTES)
        return (struct character){FORM_BYTES, (unsigned char)form->secret.p[at], 0xFF};
    return form->kind == FORM_HEX ? nibble_at(form, at) : sextet_at(form, at);
}

/* What one of base64's characters tells; -1 when it is none. */
static int sextet_of(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Whether the character may stand in a text as this byte. */
static bool is_written_as(struct character character, char c) {
    int bits;

    if (character.kind == FORM_BYTES)
        return (unsigned char)c == character.bits || (c == '+' && character.bits == ' '); /* as HTML's forms send it */
    bits = character.kind == FORM_HEX ? num_hex_digit(c) : sextet_of(c);
    return bits >= 0 && (((unsigned)bits ^ character.bits) & character.known) == 0;
}

static struct form base64_form(struct slice secret, size_t before) {
    struct form form = {.kind = FORM_BASE64, .secret = secret, .before = before};
    size_t end = 8 * (before + secret.n);

    form.skip = (8 * before + 2) / SEXTET_BITS;
    form.n = secret.n > 0 ? (end + 2) / SEXTET_BITS - form.skip : 0;
    return form;
}

void forms_init(struct slice secret, struct form ret[static FORMS_OF_SECRET]) {
    ret[0] = (struct form){.kind = FORM_BYTES, .secret = secret, .n = secret.n};
    ret[1] = (struct form){.kind = FORM_HEX, .secret = secret, .n = 2 * secret.n};
    for (size_t before = 0; before < 3; before++)
        ret[2 + before] = base64_form(secret, before);
}

#define CODES_MAX 8 /* four sextets, when two bits are unknown, and two of them with two codes */

static_assert(CODES_MAX + 1 <= FORM_NEXT_MAX - SPELLING_NEXT_MAX, "beside them there is the space");

/* The codes of a character, taken as a single byte: what its spellings spell. */
static size_t codes_of(struct character character, unsigned char ret[static CODES_MAX]) {
    static const char digits[] = "0123456789abcdef", capitals[] = "0123456789ABCDEF";
    unsigned unknown = SEXTET & ~character.known, guess = 0;
    size_t n = 0;

    switch (character.kind) {
    case FORM_BYTES:
        ret[0] = (unsigned char)character.bits;
        return 1;
    case FORM_HEX:
        ret[0] = (unsigned char)digits[character.bits];
        ret[1] = (unsigned char)capitals[character.bits];
        return 2;
    case FORM_BASE64:
        break;
    }
    do {
        unsigned sextet = character.bits | guess;

        ret[n++] = (unsigned char)STANDARD[sextet];
        if (sextet >= 62)
            ret[n++] = sextet == 62 ? '-' : '_';
        guess = (guess - unknown) & unknown; /* the next choice of the unknown bits */
    } while (guess != 0);
    return n;
}

/* Whether the spelling is, or may become, that of the character, taken as a single byte. */
static bool may_be_byte(struct character character, const struct spelling *s, enum spelling_outcome outcome) {
    unsigned char codes[CODES_MAX];
    size_t n = codes_of(character, codes);

    for (size_t i = 0; i < n; i++)
        if (spelling_may_be(s, outcome, codes[i]))
            return true;
    return false;
}

bool form_takes(const struct form *form, size_t at, char c) {
    return is_written_as(character_at(form, at), c);
}

/* The numbers of characters, a bit for each, that the spelling spells or may come to spell. */
static unsigned spelled_by(const struct form *form, size_t at, const struct spelling *s,
                           enum spelling_outcome outcome) {
    unsigned widths = may_be_byte(character_at(form, at), s, outcome) ? 1u << 1 : 0;
    uint32_t code;
    size_t width;

    if (form->kind != FORM_BYTES || (unsigned char)form->secret.p[at] < 0x80)
        return widths;
    width = utf8_next(slice_from(form->secret, at), &code);
    return width > 0 && spelling_may_be(s, outcome, code) ? widths | 1u << width : widths;
}

unsigned form_advance(const struct form *form, size_t at, struct spelling *spelling, char c) {
    enum spelling_outcome outcome;
    unsigned widths;

    if (spelling->state == WAIT_NOTHING) {
        (void)spelling_begin(c, spelling);
        return form_takes(form, at, c) ? 1u << 1 : 0;
    }
    outcome = spelling_read(spelling, c);
    widths = outcome == SPELLING_WRONG ? 0 : spelled_by(form, at, spelling, outcome);
    if (outcome == SPELLING_OPEN && widths != 0)
        return 0;
    *spelling = (struct spelling){.state = WAIT_NOTHING};
    return widths;
}

size_t form_next(const struct form *form, size_t at, const struct spelling *spelling, char ret[static FORM_NEXT_MAX]) {
    unsigned char codes[CODES_MAX];
    size_t n, n_codes = codes_of(character_at(form, at), codes);
    bool is_named = false;
    struct slice spelt;

    for (size_t i = 0; i < n_codes; i++)
        is_named = is_named || spelling_has_name(codes[i]);
    spelt = spelling_next(spelling, is_named);
    memcpy(ret, spelt.p, spelt.n);
    n = spelt.n;
    if (spelling->state != WAIT_NOTHING)
        return n;
    memcpy(ret + n, codes, n_codes);
    n += n_codes;
    ret[n++] = '+'; /* a space, as HTML's forms send it */
    return n;
}

void form_mark_bytes(struct slice secret, bool may_hold[static 256]) {
    const struct slice all[] = {SLICE(STANDARD "-_%\\&#;"), secret};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        for (size_t k = 0; k < all[i].n; k++)
            may_hold[(unsigned char)all[i].p[k]] = true;
}
