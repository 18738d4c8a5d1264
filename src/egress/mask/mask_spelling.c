#include "egress/mask/mask_spelling.h"

#include <assert.h>
#include <stddef.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/num.h"

/* All names that HTML has for printable ASCII. PHP's htmlentities writes most of them, others the first five. */
static const struct {
    struct slice name;
    char character;
} entities[] = {
    {{"amp", 3}, '&'},           {{"lt", 2}, '<'},     {{"gt", 2}, '>'},
    {{"quot", 4}, '"'},          {{"apos", 4}, '\''},  {{"sol", 3}, '/'},
    {{"AMP", 3}, '&'},           {{"LT", 2}, '<'},     {{"GT", 2}, '>'},
    {{"QUOT", 4}, '"'},          {{"excl", 4}, '!'},   {{"num", 3}, '#'},
    {{"dollar", 6}, '$'},        {{"percnt", 6}, '%'}, {{"lpar", 4}, '('},
    {{"rpar", 4}, ')'},          {{"ast", 3}, '*'},    {{"midast", 6}, '*'},
    {{"plus", 4}, '+'},          {{"comma", 5}, ','},  {{"period", 6}, '.'},
    {{"colon", 5}, ':'},         {{"semi", 4}, ';'},   {{"equals", 6}, '='},
    {{"quest", 5}, '?'},         {{"commat", 6}, '@'}, {{"lsqb", 4}, '['},
    {{"lbrack", 6}, '['},        {{"bsol", 4}, '\\'},  {{"rsqb", 4}, ']'},
    {{"rbrack", 6}, ']'},        {{"Hat", 3}, '^'},    {{"lowbar", 6}, '_'},
    {{"UnderBar", 8}, '_'},      {{"grave", 5}, '`'},  {{"DiacriticalGrave", 16}, '`'},
    {{"lcub", 4}, '{'},          {{"lbrace", 6}, '{'}, {{"verbar", 6}, '|'},
    {{"vert", 4}, '|'},          {{"rcub", 4}, '}'},   {{"rbrace", 6}, '}'},
    {{"VerticalLine", 12}, '|'},
};

static void wait_for(struct spelling *s, enum spelling_state state) {
    s->state = (uint8_t)state;
}

bool spelling_begin(char c, struct spelling *ret) {
    enum spelling_state state;

    if (c == '%')
        state = WAIT_PERCENT_DIGIT;
    else if (c == '\\')
        state = WAIT_ESCAPED;
    else if (c == '&')
        state = WAIT_ENTITY;
    else
        return false;
    *ret = (struct spelling){.state = (uint8_t)state};
    return true;
}

#define DIGITS "0123456789"
#define HEX_DIGITS DIGITS "abcdefABCDEF"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static_assert(sizeof("#" LETTERS) - 1 <= SPELLING_NEXT_MAX, "whoever asks for the next has room for them");

struct slice spelling_next(const struct spelling *s, bool is_named) {
    switch ((enum spelling_state)s->state) {
    case WAIT_NOTHING:
        return SLICE("%\\&");
    case WAIT_PERCENT_DIGIT:
    case WAIT_UNICODE_DIGIT:
        return SLICE(HEX_DIGITS);
    case WAIT_ESCAPED:
        return SLICE("u\"\\/");
    case WAIT_PAIR_BACKSLASH:
        return SLICE("\\");
    case WAIT_PAIR_U:
        return SLICE("u");
    case WAIT_ENTITY:
        return is_named ? SLICE("#" LETTERS) : SLICE("#");
    case WAIT_ENTITY_LETTER:
        return SLICE(LETTERS ";");
    case WAIT_ENTITY_NUMBER:
        return SLICE("xX" DIGITS);
    case WAIT_DECIMAL_DIGIT:
        return SLICE(DIGITS ";");
    case WAIT_HEX_DIGIT:
        return SLICE(HEX_DIGITS ";");
    }
    return slice_of("", 0);
}

bool spelling_has_name(uint32_t character) {
    for (size_t i = 0; i < ARRAY_LEN(entities); i++)
        if ((unsigned char)entities[i].character == character)
            return true;
    return false;
}

static bool add_digit(struct spelling *s, char c, uint32_t base) {
    int digit = num_hex_digit(c);

    if (digit < 0 || (uint32_t)digit >= base)
        return false;
    s->value = s->value * base + (uint32_t)digit;
    s->n++;
    return true;
}

static enum spelling_outcome read_percent(struct spelling *s, char c) {
    if (!add_digit(s, c, 16))
        return SPELLING_WRONG;
    return s->n == 2 ? SPELLING_DONE : SPELLING_OPEN;
}

static enum spelling_outcome read_escaped(struct spelling *s, char c) {
    if (c == 'u') {
        wait_for(s, WAIT_UNICODE_DIGIT);
        return SPELLING_OPEN;
    }
    s->value = (unsigned char)c;
    return c == '"' || c == '\\' || c == '/' ? SPELLING_DONE : SPELLING_WRONG;
}

/* What lies beyond 0xFFFF is written as two halves, a high and a low surrogate (RFC 8259 §7). */
static enum spelling_outcome read_unicode(struct spelling *s, char c) {
    uint32_t high, low;

    if (!add_digit(s, c, 16))
        return SPELLING_WRONG;
    if (s->n < 4)
        return SPELLING_OPEN;
    if (s->n == 4 && (s->value & 0xFC00) != 0xD800)
        return SPELLING_DONE;
    if (s->n == 4)
        wait_for(s, WAIT_PAIR_BACKSLASH);
    if (s->n < 8)
        return SPELLING_OPEN;
    high = s->value >> 16;
    low = s->value & 0xFFFF;
    s->value = 0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF);
    return (low & 0xFC00) == 0xDC00 ? SPELLING_DONE : SPELLING_WRONG;
}

static enum spelling_outcome read_fixed(struct spelling *s, char c, char expected, enum spelling_state next) {
    wait_for(s, next);
    return c == expected ? SPELLING_OPEN : SPELLING_WRONG;
}

static enum spelling_outcome read_name(struct spelling *s, char c) {
    struct slice so_far = slice_first(entities[s->value].name, s->n);

    if (c == ';' && s->n == entities[s->value].name.n) {
        s->value = (unsigned char)entities[s->value].character;
        return SPELLING_DONE;
    }
    for (uint32_t i = 0; i < ARRAY_LEN(entities); i++) {
        struct slice name = entities[i].name;

        if (name.n > so_far.n && name.p[so_far.n] == c && slice_starts_with(name, so_far)) {
            s->value = i;
            s->n++;
            return SPELLING_OPEN;
        }
    }
    return SPELLING_WRONG;
}

static enum spelling_outcome read_entity(struct spelling *s, char c) {
    if (c == '#') {
        wait_for(s, WAIT_ENTITY_NUMBER);
        return SPELLING_OPEN;
    }
    wait_for(s, WAIT_ENTITY_LETTER);
    return read_name(s, c);
}

static enum spelling_outcome read_number(struct spelling *s, char c, uint32_t base) {
    if (c == ';')
        return s->n > 0 ? SPELLING_DONE : SPELLING_WRONG;
    return s->n < LIMIT_ENTITY_DIGITS && add_digit(s, c, base) ? SPELLING_OPEN : SPELLING_WRONG;
}

static enum spelling_outcome read_entity_number(struct spelling *s, char c) {
    if (c == 'x' || c == 'X') {
        wait_for(s, WAIT_HEX_DIGIT);
        return SPELLING_OPEN;
    }
    wait_for(s, WAIT_DECIMAL_DIGIT);
    return read_number(s, c, 10);
}

enum spelling_outcome spelling_read(struct spelling *s, char c) {
    switch ((enum spelling_state)s->state) {
    case WAIT_NOTHING:
        break;
    case WAIT_PERCENT_DIGIT:
        return read_percent(s, c);
    case WAIT_ESCAPED:
        return read_escaped(s, c);
    case WAIT_UNICODE_DIGIT:
        return read_unicode(s, c);
    case WAIT_PAIR_BACKSLASH:
        return read_fixed(s, c, '\\', WAIT_PAIR_U);
    case WAIT_PAIR_U:
        return read_fixed(s, c, 'u', WAIT_UNICODE_DIGIT);
    case WAIT_ENTITY:
        return read_entity(s, c);
    case WAIT_ENTITY_LETTER:
        return read_name(s, c);
    case WAIT_ENTITY_NUMBER:
        return read_entity_number(s, c);
    case WAIT_DECIMAL_DIGIT:
        return read_number(s, c, 10);
    case WAIT_HEX_DIGIT:
        return read_number(s, c, 16);
    }
    return SPELLING_WRONG;
}

/* Whether the digits of a character's code, as JSON writes it, begin with those that were read. */
static bool may_be_unicode(const struct spelling *s, uint32_t character) {
    uint32_t digits = 4;
    uint64_t units = character;

    if (character > 0xFFFF) {
        digits = 8;
        units = (uint64_t)(0xD800 + ((character - 0x10000) >> 10)) << 16 | (0xDC00 + (character & 0x3FF));
    }
    return s->n <= digits && s->value == units >> 4 * (digits - s->n);
}

/* Whether some digits more make the character: none, one, two. Zeros in front are digits too. */
static bool may_be_number(const struct spelling *s, uint32_t character, uint32_t base) {
    for (unsigned missing = 0; s->n + missing <= LIMIT_ENTITY_DIGITS; missing++, character /= base)
        if (s->value == character)
            return true;
    return false;
}

static bool may_be_name(const struct spelling *s, uint32_t character) {
    struct slice so_far = slice_first(entities[s->value].name, s->n);

    for (size_t i = 0; i < ARRAY_LEN(entities); i++)
        if ((unsigned char)entities[i].character == character && slice_starts_with(entities[i].name, so_far))
            return true;
    return false;
}

bool spelling_may_be(const struct spelling *s, enum spelling_outcome outcome, uint32_t character) {
    if (outcome != SPELLING_OPEN)
        return outcome == SPELLING_DONE && s->value == character;
    switch ((enum spelling_state)s->state) {
    case WAIT_NOTHING:
    case WAIT_ESCAPED:
    case WAIT_ENTITY:
    case WAIT_ENTITY_NUMBER:
        return true;
    case WAIT_PERCENT_DIGIT:
        return s->value == character >> 4;
    case WAIT_UNICODE_DIGIT:
    case WAIT_PAIR_BACKSLASH:
    case WAIT_PAIR_U:
        return may_be_unicode(s, character);
    case WAIT_ENTITY_LETTER:
        return may_be_name(s, character);
    case WAIT_DECIMAL_DIGIT:
        return may_be_number(s, character, 10);
    case WAIT_HEX_DIGIT:
        return may_be_number(s, character, 16);
    }
    return false;
}
