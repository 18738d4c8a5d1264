#include "config/settings_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    c = ascii_lower(c);
    return c >= 'a' && c <= 'z';
}

bool settings_is_made_of(struct slice text, struct slice also) {
    for (size_t i = 0; i < text.n; i++)
        if (!is_letter(text.p[i]) && !is_digit(text.p[i]) && !slice_has(also, text.p[i]))
            return false;
    return true;
}

bool settings_is_variable(struct slice name) {
    return name.n > 0 && !is_digit(name.p[0]) && settings_is_made_of(name, SLICE("_"));
}

int settings_copy(struct slice text, char **ret) {
    char *copy = strndup(text.p, text.n);

    if (!copy)
        return -ENOMEM;
    *ret = copy;
    return 0;
}

int settings_refuse(char **ret_fault, const char *format, ...) {
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(ret_fault, format, args);
    va_end(args);
    if (n >= 0)
        return -EINVAL;
    *ret_fault = NULL;
    return -ENOMEM;
}
