#include "ingress/pairing/recipe_exchange.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "config/schema.h"
#include "config/settings_text.h"
#include "config/value.h"
#include "ingress/pairing/recipe_request.h"
#include "wire/http_message.h"

int recipe_read_text(const struct node *node, size_t max, char **ret) {
    int r = value_string(node, ret);

    if (r == 0 && strlen(*ret) > max)
        return node_fail(node, "too long; use at most %zu characters", max);
    return r;
}

static int read_target(const struct node *node, char **ret) {
    struct http_target target;
    int r = recipe_read_text(node, LIMIT_RECIPE_PATH, ret);

    if (r < 0)
        return r;
    if ((*ret)[0] != '/' || http_target_parse(SLICE("GET"), slice_of_string(*ret), &target) != HTTP_OK)
        return node_fail(node, "must be a path on the instance, without blanks; write it from its / on");
    return 0;
}

int recipe_read_path(const struct node *node, void *field) {
    char **path = field;
    int r = read_target(node, path);

    if (r == 0 && strstr(*path, RECIPE_PLACE))
        return node_fail(node, "a credential goes into an `exchange` alone; remove " RECIPE_PLACE);
    return r;
}

int recipe_read_statuses(const struct node *node, uint64_t min, uint64_t max, uint16_t *statuses, size_t *n) {
    size_t count;
    int r = value_list(node, 1, LIMIT_RECIPE_STATUSES, &count);

    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item)) {
        uint64_t status = 0;

        r = value_integer(item, 999, &status);
        if (r == 0 && (status < min || status > max))
            r = node_fail(item, "no status that says this; write one from %u to %u", (unsigned)min, (unsigned)max);
        if (r == 0)
            statuses[(*n)++] = (uint16_t)status;
    }
    return r;
}

static int read_method(const struct node *node, void *field) {
    static const char *const words[] = {"GET", "POST"};
    char **method = field;
    size_t at;
    int r = value_word(node, words, ARRAY_LEN(words), &at);

    return r == 0 ? settings_copy(slice_of_string(words[at]), method) : r;
}

static int read_exchange_path(const struct node *node, void *field) {
    return read_target(node, field);
}

static int read_template(const struct node *node, struct recipe_exchange *exchange, enum recipe_body body) {
    if (exchange->template)
        return node_fail(node, "a request has one body; remove `json` or `form`");
    exchange->body = body;
    return recipe_read_text(node, LIMIT_RECIPE_TEMPLATE, &exchange->template);
}

/* As it will be with a credential in it: letters. */
static int read_json(const struct node *node, void *field) {
    struct recipe_exchange *exchange = field;
    int r = read_template(node, exchange, RECIPE_JSON);
    json_t *json;

    if (r < 0)
        return r;
    json = json_loads(exchange->template, JSON_REJECT_DUPLICATES, NULL);
    r = json ? 0 : node_fail(node, "is no JSON; write as '{\"credential\":\"" RECIPE_PLACE "\"}', in single quotes");
    json_decref(json);
    return r;
}

static int read_form(const struct node *node, void *field) {
    return read_template(node, field, RECIPE_FORM);
}

static int check_exchange(const struct node *node, const struct recipe_exchange *exchange) {
    bool is_post = strcmp(exchange->method, "POST") == 0;

    if (!is_post && exchange->template)
        return node_fail(node, "a GET has no body; write `method: POST`, or remove `json` and `form`");
    if (!strstr(exchange->path, RECIPE_PLACE) && !(exchange->template && strstr(exchange->template, RECIPE_PLACE)))
        return node_fail(node, "does not say where the credential goes; put " RECIPE_PLACE " into `json` or `form`");
    return 0;
}

int recipe_read_exchanges(const struct node *node, void *field) {
    static const struct schema_key keys[] = {
        {"method", read_method, offsetof(struct recipe_exchange, method)},
        {"path", read_exchange_path, offsetof(struct recipe_exchange, path), "add the path to ask, as /login"},
        {"json", read_json},
        {"form", read_form},
    };
    struct recipe *recipe = field;
    size_t n;
    int r = value_list(node, 1, LIMIT_RECIPE_EXCHANGES, &n);

    for (const struct node *item = node_first(node); r == 0 && item; item = node_next(item)) {
        struct recipe_exchange *exchange = &recipe->exchanges[recipe->n_exchanges++];

        r = schema_read(keys, ARRAY_LEN(keys), item, exchange);
        if (r == 0 && !exchange->method)
            r = settings_copy(SLICE("POST"), &exchange->method);
        if (r == 0)
            r = check_exchange(item, exchange);
    }
    return r;
}
