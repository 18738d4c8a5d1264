#include "fleet/shell/pattern.h"

#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/macros.h"
#include "fleet/shell/shell.h"

/*
 * A pattern has a place before each of its tokens, and one at its end. The set of places where one may stand after some
 * text is a row of bits; a byte moves each bit one place on where the token takes it. A star lets its place stay, and
 * whoever stands before a star stands behind it as well.
 */
#define BYTES 256
#define PLACES_MAX (LIMIT_COMMAND_PATTERN / 64 + 1)

struct places {
    uint64_t bits[PLACES_MAX];
};

static void set_bit(uint64_t *row, size_t at) {
    row[at / 64] |= (uint64_t)1 << at % 64;
}

static uint64_t *row_of(const struct pattern *pattern, char byte) {
    return pattern->takes + (unsigned char)byte * pattern->n_words;
}

static void take(struct pattern *pattern, unsigned char byte, size_t place) {
    set_bit(row_of(pattern, (char)byte), place);
}

/* The bytes of text proper: what is above stands for other things. */
static bool is_text(unsigned int byte) {
    return byte < (unsigned char)SEEN_FROM;
}

/* `[...]` at `at`: its length, and the bytes in it; 0 where it is not closed, and then it is a byte like others. */
static size_t read_set(struct slice text, size_t at, bool members[BYTES]) {
    size_t i = at + 1;
    bool is_negated = i < text.n && (text.p[i] == '!' || text.p[i] == '^');

    for (size_t byte = 0; byte < BYTES; byte++)
        members[byte] = is_negated;
    i += is_negated;
    for (size_t first = i; i < text.n && (text.p[i] != ']' || i == first); i++) {
        unsigned char from = (unsigned char)text.p[i], to = from;

        if (i + 2 < text.n && text.p[i + 1] == '-' && text.p[i + 2] != ']') {
            to = (unsigned char)text.p[i + 2];
            i += 2;
        }
        for (unsigned int byte = from; byte <= to; byte++)
            members[byte] = !is_negated;
    }
    return i < text.n ? i + 1 - at : 0;
}

/* One place takes these. Blanks within words are blanks to a set and to `?`, for they show no border. */
static void take_members(struct pattern *pattern, const bool members[BYTES], size_t place) {
    for (unsigned int byte = 0; byte < BYTES; byte++) {
        if (members[byte] && is_text(byte))
            take(pattern, (unsigned char)byte, place);
    }
    if (members[' '])
        take(pattern, (unsigned char)SEEN_BLANK, place);
}

/* ` > ` and ` < ` in a pattern: a redirection, and no text that looks like one. */
static bool is_redirection(struct slice text, size_t at) {
    return (text.p[at] == '>' || text.p[at] == '<') && at > 0 && at + 1 < text.n && text.p[at - 1] == ' ' &&
           text.p[at + 1] == ' ';
}

static void take_byte(struct pattern *pattern, struct slice text, size_t at, size_t place) {
    char byte = text.p[at];

    if (is_redirection(text, at))
        set_bit(pattern->borders, place);
    else if (is_text((unsigned char)byte))
        take(pattern, (unsigned char)byte, place);
    if (byte == '>')
        take(pattern, (unsigned char)SEEN_TO, place);
    if (byte == '<')
        take(pattern, (unsigned char)SEEN_FROM, place);
}

/* The places of the whole pattern; how many there are but for the last. */
static size_t place_tokens(struct pattern *pattern, struct slice text) {
    bool members[BYTES];
    size_t place = 0;

    for (size_t i = 0, n; i < text.n; i += n) {
        n = 1;
        if (text.p[i] == '*') {
            set_bit(pattern->stars, place);
            while (i + n < text.n && text.p[i + n] == '*')
                n++;
        } else if (text.p[i] == '?') {
            for (size_t byte = 0; byte < BYTES; byte++)
                members[byte] = true;
            take_members(pattern, members, place);
        } else if (text.p[i] == '[' && (n = read_set(text, i, members)) > 0) {
            take_members(pattern, members, place);
        } else {
            n = 1;
            take_byte(pattern, text, i, place);
        }
        place++;
    }
    return place;
}

int pattern_compile(struct slice text, struct pattern *ret) {
    size_t n_words = text.n / 64 + 1, n_places;
    uint64_t *memory = calloc((BYTES + 4) * n_words, sizeof(*memory));

    if (!memory)
        return -ENOMEM;
    *ret = (struct pattern){
        .n_words = n_words,
        .memory = memory,
        .takes = memory,
        .stars = memory + BYTES * n_words,
        .ends = memory + (BYTES + 1) * n_words,
        .tail = memory + (BYTES + 2) * n_words,
        .borders = memory + (BYTES + 3) * n_words,
        .is_everything = slice_equals(text, SLICE("*")),
    };
    n_places = place_tokens(ret, text);
    set_bit(ret->ends, n_places);
    if (slice_ends_with(text, SLICE(" *"))) {
        set_bit(ret->ends, n_places - 2);
        set_bit(ret->tail, n_places - 2);
    }
    return 0;
}

void pattern_done(struct pattern *pattern) {
    free(pattern->memory);
    *pattern = (struct pattern){0};
}

/* Goes behind stars; false where there is no place left. No two stars stand side by side. */
static bool close_places(const struct pattern *pattern, struct places *places) {
    uint64_t carry = 0, any = 0;

    for (size_t w = 0; w < pattern->n_words; w++) {
        uint64_t starred = places->bits[w] & pattern->stars[w];

        places->bits[w] |= starred << 1 | carry;
        carry = starred >> 63;
        any |= places->bits[w];
    }
    return any != 0;
}

static bool step(const struct pattern *pattern, struct places *places, char byte, bool stars_stay) {
    const uint64_t *takes = row_of(pattern, byte);
    uint64_t carry = 0;

    for (size_t w = 0; w < pattern->n_words; w++) {
        uint64_t moved = places->bits[w] & takes[w];

        places->bits[w] = (stars_stay ? places->bits[w] & pattern->stars[w] : 0) | moved << 1 | carry;
        carry = moved >> 63;
    }
    return close_places(pattern, places);
}

static bool may_end(const struct pattern *pattern, const struct places *places) {
    uint64_t any = 0;

    for (size_t w = 0; w < pattern->n_words; w++)
        any |= places->bits[w] & pattern->ends[w];
    return any != 0;
}

static struct places first_places(const struct pattern *pattern) {
    struct places places;

    memset(places.bits, 0, pattern->n_words * sizeof(places.bits[0]));
    places.bits[0] = 1;
    (void)close_places(pattern, &places);
    return places;
}

/*
 * Stays only where one would be whatever the unknown part is. In a star that is so. Before an ending ` *` too, where
 * the part is nothing or begins with a blank: behind it comes another border, or nothing.
 */
static bool step_over_unknown(const struct pattern *pattern, struct places *places, bool is_words) {
    for (size_t w = 0; w < pattern->n_words; w++)
        places->bits[w] &= pattern->stars[w] | (is_words ? pattern->tail[w] : 0);
    return close_places(pattern, places);
}

bool pattern_covers(const struct pattern *pattern, struct slice seen) {
    struct places places = first_places(pattern);
    bool goes_on = true;

    if (pattern->is_everything)
        return true;
    for (size_t i = 0; i < seen.n && goes_on; i++) {
        char byte = seen.p[i];

        if (byte == SEEN_ANY || byte == SEEN_WORDS)
            goes_on = step_over_unknown(pattern, &places, byte == SEEN_WORDS);
        else
            goes_on = step(pattern, &places, byte, byte != SEEN_TO && byte != SEEN_FROM);
    }
    return goes_on && may_end(pattern, &places);
}

/*
 * From each place to every later one, for each token takes some byte or other; but not over a border, which nothing can
 * become that is unknown. Adding a place to a run of others flips it up to the first behind the run.
 */
static void open_up(const struct pattern *pattern, struct places *places) {
    uint64_t carry = 0;

    for (size_t w = 0; w < pattern->n_words; w++) {
        uint64_t open = ~pattern->borders[w], from = places->bits[w] & open, sum;
        bool overflows = __builtin_add_overflow(open, from, &sum);

        overflows |= __builtin_add_overflow(sum, carry, &sum);
        places->bits[w] |= sum ^ open;
        carry = overflows;
    }
}

static bool step_into_unknown(const struct pattern *pattern, struct places *places, bool is_words) {
    struct places before = *places;

    if (is_words && !step(pattern, places, ' ', true)) {
        *places = before;
        return true;
    }
    open_up(pattern, places);
    for (size_t w = 0; w < pattern->n_words && is_words; w++)
        places->bits[w] |= before.bits[w];
    return true;
}

/* For a denying rule: what is made for one byte, a `?` or a set, takes the mark as well. */
static bool step_over_mark(const struct pattern *pattern, struct places *places, char mark) {
    struct places others = *places;
    bool goes_on = step(pattern, places, mark, true);

    goes_on |= step(pattern, &others, mark == SEEN_TO ? '>' : '<', true);
    for (size_t w = 0; w < pattern->n_words; w++)
        places->bits[w] |= others.bits[w];
    return goes_on;
}

bool pattern_meets(const struct pattern *pattern, struct slice seen) {
    struct places places = first_places(pattern);
    bool goes_on = true;

    for (size_t i = 0; i < seen.n && goes_on; i++) {
        char byte = seen.p[i];

        if (byte == SEEN_ANY || byte == SEEN_WORDS)
            goes_on = step_into_unknown(pattern, &places, byte == SEEN_WORDS);
        else if (byte == SEEN_TO || byte == SEEN_FROM)
            goes_on = step_over_mark(pattern, &places, byte);
        else
            goes_on = step(pattern, &places, byte == SEEN_BLANK ? ' ' : byte, true);
    }
    return goes_on && may_end(pattern, &places);
}
