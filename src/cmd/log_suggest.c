#include "cmd/log_suggest.h"

#include <errno.h>
#include <stdio.h>

#include "base/macros.h"
#include "cmd/log_lines.h"
#include "egress/rules/suggest.h"

/* REFUSAL_NONE for a word that is none of ours. */
static enum refusal refusal_of(struct slice name) {
    for (enum refusal i = REFUSAL_NONE + 1; i < REFUSALS; i++)
        if (slice_equals(name, slice_of_string(refusal_text(i)->name)))
            return i;
    return REFUSAL_NONE;
}

static int note(struct suggest *suggest, const struct log_filter *filter, struct slice line) {
    struct log_entry entry = log_entry_read(line);
    enum refusal refusal = entry.object ? refusal_of(log_entry_text(&entry, "refusal")) : REFUSAL_NONE;
    struct suggest_request request;
    int r = 0;

    if (refusal != REFUSAL_NONE && log_filter_admits(filter, &entry)) {
        request = (struct suggest_request){
            .lease = log_entry_text(&entry, "lease"),
            .method = log_entry_text(&entry, "method"),
            .path = log_entry_text(&entry, "path"),
            .authority = log_entry_text(&entry, "authority"),
            .rule = log_entry_text(&entry, "rule"),
            .executable = log_entry_text(&entry, "executable"),
        };
        r = suggest_refused(suggest, &request, refusal);
    }
    log_entry_done(&entry);
    return r;
}

static int read_lines(struct suggest *suggest, const struct log_filter *filter, struct log_lines *lines) {
    struct slice line, rest;
    int r;

    while ((r = log_lines_next(lines, &line)) > 0) {
        int noted = r == LOG_LINE ? note(suggest, filter, line) : 0;

        if (noted < 0)
            return noted;
    }
    rest = log_lines_rest(lines);
    return r == 0 && rest.n > 0 ? note(suggest, filter, rest) : r;
}

int log_suggest(const struct log_filter *filter, const struct log_files *files) {
    _cleanup_(suggest_free_pointer) struct suggest *suggest = suggest_new();
    struct log_lines lines;
    int r;

    if (!suggest)
        return -ENOMEM;
    r = log_lines_init(&lines, -1);
    for (size_t i = files->n; r == 0 && i-- > 0;) {
        log_lines_restart(&lines, files->files[i].fd);
        r = read_lines(suggest, filter, &lines);
    }
    log_lines_done(&lines);
    return r < 0 ? r : suggest_write(suggest, stdout);
}
