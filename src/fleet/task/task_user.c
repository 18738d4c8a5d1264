#include "fleet/task/task_user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/macros.h"

#define USER_ENTRY 16384 /* room for one line of the databases */

int task_user_find(const char *name, struct task_user *ret) {
    _uninitialised_ char room[USER_ENTRY];
    struct task_user user = {0};
    struct passwd entry, *found = NULL;
    int n = LIMIT_TASK_GROUPS, n_name;
    int r = getpwnam_r(name, &entry, room, sizeof(room), &found);

    if (!found)
        return r == 0 ? -ENOENT : -r;
    n_name = snprintf(user.name, sizeof(user.name), "%s", entry.pw_name);
    if (n_name < 0 || (size_t)n_name >= sizeof(user.name))
        return -E2BIG;
    if (getgrouplist(entry.pw_name, entry.pw_gid, user.groups, &n) < 0)
        return -E2BIG;
    user.uid = entry.pw_uid;
    user.gid = entry.pw_gid;
    user.n_groups = (size_t)n;
    *ret = user;
    return 0;
}
