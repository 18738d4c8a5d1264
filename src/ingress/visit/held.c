#include "ingress/visit/held.h"

#include <stdlib.h>
#include <string.h>

/* Copies `text` to `*at` and goes on behind it. */
static struct slice put(char **at, struct slice text) {
    char *to = *at;

    if (text.n > 0)
        memcpy(to, text.p, text.n);
    *at += text.n;
    return slice_of(to, text.n);
}

static size_t fields_size(const struct http_field *fields, size_t n) {
    size_t size = 0;

    for (size_t i = 0; i < n; i++)
        size += fields[i].name.n + fields[i].value.n;
    return size;
}

static void put_fields(char **at, const struct http_field *fields, size_t n, struct http_field *to) {
    for (size_t i = 0; i < n; i++) {
        struct slice name = put(at, fields[i].name), value = put(at, fields[i].value);

        to[i] = (struct http_field){name, value, fields[i].known};
    }
}

struct held_request *held_request_new(const struct request_head *head, struct slice data, bool is_end) {
    size_t size = sizeof(struct held_request) + head->n_fields * sizeof(*head->fields) + head->method.n + head->path.n +
                  head->query.n + head->host.n + fields_size(head->fields, head->n_fields) + data.n;
    struct held_request *held = malloc(size);
    struct http_field *fields;
    char *at;

    if (!held)
        return NULL;
    *held = (struct held_request){.head = *head, .is_end = is_end, .size = size};
    fields = (struct http_field *)(held + 1);
    at = (char *)(fields + head->n_fields);
    held->head.method = put(&at, head->method);
    held->head.path = put(&at, head->path);
    held->head.query = put(&at, head->query);
    held->head.host = put(&at, head->host);
    put_fields(&at, head->fields, head->n_fields, fields);
    held->head.fields = fields;
    held->data = put(&at, data);
    return held;
}

void held_request_free(struct held_request *held) {
    if (!held)
        return;
    explicit_bzero(held, held->size);
    free(held);
}

struct held_response *held_response_new(const struct response_head *head) {
    size_t size = sizeof(struct held_response) + fields_size(head->fields, head->n_fields);
    struct held_response *held = malloc(size);
    char *at;

    if (!held)
        return NULL;
    held->head = *head;
    held->size = size;
    at = (char *)(held + 1);
    put_fields(&at, head->fields, head->n_fields, held->fields);
    held->head.fields = held->fields;
    return held;
}

void held_response_free(struct held_response *held) {
    if (!held)
        return;
    explicit_bzero(held, held->size);
    free(held);
}
