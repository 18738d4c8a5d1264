/*
 * What a text does with its variables, whichever way it runs. bash calculates with what a variable holds as if that
 * stood there, so that `x='a[$(cmd)]'; echo $((x))` runs cmd. A name must therefore never be both: calculated with,
 * and set to anything but a number. Used by whoever reads an assignment or an expression.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

struct reader;
struct word;
struct name;

enum name_fact {
    NAME_IS_NUMBER = 1 << 0,  /* set to a number */
    NAME_IS_TEXT = 1 << 1,    /* set to anything else */
    NAME_IS_COUNTED = 1 << 2, /* calculated with */
    NAME_IS_ARRAY = 1 << 3,
    NAME_IS_DECLARED = 1 << 4, /* `declare NAME=VALUE`, which reads VALUE as a list again where NAME is an array */
    NAME_IS_FUNCTION = 1 << 5,
    NAME_IS_COUNTER = 1 << 6, /* a command whose output is a number, while no function has its name */
};

#define NAME_BUCKETS 1024

struct names {
    struct name *buckets[NAME_BUCKETS];
    size_t n;
};

bool is_name_start(char c);
bool is_name_byte(char c);

/* How many bytes at the front of `text` are a variable's name. */
size_t name_length(struct slice text);

/* The whole of `text` is one. */
bool is_name(struct slice text);

/* One more fact about a name. A fault where two do not go together. */
bool name_note(struct reader *r, struct slice name, enum name_fact fact, size_t at);

/*
 * A variable is set: to `value`, a word whose value begins at its `value_at`; without one (NULL) to what only the run
 * knows. Where its name steers something (variables.h) that is found as a command of its own, `NAME=value`, unless
 * the assignment is part of one anyway. A fault where it changes how the rest is read.
 */
bool name_set(struct reader *r, struct slice name, const struct word *value, bool is_part_of_command, size_t at);

/* As that, to a number that only the run knows. */
bool name_set_to_number(struct reader *r, struct slice name, size_t at);
