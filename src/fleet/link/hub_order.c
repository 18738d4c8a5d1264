#include "fleet/link/hub_order.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/macros.h"
#include "fleet/link/hub_json.h"
#include "wire/base64.h"

/* One reading of args: the first fault is the one that is told. */
struct reading {
    const json_t *args;
    struct hub_order *to;
    char *fault;
    size_t size;
};

static void complain(struct reading *r, const char *format, ...) _printf_(2, 3);

static void complain(struct reading *r, const char *format, ...) {
    va_list values;

    if (r->fault[0] != '\0')
        return;
    va_start(values, format);
    (void)vsnprintf(r->fault, r->size, format, values);
    va_end(values);
}

enum need {
    MAY_BE_MISSING,
    MAY_BE_EMPTY, /* but must be there, as the next */
    MUST_SAY_SOMETHING,
};

/* A text that becomes a C string at the end of its way: a NUL in it would cut it short. */
static struct slice read_text(struct reading *r, const json_t *value, const char *name, enum need need, size_t max) {
    struct slice text = hub_json_text(value);

    if (value ? !text.p : need != MAY_BE_MISSING)
        complain(r, "args.%s: must be a string", name);
    else if (need == MUST_SAY_SOMETHING && text.n == 0)
        complain(r, "args.%s: must not be empty", name);
    else if (text.n > max)
        complain(r, "args.%s: must not be longer than %zu bytes", name, max);
    else if (text.n > 0 && slice_has(text, '\0'))
        complain(r, "args.%s: must not hold a NUL", name);
    else if (text.p)
        return text;
    return SLICE_EMPTY;
}

static struct slice read_member(struct reading *r, const char *name, enum need need, size_t max) {
    return read_text(r, hub_json_member(r->args, name), name, need, max);
}

static uint64_t read_number(struct reading *r, const char *name) {
    const json_t *value = hub_json_member(r->args, name);

    if (!value)
        return 0;
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        return (uint64_t)json_integer_value(value);
    complain(r, "args.%s: must be a whole number, and not negative", name);
    return 0;
}

static bool read_flag(struct reading *r, const char *name) {
    const json_t *value = hub_json_member(r->args, name);

    if (value && !json_is_boolean(value))
        complain(r, "args.%s: must be true or false", name);
    return json_is_true(value);
}

static void read_globs(struct reading *r, const char *name) {
    const json_t *list = hub_json_member(r->args, name);
    size_t n = json_array_size(list);
    struct slice *globs;

    if (list && !json_is_array(list))
        complain(r, "args.%s: must be a list of strings", name);
    if (n > LIMIT_TASK_GLOBS)
        complain(r, "args.%s: more than %d of them", name, LIMIT_TASK_GLOBS);
    if (n == 0 || n > LIMIT_TASK_GLOBS)
        return;
    globs = calloc(n, sizeof(*globs));
    if (!globs) {
        complain(r, "out of memory");
        return;
    }
    for (size_t i = 0; i < n; i++)
        globs[i] = read_text(r, json_array_get(list, i), name, MUST_SAY_SOMETHING, LIMIT_TASK_PATTERN);
    r->to->order.globs = globs;
    r->to->order.n_globs = n;
}

static void read_variable(struct reading *r, void *member, struct order_variable *ret) {
    ret->name = slice_of_string(json_object_iter_key(member));
    if (ret->name.n == 0 || ret->name.n > LIMIT_TASK_VARIABLE || slice_has(ret->name, '='))
        complain(r, "args.env: a name must not be empty, too long, or hold a =");
    ret->value = read_text(r, json_object_iter_value(member), "env", MAY_BE_EMPTY, LIMIT_TASK_COMMAND);
}

static void read_variables(struct reading *r) {
    json_t *object = hub_json_member(r->args, "env");
    size_t n = json_object_size(object), i = 0;
    struct order_variable *variables;

    if (object && !json_is_object(object))
        complain(r, "args.env: must be an object");
    if (n > LIMIT_TASK_VARIABLES)
        complain(r, "args.env: more than %d variables", LIMIT_TASK_VARIABLES);
    if (n == 0 || n > LIMIT_TASK_VARIABLES)
        return;
    variables = calloc(n, sizeof(*variables));
    if (!variables) {
        complain(r, "out of memory");
        return;
    }
    for (void *at = json_object_iter(object); at && i < n; at = json_object_iter_next(object, at))
        read_variable(r, at, &variables[i++]);
    r->to->order.variables = variables;
    r->to->order.n_variables = i;
}

static void read_credential(struct reading *r) {
    const json_t *credential = hub_json_member(r->args, "credential");

    if (!credential)
        return;
    if (!json_is_object(credential))
        complain(r, "args.credential: must be an object");
    r->to->key = read_text(r, hub_json_member(credential, "key"), "credential.key", MUST_SAY_SOMETHING, LIMIT_TASK_KEY);
    r->to->base_url = read_text(r, hub_json_member(credential, "base_url"), "credential.base_url", MUST_SAY_SOMETHING,
                                LIMIT_BASE_URL);
}

static void read_bash(struct reading *r) {
    struct order *order = &r->to->order;

    order->command = read_member(r, "command", MUST_SAY_SOMETHING, LIMIT_TASK_COMMAND);
    order->workdir = read_member(r, "workdir", MAY_BE_MISSING, PATH_MAX - 1);
    order->timeout_ms = MIN_OF(read_number(r, "timeout"), (uint64_t)TIMEOUT_TASK_MAX / 1000) * 1000;
    read_variables(r);
    read_credential(r);
}

static void read_read(struct reading *r) {
    r->to->order.path = read_member(r, "path", MUST_SAY_SOMETHING, PATH_MAX - 1);
    r->to->order.offset = read_number(r, "offset");
    r->to->order.limit = read_number(r, "limit");
}

static void decode_content(struct reading *r, struct slice text) {
    struct buf *content = &r->to->content;
    char *to;
    size_t room;
    ptrdiff_t n;

    if (text.n == 0)
        return;
    to = buf_reserve(content, text.n, &room);
    n = to && room >= text.n ? base64_decode(text, to) : -1;
    if (!to)
        complain(r, "out of memory");
    else if (n < 0)
        complain(r, "args.content: must be base64");
    buf_commit(content, n > 0 ? (size_t)n : 0);
}

static void read_write(struct reading *r) {
    r->to->order.path = read_member(r, "path", MUST_SAY_SOMETHING, PATH_MAX - 1);
    decode_content(r, read_member(r, "content", MAY_BE_EMPTY, LIMIT_FRAME));
    r->to->order.content = buf_slice(&r->to->content);
}

/* The path of a list may be empty: the workspace itself. */
static void read_list(struct reading *r) {
    r->to->order.path = read_member(r, "path", MAY_BE_EMPTY, PATH_MAX - 1);
    r->to->order.is_recursive = read_flag(r, "recursive");
    read_globs(r, "ignore");
}

static void read_glob(struct reading *r) {
    r->to->order.pattern = read_member(r, "pattern", MUST_SAY_SOMETHING, LIMIT_TASK_PATTERN);
}

static void read_grep(struct reading *r) {
    read_glob(r);
    read_globs(r, "include");
}

void hub_order_read(enum operation operation, const json_t *args, struct hub_order *ret, char *fault, size_t size) {
    static void (*const readers[])(struct reading * r) = {
        [OPERATION_BASH] = read_bash, [OPERATION_READ] = read_read, [OPERATION_WRITE] = read_write,
        [OPERATION_LIST] = read_list, [OPERATION_GLOB] = read_glob, [OPERATION_GREP] = read_grep,
    };
    struct reading r = {.args = args, .to = ret, .fault = fault, .size = size};

    *ret = (struct hub_order){.order.operation = operation, .key = SLICE_EMPTY, .base_url = SLICE_EMPTY};
    buf_init(&ret->content, LIMIT_FRAME);
    fault[0] = '\0';
    if (args && !json_is_object(args))
        complain(&r, "args: must be an object");
    else
        readers[operation](&r);
}

void hub_order_done(struct hub_order *order) {
    order_done(&order->order);
    buf_release(&order->content);
}
