#include "ingress/pairing/session_report.h"

#include <jansson.h>
#include <string.h>

#include "ingress/pairing/cookie.h"

/* The value at a dotted path of objects, or NULL. */
static const json_t *find(const json_t *object, const char *dotted) {
    struct slice rest = slice_of_string(dotted);

    while (object && rest.p) {
        struct slice part = slice_cut(&rest, '.');
        char key[LIMIT_RECIPE_FIELD + 1];

        if (part.n >= sizeof(key))
            return NULL;
        memcpy(key, part.p, part.n);
        key[part.n] = '\0';
        object = json_object_get(object, key);
    }
    return object;
}

static void read_name(const json_t *object, const char *field, char to[static LIMIT_COOKIE_NAME + 1]) {
    const json_t *value = find(object, field);
    struct slice name =
        json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value)) : SLICE_EMPTY;

    /* a name that is a pattern would make other cookies into sessions */
    if (name.n == 0 || !cookie_is_plain_name(name))
        return;
    memcpy(to, name.p, name.n);
    to[name.n] = '\0';
}

static enum session_verdict read_verdict(const json_t *object, const char *field) {
    const json_t *value = find(object, field);

    if (!json_is_boolean(value))
        return VERDICT_UNKNOWN;
    return json_is_true(value) ? VERDICT_LIVES : VERDICT_DIED;
}

static enum session_verdict judge_status(const struct recipe *recipe, unsigned status) {
    for (size_t i = 0; i < recipe->n_dead; i++)
        if (recipe->dead[i] == status)
            return VERDICT_DIED;
    return status >= 200 && status < 300 ? VERDICT_LIVES : VERDICT_UNKNOWN;
}

void session_report_read(const struct recipe *recipe, unsigned status, struct slice body, struct session_report *ret) {
    bool has_fields = recipe->session_field || recipe->cookie_field;
    json_t *object = NULL;

    *ret = (struct session_report){.verdict = VERDICT_UNKNOWN};
    /* an error page may hold anything */
    if (has_fields && status >= 200 && status < 300)
        object = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
    if (recipe->cookie_field)
        read_name(object, recipe->cookie_field, ret->cookie_name);
    ret->verdict = recipe->session_field ? read_verdict(object, recipe->session_field) : judge_status(recipe, status);
    json_decref(object);
}
