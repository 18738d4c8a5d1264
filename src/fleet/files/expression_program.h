/*
 * An expression as the steps in which a line is looked at, and going through a line with them. Parts of a program can
 * be moved and copied, as jumps in it are relative. Pure. The inside of fleet/files.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum expression_step_type {
    STEP_CHARACTER, /* `a`: the character */
    STEP_ANY,
    STEP_SET,    /* `a`: its first range, `b`: how many; one of them has the character */
    STEP_NO_SET, /* likewise; none has */
    STEP_SPLIT,  /* on at both: `a` and `b` steps further */
    STEP_JUMP,   /* `a` steps further */
    STEP_BEGIN,  /* true at the line's beginning; at its end; at the border of a word; not there */
    STEP_END,
    STEP_BORDER,
    STEP_NO_BORDER,
    STEP_MATCH,
};

struct expression_step {
    enum expression_step_type type;
    int32_t a, b;
};

struct expression_range {
    uint32_t low, high;
};

struct expression_program {
    struct expression_step *steps; /* the last is STEP_MATCH */
    struct expression_range *ranges;
    size_t n_steps, steps_room, n_ranges, ranges_room;
    bool ignores_case;
    bool begins[256]; /* bytes with which a match can begin; where it may be empty, all */
    uint32_t *memory; /* of expression_program_run: see there */
};

/* One step more, before the one at `at`. 0, -E2BIG (LIMIT_EXPRESSION_SIZE) or -ENOMEM. */
int expression_program_insert(struct expression_program *program, size_t at, struct expression_step step);

/* The same for the part of it that begins at `from`: once more at the end. */
int expression_program_repeat(struct expression_program *program, size_t from, size_t n);

int expression_program_add_range(struct expression_program *program, uint32_t low, uint32_t high);

/* It is whole, and can be run from now on. 0 or -ENOMEM. */
int expression_program_finish(struct expression_program *program);
void expression_program_done(struct expression_program *program);

bool expression_program_run(struct expression_program *program, struct slice line);
