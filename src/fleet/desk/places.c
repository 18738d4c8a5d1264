/*
 * What the runner needs before it begins: its directories, its own programs, a user for the tasks, descriptors.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macros.h"
#include "fleet/desk/places_check.h"
#include "fleet/desk/runner_state.h"
#include "fleet/task/task_place.h"

#define TASK_DESCRIPTORS 8  /* of one that runs: three processes, each with its channel, and a key */
#define QUEUE_DESCRIPTORS 2 /* of one that waits: its order and its key */
#define OTHER_DESCRIPTORS 256

/* Each folder on the way, too. Only one that was made here is given to the user of the tasks. */
static int make_directory(const char *path, const struct task_user *user) {
    char part[PATH_MAX];
    size_t n = strlen(path);
    struct stat st;
    bool is_made;

    if (n >= sizeof(part))
        return -ENAMETOOLONG;
    for (size_t i = 1; i < n; i++)
        if (path[i] == '/') {
            memcpy(part, path, i);
            part[i] = '\0';
            if (mkdir(part, 0755) < 0 && errno != EEXIST)
                return -errno;
        }
    is_made = mkdir(path, 0755) == 0;
    if (!is_made && (errno != EEXIST || stat(path, &st) < 0))
        return -errno;
    if (!is_made && !S_ISDIR(st.st_mode))
        return -ENOTDIR;
    if (is_made && user->name[0] && chown(path, user->uid, user->gid) < 0)
        return -errno;
    return 0;
}

int places_open(struct runner *runner, char **ret_error) {
    const struct runner_settings *settings = runner->first;
    struct stat st;
    int r = places_find_user(settings, &runner->user, ret_error);

    if (r < 0)
        return r;
    r = make_directory(settings->workspace, &runner->user);
    if (r < 0)
        return places_refuse(settings, "workspace", settings->workspace, r, ret_error);
    r = spool_open(settings->spool, settings->spool_bytes, &runner->spool, ret_error);
    if (r < 0)
        return r;
    /* credfd-task becomes that user, with our group for the spool alone (fleet/task/task_place.h) */
    if (fstat(spool_directory(runner->spool), &st) < 0 ||
        (runner->user.name[0] && fchmod(spool_directory(runner->spool), 0770) < 0))
        return places_refuse(settings, "spool.directory", settings->spool, -errno, ret_error);
    runner->task_place = task_place_format(settings->workspace, settings->spool, &runner->user, st.st_gid);
    return runner->task_place ? 0 : places_refuse(settings, "workspace", settings->workspace, -ENAMETOOLONG, ret_error);
}

int places_check_programs(char **ret_error) {
    static const char *const names[] = {"credfd-link", "credfd-task", "credfd-exec", "credfd-probe"};
    char path[PATH_MAX];
    int r = broker_check_programs(ret_error);

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(names); i++) {
        r = child_program_path(names[i], path, sizeof(path));
        if (r == 0 && access(path, X_OK) < 0)
            r = -errno;
        if (r < 0 && asprintf(ret_error, "%s: %s; install credfd whole, or build it whole", path, strerror(-r)) < 0)
            *ret_error = NULL;
    }
    return r;
}

/* As many tasks as may be open at once; where that is fewer than the settings say, it is said. */
void places_fit_descriptors(struct runner *runner) {
    const struct runner_settings *settings = runner->settings;
    struct rlimit limit = {.rlim_cur = 1024};
    size_t wanted = settings->concurrent * TASK_DESCRIPTORS + settings->queue * QUEUE_DESCRIPTORS + OTHER_DESCRIPTORS;
    size_t there;

    runner->max_running = settings->concurrent;
    runner->queue.max = settings->queue;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    there = (size_t)MIN_OF(limit.rlim_cur, (rlim_t)SIZE_MAX / 2);
    if (wanted <= there)
        return;
    there = there > OTHER_DESCRIPTORS ? there - OTHER_DESCRIPTORS : 0;
    runner->queue.max = MIN_OF(settings->queue, MAX_OF(there / 4 / QUEUE_DESCRIPTORS, (size_t)1));
    there -= MIN_OF(there, runner->queue.max * QUEUE_DESCRIPTORS);
    runner->max_running = MIN_OF(settings->concurrent, MAX_OF(there / TASK_DESCRIPTORS, (size_t)1));
    log_warning("only %zu tasks at once and %zu that wait: this process may have %ju descriptors (ulimit -n, "
                "LimitNOFILE=)",
                runner->max_running, runner->queue.max, (uintmax_t)limit.rlim_cur);
}
