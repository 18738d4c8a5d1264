#include "cmd/log_view.h"

#include <stdio.h>

#include "base/macros.h"

static bool admits_everything(const struct log_filter *filter) {
    return !filter->lease && !filter->is_denied && filter->since_ms == 0;
}

static void print_raw(const struct log_view *view, struct slice line) {
    if (view->is_terminal)
        (void)log_print_text(line, SIZE_MAX);
    else
        (void)fwrite(line.p, 1, line.n, stdout);
    (void)putchar('\n');
}

/* What is no line of the audit is asked for by nobody who asks for something, and shown to everybody else. */
static void show(struct log_view *view, struct slice line) {
    struct log_entry entry;

    if (view->is_raw && admits_everything(&view->filter)) {
        print_raw(view, line);
        return;
    }
    entry = log_entry_read(line);
    if (entry.object ? log_filter_admits(&view->filter, &entry) : admits_everything(&view->filter)) {
        if (view->is_raw)
            print_raw(view, line);
        else
            log_table_print(&view->table, &entry, line);
    }
    log_entry_done(&entry);
}

int log_view_read(struct log_view *view, struct log_lines *lines) {
    struct slice line;
    int r;

    while ((r = log_lines_next(lines, &line)) > 0 && !ferror(stdout))
        show(view, r == LOG_LINE ? line : SLICE("(a line longer than any of credfd)"));
    return MIN_OF(r, 0);
}

int log_view_read_whole(struct log_view *view, struct log_lines *lines) {
    int r = log_view_read(view, lines);
    struct slice rest = log_lines_rest(lines);

    if (r == 0 && rest.n > 0)
        show(view, rest);
    return r;
}

int log_view_read_files(struct log_view *view, const struct log_files *files) {
    struct log_lines lines;
    int r = log_lines_init(&lines, -1);

    for (size_t i = files->n; r == 0 && i-- > 0;) {
        log_lines_restart(&lines, files->files[i].fd);
        r = log_view_read_whole(view, &lines);
    }
    log_lines_done(&lines);
    return r;
}
