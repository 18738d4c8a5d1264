/*
 * What a process says about itself: one line at a time, to standard error or, in a role, over its channel to the
 * supervisor, which escapes and prints it. Leaf code never logs: it returns its error and the caller that decides
 * logs once. Nothing secret and nothing a peer sent goes through here unescaped: control bytes are shown as \xNN.
 */
#pragma once

#include "base/macros.h"
#include "base/slice.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* The name that starts each line; a string literal. */
void log_init(const char *name);

/* error, warning (or warn), info, debug. 0 or -EINVAL. */
int log_level_parse(struct slice word, enum log_level *ret);

/* Lines above this level are dropped. LOG_WARNING until set. */
void log_set_level(enum log_level level);

/* Sends lines elsewhere than standard error: how a role reaches its supervisor. `text` has no newline. */
typedef void log_sink(enum log_level level, struct slice text);
void log_set_sink(log_sink *sink);

void log_line(enum log_level level, const char *format, ...) _printf_(2, 3);
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/* Prints a line in another's name: the supervisor, for a role. */
void log_forward(enum log_level level, const char *name, struct slice text);
