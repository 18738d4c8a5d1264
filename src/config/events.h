/*
 * A file of YAML or JSON as a run of events, each with its line: for a file of a hundred thousand entries, of which no
 * tree (config/document.h) is to be built, and which its reader wants to see once, in order. Both formats look alike to
 * the reader. As strict as the tree: one document, no anchor, alias or tag; JSON as RFC 8259 has it, nothing more.
 *
 * Within a mapping scalars come in turn as keys and as values. Keys that are written twice are the reader's to find.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/slice.h"

enum events_format { EVENTS_YAML, EVENTS_JSON };

enum event_type { EVENT_MAPPING, EVENT_LIST, EVENT_CLOSE, EVENT_SCALAR, EVENT_END };

struct event {
    enum event_type type;
    size_t line;       /* where it starts; from 1 */
    struct slice text; /* of a scalar; valid until the next events_next */
    bool is_text;      /* a text: a string of JSON; in YAML all but an unquoted null */
    bool is_number;    /* it may be one: not in quotes */
};

struct events;

/* `bytes` must live as long. 0 or -ENOMEM. */
int events_open(enum events_format format, struct slice bytes, struct events **ret);

/* 0, -ENOMEM, or -EINVAL: events_fault tells why. Not to be called again after that, or after EVENT_END. */
int events_next(struct events *events, struct event *ret);

/* What is wrong, and how to mend it, in printable words; and on which line. Valid until events_close. */
const char *events_fault(const struct events *events, size_t *ret_line);

void events_close(struct events *events); /* NULL is fine */
void events_close_pointer(struct events **events);
#define _cleanup_events_ _cleanup_(events_close_pointer)
