/*
 * The fields of a head, as slices into it, and what may be asked of them by name. Allocates nothing, and says nothing
 * about what a field means: that is the business of http_message.h. Filled by the parsers, and by whoever makes fields
 * of frames.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/slice.h"
#include "wire/http_name.h"

struct http_field {
    struct slice name;  /* a token (S 5.6.2), in the sender's case */
    struct slice value; /* trimmed; no control byte but TAB; 0x80-0xFF opaque; may be empty */
    uint8_t known;      /* enum http_name: what http_field_name tells, where somebody has looked already */
};

/* Which name it has. */
static inline enum http_name http_field_name(const struct http_field *field) {
    return field->known != HTTP_NAME_UNREAD ? (enum http_name)field->known : http_name_of(field->name);
}

/*
 * Put together by http_fields_clear and http_fields_add, which note what need not be looked for; or as an initializer,
 * which says nothing of it.
 */
struct http_fields {
    struct http_field at[LIMIT_FIELDS];
    size_t n;
    uint64_t absent; /* a set of names that none of them has */
    uint64_t single; /* a set of names that no two of them have */
};

static inline void http_fields_clear(struct http_fields *fields) {
    fields->n = 0;
    fields->absent = fields->single = UINT64_MAX;
}

/* There is room: not LIMIT_FIELDS of them yet. */
static inline void http_fields_add(struct http_fields *fields, struct slice name, struct slice value,
                                   enum http_name known) {
    uint64_t set = UINT64_C(1) << known;

    fields->at[fields->n++] = (struct http_field){name, value, (uint8_t)known};
    fields->single &= ~set | fields->absent;
    fields->absent &= ~set;
}

/* As http_fields_find and http_fields_find_single, where there may be one. */
const struct http_field *http_fields_look(const struct http_fields *fields, enum http_name name, size_t from,
                                          size_t *ret_index);
const struct http_field *http_fields_look_single(const struct http_fields *fields, enum http_name name,
                                                 bool *ret_is_repeated);

/*
 * The field of that name, one of the known, at or after index `from`; its index in `*ret_index`, which may be NULL. NULL
 * when there is none.
 */
static inline const struct http_field *http_fields_find(const struct http_fields *fields, enum http_name name,
                                                        size_t from, size_t *ret_index) {
    return http_name_is_in(name, fields->absent) ? NULL : http_fields_look(fields, name, from, ret_index);
}

/* The first field of that name, or NULL; whether there are more. */
static inline const struct http_field *http_fields_find_single(const struct http_fields *fields, enum http_name name,
                                                               bool *ret_is_repeated) {
    *ret_is_repeated = false;
    return http_name_is_in(name, fields->absent) ? NULL : http_fields_look_single(fields, name, ret_is_repeated);
}

/* Removes every field whose name is in `set`. Returns how many there were. */
size_t http_fields_remove(struct http_fields *fields, uint64_t set);
