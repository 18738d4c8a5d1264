#include "fleet/spool/spool_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "fleet/beneath.h"

static const char *const endings[SPOOL_ENDINGS] = {
    [SPOOL_FILE_NEW] = ".new",   [SPOOL_FILE_BEGUN] = ".begun",     [SPOOL_FILE_RESULT] = ".result",
    [SPOOL_FILE_SENT] = ".sent", [SPOOL_FILE_DAMAGED] = ".damaged",
};

static bool is_plain(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

void spool_file_name(char to[static SPOOL_NAME], struct slice task_id, enum spool_ending ending) {
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;

    task_id = slice_first(task_id, LIMIT_TASK_ID);
    for (size_t i = 0; i < task_id.n; i++) {
        unsigned char c = (unsigned char)task_id.p[i];

        if (!is_plain((char)c)) {
            to[n++] = '%';
            to[n++] = digits[c >> 4];
            c = (unsigned char)digits[c & 15];
        }
        to[n++] = (char)c;
    }
    (void)snprintf(to + n, SPOOL_NAME - n, "%s", endings[ending]);
}

/* The byte at the front of an encoded id. */
static bool take_byte(struct slice *from, char *ret) {
    uint64_t value;

    if (is_plain(from->p[0])) {
        *ret = from->p[0];
        *from = slice_from(*from, 1);
        return true;
    }
    if (from->n < 3 || from->p[0] != '%' || num_parse_hex(slice_of(from->p + 1, 2), UINT8_MAX, &value) < 0)
        return false;
    *ret = (char)value;
    *from = slice_from(*from, 3);
    return true;
}

bool spool_file_parse(const char *name, char task_id[static LIMIT_TASK_ID], struct slice *ret_task_id,
                      enum spool_ending *ret_ending) {
    struct slice whole = slice_of_string(name), rest = slice_first(whole, slice_index(whole, '.'));
    struct slice ending = slice_from(whole, rest.n);
    char again[SPOOL_NAME];
    size_t n = 0;

    while (rest.n > 0 && n < LIMIT_TASK_ID && take_byte(&rest, &task_id[n]))
        n++;
    if (rest.n > 0 || n == 0)
        return false;
    for (unsigned i = 0; i < SPOOL_ENDINGS; i++) {
        if (!slice_equals(ending, slice_of_string(endings[i])))
            continue;
        *ret_task_id = slice_of(task_id, n);
        *ret_ending = (enum spool_ending)i;
        spool_file_name(again, *ret_task_id, *ret_ending); /* two names of one task would be two tasks */
        return slice_equals(whole, slice_of_string(again));
    }
    return false;
}

int spool_file_open(int directory, struct slice task_id, enum spool_ending ending) {
    char name[SPOOL_NAME];
    struct stat st;

    spool_file_name(name, task_id, ending);
    return beneath_open_regular(directory, name, O_NOFOLLOW, &st);
}

int spool_file_remove(int directory, struct slice task_id, enum spool_ending ending) {
    char name[SPOOL_NAME];

    spool_file_name(name, task_id, ending);
    return unlinkat(directory, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int spool_file_rename(int directory, struct slice task_id, enum spool_ending from, enum spool_ending to) {
    char old[SPOOL_NAME], new[SPOOL_NAME];

    spool_file_name(old, task_id, from);
    spool_file_name(new, task_id, to);
    return renameat(directory, old, directory, new) < 0 ? -errno : 0;
}

bool spool_file_is_held(int directory, struct slice task_id, enum spool_ending ending) {
    _cleanup_close_ int fd = spool_file_open(directory, task_id, ending);

    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}
