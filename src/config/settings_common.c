#include "config/settings_common.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"
#include "config/value.h"

int settings_read_log(const struct node *node, void *field) {
    static const char *const words[] = {
        [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
    enum log_level *level = field;
    size_t at;
    int r = value_word(node, words, ARRAY_LEN(words), &at);

    if (r == 0)
        *level = (enum log_level)at;
    return r;
}

int settings_read_timeout(const struct node *node, void *field) {
    return value_duration(node, TIMEOUT_MAX, field);
}

int settings_pass_over(const struct node *node, void *field) {
    (void)node;
    (void)field;
    return 0;
}
