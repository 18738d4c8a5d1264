/*
 * For tests of the operations on files: a workspace, and what an operation answers there.
 */
#pragma once

#include <jansson.h>

#include "base/clock.h"
#include "base/limits.h"
#include "fleet/files/files.h"
#include "unit_place.h"

static int workspace;
static struct files files;
static json_t *answer;     /* of the last operation; NULL: it failed, and said */
static char *answer_error; /* this */
static size_t answer_cap = LIMIT_RESULT;

static inline int files_setup(void **state) {
    (void)state;
    workspace = place_begin();
    files = (struct files){.workspace = workspace, .deadline_ms = clock_now_ms() + 60000};
    answer_cap = LIMIT_RESULT;
    return 0;
}

static inline void forget_answer(void) {
    json_decref(answer);
    answer = NULL;
    free(answer_error);
    answer_error = NULL;
}

static inline int files_teardown(void **state) {
    (void)state;
    forget_answer();
    place_end(workspace);
    return 0;
}

/* What files_run returns; `answer` or `answer_error` is set. */
static inline int do_order(const struct order *order) {
    struct buf result;
    int r;

    forget_answer();
    buf_init(&result, answer_cap);
    r = files_run(&files, order, &result, &answer_error);
    if (r == 0) {
        answer = json_loadb(buf_slice(&result).p, buf_length(&result), JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(answer);
        assert_null(answer_error);
    }
    buf_release(&result);
    return r;
}

static inline const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));

    assert_non_null(text);
    return text;
}

static inline json_int_t number_of(const json_t *object, const char *name) {
    assert_true(json_is_integer(json_object_get(object, name)));
    return json_integer_value(json_object_get(object, name));
}
