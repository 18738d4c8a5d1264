#include "fleet/link/hub_message.h"

#include <errno.h>
#include <stdio.h>

#include "base/macros.h"
#include "fleet/link/hub_json.h"

#define OPERATION_SHOWN 100 /* of the name of one that we do not know */

/* The text of a member, `max` at most, or an empty one; false when it is there and is no such text. */
static bool read_text(const json_t *object, const char *name, size_t max, struct slice *ret) {
    const json_t *value = hub_json_member(object, name);
    struct slice text = hub_json_text(value);

    *ret = SLICE_EMPTY;
    if (!value)
        return true;
    if (!text.p || text.n > max || slice_has(text, '\0'))
        return false;
    *ret = text;
    return true;
}

static bool is_task_id(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < '!' || text.p[i] > '~')
            return false;
    return text.n > 0;
}

static bool read_task_id(const json_t *payload, struct hub_message *ret) {
    return read_text(payload, "task_id", LIMIT_TASK_ID, &ret->task_id) && is_task_id(ret->task_id);
}

static const char *read_about_task(const json_t *payload, struct hub_message *ret) {
    return read_task_id(payload, ret) ? NULL : "payload.task_id is no id of a task";
}

/* A part of a name that is to be shown: whole characters of it. */
static struct slice shorten(struct slice text, size_t max) {
    struct slice part = slice_first(text, max);

    while (part.n < text.n && part.n > 0 && ((unsigned char)text.p[part.n] & 0xc0) == 0x80)
        part.n--;
    return part;
}

static void read_operation(const json_t *payload, struct hub_message *ret) {
    struct slice name = hub_json_text(hub_json_member(payload, "operation"));
    enum operation operation = operation_by_name(name.p ? name : SLICE_EMPTY);

    if (!name.p)
        (void)snprintf(ret->fault, sizeof(ret->fault), "operation: must be a string");
    else if (operation == OPERATION_UNKNOWN)
        (void)snprintf(ret->fault, sizeof(ret->fault), "unknown operation: %.*s",
                       SLICE_ARG(shorten(slice_first(name, slice_index(name, '\0')), OPERATION_SHOWN)));
    else
        hub_order_read(operation, hub_json_member(payload, "args"), &ret->order, ret->fault, sizeof(ret->fault));
}

/* With an id the hub can be told what is wrong with the rest. */
static const char *read_request(const json_t *payload, struct hub_message *ret) {
    bool has_trace, has_source;

    if (!read_task_id(payload, ret))
        return "payload.task_id is no id of a task";
    has_trace = read_text(payload, "trace_id", LIMIT_TASK_ID, &ret->trace_id);
    has_source = read_text(payload, "source_instance_id", LIMIT_TASK_ID, &ret->source_id);
    if (has_trace && has_source)
        read_operation(payload, ret);
    else
        (void)snprintf(ret->fault, sizeof(ret->fault), "%s: must be a string of at most %d bytes",
                       has_trace ? "source_instance_id" : "trace_id", LIMIT_TASK_ID);
    return NULL;
}

static const char *read_call(const json_t *payload, struct hub_message *ret) {
    return read_text(payload, "call_id", LIMIT_WORKNODE, &ret->call_id) && ret->call_id.n > 0
               ? NULL
               : "payload.call_id is no id of a call";
}

static const char *read_welcome(const json_t *payload, struct hub_message *ret) {
    const json_t *acks = hub_json_member(payload, "acks"), *labels = hub_json_member(payload, "labels"),
                 *received = hub_json_member(payload, "received");

    ret->acknowledges = json_is_true(acks);
    if (!read_text(payload, "worknode_id", LIMIT_WORKNODE, &ret->worknode_id) ||
        !read_text(payload, "name", LIMIT_WORKNODE, &ret->name))
        return "payload.worknode_id or payload.name is no string, or too long";
    if ((acks && !json_is_boolean(acks)) || (labels && !json_is_array(labels)) ||
        (received && !json_is_array(received)))
        return "payload.acks, payload.labels or payload.received is of another type";
    return NULL;
}

static const char *read_nothing(const json_t *payload, struct hub_message *ret) {
    (void)payload;
    (void)ret;
    return NULL;
}

static const struct {
    struct slice name;
    const char *(*read)(const json_t *payload, struct hub_message *ret); /* NULL, or what is wrong */
} types[] = {
    [HUB_WELCOME] = {SLICE("welcome"), read_welcome},
    [HUB_TASK_REQUEST] = {SLICE("task.request"), read_request},
    [HUB_TASK_CANCEL] = {SLICE("task.cancel"), read_about_task},
    [HUB_TASK_ACK] = {SLICE("task.ack"), read_about_task},
    [HUB_MCP_CALL] = {SLICE("mcp.call"), read_call},
    [HUB_UNKNOWN] = {SLICE_EMPTY, read_nothing},
};

static const char *read_envelope(struct hub_message *ret) {
    const json_t *payload = hub_json_member(ret->root, "payload");
    struct slice name = hub_json_text(hub_json_member(ret->root, "type"));

    if (!name.p)
        return "its type is no string";
    ret->type_name = name;
    for (ret->type = HUB_WELCOME; ret->type < HUB_UNKNOWN; ret->type++)
        if (slice_equals(types[ret->type].name, name))
            break;
    if (ret->type != HUB_UNKNOWN && !json_is_object(payload))
        return "its payload is no object";
    return types[ret->type].read(payload, ret);
}

int hub_message_parse(struct slice text, struct hub_message *ret, const char **ret_fault) {
    const char *fault = NULL;

    *ret = (struct hub_message){.type = HUB_UNKNOWN,
                                .type_name = SLICE_EMPTY,
                                .task_id = SLICE_EMPTY,
                                .trace_id = SLICE_EMPTY,
                                .source_id = SLICE_EMPTY,
                                .order.order.operation = OPERATION_UNKNOWN,
                                .call_id = SLICE_EMPTY,
                                .worknode_id = SLICE_EMPTY,
                                .name = SLICE_EMPTY};
    ret->root = hub_json_parse(text, &fault);
    if (ret->root)
        fault = read_envelope(ret);
    if (fault)
        *ret_fault = fault;
    return fault ? -EBADMSG : 0;
}

void hub_message_done(struct hub_message *message) {
    hub_order_done(&message->order);
    json_decref(message->root);
    message->root = NULL;
}

/* The next string of a list in the payload that is not too long. */
static bool find_text(const struct hub_message *message, const char *list, size_t *at, size_t max, struct slice *ret) {
    const json_t *values = hub_json_member(hub_json_member(message->root, "payload"), list);

    while (*at < json_array_size(values)) {
        struct slice text = hub_json_text(json_array_get(values, (*at)++));

        if (text.p && text.n <= max) {
            *ret = text;
            return true;
        }
    }
    return false;
}

bool hub_message_label(const struct hub_message *message, size_t *at, struct slice *ret) {
    return find_text(message, "labels", at, LIMIT_WORKNODE, ret);
}

bool hub_message_received(const struct hub_message *message, size_t *at, struct slice *ret_task_id) {
    while (find_text(message, "received", at, LIMIT_TASK_ID, ret_task_id))
        if (is_task_id(*ret_task_id))
            return true;
    return false;
}
