#include "secrets/source_output.h"

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "wire/timestamp.h"

static struct slice without_newline(struct slice s) {
    if (slice_ends_with(s, SLICE("\n")))
        s.n--;
    return slice_ends_with(s, SLICE("\r")) ? slice_first(s, s.n - 1) : s;
}

static bool has_control(struct slice s) {
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    return false;
}

static enum source_fault take_secret(struct slice secret, struct source_output *ret) {
    if (secret.n == 0)
        return SOURCE_EMPTY;
    if (secret.n > LIMIT_SECRET)
        return SOURCE_TOO_LONG;
    if (slice_has(secret, '\n') || slice_has(secret, '\r'))
        return SOURCE_HAS_NEWLINE;
    if (has_control(secret))
        return SOURCE_HAS_CONTROL;
    memcpy(ret->secret, secret.p, secret.n);
    ret->n = secret.n;
    return SOURCE_SOUND;
}

/* Text is RFC 3339, a number is seconds since 1970; both end with the year 9999, and so milliseconds are found out. */
static bool read_expiry(const json_t *value, uint64_t *ret_unix_ms) {
    double seconds = json_number_value(value);

    if (json_is_string(value))
        return timestamp_parse(slice_of(json_string_value(value), json_string_length(value)), ret_unix_ms) == 0;
    if (!json_is_number(value) || seconds > TIMESTAMP_MAX_S)
        return false;
    *ret_unix_ms = seconds > 0 ? (uint64_t)(seconds * 1000) : 0;
    return true;
}

static enum source_fault take_object(const json_t *object, uint64_t now_unix_ms, struct source_output *ret) {
    const json_t *secret = json_object_get(object, "secret"), *expiry = json_object_get(object, "expires_at");
    uint64_t expires_unix_ms;

    if (!json_is_string(secret))
        return SOURCE_BAD_SECRET;
    if (expiry) {
        if (!read_expiry(expiry, &expires_unix_ms))
            return SOURCE_BAD_EXPIRY;
        if (expires_unix_ms <= now_unix_ms)
            return SOURCE_EXPIRED;
        ret->expires_in_ms = expires_unix_ms - now_unix_ms;
    }
    return take_secret(slice_of(json_string_value(secret), json_string_length(secret)), ret);
}

static void free_wiped(void *memory) {
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

static enum source_fault take_json(struct slice bytes, uint64_t now_unix_ms, struct source_output *ret) {
    enum source_fault fault;
    json_t *object;

    json_set_alloc_funcs(malloc, free_wiped);
    /* without a seed it opens /dev/urandom, and a source may open nothing; 64 KiB hold no flood of collisions */
    json_object_seed(1);
    object = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES, NULL);
    fault = json_is_object(object) ? take_object(object, now_unix_ms, ret) : SOURCE_BAD_JSON;
    json_decref(object);
    return fault;
}

static bool is_json(struct slice bytes) {
    size_t i = 0;

    while (i < bytes.n && slice_has(SLICE(" \t\r\n"), bytes.p[i]))
        i++;
    return i < bytes.n && bytes.p[i] == '{';
}

enum source_fault source_output_parse(enum source_form form, struct slice bytes, uint64_t now_unix_ms,
                                      struct source_output *ret) {
    ret->n = 0;
    ret->expires_in_ms = 0;
    if (form == SOURCE_OUTPUT && bytes.n > LIMIT_COMMAND_OUTPUT)
        return SOURCE_TOO_MUCH_OUTPUT;
    if (form == SOURCE_OUTPUT && is_json(bytes))
        return take_json(bytes, now_unix_ms, ret);
    bytes = without_newline(bytes);
    return form == SOURCE_OUTPUT && bytes.n == 0 ? SOURCE_NO_OUTPUT : take_secret(bytes, ret);
}
