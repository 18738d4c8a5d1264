#include "ingress/settings_header.h"

#include <string.h>

#include "base/limits.h"
#include "base/macros.h"
#include "config/settings_text.h"
#include "config/value.h"

/* Who may set these is settled by HTTP, or by the dispatcher itself. */
static const char *const taken[] = {
    "authorization",   "connection",       "content-length",      "cookie", "expect",  "forwarded",         "host",
    "keep-alive",      "origin",           "proxy-authorization", "te",     "trailer", "transfer-encoding", "upgrade",
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
};

int settings_read_header(const struct node *node, void *field) {
    char **name = field;
    struct slice text = SLICE_EMPTY;
    int r = value_text(node, &text);

    if (r < 0)
        return r;
    if (text.n > LIMIT_NAME)
        return node_fail(node, "too long; use at most %d characters", LIMIT_NAME);
    /* `_` and `.` become `-` on the way through many servers, so that others could forge such a field */
    if (!settings_is_made_of(text, SLICE("-")))
        return node_fail(node, "must name a header field; use letters, digits and `-` alone");
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        if (slice_equals_nocase(text, slice_of_string(taken[i])))
            return node_fail(node, "has a meaning of its own in HTTP; name a field that the front alone sets");
    return settings_copy(text, name);
}
