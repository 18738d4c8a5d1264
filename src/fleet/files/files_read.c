#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "fleet/beneath.h"
#include "fleet/files/operations.h"
#include "fleet/files/place.h"
#include "fleet/json_write.h"
#include "wire/base64.h"

#define AROUND 128 /* of the result, what stands around the content */
#define PIECE (1024 * 1024)

static int open_file(const struct files *files, struct slice path, struct stat *ret_stat, char **ret_error) {
    char place[PATH_MAX];
    int r = place_take(path, place);

    if (r == 0)
        r = beneath_open_regular(files->workspace, place, 0, ret_stat);
    if (r == -EISDIR || r == -EINVAL)
        place_say(r == -EISDIR ? "cannot read a directory" : "not a regular file", path, ret_error);
    else if (r < 0)
        return place_fail(r, "read", path, ret_error);
    return r;
}

/* What is there of `size` bytes at `offset`, or -errno. */
static ssize_t read_part(const struct files *files, int fd, char *to, size_t size, off_t offset) {
    size_t done = 0;

    while (done < size) {
        ssize_t n = pread(fd, to + done, MIN_OF(size - done, (size_t)PIECE), offset + (off_t)done);
        int r = place_pulse(files);

        if (r < 0)
            return r;
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)done;
}

/* How much of the file is asked for, and fits. */
static size_t wanted(const struct order *order, const struct buf *result, uint64_t total) {
    uint64_t left = order->offset < total ? total - order->offset : 0;
    size_t room = buf_room(result) > AROUND ? (buf_room(result) - AROUND) / 4 * 3 : 0;

    if (order->limit > 0)
        left = MIN_OF(left, order->limit);
    return (size_t)MIN_OF(left, (uint64_t)room);
}

/* It is read into the end of the room that its encoding takes. */
static int put_content(const struct files *files, const struct order *order, int fd, size_t n, struct buf *result) {
    size_t length = BASE64_LENGTH(n), room;
    char *to = n > 0 ? buf_reserve(result, length, &room) : NULL;
    ssize_t done;

    if (n > 0 && !to)
        return -errno;
    done = n > 0 ? read_part(files, fd, to + length - n, n, (off_t)order->offset) : 0;
    if (done < 0)
        return (int)done;
    if ((size_t)done < n) /* it has become shorter */
        memmove(to + BASE64_LENGTH((size_t)done) - done, to + length - n, (size_t)done);
    if (done > 0)
        buf_commit(result, base64_encode(slice_of(to + BASE64_LENGTH((size_t)done) - done, (size_t)done), to));
    return 0;
}

int operation_read(const struct files *files, const struct order *order, struct buf *result, char **ret_error) {
    struct json_write w = json_write_begin(result);
    struct stat st = {0};
    _cleanup_close_ int fd = open_file(files, order->path, &st, ret_error);
    uint64_t total = (uint64_t)st.st_size;
    int r;

    if (fd < 0)
        return fd;
    json_write_open(&w, '{');
    json_write_name(&w, SLICE("content"));
    json_write_open_text(&w);
    r = put_content(files, order, fd, wanted(order, result, total), result);
    if (r < 0)
        return place_fail(r, "read", order->path, ret_error);
    json_write_close_text(&w);
    json_write_number_member(&w, SLICE("total_size"), total);
    json_write_close(&w, '}');
    return w.error;
}
