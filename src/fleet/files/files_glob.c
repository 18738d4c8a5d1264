#include <errno.h>
#include <stdlib.h>

#include "base/macros.h"
#include "fleet/files/operations.h"
#include "fleet/files/path_pattern.h"
#include "fleet/files/place.h"
#include "fleet/files/walk.h"
#include "fleet/json_write.h"

#define AROUND 128 /* of a match, or of the list, what stands around it */

struct glob {
    struct path_patterns patterns;
    struct json_write w;
    size_t n;
    bool is_full;
    struct path_state states[LIMIT_WALK_DEPTH + 1]; /* of the directories that the walk stands in */
};

/* False when there is no more room. */
static bool put_match(struct glob *glob, struct slice path) {
    if (glob->n == LIMIT_ENTRIES || json_write_text_length(path) + 2 * AROUND > buf_room(glob->w.to)) {
        glob->is_full = true;
        return false;
    }
    glob->n++;
    json_write_text(&glob->w, path);
    return true;
}

static int visit(void *owner, const struct walk_entry *entry) {
    struct glob *glob = owner;
    struct path_state *state = &glob->states[entry->depth + 1], named;

    path_state_step(&glob->patterns, &glob->states[entry->depth], slice_of_string(entry->name), state, &named);
    if (path_state_is_matched(&glob->patterns, state) && !put_match(glob, slice_of_string(entry->path)))
        return WALK_END;
    if (entry->type == WALK_LINK)
        *state = named;
    return path_state_leads_on(&glob->patterns, state) ? WALK_INTO : WALK_ON;
}

static int match_all(const struct files *files, struct glob *glob) {
    bool is_cut = false;
    int r;

    json_write_open(&glob->w, '{');
    json_write_name(&glob->w, SLICE("matches"));
    json_write_open(&glob->w, '[');
    path_state_begin(&glob->patterns, &glob->states[0]);
    r = walk_run(files, ".", visit, glob, &is_cut);
    json_write_close(&glob->w, ']');
    if (is_cut || glob->is_full)
        json_write_bool_member(&glob->w, SLICE("truncated"), true);
    json_write_close(&glob->w, '}');
    return r < 0 ? r : glob->w.error;
}

int operation_glob(const struct files *files, const struct order *order, struct buf *result, char **ret_error) {
    struct glob *glob = calloc(1, sizeof(*glob));
    int r;

    if (!glob)
        return -ENOMEM;
    glob->w = json_write_begin(result);
    r = path_patterns_add(&glob->patterns, order->pattern);
    if (r == -EINVAL || r == -E2BIG)
        place_say(r == -EINVAL ? "the pattern has a bracket or brace without its end" : "the pattern is too long",
                  order->pattern, ret_error);
    else if (r == 0)
        r = match_all(files, glob);
    if (r < 0 && !*ret_error)
        (void)place_fail(r, "search", order->pattern, ret_error);
    path_patterns_done(&glob->patterns);
    free(glob);
    return r;
}
