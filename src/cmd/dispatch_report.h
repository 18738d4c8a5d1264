/*
 * How the steps of `credfd dispatch check` are told: a line each as they are made, or one JSON object at the end. What
 * is told may come from files and instances, and is shown with its control bytes replaced. Nothing secret comes here.
 */
#pragma once

#include <stdbool.h>

#include "base/macros.h"

struct dispatch_report;

/* Of a check for `name`, which is borrowed. NULL without memory. */
struct dispatch_report *dispatch_report_new(const char *name, bool is_json);
void dispatch_report_free(struct dispatch_report *report); /* NULL is fine */

/* `step` is one word. */
void dispatch_report_ok(struct dispatch_report *report, const char *step, const char *format, ...) _printf_(3, 4);

/* Not made, and no fault. */
void dispatch_report_skip(struct dispatch_report *report, const char *step, const char *why);

/* `hint` says what to do about it. */
void dispatch_report_fail(struct dispatch_report *report, const char *step, const char *hint, const char *format, ...)
    _printf_(4, 5);

/* Whether no step has failed. */
bool dispatch_report_is_good(const struct dispatch_report *report);

/* The JSON object, where that is asked for. */
void dispatch_report_end(struct dispatch_report *report);
