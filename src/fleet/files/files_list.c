#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "fleet/beneath.h"
#include "fleet/files/name_pattern.h"
#include "fleet/files/operations.h"
#include "fleet/files/place.h"
#include "fleet/files/walk.h"
#include "fleet/json_write.h"

#define AROUND 128 /* of an entry, or of the list, what stands around its path */

struct list {
    const struct order *order;
    struct json_write w;
    size_t n;
    bool is_full;
};

static bool is_ignored(const struct order *order, struct slice name) {
    for (size_t i = 0; i < order->n_globs; i++)
        if (name_pattern_matches(order->globs[i], name))
            return true;
    return false;
}

/* False when there is no more room. */
static bool put_entry(struct list *list, struct slice path, bool is_directory, uint64_t size) {
    if (list->n == LIMIT_ENTRIES || json_write_text_length(path) + 2 * AROUND > buf_room(list->w.to)) {
        list->is_full = true;
        return false;
    }
    list->n++;
    json_write_open(&list->w, '{');
    json_write_text_member(&list->w, SLICE("path"), path);
    json_write_bool_member(&list->w, SLICE("is_dir"), is_directory);
    json_write_number_member(&list->w, SLICE("size"), size);
    json_write_close(&list->w, '}');
    return true;
}

static int visit(void *owner, const struct walk_entry *entry) {
    struct list *list = owner;
    struct stat st;

    if (is_ignored(list->order, slice_of_string(entry->name)))
        return WALK_ON;
    if (fstatat(entry->directory, entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return WALK_ON; /* it has gone */
    if (!put_entry(list, slice_of_string(entry->path), S_ISDIR(st.st_mode), (uint64_t)st.st_size))
        return WALK_END;
    return list->order->is_recursive && S_ISDIR(st.st_mode) ? WALK_INTO : WALK_ON;
}

/* One that is no directory is the one entry of its list. */
static int list_file(const struct files *files, struct list *list, const char *path) {
    _cleanup_close_ int fd = beneath_open(files->workspace, path, O_PATH, 0);
    struct stat st;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    (void)put_entry(list, slice_of_string(path), S_ISDIR(st.st_mode), (uint64_t)st.st_size);
    return 0;
}

int operation_list(const struct files *files, const struct order *order, struct buf *result, char **ret_error) {
    struct list list = {.order = order, .w = json_write_begin(result)};
    char path[PATH_MAX];
    bool is_cut = false;
    int r = place_take(order->path, path);

    json_write_open(&list.w, '{');
    json_write_name(&list.w, SLICE("entries"));
    json_write_open(&list.w, '[');
    if (r == 0)
        r = walk_run(files, path, visit, &list, &is_cut);
    if (r == -ENOTDIR)
        r = list_file(files, &list, path);
    if (r < 0)
        return place_fail(r, "list", order->path, ret_error);
    json_write_close(&list.w, ']');
    if (is_cut || list.is_full)
        json_write_bool_member(&list.w, SLICE("truncated"), true);
    json_write_close(&list.w, '}');
    return list.w.error;
}
