#include "ingress/steward/activity.h"

#include <jansson.h>

#include "base/limits.h"

static const json_t *member(const json_t *whole, struct slice field) {
    struct slice rest = field;

    while (whole && rest.p && field.n > 0) {
        struct slice name = slice_cut(&rest, '.');

        whole = json_object_getn(whole, name.p, name.n);
    }
    return whole;
}

static bool says_idle(const json_t *value) {
    if (json_is_number(value))
        return json_number_value(value) == 0.0;
    if (json_is_string(value))
        return slice_equals(slice_of(json_string_value(value), json_string_length(value)), SLICE("idle"));
    return json_is_true(value);
}

bool activity_is_idle(struct slice body, const char *field) {
    /* a member that stands there twice says two things */
    json_t *whole = json_loadb(body.p, body.n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    bool is_idle = says_idle(member(whole, slice_of_string(field)));

    json_decref(whole);
    return is_idle;
}
