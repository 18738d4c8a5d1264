/*
 * The parts of the status page (status.h): words for times and amounts, and the rows of its two lists. Called by
 * status.c alone.
 */
#pragma once

#include "base/text.h"
#include "ingress/desk/people.h"

/* One of the people, with the instance that a visit without a host or a path leads to; NULL: none, or nothing known. */
struct status_person {
    const struct person *person;
    const struct instance_health *instance;
    bool has_trouble;
    bool is_waiting; /* the instance is in use, and was asked how it is */
};

void status_put_number(struct text *text, uint64_t value); /* 12,345 */
void status_put_bytes(struct text *text, uint64_t bytes);  /* 12.3 MB */
void status_put_span(struct text *text, uint64_t ms);      /* 3 min */
void status_put_time(struct text *text, uint64_t unix_ms); /* 2026-11-21 22:39:30 UTC */

/* "3 min ago", with the time itself for whoever asks; "never" for 0. */
void status_put_ago(struct text *text, uint64_t unix_ms, uint64_t now_ms);

void status_put_person(struct text *text, const struct status_person *row, uint64_t now_ms);
void status_put_instance(struct text *text, const struct instance_health *instance, uint64_t now_ms);
