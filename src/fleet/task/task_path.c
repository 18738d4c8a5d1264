#include "fleet/task/task_path.h"

struct slice task_path(struct slice path, struct slice workspace) {
    while (slice_ends_with(workspace, SLICE("/")))
        workspace.n--;
    if (slice_starts_with(path, workspace) && (path.n == workspace.n || path.p[workspace.n] == '/'))
        path = slice_from(path, workspace.n);
    while (slice_starts_with(path, SLICE("/")))
        path = slice_from(path, 1);
    return path;
}
