#include "fleet/spool/record.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "fleet/spool/checksum.h"

/*
 * Little-endian: the magic; u32 checksum of all that follows; u8 version; u8 operation, with REFUSAL in it; u64 at_ms; then the four texts,
 * each a u32 length and its bytes. Nothing behind the last.
 */
#define MAGIC "credfd-s"
#define MAGIC_LENGTH (sizeof(MAGIC) - 1)
#define VERSION 1
#define REFUSAL 0x80
#define SUMMED (MAGIC_LENGTH + 4) /* where that begins which the checksum is of */
#define HEAD_MAX (SUMMED + 2 + 8 + 3 * (4 + LIMIT_TASK_ID) + 4)

_Static_assert(HEAD_MAX + LIMIT_RESULT <= LIMIT_RECORD, "every record fits");

static size_t put_number(char *to, size_t n, uint64_t value) {
    for (size_t i = 0; i < n; i++)
        to[i] = (char)(value >> 8 * i);
    return n;
}

static size_t put_text(char *to, struct slice text) {
    size_t n = put_number(to, 4, text.n);

    if (text.n > 0)
        memcpy(to + n, text.p, text.n);
    return n + text.n;
}

static bool is_name(struct slice text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] < '!' || text.p[i] > '~')
            return false;
    return text.n > 0 && text.n <= LIMIT_TASK_ID;
}

static bool is_sound(const struct record *record) {
    return is_name(record->task_id) && record->trace_id.n <= LIMIT_TASK_ID && record->source_id.n <= LIMIT_TASK_ID &&
           record->payload.n <= LIMIT_RESULT && (unsigned)record->operation < OPERATIONS;
}

/* All of it but the payload's bytes. */
static size_t put_head(char to[static HEAD_MAX], const struct record *record) {
    size_t n = SUMMED;
    uint32_t sum;

    memcpy(to, MAGIC, MAGIC_LENGTH);
    n += put_number(to + n, 1, VERSION);
    n += put_number(to + n, 1, (uint64_t)record->operation | (record->is_refusal ? REFUSAL : 0));
    n += put_number(to + n, 8, record->at_ms);
    n += put_text(to + n, record->task_id);
    n += put_text(to + n, record->trace_id);
    n += put_text(to + n, record->source_id);
    n += put_number(to + n, 4, record->payload.n);
    sum = checksum_of(checksum_of(0, slice_of(to + SUMMED, n - SUMMED)), record->payload);
    (void)put_number(to + MAGIC_LENGTH, 4, sum);
    return n;
}

int record_write(int fd, const struct record *record) {
    char head[HEAD_MAX];
    size_t n;
    int r;

    if (!is_sound(record))
        return -EINVAL;
    n = put_head(head, record);
    if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return -errno;
    r = fd_write_all(fd, head, n);
    if (r == 0)
        r = fd_write_all(fd, record->payload.p, record->payload.n);
    return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

/* Takes `n` bytes from the front; false when there are fewer. */
static bool take_number(struct slice *from, size_t n, uint64_t *ret) {
    uint64_t value = 0;

    if (from->n < n)
        return false;
    for (size_t i = n; i-- > 0;)
        value = value << 8 | (unsigned char)from->p[i];
    *from = slice_from(*from, n);
    *ret = value;
    return true;
}

static bool take_text(struct slice *from, struct slice *ret) {
    uint64_t n;

    if (!take_number(from, 4, &n) || n > from->n)
        return false;
    *ret = slice_first(*from, (size_t)n);
    *from = slice_from(*from, (size_t)n);
    return true;
}

static bool take_fields(struct slice rest, struct record *ret) {
    uint64_t version, operation;

    if (!take_number(&rest, 1, &version) || version != VERSION || !take_number(&rest, 1, &operation) ||
        (operation & ~(uint64_t)REFUSAL) >= OPERATIONS)
        return false;
    ret->operation = (enum operation)(operation & ~(uint64_t)REFUSAL);
    ret->is_refusal = (operation & REFUSAL) != 0;
    return take_number(&rest, 8, &ret->at_ms) && take_text(&rest, &ret->task_id) && take_text(&rest, &ret->trace_id) &&
           take_text(&rest, &ret->source_id) && take_text(&rest, &ret->payload) && rest.n == 0;
}

int record_parse(struct slice bytes, struct record *ret) {
    struct slice rest = slice_from(bytes, MAGIC_LENGTH);
    struct record record;
    uint64_t sum;

    if (!slice_starts_with(bytes, SLICE(MAGIC)) || !take_number(&rest, 4, &sum) || checksum_of(0, rest) != sum ||
        !take_fields(rest, &record) || !is_sound(&record))
        return -EBADMSG;
    *ret = record;
    return 0;
}

/*
 * All that was there when it was asked for its size: a file that is cut off meanwhile is a short record, not a SIGBUS.
 */
static int read_whole(int fd, char *to, size_t size) {
    size_t done = 0;

    while (done < size) {
        ssize_t n = pread(fd, to + done, size - done, (off_t)done);

        if (n == 0)
            return -EBADMSG;
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int record_map(int fd, struct slice *ret) {
    struct stat st;
    size_t size;
    char *memory;
    int r;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size <= 0)
        return -EBADMSG;
    if (st.st_size > LIMIT_RECORD)
        return -EFBIG;
    size = (size_t)st.st_size;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    r = read_whole(fd, memory, size);
    if (r < 0)
        (void)munmap(memory, size);
    else
        *ret = slice_of(memory, size);
    return r;
}

void record_unmap(struct slice *bytes) {
    union {
        const char *from;
        void *to;
    } memory = {bytes->p};

    if (bytes->n > 0)
        (void)munmap(memory.to, bytes->n);
    *bytes = SLICE_EMPTY;
}
