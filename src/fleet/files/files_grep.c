#include <errno.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/utf8.h"
#include "fleet/beneath.h"
#include "fleet/files/expression.h"
#include "fleet/files/grep_lines.h"
#include "fleet/files/grep_output.h"
#include "fleet/files/operations.h"
#include "fleet/files/path_pattern.h"
#include "fleet/files/place.h"
#include "fleet/files/walk.h"
#include "fleet/json_write.h"

/* What stands around a match, and behind all of them: an output that is shown, with each byte of it escaped. */
#define AROUND 128
#define BEHIND (6 * LIMIT_SHOWN_OUTPUT + 8192)

struct grep {
    const struct files *files;
    struct expression expression;
    struct path_patterns includes, excludes;
    struct path_state included[LIMIT_WALK_DEPTH + 1], excluded[LIMIT_WALK_DEPTH + 1]; /* as in files_glob.c */
    struct grep_lines lines;
    struct json_write w;
    struct grep_output output;
    size_t n;    /* of the matches that are told one by one */
    bool is_cut; /* something is left out */
};

/* Its beginning, whole characters of it. */
static struct slice shown(struct slice line) {
    size_t n = MIN_OF(line.n, (size_t)LIMIT_GREP_SHOWN);

    while (n < line.n && n > 0 && ((unsigned char)line.p[n] & 0xC0) == 0x80 && n + 4 > LIMIT_GREP_SHOWN)
        n--;
    return slice_first(line, n);
}

/* One by one as long as there is room; as text in any case. */
static int put_match(struct grep *grep, struct slice path, uint64_t number, struct slice line) {
    struct slice beginning = shown(line);
    size_t length = json_write_text_length(path) + json_write_text_length(beginning);

    if (grep->n == LIMIT_MATCHES || length + AROUND + BEHIND > buf_room(grep->w.to)) {
        grep->is_cut = true;
        return grep_output_put(&grep->output, path, number, line);
    }
    grep->n++;
    json_write_open(&grep->w, '{');
    json_write_text_member(&grep->w, SLICE("path"), path);
    json_write_number_member(&grep->w, SLICE("line_number"), number);
    json_write_text_member(&grep->w, SLICE("content"), beginning);
    json_write_close(&grep->w, '}');
    return grep_output_put(&grep->output, path, number, line);
}

static int search_lines(struct grep *grep, struct slice path) {
    struct slice line;
    int r;

    while ((r = grep_lines_next(&grep->lines, grep->files, &line)) > 0) {
        r = expression_matches(&grep->expression, line) ? put_match(grep, path, grep->lines.number, line) : 0;
        if (r < 0)
            break;
    }
    grep->is_cut = grep->is_cut || grep->lines.is_cut || r == -EFBIG;
    return r == -EFBIG ? WALK_END : r < 0 ? r : WALK_ON;
}

static int search_file(struct grep *grep, const struct walk_entry *entry) {
    struct stat st;
    _cleanup_close_ int fd = beneath_open_regular(entry->directory, entry->name, O_NOFOLLOW, &st);

    if (fd < 0)
        return WALK_ON; /* not ours to read, or gone */
    grep_lines_begin(&grep->lines, fd);
    return search_lines(grep, slice_of_string(entry->path));
}

static int visit(void *owner, const struct walk_entry *entry) {
    struct grep *grep = owner;
    struct slice name = slice_of_string(entry->name);
    struct path_state *included = &grep->included[entry->depth + 1], *excluded = &grep->excluded[entry->depth + 1];

    path_state_step(&grep->includes, &grep->included[entry->depth], name, included, NULL);
    path_state_step(&grep->excludes, &grep->excluded[entry->depth], name, excluded, NULL);
    if (path_state_is_matched(&grep->excludes, excluded))
        return WALK_ON;
    if (entry->type == WALK_DIRECTORY)
        return path_state_leads_on(&grep->includes, included) ? WALK_INTO : WALK_ON;
    if (entry->type != WALK_FILE || !path_state_is_matched(&grep->includes, included))
        return WALK_ON;
    return search_file(grep, entry);
}

/* As ripgrep's --glob: one without a slash is a name at any depth, and `!` leaves out. */
static int add_glob(struct grep *grep, struct slice glob) {
    bool is_excluded = slice_starts_with(glob, SLICE("!"));
    struct path_patterns *to = is_excluded ? &grep->excludes : &grep->includes;
    char text[LIMIT_GLOB_PATTERN];
    size_t n = 0;

    glob = slice_from(glob, is_excluded);
    if (slice_has(glob, '/'))
        return path_patterns_add(to, glob);
    if (glob.n + 3 > sizeof(text))
        return -E2BIG;
    memcpy(text, "**/", 3);
    n = 3 + glob.n;
    if (glob.n > 0)
        memcpy(text + 3, glob.p, glob.n);
    return path_patterns_add(to, slice_of(text, n));
}

static int add_globs(struct grep *grep, const struct order *order, char **ret_error) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < order->n_globs; i++) {
        r = add_glob(grep, order->globs[i]);
        if (r == -EINVAL || r == -E2BIG)
            place_say(r == -EINVAL ? "a pattern has a bracket or brace without its end" : "the patterns are too many",
                      order->globs[i], ret_error);
    }
    if (r == 0 && grep->includes.n == 0)
        r = path_patterns_add(&grep->includes, SLICE("**"));
    grep->includes.hides_dots = true;
    path_state_begin(&grep->includes, &grep->included[0]);
    path_state_begin(&grep->excludes, &grep->excluded[0]);
    return r;
}

static int search(struct grep *grep) {
    bool is_cut = false;
    int r;

    json_write_open(&grep->w, '{');
    json_write_name(&grep->w, SLICE("matches"));
    json_write_open(&grep->w, '[');
    r = walk_run(grep->files, ".", visit, grep, &is_cut);
    json_write_close(&grep->w, ']');
    if (r == 0)
        r = grep_output_finish(&grep->output, is_cut || grep->is_cut, &grep->w);
    json_write_close(&grep->w, '}');
    return r < 0 ? r : grep->w.error;
}

int operation_grep(const struct files *files, const struct order *order, struct buf *result, char **ret_error) {
    struct grep *grep = calloc(1, sizeof(*grep));
    char *memory = malloc(GREP_MEMORY);
    int r = -ENOMEM;

    if (grep && memory) {
        grep->files = files;
        grep->lines.memory = memory;
        grep->w = json_write_begin(result);
        grep_output_init(&grep->output, files->workspace);
        r = add_globs(grep, order, ret_error);
        if (r == 0)
            r = expression_init(&grep->expression, order->pattern);
        if (r == 0)
            r = search(grep);
        if (r < 0 && !*ret_error)
            (void)place_fail(r, "search for", order->pattern, ret_error);
        expression_done(&grep->expression);
        path_patterns_done(&grep->includes);
        path_patterns_done(&grep->excludes);
        grep_output_done(&grep->output);
    }
    free(memory);
    free(grep);
    return r;
}
