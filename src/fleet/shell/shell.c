#include "fleet/shell/shell.h"

#include <errno.h>

#include "base/limits.h"
#include "fleet/shell/grammar.h"

/* Whether globs may become nothing. Whoever sets the option must write its name where it is seen. */
static bool names_nullglob(struct slice text) {
    return memmem(text.p, text.n, "nullglob", 8) != NULL;
}

int shell_find(struct slice text, struct findings *ret) {
    struct shell shell = {.findings = ret, .globs_may_vanish = names_nullglob(text)};
    struct reader reader = {.shell = &shell, .text = text};

    *ret = (struct findings){0};
    arena_init(&ret->memory, LIMIT_SHELL_MEMORY);
    if (text.n > LIMIT_TASK_COMMAND)
        (void)reader_fault(&reader, 0, "it is too long");
    else
        (void)text_read(&reader);
    return shell.has_no_memory ? -ENOMEM : 0;
}

void findings_done(struct findings *findings) {
    arena_done(&findings->memory);
    *findings = (struct findings){0};
}
