#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "config/events_source.h"
#include "config/yaml_fault.h"

struct yaml_events {
    struct events base;
    yaml_parser_t parser;
    yaml_event_t event; /* the last, whose text the reader still looks into */
    bool has_event;
    bool has_document;
    size_t depth;
};

static struct yaml_events *yaml_events_of(struct events *events) {
    return container_of(events, struct yaml_events, base);
}

static bool is_null(struct slice text) {
    static const struct slice words[] = {{"", 0}, {"~", 1}, {"null", 4}, {"Null", 4}, {"NULL", 4}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_equals(text, words[i]))
            return true;
    return false;
}

static int take_scalar(struct events *events, const yaml_event_t *event, struct event *ret) {
    bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    if (event->data.scalar.anchor)
        return events_fail(events, ret->line, "%s", YAML_NO_ANCHOR);
    if (event->data.scalar.tag)
        return events_fail(events, ret->line, "%s", YAML_NO_TAG);
    ret->type = EVENT_SCALAR;
    ret->text = slice_of(event->data.scalar.value, event->data.scalar.length);
    ret->is_text = !is_plain || !is_null(ret->text);
    ret->is_number = is_plain;
    return 1;
}

static int open_container(struct events *events, enum event_type type, const yaml_char_t *anchor,
                          const yaml_char_t *tag, struct event *ret) {
    if (anchor)
        return events_fail(events, ret->line, "%s", YAML_NO_ANCHOR);
    if (tag)
        return events_fail(events, ret->line, "%s", YAML_NO_TAG);
    if (++yaml_events_of(events)->depth > LIMIT_CONFIG_DEPTH)
        return events_fail(events, ret->line, "nested more than %d deep; flatten it", LIMIT_CONFIG_DEPTH);
    ret->type = type;
    return 1;
}

/* 1 with an event for the reader, 0 for what does not concern one, or -EINVAL. */
static int take_event(struct events *events, const yaml_event_t *event, struct event *ret) {
    struct yaml_events *y = yaml_events_of(events);

    *ret = (struct event){.line = yaml_line(event->start_mark), .text = SLICE_EMPTY};
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(events, event, ret);
    case YAML_SEQUENCE_START_EVENT:
        return open_container(events, EVENT_LIST, event->data.sequence_start.anchor, event->data.sequence_start.tag,
                              ret);
    case YAML_MAPPING_START_EVENT:
        return open_container(events, EVENT_MAPPING, event->data.mapping_start.anchor, event->data.mapping_start.tag,
                              ret);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        y->depth--;
        ret->type = EVENT_CLOSE;
        return 1;
    case YAML_STREAM_END_EVENT:
        ret->type = EVENT_END;
        return 1;
    case YAML_ALIAS_EVENT:
        return events_fail(events, ret->line, "%s", YAML_NO_ALIAS);
    case YAML_DOCUMENT_START_EVENT:
        if (y->has_document)
            return events_fail(events, ret->line, "%s", YAML_NO_SECOND);
        y->has_document = true;
        return 0;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    return 0;
}

static void drop_event(struct yaml_events *y) {
    if (y->has_event)
        yaml_event_delete(&y->event);
    y->has_event = false;
}

static int fail_syntax(struct yaml_events *y) {
    char words[YAML_FAULT_MAX];
    size_t line = 0;
    int r = yaml_fault(&y->parser, y->base.bytes, words, &line);

    return r == -EINVAL ? events_fail(&y->base, line, "%s", words) : r;
}

static int yaml_next(struct events *events, struct event *ret) {
    struct yaml_events *y = yaml_events_of(events);
    int r;

    do {
        drop_event(y);
        if (!yaml_parser_parse(&y->parser, &y->event))
            return fail_syntax(y);
        y->has_event = true;
        r = take_event(events, &y->event, ret);
    } while (r == 0);
    return r > 0 ? 0 : r;
}

static void yaml_close(struct events *events) {
    struct yaml_events *y = yaml_events_of(events);

    drop_event(y);
    yaml_parser_delete(&y->parser);
    free(y);
}

int events_open_yaml(struct slice bytes, struct events **ret) {
    struct yaml_events *y = calloc(1, sizeof(*y));

    if (!y)
        return -ENOMEM;
    y->base = (struct events){.next = yaml_next, .close = yaml_close, .bytes = yaml_skip_mark(bytes)};
    if (!yaml_parser_initialize(&y->parser)) {
        free(y);
        return -ENOMEM;
    }
    yaml_parser_set_encoding(&y->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&y->parser, (const unsigned char *)y->base.bytes.p, y->base.bytes.n);
    *ret = &y->base;
    return 0;
}
