/*
 * The probe: reads what one CLI prints, says whether that CLI knows the lease channel, and is gone. It opens nothing
 * and starts nothing: the supervisor runs the CLI (probe.c) and never sees these bytes.
 */
#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "fleet/probe/probe_output.h"
#include "proc/role.h"

static struct {
    char bytes[LIMIT_PROBE_OUTPUT + 1]; /* one more than is read of it, so that what is longer is seen to be longer */
    size_t n;
    bool is_whole; /* an empty pipe is at its end */
    int fd;
    struct watch watch;
} reading = {.fd = -EBADF};

static void answer(const char *why_not) {
    struct ipc_writer w = ipc_begin(IPC_PROBED);

    ipc_put_u8(&w, why_not == NULL);
    ipc_put_bytes(&w, slice_of_string(why_not ? why_not : ""));
    role_send(&w, -EBADF);
    watch_remove(&reading.watch);
    loop_stop();
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
    answer(n < 0 && errno != EAGAIN ? "cannot be read" : probe_output_judge(slice_of(reading.bytes, reading.n)));
}

/*
 * First where to read; then, when the CLI has ended, that there will be no more: what it left behind may hold the pipe.
 */
static int on_probe(void *owner, struct ipc_message *m) {
    bool is_first = ipc_has_fd(m);

    (void)owner;
    if (is_first != (reading.fd < 0))
        ipc_fail(m);
    else if (is_first)
        reading.fd = ipc_get_fd(m);
    if (ipc_end(m) < 0)
        return -EPROTO;
    if (is_first)
        return watch_add(&reading.watch, reading.fd, read_more);
    reading.is_whole = true;
    if (reading.watch.on_ready)
        read_more(NULL);
    return 0;
}

static const struct ipc_permit permits[] = {{IPC_PROBE, 1, on_probe}};

int main(void) {
    static const struct role probe = {.name = "credfd-probe",
                                      .seccomp = SECCOMP_PROBE,
                                      .permits = permits,
                                      .n_permits = ARRAY_LEN(permits),
                                      .phase = 1};

    return role_main(&probe);
}
