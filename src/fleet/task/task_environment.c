#include "fleet/task/task_environment.h"

#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/macros.h"

/* Names and values of an order, and what every command gets. */
#define ENVIRONMENT_MAX (LIMIT_FRAME + 4 * LIMIT_TASK_ENVIRONMENT)

/* In the order in which they were first named. */
struct variables {
    struct order_variable *list;
    size_t n;
};

static size_t count_strings(struct slice bytes) {
    size_t n = 0;

    for (; bytes.n > 0; n++)
        bytes = slice_from(bytes, slice_index(bytes, '\0') + 1);
    return n;
}

/* There is room: it was counted. */
static void set(struct variables *variables, struct slice name, struct slice value) {
    for (size_t i = 0; i < variables->n; i++)
        if (slice_equals(variables->list[i].name, name)) {
            variables->list[i].value = value;
            return;
        }
    variables->list[variables->n++] = (struct order_variable){name, value};
}

static void set_strings(struct variables *variables, struct slice strings) {
    while (strings.n > 0) {
        size_t end = slice_index(strings, '\0');
        struct slice value = slice_first(strings, end), name = slice_cut(&value, '=');

        if (value.p && name.n > 0)
            set(variables, name, value);
        strings = slice_from(strings, end + 1);
    }
}

static int set_orders(struct variables *variables, const struct order *order, const char **ret_fault,
                      struct slice *ret_name) {
    for (size_t i = 0; i < order->n_variables; i++) {
        struct slice name = order->variables[i].name, value = order->variables[i].value;

        if (name.n == 0 || slice_has(name, '=') || slice_has(name, '\0') || slice_has(value, '\0')) {
            *ret_fault = "cannot be a variable of an environment";
            *ret_name = name;
            return -EINVAL;
        }
        set(variables, name, value);
    }
    return 0;
}

static bool is_listed(struct slice names, struct slice name) {
    while (names.n > 0) {
        size_t end = slice_index(names, '\0');

        if (slice_equals(slice_first(names, end), name))
            return true;
        names = slice_from(names, end + 1);
    }
    return false;
}

static int find_keys(const struct variables *variables, const struct task_environment_parts *parts,
                     struct task_environment *ret, const char **ret_fault, struct slice *ret_name) {
    ret->keys = calloc(variables->n + 1, sizeof(*ret->keys));
    if (!ret->keys)
        return -ENOMEM;
    for (size_t i = 0; i < variables->n; i++) {
        struct slice name = variables->list[i].name, value = variables->list[i].value;

        if (!slice_equals(name, SLICE(TASK_KEY_VARIABLE)) && !is_listed(parts->key_names, name))
            continue;
        if (value.n > LIMIT_SECRET) {
            *ret_fault = "is too long to be masked in what the command prints";
            *ret_name = name;
            return -EINVAL;
        }
        if (value.n >= LIMIT_MASKED_LEAST)
            ret->keys[ret->n_keys++] = value;
    }
    return 0;
}

static int write_all(const struct variables *variables, struct task_environment *ret) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < variables->n; i++) {
        r = buf_append(&ret->text, variables->list[i].name);
        if (r == 0)
            r = buf_append(&ret->text, SLICE("="));
        if (r == 0)
            r = buf_append(&ret->text, variables->list[i].value);
        if (r == 0)
            r = buf_append(&ret->text, SLICE("\0"));
    }
    ret->n = variables->n;
    return r;
}

/* In the order in which the one outdoes the other. */
static int gather(const struct task_environment_parts *parts, struct variables *variables, const char **ret_fault,
                  struct slice *ret_name) {
    int r;

    set_strings(variables, parts->base);
    r = set_orders(variables, parts->order, ret_fault, ret_name);
    if (r < 0)
        return r;
    set_strings(variables, parts->lease);
    if (parts->key.n > 0)
        set(variables, SLICE(TASK_KEY_VARIABLE), parts->key);
    if (parts->key.n > 0 && parts->url.n > 0)
        set(variables, SLICE(TASK_URL_VARIABLE), parts->url);
    return 0;
}

int task_environment_make(const struct task_environment_parts *parts, struct task_environment *ret,
                          const char **ret_fault, struct slice *ret_name) {
    size_t most = count_strings(parts->base) + count_strings(parts->lease) + parts->order->n_variables + 2;
    struct variables variables = {.list = calloc(most, sizeof(*variables.list))};
    int r;

    *ret = (struct task_environment){0};
    buf_init_secret(&ret->text, ENVIRONMENT_MAX);
    if (!variables.list)
        return -ENOMEM;
    r = gather(parts, &variables, ret_fault, ret_name);
    if (r == 0)
        r = find_keys(&variables, parts, ret, ret_fault, ret_name);
    if (r == 0)
        r = write_all(&variables, ret);
    free(variables.list);
    return r;
}

void task_environment_done(struct task_environment *environment) {
    buf_release(&environment->text);
    free(environment->keys);
    environment->keys = NULL;
    environment->n_keys = 0;
}
