#include "wire/http_fields.h"

/* As http_fields_look, among fields of which somebody may not have been read. Apart, for it calls what costs more. */
static __attribute__((noinline)) const struct http_field *
look_closely(const struct http_fields *fields, enum http_name name, size_t from, size_t *ret_index) {
    for (size_t i = from; i < fields->n; i++)
        if (http_field_name(&fields->at[i]) == name) {
            if (ret_index)
                *ret_index = i;
            return &fields->at[i];
        }
    return NULL;
}

const struct http_field *http_fields_look(const struct http_fields *fields, enum http_name name, size_t from,
                                          size_t *ret_index) {
    const size_t n = fields->n;

    if (!http_name_is_in(HTTP_NAME_UNREAD, fields->absent))
        return look_closely(fields, name, from, ret_index);
    for (size_t i = from; i < n; i++)
        if (fields->at[i].known == name) {
            if (ret_index)
                *ret_index = i;
            return &fields->at[i];
        }
    return NULL;
}

const struct http_field *http_fields_look_single(const struct http_fields *fields, enum http_name name,
                                                 bool *ret_is_repeated) {
    size_t at = 0;
    const struct http_field *field = http_fields_look(fields, name, 0, &at);

    *ret_is_repeated = field && !http_name_is_in(name, fields->single) && http_fields_look(fields, name, at + 1, NULL);
    return field;
}

/* What an initializer left out. */
static void read_names(struct http_fields *fields) {
    const size_t n = fields->n;

    http_fields_clear(fields);
    for (size_t i = 0; i < n; i++)
        http_fields_add(fields, fields->at[i].name, fields->at[i].value, http_field_name(&fields->at[i]));
}

size_t http_fields_remove(struct http_fields *fields, uint64_t set) {
    size_t kept = 0, n = fields->n;

    if (!http_name_is_in(HTTP_NAME_UNREAD, fields->absent))
        read_names(fields);
    if ((set & ~fields->absent) == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (http_name_is_in((enum http_name)fields->at[i].known, set))
            continue;
        if (kept < i)
            fields->at[kept] = fields->at[i];
        kept++;
    }
    fields->n = kept;
    fields->absent |= set;
    return n - kept;
}
