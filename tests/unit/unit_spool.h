/*
 * For tests of the spool: one in a directory of its own, and what its results say.
 */
#pragma once

#include "fleet/spool/spool.h"
#include "unit_place.h"

static struct spool *spool;
static int spool_place;

#define SPOOL_BYTES (1024 * 1024)

static inline void spool_start(void) {
    char *error = NULL;
    int r = spool_open(place_path, SPOOL_BYTES, &spool, &error);

    if (r < 0)
        fail_msg("%s", error);
}

static inline void spool_restart(void) {
    spool_close(spool);
    spool_start();
}

static inline int spool_setup(void **state) {
    (void)state;
    spool_place = place_begin();
    spool_start();
    return 0;
}

static inline int spool_teardown(void **state) {
    (void)state;
    spool_close(spool);
    spool = NULL;
    place_end(spool_place);
    return 0;
}

static inline struct record record_of(const char *task_id, const char *payload) {
    return (struct record){.at_ms = 1,
                           .task_id = slice_of_string(task_id),
                           .trace_id = SLICE("trace"),
                           .source_id = SLICE("source"),
                           .payload = slice_of_string(payload)};
}

/* What a task's process does: begins, and has a result. */
static inline void task_begin(const char *task_id) {
    struct record begun = record_of(task_id, "");
    int lock = spool_write_begun(spool_place, &begun);

    assert_true(lock >= 0);
    (void)close(lock);
}

static inline void task_end(const char *task_id, const char *payload, uint64_t at_ms) {
    struct record result = record_of(task_id, payload);

    result.at_ms = at_ms;
    assert_int_equal(spool_write_result(spool_place, &result), 0);
}

/* A whole task, as the supervisor sees it. */
static inline void task_run(const char *task_id, const char *payload) {
    struct record begun = record_of(task_id, "");

    assert_int_equal(spool_accept(spool, &begun), 0);
    task_begin(task_id);
    task_end(task_id, payload, 1);
    assert_int_equal(spool_finish(spool, begun.task_id, NULL), 0);
}

/* The payload of the first result behind `after`, which is this task's; its number. */
static inline uint64_t next_is(uint64_t after, const char *task_id, const char *payload) {
    _cleanup_record_ struct slice bytes = SLICE_EMPTY;
    _cleanup_close_ int fd = -EBADF;
    struct spool_entry entry;
    struct record record;

    assert_true(spool_next(spool, after, &entry));
    assert_slice(entry.task_id, task_id);
    fd = spool_open_result(spool, entry.number);
    assert_true(fd >= 0);
    assert_int_equal(record_map(fd, &bytes), 0);
    assert_int_equal(record_parse(bytes, &record), 0);
    assert_slice(record.task_id, task_id);
    assert_slice(record.payload, payload);
    return entry.number;
}

static inline void nothing_is_next(uint64_t after) {
    struct spool_entry entry;

    assert_false(spool_next(spool, after, &entry));
}
