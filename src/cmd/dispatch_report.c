#include "cmd/dispatch_report.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX 1024 /* what a step says; cut where it is longer */

enum outcome { OUTCOME_OK, OUTCOME_SKIPPED, OUTCOME_FAILED };

struct dispatch_report {
    const char *name;
    bool has_failed;
    json_t *steps; /* NULL: lines are printed */
};

struct dispatch_report *dispatch_report_new(const char *name, bool is_json) {
    struct dispatch_report *report = calloc(1, sizeof(*report));

    if (!report)
        return NULL;
    report->name = name;
    report->steps = is_json ? json_array() : NULL;
    if (is_json && !report->steps) {
        free(report);
        return NULL;
    }
    return report;
}

void dispatch_report_free(struct dispatch_report *report) {
    if (!report)
        return;
    json_decref(report->steps);
    free(report);
}

static void print_clean(const char *text) {
    for (; *text; text++)
        (void)putchar((unsigned char)*text >= 0x20 && *text != 0x7f ? *text : '?');
}

static void print_step(enum outcome outcome, const char *step, const char *text, const char *hint) {
    static const char *const marks[] = {[OUTCOME_OK] = "ok  ", [OUTCOME_SKIPPED] = "-   ", [OUTCOME_FAILED] = "FAIL"};

    (void)printf("%s  %-13s  ", marks[outcome], step);
    print_clean(text);
    (void)putchar('\n');
    if (!hint)
        return;
    (void)printf("%21s", "");
    print_clean(hint);
    (void)putchar('\n');
}

/* Whatever is no UTF-8 is left out: jansson takes nothing else. */
static void set_text(json_t *object, const char *key, const char *text) {
    json_t *value = json_string(text);

    (void)json_object_set_new(object, key, value ? value : json_string("?"));
}

static void tell(struct dispatch_report *report, enum outcome outcome, const char *step, const char *text,
                 const char *hint) {
    static const char *const words[] = {
        [OUTCOME_OK] = "ok", [OUTCOME_SKIPPED] = "skipped", [OUTCOME_FAILED] = "failed"};
    json_t *object;

    report->has_failed = report->has_failed || outcome == OUTCOME_FAILED;
    if (!report->steps) {
        print_step(outcome, step, text, hint);
        return;
    }
    object = json_object();
    set_text(object, "step", step);
    set_text(object, "result", words[outcome]);
    set_text(object, "detail", text);
    if (hint)
        set_text(object, "hint", hint);
    (void)json_array_append_new(report->steps, object);
}

void dispatch_report_ok(struct dispatch_report *report, const char *step, const char *format, ...) {
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tell(report, OUTCOME_OK, step, text, NULL);
}

void dispatch_report_skip(struct dispatch_report *report, const char *step, const char *why) {
    tell(report, OUTCOME_SKIPPED, step, why, NULL);
}

void dispatch_report_fail(struct dispatch_report *report, const char *step, const char *hint, const char *format, ...) {
    char text[TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tell(report, OUTCOME_FAILED, step, text, hint);
}

bool dispatch_report_is_good(const struct dispatch_report *report) {
    return !report->has_failed;
}

void dispatch_report_end(struct dispatch_report *report) {
    json_t *whole;

    if (!report->steps)
        return;
    whole = json_object();
    set_text(whole, "name", report->name);
    (void)json_object_set_new(whole, "ok", json_boolean(!report->has_failed));
    (void)json_object_set(whole, "steps", report->steps);
    (void)json_dumpf(whole, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    (void)putchar('\n');
    json_decref(whole);
}
