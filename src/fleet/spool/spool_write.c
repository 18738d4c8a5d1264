#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "fleet/beneath.h"
#include "fleet/spool/spool.h"
#include "fleet/spool/spool_file.h"

/*
 * ID.new, this process's alone and locked, so that what a dead one has left can be told from what a living one writes.
 * Two of one task at once are none of our doing: the second is refused.
 */
static int open_new(int directory, struct slice task_id) {
    _cleanup_close_ int fd = -EBADF;
    char name[SPOOL_NAME];
    int r;

    spool_file_name(name, task_id, SPOOL_FILE_NEW);
    fd = beneath_open(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (fd == -EEXIST) {
        if (spool_file_is_held(directory, task_id, SPOOL_FILE_NEW))
            return -EBUSY;
        r = spool_file_remove(directory, task_id, SPOOL_FILE_NEW);
        if (r < 0)
            return r;
        fd = beneath_open(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    }
    if (fd < 0)
        return fd;
    return flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : fd_steal(&fd);
}

static int sync_directory(int directory) {
    return fsync(directory) < 0 ? -errno : 0;
}

/* A link is made only where there is nothing yet, in one step; a rename would replace what is there. */
static int link_begun(int directory, struct slice task_id) {
    char from[SPOOL_NAME], to[SPOOL_NAME];

    spool_file_name(from, task_id, SPOOL_FILE_NEW);
    spool_file_name(to, task_id, SPOOL_FILE_BEGUN);
    return linkat(directory, from, directory, to, 0) < 0 ? -errno : 0;
}

int spool_write_begun(int directory, const struct record *begun) {
    _cleanup_close_ int fd = open_new(directory, begun->task_id);
    int r;

    if (fd < 0)
        return fd;
    r = record_write(fd, begun);
    if (r == 0)
        r = link_begun(directory, begun->task_id);
    (void)spool_file_remove(directory, begun->task_id, SPOOL_FILE_NEW);
    if (r == 0)
        r = sync_directory(directory);
    return r < 0 ? r : fd_steal(&fd);
}

int spool_write_result(int directory, const struct record *result) {
    _cleanup_close_ int fd = -EBADF;
    int r;

    if (result->payload.n == 0)
        return -EINVAL;
    fd = open_new(directory, result->task_id);
    if (fd < 0)
        return fd;
    r = record_write(fd, result);
    if (r == 0)
        r = spool_file_rename(directory, result->task_id, SPOOL_FILE_NEW, SPOOL_FILE_RESULT);
    if (r < 0)
        (void)spool_file_remove(directory, result->task_id, SPOOL_FILE_NEW);
    else
        r = sync_directory(directory);
    if (r == 0)
        (void)spool_file_remove(directory, result->task_id, SPOOL_FILE_BEGUN);
    return r;
}
