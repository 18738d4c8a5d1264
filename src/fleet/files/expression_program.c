#include "fleet/files/expression_program.h"

#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/macros.h"
#include "base/utf8.h"

#define NOTHING UINT32_MAX     /* before the line's first character, and behind its last */
#define NO_CHARACTER 0x110000u /* and more: a byte that begins none is one by itself */

static int make_room(void *memory, size_t *room, size_t n, size_t size) {
    size_t wanted = MAX_OF(2 * *room, (size_t)32);
    void **at = memory, *grown;

    if (n < *room)
        return 0;
    grown = reallocarray(*at, wanted, size);
    if (!grown)
        return -ENOMEM;
    *at = grown;
    *room = wanted;
    return 0;
}

int expression_program_insert(struct expression_program *program, size_t at, struct expression_step step) {
    int r = program->n_steps == LIMIT_EXPRESSION_SIZE
                ? -E2BIG
                : make_room(&program->steps, &program->steps_room, program->n_steps, sizeof(step));

    if (r < 0)
        return r;
    memmove(program->steps + at + 1, program->steps + at, (program->n_steps - at) * sizeof(step));
    program->steps[at] = step;
    program->n_steps++;
    return 0;
}

int expression_program_repeat(struct expression_program *program, size_t from, size_t n) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = expression_program_insert(program, program->n_steps, program->steps[from + i]);
    return r;
}

int expression_program_add_range(struct expression_program *program, uint32_t low, uint32_t high) {
    int r = make_room(&program->ranges, &program->ranges_room, program->n_ranges, sizeof(*program->ranges));

    if (r == 0)
        program->ranges[program->n_ranges++] = (struct expression_range){.low = low, .high = high};
    return r;
}

void expression_program_done(struct expression_program *program) {
    free(program->steps);
    free(program->ranges);
    free(program->memory);
    *program = (struct expression_program){0};
}

static uint32_t lower(uint32_t code) {
    return code >= 'A' && code <= 'Z' ? code | 0x20 : code;
}

static bool is_of_word(uint32_t code) {
    return code >= 0x80 ? code < NO_CHARACTER : lower(code) - 'a' < 26 || code - '0' < 10 || code == '_';
}

static bool is_in_ranges(const struct expression_program *program, const struct expression_step *step, uint32_t code) {
    for (int32_t i = step->a; i < step->a + step->b; i++)
        if (code >= program->ranges[i].low && code <= program->ranges[i].high)
            return true;
    return false;
}

static bool is_in_set(const struct expression_program *program, const struct expression_step *step, uint32_t code) {
    bool is_letter = lower(code) - 'a' < 26;

    return is_in_ranges(program, step, code) ||
           (program->ignores_case && is_letter && is_in_ranges(program, step, code ^ 0x20));
}

/* Whether a step that takes a character takes this one. */
static bool takes(const struct expression_program *program, const struct expression_step *step, uint32_t code) {
    switch (step->type) {
    case STEP_CHARACTER:
        return program->ignores_case ? lower(code) == lower((uint32_t)step->a) : code == (uint32_t)step->a;
    case STEP_ANY:
        return true;
    case STEP_SET:
        return is_in_set(program, step, code);
    case STEP_NO_SET:
        return !is_in_set(program, step, code);
    case STEP_SPLIT:
    case STEP_JUMP:
    case STEP_BEGIN:
    case STEP_END:
    case STEP_BORDER:
    case STEP_NO_BORDER:
    case STEP_MATCH:
        break;
    }
    return false;
}

/* A place in a line, between two characters. */
struct border {
    uint32_t before, behind;
};

static bool holds(enum expression_step_type type, const struct border *at) {
    bool is_border = is_of_word(at->before) != is_of_word(at->behind);

    return type == STEP_BEGIN    ? at->before == NOTHING
           : type == STEP_END    ? at->behind == NOTHING
           : type == STEP_BORDER ? is_border
                                 : !is_border;
}

/*
 * Numbers of steps. `waiting` are those that are to be followed at a place, `taking` those that are found there and
 * take a character; `seen` holds for each step the place at which it was followed last, so that it is followed once.
 * One piece of memory for a program: no list is longer than it, as each of its steps leads to two more at most.
 */
struct run {
    uint32_t *waiting, *taking, *seen;
    size_t n_waiting, n_taking;
};

static struct run run_of(const struct expression_program *program) {
    size_t n = program->n_steps;

    return (struct run){.waiting = program->memory, .taking = program->memory + 3 * n, .seen = program->memory + 4 * n};
}

/* Follows what waits through everything that takes no character. True when that is a match. */
static bool follow(const struct expression_program *program, struct run *run, uint32_t place, const struct border *at) {
    run->n_taking = 0;
    while (run->n_waiting > 0) {
        uint32_t i = run->waiting[--run->n_waiting];
        const struct expression_step *step = &program->steps[i];

        if (run->seen[i] == place)
            continue;
        run->seen[i] = place;
        switch (step->type) {
        case STEP_MATCH:
            return true;
        case STEP_SPLIT:
            run->waiting[run->n_waiting++] = (uint32_t)((int32_t)i + step->b);
            _fallthrough_;
        case STEP_JUMP:
            run->waiting[run->n_waiting++] = (uint32_t)((int32_t)i + step->a);
            break;
        case STEP_BEGIN:
        case STEP_END:
        case STEP_BORDER:
        case STEP_NO_BORDER:
            if (holds(step->type, at))
                run->waiting[run->n_waiting++] = i + 1;
            break;
        case STEP_CHARACTER:
        case STEP_ANY:
        case STEP_SET:
        case STEP_NO_SET:
            run->taking[run->n_taking++] = i;
            break;
        }
    }
    return false;
}

static uint32_t take(struct slice *line) {
    uint32_t code = (unsigned char)line->p[0];
    size_t n = code < 0x80 ? 1 : utf8_next(*line, &code);

    if (n == 0)
        code += NO_CHARACTER;
    *line = slice_from(*line, MAX_OF(n, (size_t)1));
    return code;
}

static uint32_t look(struct slice line) {
    return line.n > 0 ? take(&line) : NOTHING;
}

/* How many bytes of it no match begins with. */
static size_t vain(const struct expression_program *program, struct slice line) {
    size_t n = 0;

    while (n < line.n && !program->begins[(unsigned char)line.p[n]])
        n++;
    return n;
}

bool expression_program_run(struct expression_program *program, struct slice line) {
    struct run run = run_of(program);
    struct border at = {.before = NOTHING};

    memset(run.seen, 0, program->n_steps * sizeof(*run.seen));
    for (uint32_t place = 1;; place++) {
        size_t skipped = run.n_waiting == 0 ? vain(program, line) : 0;

        if (skipped > 0) {
            line = slice_from(line, skipped);
            at.before = (unsigned char)line.p[-1]; /* a whole character: only those of one byte are skipped */
        }
        at.behind = look(line);
        run.waiting[run.n_waiting++] = 0; /* it may begin here */
        if (follow(program, &run, place, &at))
            return true;
        if (line.n == 0)
            return false;
        at.before = take(&line);
        for (size_t i = 0; i < run.n_taking; i++)
            if (takes(program, &program->steps[run.taking[i]], at.before))
                run.waiting[run.n_waiting++] = run.taking[i] + 1;
    }
}

/* Bytes beyond ASCII begin characters that are not looked into: each of them may begin one that a step takes. */
static void note_beginning(struct expression_program *program, const struct expression_step *step) {
    for (uint32_t byte = 0; byte < 256; byte++)
        program->begins[byte] = program->begins[byte] || byte >= 0x80 || takes(program, step, byte);
}

/* With whatever holds of places: what may be true is. What can match nothing at all can begin anywhere. */
static void find_beginnings(struct expression_program *program) {
    struct run run = run_of(program);
    bool is_empty = false;

    memset(run.seen, 0, program->n_steps * sizeof(*run.seen));
    run.waiting[run.n_waiting++] = 0;
    while (run.n_waiting > 0) {
        uint32_t i = run.waiting[--run.n_waiting];
        const struct expression_step *step = &program->steps[i];

        if (run.seen[i] == 1)
            continue;
        run.seen[i] = 1;
        if (step->type == STEP_MATCH)
            is_empty = true;
        else if (step->type == STEP_SPLIT || step->type == STEP_JUMP)
            run.waiting[run.n_waiting++] = (uint32_t)((int32_t)i + step->a);
        else if (step->type >= STEP_BEGIN)
            run.waiting[run.n_waiting++] = i + 1;
        else
            note_beginning(program, step);
        if (step->type == STEP_SPLIT)
            run.waiting[run.n_waiting++] = (uint32_t)((int32_t)i + step->b);
    }
    for (size_t byte = 0; is_empty && byte < 256; byte++)
        program->begins[byte] = true;
}

int expression_program_finish(struct expression_program *program) {
    int r = expression_program_insert(program, program->n_steps, (struct expression_step){.type = STEP_MATCH});

    if (r < 0)
        return r;
    program->memory = calloc(5 * program->n_steps + 1, sizeof(*program->memory));
    if (!program->memory)
        return -ENOMEM;
    find_beginnings(program);
    return 0;
}
