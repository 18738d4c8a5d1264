#include "config/events.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "config/events_source.h"

int events_open(enum events_format format, struct slice bytes, struct events **ret) {
    return format == EVENTS_JSON ? events_open_json(bytes, ret) : events_open_yaml(bytes, ret);
}

int events_next(struct events *events, struct event *ret) {
    return events->next(events, ret);
}

int events_fail(struct events *events, size_t line, const char *format, ...) {
    va_list args;

    va_start(args, format);
    (void)vsnprintf(events->fault, sizeof(events->fault), format, args);
    va_end(args);
    events->fault_line = line;
    return -EINVAL;
}

const char *events_fault(const struct events *events, size_t *ret_line) {
    *ret_line = events->fault_line;
    return events->fault;
}

void events_close(struct events *events) {
    if (events)
        events->close(events);
}

void events_close_pointer(struct events **events) {
    events_close(*events);
}
