#include "cmd/log_entry.h"

#include "wire/timestamp.h"

struct log_entry log_entry_read(struct slice line) {
    struct log_entry entry = {.object = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL)};

    if (entry.object && !json_is_object(entry.object))
        log_entry_done(&entry);
    if (entry.object && timestamp_parse(log_entry_text(&entry, "time"), &entry.unix_ms) < 0)
        entry.unix_ms = 0;
    return entry;
}

void log_entry_done(struct log_entry *entry) {
    json_decref(entry->object);
    entry->object = NULL;
}

struct slice log_entry_text(const struct log_entry *entry, const char *key) {
    const json_t *value = json_object_get(entry->object, key);

    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value)) : SLICE_EMPTY;
}

uint64_t log_entry_number(const struct log_entry *entry, const char *key) {
    json_int_t value = json_integer_value(json_object_get(entry->object, key)); /* 0 for another type */

    return value > 0 ? (uint64_t)value : 0;
}

bool log_filter_admits(const struct log_filter *filter, const struct log_entry *entry) {
    struct slice lease;

    if (filter->is_denied && log_entry_text(entry, "refusal").n == 0)
        return false;
    if (filter->since_ms > 0 && entry->unix_ms < filter->since_ms)
        return false;
    if (!filter->lease)
        return true;
    lease = slice_of_string(filter->lease);
    return slice_equals(log_entry_text(entry, "lease"), lease) || slice_equals(log_entry_text(entry, "id"), lease);
}
