#include "fleet/order.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"

/*
 * An order in memory: MAGIC, u8 operation, u8 is_recursive, u64 each timeout_ms, offset and limit; then as texts, each
 * a u32 length and its bytes: command, workdir, path, content, pattern; then u32 a number of variables, of each its
 * name and value as texts; u32 a number of globs, each a text. Integers little-endian, and nothing behind it.
 */
static const struct slice magic = SLICE("credfd order 1\n");

/* Written from where the parts are: an order can be as large as a frame. */
struct order_writer {
    int fd;
    int error;
};

static void put(struct order_writer *w, const void *bytes, size_t n) {
    if (w->error == 0)
        w->error = fd_write_all(w->fd, bytes, n);
}

static void put_u32(struct order_writer *w, size_t value) {
    uint32_t little = htole32((uint32_t)value);

    put(w, &little, sizeof(little));
}

static void put_text(struct order_writer *w, struct slice text) {
    put_u32(w, text.n);
    put(w, text.p, text.n);
}

static void put_fixed(struct order_writer *w, const struct order *order) {
    const uint64_t numbers[] = {htole64(order->timeout_ms), htole64(order->offset), htole64(order->limit)};
    const uint8_t kinds[] = {(uint8_t)order->operation, order->is_recursive};

    put(w, magic.p, magic.n);
    put(w, kinds, sizeof(kinds));
    put(w, numbers, sizeof(numbers));
}

static bool is_bounded(const struct order *order) {
    return order->command.n <= LIMIT_FRAME && order->workdir.n <= LIMIT_FRAME && order->path.n <= LIMIT_FRAME &&
           order->content.n <= LIMIT_FRAME && order->pattern.n <= LIMIT_FRAME &&
           order->n_variables <= LIMIT_TASK_VARIABLES && order->n_globs <= LIMIT_TASK_GLOBS;
}

int order_seal(const struct order *order) {
    _cleanup_close_ int fd = memfd_create("credfd-order", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct order_writer w = {.fd = fd};

    if (fd < 0)
        return -errno;
    if (!is_bounded(order))
        return -EINVAL;
    put_fixed(&w, order);
    put_text(&w, order->command);
    put_text(&w, order->workdir);
    put_text(&w, order->path);
    put_text(&w, order->content);
    put_text(&w, order->pattern);
    put_u32(&w, order->n_variables);
    for (size_t i = 0; i < order->n_variables; i++) {
        put_text(&w, order->variables[i].name);
        put_text(&w, order->variables[i].value);
    }
    put_u32(&w, order->n_globs);
    for (size_t i = 0; i < order->n_globs; i++)
        put_text(&w, order->globs[i]);
    if (w.error == 0 && (lseek(fd, 0, SEEK_SET) < 0 || /* for one who reads it from where it stands */
                         fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0))
        w.error = -errno;
    return w.error < 0 ? w.error : fd_steal(&fd);
}

/* What is left to read; `is_failed` once something was not there. */
struct order_reader {
    struct slice rest;
    bool is_failed;
};

static struct slice get(struct order_reader *r, size_t n) {
    struct slice bytes = slice_first(r->rest, n);

    if (r->is_failed || n > r->rest.n) {
        r->is_failed = true;
        return SLICE_EMPTY;
    }
    r->rest = slice_from(r->rest, n);
    return bytes;
}

static uint8_t get_u8(struct order_reader *r) {
    struct slice bytes = get(r, 1);

    return bytes.n == 1 ? (uint8_t)bytes.p[0] : 0;
}

static uint32_t get_u32(struct order_reader *r) {
    uint32_t little = 0;
    struct slice bytes = get(r, sizeof(little));

    memcpy(&little, bytes.p, bytes.n);
    return le32toh(little);
}

static uint64_t get_u64(struct order_reader *r) {
    uint64_t little = 0;
    struct slice bytes = get(r, sizeof(little));

    memcpy(&little, bytes.p, bytes.n);
    return le64toh(little);
}

static struct slice get_text(struct order_reader *r) {
    return get(r, get_u32(r));
}

/* A number of things that follow, each of which takes `least` bytes: no more memory is asked for than they could fill. */
static size_t get_count(struct order_reader *r, size_t max, size_t least) {
    uint32_t n = get_u32(r);

    if (n > max || n > r->rest.n / least)
        r->is_failed = true;
    return r->is_failed ? 0 : n;
}

static int get_variables(struct order_reader *r, struct order *ret) {
    size_t n = get_count(r, LIMIT_TASK_VARIABLES, 2 * sizeof(uint32_t));

    ret->variables = n > 0 ? calloc(n, sizeof(*ret->variables)) : NULL;
    if (n > 0 && !ret->variables)
        return -ENOMEM;
    for (; ret->n_variables < n; ret->n_variables++) {
        struct order_variable *variable = &ret->variables[ret->n_variables];

        variable->name = get_text(r);
        variable->value = get_text(r);
    }
    return 0;
}

static int get_globs(struct order_reader *r, struct order *ret) {
    size_t n = get_count(r, LIMIT_TASK_GLOBS, sizeof(uint32_t));

    ret->globs = n > 0 ? calloc(n, sizeof(*ret->globs)) : NULL;
    if (n > 0 && !ret->globs)
        return -ENOMEM;
    for (; ret->n_globs < n; ret->n_globs++)
        ret->globs[ret->n_globs] = get_text(r);
    return 0;
}

int order_parse(struct slice bytes, struct order *ret) {
    struct order_reader r = {.rest = bytes};
    uint8_t operation, is_recursive;
    int error;

    *ret = (struct order){.operation = OPERATION_UNKNOWN};
    r.is_failed = !slice_equals(get(&r, magic.n), magic);
    operation = get_u8(&r);
    is_recursive = get_u8(&r);
    ret->timeout_ms = get_u64(&r);
    ret->offset = get_u64(&r);
    ret->limit = get_u64(&r);
    ret->command = get_text(&r);
    ret->workdir = get_text(&r);
    ret->path = get_text(&r);
    ret->content = get_text(&r);
    ret->pattern = get_text(&r);
    error = get_variables(&r, ret);
    if (error == 0)
        error = get_globs(&r, ret);
    if (error < 0)
        return error;
    if (r.is_failed || r.rest.n > 0 || operation >= OPERATION_UNKNOWN || is_recursive > 1)
        return -EBADMSG;
    ret->operation = (enum operation)operation;
    ret->is_recursive = is_recursive == 1;
    return 0;
}

void order_done(struct order *order) {
    free(order->variables);
    free(order->globs);
    *order = (struct order){.operation = OPERATION_UNKNOWN};
}
