#include "sandbox/view_subject.h"

#include <errno.h>

#include "sandbox/mount_list.h"
#include "sandbox/view_path.h"
#include "sandbox/view_pin.h"

void view_subjects_done(struct view_subjects *subjects) {
    view_paths_done(&subjects->sockets);
    view_paths_done(&subjects->hidden);
    view_paths_done(&subjects->kept);
    view_paths_done(&subjects->steps);
}

static int find_steps(const char *const *paths, size_t n, struct view_paths *steps) {
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = view_pin_find(paths[i], steps);
    return r;
}

static int find(const struct view_want *want, const struct view_paths *sockets, struct view_subjects *to) {
    int r = view_path_resolve(want->hidden, want->n_hidden, &to->hidden);

    if (r == 0)
        r = view_path_resolve(want->kept, want->n_kept, &to->kept);
    if (r == 0)
        r = find_steps(want->hidden, want->n_hidden, &to->steps);
    if (r == 0)
        r = find_steps(want->kept, want->n_kept, &to->steps);
    for (size_t i = 0; r == 0 && i < sockets->n; i++)
        r = view_paths_add(&to->sockets, sockets->paths[i]);
    return r;
}

static int find_others(struct view_subjects *to) {
    struct mount_list mounts;
    int r = mount_list_read(&mounts);

    if (r < 0)
        return r;
    r = mount_list_add_others(&mounts, &to->hidden);
    if (r == 0)
        r = mount_list_add_others(&mounts, &to->kept);
    if (r == 0)
        r = mount_list_add_others(&mounts, &to->steps);
    if (r == 0)
        r = mount_list_add_others(&mounts, &to->sockets);
    mount_list_done(&mounts);
    return r;
}

int view_subjects_find(const struct view_want *want, const struct view_paths *sockets, struct view_subjects *ret,
                       struct view_fault *fault) {
    struct view_subjects found = {.steps = {NULL, 0}};
    int r = find(want, sockets, &found);

    if (r == 0)
        r = find_others(&found);
    if (r == 0) {
        *ret = found;
        return 0;
    }
    view_subjects_done(&found);
    return r == -E2BIG ? view_fail(fault, r, "others listen at more sockets than can be covered", "")
                       : view_fail(fault, r, "cannot be found", "what is hidden");
}

int view_subjects_cover(const char *root, const struct view_subjects *subjects, const char *doors, const char *cwd,
                        struct view_fault *fault) {
    const struct view_paths *sockets = &subjects->sockets, *hidden = &subjects->hidden;
    int r = view_path_cover_all(root, (const char *const *)sockets->paths, sockets->n, doors, cwd, fault);

    if (r == 0)
        r = view_path_keep_all(root, &subjects->kept, fault);
    if (r == 0)
        r = view_path_cover_all(root, (const char *const *)hidden->paths, hidden->n, doors, cwd, fault);
    return r;
}
