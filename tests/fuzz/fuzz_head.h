/*
 * What must hold for the head of either kind of message, written once.
 */
#pragma once

#include "fuzz.h"
#include "wire/http_head.h"
#include "wire/http_write.h"

/* Scans `in` as it arrives in pieces of `step` bytes. */
static inline ptrdiff_t scan_in_steps(enum http_message_kind kind, struct slice in, size_t step) {
    struct http_head_scan scan = {0};
    enum http_fault fault = HTTP_OK;
    ptrdiff_t r = 0;

    for (size_t n = 0; n < in.n && r == 0;) {
        n = in.n - n > step ? n + step : in.n;
        r = http_head_scan(&scan, kind, slice_first(in, n), &fault);
        REQUIRE(r <= (ptrdiff_t)n && r <= LIMIT_HEAD);
        REQUIRE((r < 0) == (fault != HTTP_OK));
    }
    return r;
}

/* What is noted of the fields' names is true of them. */
static inline void require_true_notes(const struct http_fields *fields) {
    uint64_t seen = 0;

    for (size_t i = 0; i < fields->n; i++) {
        enum http_name name = http_name_of(fields->at[i].name);

        REQUIRE(fields->at[i].known == name && !http_name_is_in(name, fields->absent));
        REQUIRE(!http_name_is_in(name, seen & fields->single));
        seen |= UINT64_C(1) << name;
    }
}

static inline void require_good_fields(const struct http_fields *fields, struct slice head) {
    REQUIRE(fields->n <= LIMIT_FIELDS);
    require_true_notes(fields);
    for (size_t i = 0; i < fields->n; i++) {
        struct slice name = fields->at[i].name, value = fields->at[i].value;

        REQUIRE(is_inside(name, head) && is_inside(value, head));
        REQUIRE(http_is_token(name) && http_is_field_value(value));
        REQUIRE(!slice_has(value, '\r') && !slice_has(value, '\n') && !slice_has(value, '\0'));
    }
}

static inline void require_equal_fields(const struct http_fields *a, const struct http_fields *b) {
    REQUIRE(a->n == b->n);
    for (size_t i = 0; i < a->n; i++)
        REQUIRE(slice_equals(a->at[i].name, b->at[i].name) && slice_equals(a->at[i].value, b->at[i].value));
}
