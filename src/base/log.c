#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048

static struct {
    const char *name;
    enum log_level level;
    log_sink *sink;
} log_state = {.name = "credfd", .level = LOG_WARNING};

void log_init(const char *name) {
    log_state.name = name;
}

int log_level_parse(struct slice word, enum log_level *ret) {
    static const struct {
        struct slice word;
        enum log_level level;
    } words[] = {{SLICE("error"), LOG_ERROR},
                 {SLICE("warning"), LOG_WARNING},
                 {SLICE("warn"), LOG_WARNING},
                 {SLICE("info"), LOG_INFO},
                 {SLICE("debug"), LOG_DEBUG}};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_equals(word, words[i].word)) {
            *ret = words[i].level;
            return 0;
        }
    return -EINVAL;
}

void log_set_level(enum log_level level) {
    log_state.level = level;
}

void log_set_sink(log_sink *sink) {
    log_state.sink = sink;
}

/* One write for one line, so that lines of several processes do not mix. */
void log_forward(enum log_level level, const char *name, struct slice text) {
    static const char *const words[] = {
        [LOG_ERROR] = "", [LOG_WARNING] = "warning: ", [LOG_INFO] = "", [LOG_DEBUG] = "debug: "};
    char line[LOG_LINE_MAX];
    int prefix = snprintf(line, sizeof(line), "%s: %s", name, words[level]);
    size_t at = prefix > 0 ? MIN_OF((size_t)prefix, sizeof(line) / 2) : 0;

    if (level > log_state.level)
        return;
    for (size_t i = 0; i < text.n && at + 6 < sizeof(line); i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c >= 0x20 && c < 0x7f)
            line[at++] = (char)c;
        else
            at += (size_t)snprintf(line + at, 5, "\\x%02x", c);
    }
    line[at++] = '\n';
    if (write(STDERR_FILENO, line, at) < 0)
        return; /* there is nowhere left to say it */
}

void log_line(enum log_level level, const char *format, ...) {
    _uninitialised_ char text[LOG_LINE_MAX];
    va_list args;
    int n;

    if (level > log_state.level)
        return;
    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n < 0)
        return;
    struct slice line = slice_of(text, MIN_OF((size_t)n, sizeof(text) - 1));
    if (log_state.sink)
        log_state.sink(level, line);
    else
        log_forward(level, log_state.name, line);
}
