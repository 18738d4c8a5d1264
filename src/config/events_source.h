/*
 * What events.c and the two sources of events share. Nobody else includes it.
 */
#pragma once

#include "config/events.h"

#define EVENTS_FAULT_MAX 256

struct events {
    int (*next)(struct events *events, struct event *ret);
    void (*close)(struct events *events); /* frees it */
    struct slice bytes;
    size_t fault_line;
    char fault[EVENTS_FAULT_MAX];
};

int events_open_yaml(struct slice bytes, struct events **ret);
int events_open_json(struct slice bytes, struct events **ret);

/* Keeps the complaint; -EINVAL. */
_printf_(3, 4) int events_fail(struct events *events, size_t line, const char *format, ...);
