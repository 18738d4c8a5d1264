#include "fleet/link/hub_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/macros.h"

/* What jansson asks for has its size before it, so that it can be wiped. */
union memory {
    size_t size;
    max_align_t align;
};

static void *take_memory(size_t size) {
    union memory *memory = size <= SIZE_MAX - sizeof(*memory) ? malloc(sizeof(*memory) + size) : NULL;

    if (!memory)
        return NULL;
    memory->size = size;
    return memory + 1;
}

static void give_memory(void *given) {
    union memory *memory = given;

    if (!memory)
        return;
    memory--;
    explicit_bzero(memory + 1, memory->size);
    free(memory);
}

void hub_json_init(size_t seed) {
    json_set_alloc_funcs(take_memory, give_memory);
    json_object_seed(seed | 1); /* 0 would have it open a file */
}

/* Behind the string that begins at `at`, or the end of the text. */
static size_t skip_string(struct slice text, size_t at) {
    for (at++; at < text.n && text.p[at] != '"'; at++)
        at += text.p[at] == '\\';
    return at + 1;
}

bool hub_json_is_tame(struct slice text) {
    size_t depth = 0, values = 1;

    for (size_t at = 0; at < text.n;) {
        switch (text.p[at]) {
        case '"':
            at = skip_string(text, at);
            continue;
        case '{':
        case '[':
            depth++;
            values++;
            break;
        case '}':
        case ']':
            depth -= depth > 0;
            break;
        case ',':
            values++;
            break;
        default:
            break;
        }
        if (depth > LIMIT_HUB_DEPTH || values > LIMIT_HUB_VALUES)
            return false;
        at++;
    }
    return true;
}

json_t *hub_json_parse(struct slice text, const char **ret_fault) {
    json_error_t error;
    json_t *root;

    if (!hub_json_is_tame(text)) {
        *ret_fault = "it is too deep, or has too many values";
        return NULL;
    }
    /* NUL is looked for where it does harm: a task that has one in its command gets its answer */
    root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    explicit_bzero(&error, sizeof(error)); /* it quotes */
    if (json_is_object(root))
        return root;
    *ret_fault = root ? "it is no object" : "it is no JSON, or has a name twice";
    json_decref(root);
    return NULL;
}

json_t *hub_json_member(const json_t *object, const char *name) {
    json_t *member = json_object_get(object, name);

    return json_is_null(member) ? NULL : member;
}

struct slice hub_json_text(const json_t *value) {
    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value)) : slice_of(NULL, 0);
}
