#include "proc/command_words.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"

/* One read of what stands there: a command that never stops speaking must not keep the loop. As read(2). */
static ssize_t hear(struct command_words *words) {
    _uninitialised_ char bytes[LIMIT_SAID];
    ssize_t n = read(words->fd, bytes, sizeof(bytes));
    size_t kept;

    if (n <= 0 || words->is_told)
        return n;
    kept = MIN_OF((size_t)n, sizeof(words->kept) - words->n);
    memcpy(words->kept + words->n, bytes, kept);
    words->n += kept;
    words->has_more = words->has_more || kept < (size_t)n;
    return n;
}

static void on_heard(struct watch *watch) {
    struct command_words *words = container_of(watch, struct command_words, heard);
    ssize_t n = hear(words);

    if (n > 0 || (n < 0 && errno == EINTR)) {
        watch_again(watch);
        return;
    }
    if (n < 0 && errno == EAGAIN) {
        watch_not_ready(watch, EPOLLIN);
        return;
    }
    watch_remove(&words->heard);
    fd_close(&words->fd);
}

int command_words_init(struct command_words *words, int fd) {
    int r;

    *words = (struct command_words){.fd = fd};
    r = watch_add(&words->heard, fd, on_heard);
    if (r < 0)
        fd_close(&words->fd);
    return r;
}

static void tell_line(enum log_level level, const char *who, struct slice line) {
    struct slice shown = slice_first(line, LIMIT_SAID_LINE);

    log_line(level, "%s says: %.*s%s", who, SLICE_ARG(shown), shown.n < line.n ? " ..." : "");
}

void command_words_tell(struct command_words *words, enum log_level level, const char *who) {
    struct slice rest;
    unsigned n = 0;

    if (words->is_told)
        return;
    while (words->fd >= 0 && !words->has_more && hear(words) > 0)
        ; /* what stands in the pipe */
    words->is_told = true;
    rest = slice_of(words->kept, words->n);
    while (rest.p && n < LIMIT_SAID_LINES) {
        struct slice line = slice_trim(slice_cut(&rest, '\n'));

        if (line.n > 0) {
            tell_line(level, who, line);
            n++;
        }
    }
    if (words->has_more || rest.n > 0)
        log_line(level, "%s said more, which is not kept", who);
}

void command_words_done(struct command_words *words) {
    watch_remove(&words->heard);
    fd_close(&words->fd);
}
