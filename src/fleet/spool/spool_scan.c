#include "fleet/spool/spool_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "fleet/spool/spool_result.h"

/* A file of the spool. They are entered in the order of `ending`, then of `at_ms`: so a result finds what was sent. */
struct found {
    char task_id[LIMIT_TASK_ID];
    size_t n;
    enum spool_ending ending;
    uint64_t at_ms;
};

struct scan {
    struct found *files;
    size_t n, room, n_names;
};

static struct slice id_of(const struct found *file) {
    return slice_of(file->task_id, file->n);
}

static int remember(struct scan *scan, const struct found *file) {
    if (scan->n == scan->room) {
        size_t room = MAX_OF(2 * scan->room, (size_t)64);
        struct found *files = reallocarray(scan->files, room, sizeof(*files));

        if (!files)
            return -ENOMEM;
        scan->files = files;
        scan->room = room;
    }
    scan->files[scan->n++] = *file;
    return 0;
}

/*
 * When it was made: a result says so itself, and a whole look at it belongs to it. What is none becomes
 * SPOOL_FILE_DAMAGED.
 */
static int date_result(struct spool *spool, struct found *file) {
    _cleanup_record_ struct slice bytes = SLICE_EMPTY;
    struct record record;
    int r = spool_result_read(spool, id_of(file), SPOOL_FILE_RESULT, &bytes, &record);

    if (r == -EBADMSG)
        file->ending = SPOOL_FILE_DAMAGED;
    else if (r == 0)
        file->at_ms = record.at_ms;
    return r == -EBADMSG ? 0 : r;
}

static int date_sent(const struct spool *spool, const char *name, struct found *file) {
    struct stat st;

    if (fstatat(spool->directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    file->at_ms = (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
    return 0;
}

static int look(struct spool *spool, struct scan *scan, const char *name) {
    struct found file = {0};
    struct slice task_id;
    int r = 0;

    if (!spool_file_parse(name, file.task_id, &task_id, &file.ending))
        return 0;
    file.n = task_id.n;
    switch (file.ending) {
    case SPOOL_FILE_DAMAGED:
        spool->n_damaged_kept++;
        return 0;
    case SPOOL_FILE_NEW:
        if (!spool_file_is_held(spool->directory, task_id, SPOOL_FILE_NEW))
            (void)spool_file_remove(spool->directory, task_id, SPOOL_FILE_NEW);
        return 0;
    case SPOOL_FILE_RESULT:
        r = date_result(spool, &file);
        break;
    case SPOOL_FILE_SENT:
        r = date_sent(spool, name, &file);
        break;
    case SPOOL_FILE_BEGUN:
    case SPOOL_ENDINGS:
        break;
    }
    return r == -ENOENT ? 0 : r < 0 ? r : remember(scan, &file);
}

static int read_names(struct spool *spool, struct scan *scan) {
    int fd = openat(spool->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!directory) {
        r = -errno;
        fd_close(&fd);
        return r;
    }
    while (r == 0 && (errno = 0, entry = readdir(directory)))
        r = ++scan->n_names > LIMIT_SPOOL_FILES ? -E2BIG : look(spool, scan, entry->d_name);
    r = r < 0 ? r : -errno;
    (void)closedir(directory);
    return r;
}

/* Sent, then results, whole or damaged, then what was begun. */
static unsigned rank(enum spool_ending ending) {
    return ending == SPOOL_FILE_SENT ? 0 : ending == SPOOL_FILE_RESULT ? 1 : ending == SPOOL_FILE_DAMAGED ? 2 : 3;
}

static int compare(const void *left, const void *right) {
    const struct found *a = left, *b = right;

    if (rank(a->ending) != rank(b->ending))
        return rank(a->ending) < rank(b->ending) ? -1 : 1;
    return a->at_ms < b->at_ms ? -1 : a->at_ms > b->at_ms ? 1 : 0;
}

/* Only its name is known until it is asked for again. */
static int enter_sent(struct spool *spool, const struct found *file) {
    struct spool_task *task = spool_task_add(spool, &(struct record){.task_id = id_of(file)});
    int fd = spool_file_open(spool->directory, id_of(file), SPOOL_FILE_SENT);
    struct stat st = {0};

    if (!task) {
        fd_close(&fd);
        return -ENOMEM;
    }
    if (fd >= 0)
        (void)fstat(fd, &st);
    fd_close(&fd);
    spool_task_set_state(spool, task, SPOOL_SENT, (uint64_t)st.st_size);
    return 0;
}

/* A result that is to be sent, though one was sent: it is sent. */
static int enter_result(struct spool *spool, const struct found *file) {
    _cleanup_record_ struct slice bytes = SLICE_EMPTY;
    struct spool_task *task = spool_task_find(spool, id_of(file));
    struct record record = {.task_id = id_of(file)};
    int r;

    if (task) {
        (void)spool_file_remove(spool->directory, task->task_id, SPOOL_FILE_SENT);
        spool_task_set_state(spool, task, SPOOL_UNKNOWN, 0);
    }
    r = spool_result_read(spool, id_of(file), SPOOL_FILE_RESULT, &bytes, &record);
    task = spool_task_add(spool, &record);
    if (!task)
        return -ENOMEM;
    if (r == 0)
        spool_task_set_state(spool, task, SPOOL_RESULT, bytes.n);
    else
        spool_task_set_fault(spool, task, SPOOL_DAMAGED);
    (void)spool_file_remove(spool->directory, id_of(file), SPOOL_FILE_BEGUN);
    return 0;
}

/* Begun, and no result, or a damaged one. What it was begun with may be damaged too: then its name is known. */
static int enter_begun(struct spool *spool, const struct found *file) {
    _cleanup_record_ struct slice bytes = SLICE_EMPTY;
    _cleanup_close_ int fd = -EBADF;
    struct spool_task *task = spool_task_find(spool, id_of(file));
    struct record record;

    if (task && file->ending == SPOOL_FILE_BEGUN && task->state != SPOOL_BEGUN)
        (void)spool_file_remove(spool->directory, id_of(file), SPOOL_FILE_BEGUN);
    if (task)
        return 0;
    fd = spool_file_open(spool->directory, id_of(file), SPOOL_FILE_BEGUN);
    if (fd < 0 || record_map(fd, &bytes) < 0 || record_parse(bytes, &record) < 0 ||
        !slice_equals(record.task_id, id_of(file)))
        record = (struct record){.task_id = id_of(file)};
    task = spool_task_add(spool, &record);
    if (!task)
        return -ENOMEM;
    spool_task_set_fault(spool, task, file->ending == SPOOL_FILE_BEGUN ? SPOOL_INTERRUPTED : SPOOL_DAMAGED);
    return 0;
}

int spool_scan(struct spool *spool) {
    struct scan scan = {0};
    int r = read_names(spool, &scan);

    if (scan.n > 0)
        qsort(scan.files, scan.n, sizeof(*scan.files), compare);
    for (size_t i = 0; r == 0 && i < scan.n; i++)
        r = scan.files[i].ending == SPOOL_FILE_SENT     ? enter_sent(spool, &scan.files[i])
            : scan.files[i].ending == SPOOL_FILE_RESULT ? enter_result(spool, &scan.files[i])
                                                        : enter_begun(spool, &scan.files[i]);
    free(scan.files);
    spool_forget_old(spool);
    return r;
}
