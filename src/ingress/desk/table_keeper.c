#include "ingress/desk/table_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/macros.h"

#define ROWS_AT_ONCE 4096

/* Of the file as it is; zeros where it cannot be read, which building it says in words. */
static void take_digest(const char *path, uint8_t digest[static SHA256_DIGEST_SIZE]) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char bytes[LIMIT_READ];
    struct sha256_ctx context;
    ssize_t n;

    memset(digest, 0, SHA256_DIGEST_SIZE);
    sha256_init(&context);
    while (fd >= 0 && (n = fd_read_all(fd, bytes, sizeof(bytes))) > 0) {
        sha256_update(&context, (size_t)n, (const uint8_t *)bytes);
        (void)sched_yield(); /* as table_read */
    }
    if (fd >= 0 && n == 0)
        sha256_digest(&context, SHA256_DIGEST_SIZE, digest);
}

static int build(const struct table_keeper *keeper, uint64_t number, int *ret_fd, char **ret_error) {
    *ret_error = NULL;
    return table_build(keeper->path, number, &keeper->recipes, ret_fd, ret_error);
}

/* Takes `fd` over. */
static int put_in_force(struct table_keeper *keeper, int fd) {
    _cleanup_close_ int kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    struct table *table;
    int r = kept < 0 ? -errno : 0;

    if (r < 0) {
        fd_close(&fd);
        return r;
    }
    r = table_begin(fd, &table);
    if (r < 0)
        return r;
    while ((r = table_look(table, ROWS_AT_ONCE)) > 0)
        (void)sched_yield(); /* as table_read */
    if (r < 0) {
        table_unref(table);
        return r;
    }
    table_unref(keeper->table);
    keeper->table = table;
    fd_close(&keeper->fd);
    keeper->fd = fd_steal(&kept);
    free(keeper->error);
    keeper->error = NULL;
    return 0;
}

/* Says a fault once, however often the file is read again as it is. */
static void complain(struct table_keeper *keeper, char **error) {
    if (keeper->error && *error && strcmp(keeper->error, *error) == 0)
        return;
    log_error("%s; the table that there was stays in force", *error ? *error : "the table cannot be read");
    free(keeper->error);
    keeper->error = steal_pointer(error);
    keeper->failed(keeper);
}

static void read_anew(struct table_keeper *keeper) {
    _cleanup_free_ char *error = NULL;
    bool was_astray = keeper->error != NULL;
    uint32_t n;
    int fd = -EBADF, r = build(keeper, table_number(keeper->table) + 1, &fd, &error);

    if (r == 0)
        r = put_in_force(keeper, fd);
    if (r < 0) {
        complain(keeper, &error);
        return;
    }
    n = table_names(keeper->table);
    log_line(was_astray ? LOG_WARNING : LOG_INFO, "%s %s: %" PRIu32 " name%s", keeper->path,
             was_astray ? "is in order again and in force" : "is in force", n, n == 1 ? "" : "s");
    keeper->changed(keeper);
}

/* Nobody is told of a table, or of a fault, that is the same as before. */
static void look(struct table_keeper *keeper) {
    uint8_t before[SHA256_DIGEST_SIZE];

    timer_set(&keeper->timer, keeper->look_ms);
    memcpy(before, keeper->digest, sizeof(before));
    take_digest(keeper->path, keeper->digest); /* first: what changes while it is built is seen by the next look */
    if (memcmp(before, keeper->digest, sizeof(before)) != 0)
        read_anew(keeper);
}

static void file_changed(struct file_watch *file) {
    look(container_of(file, struct table_keeper, file));
}

static void look_due(struct timer *timer) {
    look(container_of(timer, struct table_keeper, timer));
}

int table_keeper_start(struct table_keeper *keeper, char **ret_error) {
    int fd = -EBADF, r;

    keeper->fd = -EBADF;
    keeper->timer.on_expiry = look_due;
    file_watch_start(&keeper->file, keeper->path, file_changed); /* first: what changes meanwhile is read again */
    take_digest(keeper->path, keeper->digest);
    r = build(keeper, 1, &fd, ret_error);
    if (r == 0)
        r = put_in_force(keeper, fd);
    if (r < 0)
        table_keeper_stop(keeper);
    else
        timer_set(&keeper->timer, keeper->look_ms);
    return r;
}

void table_keeper_change(struct table_keeper *keeper, const char *path, uint64_t look_ms, const char *fallback) {
    bool is_moved = strcmp(path, keeper->path) != 0;

    keeper->path = path;
    keeper->file.path = path;
    keeper->look_ms = look_ms;
    keeper->recipes.fallback = fallback;
    if (is_moved) {
        file_watch_stop(&keeper->file);
        file_watch_start(&keeper->file, path, file_changed);
    }
    take_digest(path, keeper->digest);
    read_anew(keeper);
    timer_set(&keeper->timer, look_ms);
}

void table_keeper_stop(struct table_keeper *keeper) {
    file_watch_stop(&keeper->file);
    timer_cancel(&keeper->timer);
    table_unref(keeper->table);
    keeper->table = NULL;
    fd_close(&keeper->fd);
    free(keeper->error);
    keeper->error = NULL;
}
