/*
 * The source: resolves one secret and is gone. It gets a descriptor, reads it to its end, takes the secret out of what
 * it read (source_output.c), and hands it back as a descriptor of secret memory. It opens nothing, starts nothing and
 * parses no workload's byte; the supervisor, which started it and the command that it may listen to, never sees the
 * bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/secret.h"
#include "proc/role.h"
#include "secrets/source_digest.h"
#include "secrets/source_output.h"

static struct {
    char bytes[SOURCE_OUTPUT_MAX];
    size_t n;
    enum source_form form;
    bool is_digest_enough;
    bool is_whole; /* an empty pipe is at its end */
    int fd;
    struct watch watch;
} reading = {.fd = -EBADF};

static struct source_output output;

static void finish(const struct ipc_writer *w, int fd) {
    role_send(w, fd);
    explicit_bzero(&output, sizeof(output));
    explicit_bzero(reading.bytes, sizeof(reading.bytes));
    loop_stop();
}

static void fail(enum source_fault fault) {
    struct ipc_writer w = ipc_begin(IPC_SOURCE_FAILED);

    ipc_put_u8(&w, (uint8_t)fault);
    finish(&w, -EBADF);
}

static uint64_t wall_clock_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int seal(struct slice secret, int *ret_fd) {
    return reading.is_digest_enough ? source_digest_seal(secret, ret_fd) : secret_seal(secret, ret_fd);
}

static void deliver(void) {
    enum source_fault fault =
        source_output_parse(reading.form, slice_of(reading.bytes, reading.n), wall_clock_ms(), &output);
    _cleanup_close_ int sealed = -EBADF;
    struct ipc_writer w;

    if (fault == SOURCE_SOUND && seal(slice_of(output.secret, output.n), &sealed) < 0)
        fault = SOURCE_NO_MEMORY;
    if (fault != SOURCE_SOUND) {
        fail(fault);
        return;
    }
    w = ipc_begin(IPC_SECRET);
    ipc_put_u64(&w, output.expires_in_ms);
    finish(&w, sealed);
}

static void read_more(struct watch *watch) {
    ssize_t n;

    (void)watch;
    do {
        n = read(reading.fd, reading.bytes + reading.n, sizeof(reading.bytes) - reading.n);
        if (n > 0)
            reading.n += (size_t)n;
    } while ((n > 0 && reading.n < sizeof(reading.bytes)) || (n < 0 && errno == EINTR));
    if (n < 0 && errno == EAGAIN && !reading.is_whole)
        return;
    if (n < 0 && errno != EAGAIN)
        fail(SOURCE_UNREADABLE);
    else
        deliver();
    watch_remove(&reading.watch);
}

static int on_source(void *owner, struct ipc_message *m) {
    uint8_t form = ipc_get_u8(m), is_digest_enough = ipc_get_u8(m);
    int r;

    (void)owner;
    if (form >= SOURCE_FORMS || is_digest_enough > 1 || reading.fd >= 0)
        ipc_fail(m);
    else
        reading.fd = ipc_get_fd(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    reading.form = (enum source_form)form;
    reading.is_digest_enough = is_digest_enough;
    /* a pipe is watched without its shared status flags being touched; a file is always ready, and epoll says so */
    r = watch_add(&reading.watch, reading.fd, read_more);
    if (r == -EPERM)
        read_more(NULL);
    return r == -EPERM ? 0 : r;
}

/* The command has ended; one that it left behind may hold the pipe open for ever. */
static int on_source_whole(void *owner, struct ipc_message *m) {
    (void)owner;
    if (ipc_end(m) < 0 || reading.form != SOURCE_OUTPUT)
        return -EPROTO;
    reading.is_whole = true;
    if (reading.watch.on_ready)
        read_more(NULL);
    return 0;
}

static const struct ipc_permit permits[] = {{IPC_SOURCE, 1, on_source}, {IPC_SOURCE_WHOLE, 1, on_source_whole}};

int main(void) {
    static const struct role source = {.name = "credfd-source",
                                       .seccomp = SECCOMP_SOURCE,
                                       .permits = permits,
                                       .n_permits = ARRAY_LEN(permits),
                                       .phase = 1};

    return role_main(&source);
}
