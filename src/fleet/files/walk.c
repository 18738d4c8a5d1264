#include "fleet/files/walk.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "fleet/beneath.h"
#include "fleet/files/place.h"

#define PULSE 64 /* names from one look at the clock to the next */

struct row {
    uint32_t at; /* of its name, in `names` */
    uint8_t type;
};

struct walk {
    const struct files *files;
    walk_visit *visit;
    void *owner;
    /* of the directories that it stands in, one behind the other */
    char *names;
    size_t n_names, names_room;
    struct row *rows;
    size_t n_rows, rows_room;
    uint64_t seen;
    char path[PATH_MAX];
    bool is_cut, is_over;
};

/* Room for one more name; -E2BIG when it is used up. */
static int make_room(struct walk *walk, size_t length) {
    if (walk->n_names + length > LIMIT_WALK_NAMES)
        return -E2BIG;
    if (!walk->names || walk->n_names + length > walk->names_room) {
        size_t room = MAX_OF(2 * walk->names_room, (size_t)64 * 1024);
        char *names = realloc(walk->names, room);

        if (!names)
            return -ENOMEM;
        walk->names = names;
        walk->names_room = room;
    }
    if (walk->n_rows == walk->rows_room) {
        size_t room = MAX_OF(2 * walk->rows_room, (size_t)1024);
        struct row *rows = reallocarray(walk->rows, room, sizeof(*rows));

        if (!rows)
            return -ENOMEM;
        walk->rows = rows;
        walk->rows_room = room;
    }
    return 0;
}

static uint8_t type_of(int directory, const struct dirent *entry) {
    struct stat st;
    mode_t kind = (mode_t)DTTOIF(entry->d_type);

    if (entry->d_type == DT_UNKNOWN)
        kind = fstatat(directory, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_mode & S_IFMT;
    return kind == S_IFREG ? WALK_FILE : kind == S_IFDIR ? WALK_DIRECTORY : kind == S_IFLNK ? WALK_LINK : WALK_OTHER;
}

static int add_name(struct walk *walk, int directory, const struct dirent *entry) {
    size_t length = strlen(entry->d_name) + 1;
    int r = ++walk->seen > LIMIT_WALK ? -E2BIG : make_room(walk, length);

    if (r == 0 && walk->seen % PULSE == 0)
        r = place_pulse(walk->files);
    if (r < 0)
        return r;
    memcpy(walk->names + walk->n_names, entry->d_name, length);
    walk->rows[walk->n_rows++] = (struct row){.at = (uint32_t)walk->n_names, .type = type_of(directory, entry)};
    walk->n_names += length;
    return 0;
}

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* All of it that the bounds leave. */
static int read_names(struct walk *walk, DIR *directory) {
    const struct dirent *entry;
    int r = 0;

    while (r == 0 && (entry = readdir(directory)))
        r = is_dots(entry->d_name) ? 0 : add_name(walk, dirfd(directory), entry);
    if (r == -E2BIG)
        walk->is_cut = true;
    return r == -E2BIG ? 0 : r;
}

static int compare(const void *left, const void *right, void *names) {
    const struct row *a = left, *b = right;

    return strcmp((const char *)names + a->at, (const char *)names + b->at);
}

static bool is_of_kernel(int fd) {
    static const long magic[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC,         DEBUGFS_MAGIC,
                                 TRACEFS_MAGIC,    CGROUP2_SUPER_MAGIC, CGROUP_SUPER_MAGIC,
                                 SECURITYFS_MAGIC, BPF_FS_MAGIC,        DEVPTS_SUPER_MAGIC};
    struct statfs st;

    if (fstatfs(fd, &st) < 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(magic); i++)
        if ((long)st.f_type == magic[i])
            return true;
    return false;
}

static int walk_directory(struct walk *walk, int fd, size_t depth);

/* What cannot be entered is passed over. */
static int enter(struct walk *walk, const struct walk_entry *entry) {
    int fd;

    if (entry->depth + 1 >= LIMIT_WALK_DEPTH) {
        walk->is_cut = true;
        return 0;
    }
    if (entry->type == WALK_LINK)
        fd = beneath_open(walk->files->workspace, entry->path, O_RDONLY | O_DIRECTORY, 0);
    else
        fd = beneath_open(entry->directory, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        return 0;
    return walk_directory(walk, fd, entry->depth + 1);
}

/* `length` is that of the path of the directory that `directory` is; the row's name stands behind it for the visit. */
static int visit(struct walk *walk, struct row row, int directory, size_t length, size_t depth) {
    const char *name = walk->names + row.at;
    size_t n = strlen(name), slash = length > 0;
    struct walk_entry entry = {
        .path = walk->path, .type = (enum walk_type)row.type, .directory = directory, .depth = depth};
    int r;

    if (length + slash + n >= sizeof(walk->path)) {
        walk->is_cut = true;
        return 0;
    }
    if (slash)
        walk->path[length] = '/';
    memcpy(walk->path + length + slash, name, n + 1);
    entry.name = walk->path + length + slash;
    r = walk->visit(walk->owner, &entry);
    walk->is_over = r == WALK_END;
    if (r == WALK_INTO && entry.type != WALK_FILE && entry.type != WALK_OTHER)
        r = enter(walk, &entry);
    walk->path[length] = '\0';
    return r < 0 ? r : 0;
}

/* Takes `fd` over. */
static int walk_directory(struct walk *walk, int fd, size_t depth) {
    size_t first = walk->n_rows, names = walk->n_names, length = strlen(walk->path);
    DIR *directory = is_of_kernel(fd) ? NULL : fdopendir(fd);
    int r;

    if (!directory) {
        fd_close(&fd);
        return 0;
    }
    r = read_names(walk, directory);
    if (walk->n_rows > first)
        qsort_r(walk->rows + first, walk->n_rows - first, sizeof(*walk->rows), compare, walk->names);
    for (size_t i = first, end = walk->n_rows; r == 0 && !walk->is_over && i < end; i++)
        r = visit(walk, walk->rows[i], dirfd(directory), length, depth);
    walk->n_rows = first;
    walk->n_names = names;
    (void)closedir(directory);
    return r;
}

int walk_run(const struct files *files, const char *base, walk_visit *visit_one, void *owner, bool *ret_is_cut) {
    struct walk walk = {.files = files, .visit = visit_one, .owner = owner};
    int fd = beneath_open(files->workspace, base, O_RDONLY | O_DIRECTORY, 0), r;

    if (fd < 0)
        return fd;
    if (strcmp(base, ".") != 0)
        memcpy(walk.path, base, strlen(base) + 1);
    r = walk_directory(&walk, fd, 0);
    free(walk.names);
    free(walk.rows);
    if (r == 0)
        *ret_is_cut = walk.is_cut;
    return r;
}
