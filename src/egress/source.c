/*
 * The source: resolves one secret and is gone. It gets a descriptor, reads it to its end, checks what it read, and
 * hands it back as a descriptor of secret memory. It opens nothing and parses no workload's byte; the supervisor, which
 * started it, never sees the bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "base/secret.h"
#include "egress/source_fault.h"
#include "proc/role.h"

/* One more than a secret with its newline may have, so that a longer one is seen to be longer. */
static struct {
    char bytes[LIMIT_SECRET + 2];
    size_t n;
    int fd;
    struct watch watch;
} reading = {.fd = -EBADF};

static void finish(const struct ipc_writer *w, int fd) {
    role_send(w, fd);
    explicit_bzero(reading.bytes, sizeof(reading.bytes));
    loop_stop();
}

static void fail(enum source_fault fault) {
    struct ipc_writer w = ipc_begin(IPC_SOURCE_FAILED);

    ipc_put_u8(&w, (uint8_t)fault);
    finish(&w, -EBADF);
}

/* Files end with a newline, secrets do not. */
static struct slice without_newline(struct slice s) {
    if (slice_ends_with(s, SLICE("\n")))
        s.n--;
    return slice_ends_with(s, SLICE("\r")) ? slice_first(s, s.n - 1) : s;
}

static bool has_control(struct slice s) {
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    return false;
}

static void deliver(void) {
    struct slice secret = without_newline(slice_of(reading.bytes, reading.n));
    _cleanup_close_ int sealed = -EBADF;
    struct ipc_writer w;

    if (secret.n == 0)
        fail(SOURCE_EMPTY);
    else if (secret.n > LIMIT_SECRET)
        fail(SOURCE_TOO_LONG);
    else if (slice_has(secret, '\n') || slice_has(secret, '\r'))
        fail(SOURCE_HAS_NEWLINE);
    else if (has_control(secret))
        fail(SOURCE_HAS_CONTROL);
    else if (secret_seal(secret, &sealed) < 0)
        fail(SOURCE_NO_MEMORY);
    else {
        w = ipc_begin(IPC_SECRET);
        finish(&w, sealed);
    }
}

static void read_more(struct watch *watch) {
    ssize_t n;

    (void)watch;
    do {
        n = read(reading.fd, reading.bytes + reading.n, sizeof(reading.bytes) - reading.n);
        if (n > 0)
            reading.n += (size_t)n;
    } while ((n > 0 && reading.n < sizeof(reading.bytes)) || (n < 0 && errno == EINTR));
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0)
        fail(SOURCE_UNREADABLE);
    else
        deliver();
}

static int on_source(void *owner, struct ipc_message *m) {
    int r;

    (void)owner;
    reading.fd = ipc_get_fd(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    /* a pipe is watched without its shared status flags being touched; a file is always ready, and epoll says so */
    r = watch_add(&reading.watch, reading.fd, read_more);
    if (r == -EPERM)
        read_more(NULL);
    return r == -EPERM ? 0 : r;
}

static const struct ipc_permit permits[] = {{IPC_SOURCE, 1, on_source}};

int main(void) {
    static const struct role source = {.name = "credfd-source",
                                       .seccomp = SECCOMP_SOURCE,
                                       .permits = permits,
                                       .n_permits = ARRAY_LEN(permits),
                                       .phase = 1};

    return role_main(&source);
}
