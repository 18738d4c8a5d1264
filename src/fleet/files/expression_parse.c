#include <errno.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/num.h"
#include "base/utf8.h"
#include "fleet/files/expression.h"

#define GROUPS 64     /* within one another */
#define REPEATED 1000 /* the most that a repetition may say */
#define LAST_CHARACTER 0x10FFFFu
#define EVERYTHING UINT32_MAX /* bytes that are no characters, too */

struct parse {
    struct slice rest;
    struct expression_program *program;
    size_t depth;
};

static char next(const struct parse *parse) {
    return parse->rest.n > 0 ? parse->rest.p[0] : '\0';
}

static void skip(struct parse *parse, size_t n) {
    parse->rest = slice_from(parse->rest, n);
}

static bool skip_if(struct parse *parse, struct slice prefix) {
    bool is_there = slice_starts_with(parse->rest, prefix);

    skip(parse, is_there ? prefix.n : 0);
    return is_there;
}

static int insert(struct parse *parse, size_t at, enum expression_step_type type, size_t a, size_t b) {
    return expression_program_insert(parse->program, at,
                                     (struct expression_step){.type = type, .a = (int32_t)a, .b = (int32_t)b});
}

static int append(struct parse *parse, enum expression_step_type type, size_t a, size_t b) {
    return insert(parse, parse->program->n_steps, type, a, b);
}

/* A set of the ranges from `first` on. */
static int append_set(struct parse *parse, size_t first, bool is_inverted) {
    return append(parse, is_inverted ? STEP_NO_SET : STEP_SET, first, parse->program->n_ranges - first);
}

/* What \d, \w or \s stands for, or [:alpha:]; -EINVAL for another name. */
static int add_class(struct parse *parse, struct slice name) {
    static const struct {
        struct slice name;
        struct expression_range ranges[4];
    } classes[] = {
        {SLICE("d"), {{'0', '9'}}},
        {SLICE("w"), {{'a', 'z'}, {'A', 'Z'}, {'0', '9'}, {'_', '_'}}},
        {SLICE("s"), {{'\t', '\r'}, {' ', ' '}}},
        {SLICE("alnum"), {{'a', 'z'}, {'A', 'Z'}, {'0', '9'}}},
        {SLICE("alpha"), {{'a', 'z'}, {'A', 'Z'}}},
        {SLICE("blank"), {{'\t', '\t'}, {' ', ' '}}},
        {SLICE("cntrl"), {{1, 0x1F}, {0x7F, 0x7F}}},
        {SLICE("digit"), {{'0', '9'}}},
        {SLICE("graph"), {{'!', '~'}}},
        {SLICE("lower"), {{'a', 'z'}}},
        {SLICE("print"), {{' ', '~'}}},
        {SLICE("punct"), {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
        {SLICE("space"), {{'\t', '\r'}, {' ', ' '}}},
        {SLICE("upper"), {{'A', 'Z'}}},
        {SLICE("word"), {{'a', 'z'}, {'A', 'Z'}, {'0', '9'}, {'_', '_'}}},
        {SLICE("xdigit"), {{'0', '9'}, {'a', 'f'}, {'A', 'F'}}},
    };
    int r = 0;

    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        if (!slice_equals(classes[i].name, name))
            continue;
        for (size_t k = 0; r == 0 && k < 4 && classes[i].ranges[k].high > 0; k++)
            r = expression_program_add_range(parse->program, classes[i].ranges[k].low, classes[i].ranges[k].high);
        if (r == 0 && slice_equals(name, SLICE("w")))
            r = expression_program_add_range(parse->program, 0x80, LAST_CHARACTER);
        return r;
    }
    return -EINVAL;
}

static bool is_name_character(char c) {
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

/* \x41 or \x{41}; the `x` is next. */
static int take_hex(struct parse *parse, uint32_t *ret) {
    struct slice digits;
    uint64_t value;

    skip(parse, 1);
    if (next(parse) == '{') {
        digits = slice_first(slice_from(parse->rest, 1), slice_index(slice_from(parse->rest, 1), '}'));
        skip(parse, digits.n + 2);
    } else {
        digits = slice_first(parse->rest, 2);
        skip(parse, 2);
    }
    if (digits.n == 0 || num_parse_hex(digits, LAST_CHARACTER, &value) < 0)
        return -EINVAL;
    *ret = (uint32_t)value;
    return 0;
}

/* A character; an escaped one as itself. -EINVAL for an escape that means something else. */
static int take_character(struct parse *parse, uint32_t *ret) {
    static const struct slice blanks = SLICE("tnrfva"), values = SLICE("\t\n\r\f\v\a");
    char escaped;
    size_t n;

    if (next(parse) == '\\') {
        skip(parse, 1);
        escaped = next(parse);
        if (escaped == 'x')
            return take_hex(parse, ret);
        n = slice_index(blanks, escaped);
        if (n < blanks.n) {
            skip(parse, 1);
            *ret = (unsigned char)values.p[n];
            return 0;
        }
        if (escaped < ' ' || escaped > '~' || is_name_character(escaped))
            return -EINVAL;
    }
    if (parse->rest.n == 0)
        return -EINVAL;
    n = utf8_next(parse->rest, ret);
    skip(parse, n);
    return n > 0 ? 0 : -EINVAL;
}

/* Within a set: \d, [:digit:], a character or a range of them. */
static int parse_member(struct parse *parse) {
    uint32_t low = 0, high;
    size_t n;
    int r;

    if (slice_starts_with(parse->rest, SLICE("[:"))) {
        n = slice_index(slice_from(parse->rest, 2), ':');
        struct slice name = slice_first(slice_from(parse->rest, 2), n);

        skip(parse, 2 + n);
        return skip_if(parse, SLICE(":]")) ? add_class(parse, name) : -EINVAL;
    }
    if (next(parse) == '\\' && parse->rest.n > 1 && slice_has(SLICE("dws"), parse->rest.p[1])) {
        struct slice name = slice_of(parse->rest.p + 1, 1);

        skip(parse, 2);
        return add_class(parse, name);
    }
    r = take_character(parse, &low);
    high = low;
    if (r == 0 && parse->rest.n > 1 && next(parse) == '-' && parse->rest.p[1] != ']') {
        skip(parse, 1);
        r = take_character(parse, &high);
    }
    return r < 0 ? r : high < low ? -EINVAL : expression_program_add_range(parse->program, low, high);
}

static int parse_set(struct parse *parse) {
    size_t first = parse->program->n_ranges;
    bool is_inverted;
    int r = 0;

    skip(parse, 1);
    is_inverted = skip_if(parse, SLICE("^"));
    do
        r = slice_starts_with(parse->rest, SLICE("&&")) ? -EINVAL : parse_member(parse);
    while (r == 0 && parse->rest.n > 0 && next(parse) != ']');
    if (r < 0 || !skip_if(parse, SLICE("]")))
        return r < 0 ? r : -EINVAL;
    return append_set(parse, first, is_inverted);
}

static int parse_escape(struct parse *parse) {
    static const struct {
        char letter;
        enum expression_step_type type;
    } places[] = {{'b', STEP_BORDER},    {'<', STEP_BORDER}, {'>', STEP_BORDER},
                  {'B', STEP_NO_BORDER}, {'A', STEP_BEGIN},  {'z', STEP_END}};
    char letter = parse->rest.n > 1 ? parse->rest.p[1] : '\0', class = ascii_lower(letter);
    size_t first = parse->program->n_ranges;
    uint32_t code;
    int r;

    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (letter == places[i].letter) {
            skip(parse, 2);
            return append(parse, places[i].type, 0, 0);
        }
    if (slice_has(SLICE("dws"), class)) {
        skip(parse, 2);
        r = add_class(parse, slice_of(&class, 1));
        return r < 0 ? r : append_set(parse, first, letter != class);
    }
    r = take_character(parse, &code);
    return r < 0 ? r : append(parse, STEP_CHARACTER, code, 0);
}

static int parse_alternatives(struct parse *parse);

/* `(`, `(?:`, `(?P<name>` or `(?<name>`. What a group is called matters to nobody here. */
static int parse_group(struct parse *parse) {
    int r;

    skip(parse, 1);
    if (skip_if(parse, SLICE("?P<")) ||
        (!slice_starts_with(parse->rest, SLICE("?<=")) && !slice_starts_with(parse->rest, SLICE("?<!")) &&
         skip_if(parse, SLICE("?<")))) {
        skip(parse, slice_index(parse->rest, '>'));
        if (!skip_if(parse, SLICE(">")))
            return -EINVAL;
    } else if (!skip_if(parse, SLICE("?:")) && next(parse) == '?') {
        return -EINVAL;
    }
    if (++parse->depth > GROUPS)
        return -E2BIG;
    r = parse_alternatives(parse);
    parse->depth--;
    return r < 0 ? r : skip_if(parse, SLICE(")")) ? 0 : -EINVAL;
}

static int parse_atom(struct parse *parse) {
    uint32_t code;
    int r;

    switch (next(parse)) {
    case '(':
        return parse_group(parse);
    case '[':
        return parse_set(parse);
    case '\\':
        return parse_escape(parse);
    case '.':
        skip(parse, 1);
        return append(parse, STEP_ANY, 0, 0);
    case '^':
        skip(parse, 1);
        return append(parse, STEP_BEGIN, 0, 0);
    case '$':
        skip(parse, 1);
        return append(parse, STEP_END, 0, 0);
    case '*':
    case '+':
    case '?':
    case '{':
        return -EINVAL; /* nothing stands before it */
    default:
        r = take_character(parse, &code);
        return r < 0 ? r : append(parse, STEP_CHARACTER, code, 0);
    }
}

/* How often: `*`, `+`, `?` or `{2,5}`, with `*ret_most` EVERYTHING for any number. 0 or -EINVAL. */
static int take_bounds(struct parse *parse, uint64_t *ret_least, uint64_t *ret_most) {
    char c = next(parse);
    struct slice bounds, least;

    *ret_least = c == '+';
    *ret_most = c == '?' ? 1 : EVERYTHING;
    if (c != '{') {
        skip(parse, 1);
        return 0;
    }
    bounds = slice_first(slice_from(parse->rest, 1), slice_index(slice_from(parse->rest, 1), '}'));
    skip(parse, bounds.n + 1);
    least = slice_cut(&bounds, ',');
    if (!skip_if(parse, SLICE("}")) || num_parse(least, REPEATED, ret_least) < 0)
        return -EINVAL;
    if (!bounds.p)
        *ret_most = *ret_least;
    else if (bounds.n > 0 && (num_parse(bounds, REPEATED, ret_most) < 0 || *ret_most < *ret_least))
        return -EINVAL;
    return 0;
}

/*
 * What begins at `from` so often: written out. Of what may be missing each copy has a split before it, and of any
 * number the last has one behind it, back to its beginning.
 */
static int repeat(struct parse *parse, size_t from, uint64_t least, uint64_t most) {
    size_t n = parse->program->n_steps - from;
    uint64_t copies = most == EVERYTHING ? MAX_OF(least, UINT64_C(1)) : most;
    int r = 0;

    if (copies == 0)
        parse->program->n_steps = from;
    for (uint64_t i = 1; r == 0 && i < copies; i++) {
        r = i >= least ? append(parse, STEP_SPLIT, 1, n + 1) : 0;
        if (r == 0)
            r = expression_program_repeat(parse->program, from, n);
    }
    if (r == 0 && most == EVERYTHING)
        r = append(parse, STEP_SPLIT, 0 - n, 1);
    if (r == 0 && least == 0 && copies > 0)
        r = insert(parse, from, STEP_SPLIT, 1, parse->program->n_steps - from + 1);
    return r;
}

static int parse_repeated(struct parse *parse) {
    size_t from = parse->program->n_steps;
    uint64_t least, most;
    int r = parse_atom(parse);

    while (r == 0 && parse->rest.n > 0 && slice_has(SLICE("*+?{"), next(parse))) {
        r = take_bounds(parse, &least, &most);
        if (r == 0)
            r = repeat(parse, from, least, most);
        (void)skip_if(parse, SLICE("?")); /* lazy: the same lines */
    }
    return r;
}

/* Each `|` puts a split before all that came so far, and a jump behind it over what comes. */
static int parse_alternatives(struct parse *parse) {
    size_t from = parse->program->n_steps, jump = 0;
    int r = 0;

    while (r == 0 && parse->rest.n > 0 && next(parse) != ')') {
        if (next(parse) != '|') {
            r = parse_repeated(parse);
            continue;
        }
        skip(parse, 1);
        if (jump > 0)
            parse->program->steps[jump].a = (int32_t)(parse->program->n_steps - jump);
        r = insert(parse, from, STEP_SPLIT, 1, parse->program->n_steps - from + 2);
        jump = parse->program->n_steps;
        if (r == 0)
            r = append(parse, STEP_JUMP, 1, 0);
    }
    if (r == 0 && jump > 0)
        parse->program->steps[jump].a = (int32_t)(parse->program->n_steps - jump);
    return r;
}

int expression_parse(struct slice pattern, bool ignores_case, struct expression_program *ret) {
    struct parse parse = {.rest = pattern, .program = ret};
    int r;

    *ret = (struct expression_program){0};
    if (pattern.n > LIMIT_EXPRESSION)
        return -E2BIG;
    ret->ignores_case = skip_if(&parse, SLICE("(?i)")) || ignores_case;
    r = parse_alternatives(&parse);
    if (r == 0 && parse.rest.n > 0)
        r = -EINVAL; /* a `)` too many */
    return r < 0 ? r : expression_program_finish(ret);
}
