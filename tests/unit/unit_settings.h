/*
 * For tests of the configuration: text of one credential with something changed, and what becomes of it.
 */
#pragma once

#include <errno.h>
#include <stdio.h>

#include "egress/settings/settings.h"
#include "unit.h"

/* What one credential says, a key a line from line 2; NULL: what is in order. `rest` starts on line 6. */
struct text {
    const char *name, *secret, *upstream, *inject, *rest;
};

static inline char *write_text(const struct text *text) {
    char *yaml;

    assert_true(asprintf(&yaml,
                         "credentials:\n"
                         "  - name: %s\n"
                         "    secret: %s\n"
                         "    upstream: %s\n"
                         "    inject: %s\n"
                         "%s",
                         text->name ? text->name : "api", text->secret ? text->secret : "{ file: key }",
                         text->upstream ? text->upstream : "https://api.example.org",
                         text->inject ? text->inject : "{ query: app_key }", text->rest ? text->rest : "") > 0);
    return yaml;
}

static inline int parse(const char *yaml, struct settings **ret, char **ret_error) {
    _cleanup_slice_ struct slice bytes = exact_copy(slice_of_string(yaml));

    return settings_parse("f.yaml", bytes, ret, ret_error);
}

static inline void check_refused(const char *yaml, const char *expected) {
    struct settings *settings = NULL;
    _cleanup_free_ char *error = NULL;

    if (parse(yaml, &settings, &error) != -EINVAL)
        fail_msg("taken:\n%s", yaml);
    assert_null(settings);
    assert_string_equal(error ? error : "no error", expected);
}

struct row {
    struct text text;
    const char *error;
};

static inline void check_rows(const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *yaml = write_text(&rows[i].text);

        check_refused(yaml, rows[i].error);
    }
}

static inline struct settings *take(const char *yaml) {
    struct settings *settings = NULL;
    char *error = NULL;

    if (parse(yaml, &settings, &error) < 0)
        fail_msg("%s\n%s", error ? error : "no error", yaml);
    assert_null(error);
    return settings;
}

static inline struct settings *take_text(struct text text) {
    _cleanup_free_ char *yaml = write_text(&text);

    return take(yaml);
}

/* `count` items in brackets, each `item`. */
static inline char *write_list(const char *item, size_t count) {
    char *list = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&list, &n);

    assert_non_null(out);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, "%s%s", i == 0 ? "[ " : ", ", item);
    (void)fprintf(out, " ]");
    assert_int_equal(fclose(out), 0);
    return list;
}
