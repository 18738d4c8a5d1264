#include "egress/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"

struct audit {
    int fd;
};

int audit_open(const char *path, struct audit **ret) {
    _cleanup_close_ int fd = -EBADF;
    struct audit *audit;

    if (path && strcmp(path, "-") == 0)
        fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    else if (path)
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (path && fd < 0)
        return -errno;
    audit = malloc(sizeof(*audit));
    if (!audit)
        return -ENOMEM;
    audit->fd = fd_steal(&fd);
    *ret = audit;
    return 0;
}

void audit_close(struct audit *audit) {
    if (!audit)
        return;
    fd_close(&audit->fd);
    free(audit);
}

/* RFC 3339, UTC, to the millisecond. */
static void format_time(char text[static 32]) {
    struct timespec now;
    struct tm utc;
    size_t n;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    n = strftime(text, 20, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(text + n, 32 - n, ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000);
}

/* Bytes that are not UTF-8 (a file's name may hold any) become `?`: a line is always readable. */
static json_t *text_value(struct slice text) {
    char ascii[4096];
    json_t *value = json_stringn(text.p, text.n);
    size_t n = MIN_OF(text.n, sizeof(ascii));

    if (value)
        return value;
    for (size_t i = 0; i < n; i++)
        ascii[i] = (unsigned char)text.p[i] < 0x80 ? text.p[i] : '?';
    return json_stringn(ascii, n);
}

static json_t *line_of(const struct audit_subject *subject, const struct exchange_record *record) {
    char now[32];
    json_t *line;

    format_time(now);
    line =
        json_pack("{s:s, s:s, s:o, s:i, s:o?, s:o, s:s, s:o, s:i, s:I, s:I, s:I, s:o, s:i}", "time", now, "lease",
                  subject->lease, "identity", text_value(slice_of_string(subject->identity)), "pid", (int)subject->pid,
                  "executable", subject->executable ? text_value(slice_of_string(subject->executable)) : json_null(),
                  "method", text_value(record->method), "authority", subject->authority, "path",
                  text_value(record->path), "status", (int)record->status, "bytes_in", (json_int_t)record->bytes_in,
                  "bytes_out", (json_int_t)record->bytes_out, "duration_ms", (json_int_t)record->duration_ms, "rule",
                  text_value(record->rule), "masked", (int)record->masked);
    if (line && record->reason.n > 0)
        (void)json_object_set_new(line, "reason", text_value(record->reason));
    return line;
}

/* A pipe, or a standard error that somebody made non-blocking, is waited for and never given up. */
static int write_line(int fd, const char *line, size_t n) {
    while (n > 0) {
        ssize_t written = write(fd, line, n);

        if (written >= 0) {
            line += written;
            n -= (size_t)written;
        } else if (errno == EAGAIN) {
            (void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

int audit_write(struct audit *audit, const struct audit_subject *subject, const struct exchange_record *record) {
    json_t *line;
    char *text;
    size_t n;
    int r;

    if (audit->fd < 0)
        return 0;
    line = line_of(subject, record);
    /* jansson escapes every control byte, so that no path can begin a line of its own */
    text = line ? json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(line);
    if (!text)
        return -ENOMEM;
    n = strlen(text);
    text[n] = '\n'; /* in the place of the NUL: one write, so that lines of several writers do not mix */
    r = write_line(audit->fd, text, n + 1);
    free(text);
    return r;
}
