#include "ingress/visit/access.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json_line.h"
#include "base/log.h"
#include "base/macros.h"
#include "net/loop.h"

#define TEXT_MAX 512  /* of an address, a host, a key of an instance, a reason */
#define FIXED_MAX 512 /* names, numbers and punctuation of a line */

static_assert(FIXED_MAX + JSON_ESCAPED *
                              (LIMIT_METHOD + LIMIT_PERSON + LIMIT_ACCESS_PATH + LIMIT_FIELD_SHOWN + 6 * TEXT_MAX) <=
                  LIMIT_ACCESS_LINE,
              "a line holds every text at its longest, with each byte escaped");

/* What is at the other end decides how one writes without waiting. */
enum access_kind { ACCESS_FILE, ACCESS_SOCKET, ACCESS_PIPE };

static struct {
    int fd;
    enum access_kind kind;
    char lines[LIMIT_ACCESS_GATHERED];
    size_t start, end;   /* lines[start..end) wait; start stands within a line after a write that was cut short */
    struct timer flush;  /* runs while something waits */
    uint64_t lost;       /* lines, since that was told last */
    int error;           /* why */
    struct timer tell;   /* runs while none is to be told again */
    uint64_t stamped_ms; /* loop_now_ms for which `stamp` is */
    char stamp[JSON_TIME];
} sink = {.fd = -EBADF};

static void on_tell(struct timer *timer) {
    if (sink.lost == 0)
        return;
    log_warning("access log: %llu lines are lost: %s", (unsigned long long)sink.lost, strerror(sink.error));
    sink.lost = 0;
    timer_set(timer, ACCESS_TELL);
}

/* The first is told at once, those that follow together. */
static void lose(uint64_t lines, int error) {
    sink.lost += lines;
    sink.error = error;
    if (lines == 0 || timer_is_set(&sink.tell))
        return;
    sink.tell.on_expiry = on_tell;
    timer_set(&sink.tell, 0);
}

static struct slice gathered(void) {
    return slice_of(sink.lines + sink.start, sink.end - sink.start);
}

static void drop_gathered(int error) {
    struct slice rest = gathered();
    uint64_t lines = 0;

    while (rest.n > 0) {
        lines++;
        rest = slice_from(rest, slice_index(rest, '\n') + 1);
    }
    sink.start = sink.end = 0;
    lose(lines, error);
}

/*
 * Several processes write to one pipe: whole lines of at most PIPE_BUF bytes stay whole there, and where poll(2) says
 * that there is room, there is room for as much (pipe(7)).
 */
static struct slice fitting_pipe(struct slice bytes) {
    const char *last;

    if (bytes.n <= PIPE_BUF)
        return bytes;
    last = memrchr(bytes.p, '\n', PIPE_BUF);
    return slice_first(bytes, last ? (size_t)(last - bytes.p) + 1 : PIPE_BUF);
}

static ssize_t write_pipe(struct slice bytes) {
    struct pollfd room = {.fd = sink.fd, .events = POLLOUT};

    if (poll(&room, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    bytes = fitting_pipe(bytes);
    return write(sink.fd, bytes.p, bytes.n);
}

static ssize_t write_some(struct slice bytes) {
    switch (sink.kind) {
    case ACCESS_SOCKET:
        return send(sink.fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    case ACCESS_PIPE:
        return write_pipe(bytes);
    case ACCESS_FILE:
    default:
        return write(sink.fd, bytes.p, bytes.n);
    }
}

/* Whether it is worth to try again with the same bytes. */
static bool may_pass(int error) {
    return error == EAGAIN || error == ENOSPC || error == EDQUOT || error == ENOBUFS;
}

static void on_flush(struct timer *timer) {
    (void)timer;
    access_flush();
}

void access_flush(void) {
    while (sink.start < sink.end) {
        ssize_t n = write_some(gathered());

        if (n >= 0) {
            sink.start += (size_t)n;
        } else if (errno != EINTR && may_pass(errno)) {
            sink.error = errno;
            sink.flush.on_expiry = on_flush;
            timer_set(&sink.flush, RETRY_ACCESS);
            return;
        } else if (errno != EINTR) {
            drop_gathered(errno);
        }
    }
    sink.start = sink.end = 0;
    sink.error = 0;
    timer_cancel(&sink.flush);
}

static enum access_kind kind_of(int fd) {
    struct stat what;

    if (fstat(fd, &what) == 0 && S_ISREG(what.st_mode))
        return ACCESS_FILE;
    return fstat(fd, &what) == 0 && S_ISSOCK(what.st_mode) ? ACCESS_SOCKET : ACCESS_PIPE;
}

void access_open(int fd) {
    if (sink.fd >= 0) {
        access_flush();
        drop_gathered(sink.error);
        timer_cancel(&sink.flush);
        fd_close(&sink.fd);
    }
    sink.fd = fd;
    if (fd >= 0)
        sink.kind = kind_of(fd);
}

/* Lines of one turn have one time: the clock is read once for all of them. */
static struct slice stamp(void) {
    struct timespec now;

    if (sink.stamped_ms != loop_now_ms() || sink.stamp[0] == '\0') {
        (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
        json_format_time(sink.stamp, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
        sink.stamped_ms = loop_now_ms();
    }
    return slice_of(sink.stamp, sizeof(sink.stamp));
}

static void put_optional(struct json_line *w, struct slice key, struct slice text, size_t max) {
    if (text.n > 0)
        json_put_member(w, key, text, max);
}

static void put_line(struct json_line *w, const struct access_line *line) {
    json_put(w, SLICE("{\"time\":\""));
    json_put(w, stamp());
    json_put(w, SLICE("\""));
    json_put_member(w, SLICE(",\"event\":"), slice_of_string(line->event), TEXT_MAX);
    json_put_member(w, SLICE(",\"peer\":"), line->peer, TEXT_MAX);
    put_optional(w, SLICE(",\"client\":"), line->client, TEXT_MAX);
    put_optional(w, SLICE(",\"name\":"), line->name, LIMIT_PERSON);
    put_optional(w, SLICE(",\"instance\":"), line->instance, TEXT_MAX);
    put_optional(w, SLICE(",\"method\":"), line->method, LIMIT_METHOD);
    put_optional(w, SLICE(",\"host\":"), line->host, TEXT_MAX);
    put_optional(w, SLICE(",\"path\":"), slice_first(line->path, slice_index(line->path, '?')), LIMIT_ACCESS_PATH);
    json_put_number_member(w, SLICE(",\"status\":"), line->status);
    json_put_number_member(w, SLICE(",\"bytes_in\":"), line->bytes_in);
    json_put_number_member(w, SLICE(",\"bytes_out\":"), line->bytes_out);
    json_put(w, SLICE(",\"duration_ms\":"));
    json_put_milliseconds(w, line->duration_us);
    if (line->upstream_us > 0) {
        json_put(w, SLICE(",\"upstream_ms\":"));
        json_put_milliseconds(w, line->upstream_us);
    }
    if (line->close_code > 0)
        json_put_number_member(w, SLICE(",\"close_code\":"), line->close_code);
    put_optional(w, SLICE(",\"reason\":"), line->reason, TEXT_MAX);
    put_optional(w, SLICE(",\"field\":"), line->field, LIMIT_FIELD_SHOWN);
    json_put(w, SLICE("}\n"));
}

/* Before it is said that there is none, what can be written is, unless that has just failed. */
static bool has_room(size_t longest) {
    if (sizeof(sink.lines) - sink.end >= longest)
        return true;
    if (sink.error == 0)
        access_flush();
    if (sink.start > 0)
        memmove(sink.lines, sink.lines + sink.start, sink.end - sink.start);
    sink.end -= sink.start;
    sink.start = 0;
    return sizeof(sink.lines) - sink.end >= longest;
}

static size_t longest_of(const struct access_line *line) {
    return FIXED_MAX +
           JSON_ESCAPED * (MIN_OF(line->peer.n, (size_t)TEXT_MAX) + MIN_OF(line->client.n, (size_t)TEXT_MAX) +
                           MIN_OF(line->name.n, (size_t)LIMIT_PERSON) + MIN_OF(line->instance.n, (size_t)TEXT_MAX) +
                           MIN_OF(line->method.n, (size_t)LIMIT_METHOD) + MIN_OF(line->host.n, (size_t)TEXT_MAX) +
                           MIN_OF(line->path.n, (size_t)LIMIT_ACCESS_PATH) + MIN_OF(line->reason.n, (size_t)TEXT_MAX) +
                           MIN_OF(line->field.n, (size_t)LIMIT_FIELD_SHOWN));
}

void access_write(const struct access_line *line) {
    struct json_line w;

    if (sink.fd < 0)
        return;
    if (!has_room(longest_of(line))) {
        lose(1, sink.error != 0 ? sink.error : ENOBUFS);
        return;
    }
    w.p = sink.lines + sink.end;
    put_line(&w, line);
    sink.end = (size_t)(w.p - sink.lines);
    if (timer_is_set(&sink.flush))
        return;
    sink.flush.on_expiry = on_flush;
    timer_set(&sink.flush, 0);
}
