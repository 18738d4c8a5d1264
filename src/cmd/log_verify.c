#include "cmd/log_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/macros.h"
#include "cmd/log_entry.h"
#include "cmd/log_lines.h"
#include "egress/audit/audit_verify.h"

static void print_finding(void *owner, enum audit_finding finding, struct audit_place place) {
    static const char *const texts[] = {
        [AUDIT_SOUND] = "",
        [AUDIT_BROKEN] = "does not follow the line before it: a line was changed or removed there, or several added",
        [AUDIT_ADDED] = "was added here, or moved here: the lines around it do not know it",
        [AUDIT_ANEW] = "begins a chain of its own: the lines before it were removed, or are not of this audit",
        [AUDIT_LONG] = "was added: it is longer than any line of credfd",
        [AUDIT_NONE] = "is no line of the audit: no JSON object, or without a prev",
        [AUDIT_OLD] = "and the lines before it have no prev: they are from before there was a chain, or none of ours",
        [AUDIT_BEHEADED] = "the lines before it are missing: removed, or moved away by another's rotation",
        [AUDIT_CUT] = "is half a line: a write was cut short",
        [AUDIT_HEADLESS] = "follows a line that is not here any more: what came before was rotated away, or removed",
    };
    const struct log_files *files = owner;
    char name[LOG_NAME_MAX];

    (void)printf("%s%s:%" PRIu64 ": %s\n",
                 audit_finding_is_fault(finding) ? "" : "note: ", log_file_name(files->path, place.file, name),
                 place.line, texts[finding]);
}

static enum audit_shape shape_of(struct slice line) {
    struct log_entry entry = log_entry_read(line);
    enum audit_shape shape = entry.object ? AUDIT_OBJECT : AUDIT_TEXT;

    log_entry_done(&entry);
    return shape;
}

/* Our rotations leave FILE.1 behind: where no line is found before FILE, it holds the first of all. */
static bool is_unrotated(const struct log_file *file) {
    struct stat st;

    return file->number == 0 && fstat(file->fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int walk_file(struct audit_walk *walk, struct log_lines *lines, const struct log_file *file) {
    struct audit_place place = {.file = file->number, .line = 1};
    struct slice line;
    int r;

    walk->is_unrotated = is_unrotated(file);
    log_lines_restart(lines, file->fd);
    for (; (r = log_lines_next(lines, &line)) > 0; place.line++) {
        if (r == LOG_LINE)
            audit_walk_line(walk, line, shape_of(line), place);
        else
            audit_walk_long_line(walk, place);
    }
    line = log_lines_rest(lines);
    if (r == 0 && line.n > 0)
        audit_walk_line(walk, line, AUDIT_REST, place);
    return r;
}

static void print_result(const struct audit_walk *walk) {
    if (walk->n_faults > 0)
        (void)printf("%" PRIu64 " fault%s in %" PRIu64 " lines\n", walk->n_faults, walk->n_faults == 1 ? "" : "s",
                     walk->n_lines);
    else
        (void)printf("ok: %" PRIu64 " line%s\n", walk->n_lines, walk->n_lines == 1 ? "" : "s");
    if (walk->n_lines > 0)
        (void)printf("last: %.*s\n"
                     "note: lines cut off at the end cannot be seen; keep this hash elsewhere, and look for it later\n",
                     AUDIT_HASH, walk->hash);
}

int log_verify(struct log_files *files) {
    struct audit_walk walk;
    struct log_lines lines;
    int r = log_lines_init(&lines, -1);

    audit_walk_init(&walk, print_finding, files);
    for (size_t i = files->n; r == 0 && i-- > 0;)
        r = walk_file(&walk, &lines, &files->files[i]);
    log_lines_done(&lines);
    if (r < 0)
        return r;
    audit_walk_end(&walk);
    print_result(&walk);
    return walk.n_faults > 0;
}
