#include "egress/secret_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "egress/source_fault.h"
#include "sandbox/weaken.h"

/* A pipe that holds the variable's value and ends: 64 KiB fit into it, and no secret is longer (pipe(7)). */
static int open_variable(const char *name) {
    const char *value = getenv(name);
    _cleanup_close_ int from = -EBADF, to = -EBADF;
    int ends[2];
    int r;

    if (!value)
        return -ENOENT;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    from = ends[0];
    to = ends[1];
    r = fd_write_all(to, value, MIN_OF(strlen(value), (size_t)LIMIT_SECRET + 2));
    return r < 0 ? r : fd_steal(&from);
}

static int open_source(const struct secret_source *from) {
    int fd = -EINVAL;

    switch (from->kind) {
    case SECRET_FILE:
        fd = open(from->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        break;
    case SECRET_FD:
        fd = fcntl(from->fd, F_DUPFD_CLOEXEC, 3);
        break;
    case SECRET_ENV:
        return open_variable(from->variable);
    }
    return fd < 0 ? -errno : fd;
}

static int on_secret(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct resolution *resolution = child->owner;
    int fd = ipc_get_fd(m);

    if (ipc_end(m) < 0 || resolution->sealed >= 0) {
        fd_close(&fd);
        return -EPROTO;
    }
    resolution->sealed = fd;
    return 0;
}

static int on_source_failed(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct resolution *resolution = child->owner;
    uint8_t fault = ipc_get_u8(m);

    if (ipc_end(m) < 0 || fault >= SOURCE_FAULTS)
        return -EPROTO;
    resolution->fault = source_fault_text((enum source_fault)fault);
    return 0;
}

static const struct ipc_permit permits[] = {
    {IPC_HELLO, 1, child_on_hello},
    {IPC_LOG, 1, child_on_log},
    {IPC_SECRET, 1, on_secret},
    {IPC_SOURCE_FAILED, 1, on_source_failed},
};

/* The source has ended: with the secret, with a reason, or by an accident. */
static void source_exited(struct child *child, int wait_status) {
    struct resolution *resolution = child->owner;
    char error[1024];

    (void)wait_status;
    timer_cancel(&resolution->deadline);
    if (resolution->sealed >= 0) {
        resolution->done(resolution, fd_steal(&resolution->sealed), NULL);
        return;
    }
    (void)snprintf(error, sizeof(error), "%s: %s", resolution->from->where,
                   resolution->fault ? resolution->fault : "credfd-source ended before it had read the secret");
    resolution->done(resolution, -EBADF, error);
}

static void source_late(struct timer *timer) {
    struct resolution *resolution = container_of(timer, struct resolution, deadline);

    resolution->fault = "the secret did not come in time; close the other end of the pipe when it is written";
    child_kill(&resolution->source);
}

int resolution_start(struct resolution *resolution, const struct secret_source *from, resolution_done *done,
                     void *owner, char **ret_error) {
    _cleanup_close_ int fd = open_source(from);
    struct ipc_writer w;
    int r = fd;

    *resolution = (struct resolution){.from = from, .done = done, .owner = owner, .sealed = -EBADF};
    resolution->deadline.on_expiry = source_late;
    if (r >= 0)
        r = child_start(&resolution->source, "credfd-source", NULL, permits, ARRAY_LEN(permits), 1, source_exited,
                        resolution);
    if (r >= 0) {
        w = ipc_begin(IPC_SOURCE);
        r = channel_send(&resolution->source.channel, &w, fd);
    }
    if (r < 0) {
        if (asprintf(ret_error, "%s: cannot be read: %s", from->where, strerror(-r)) < 0)
            *ret_error = NULL;
        return r;
    }
    timer_set(&resolution->deadline, TIMEOUT_SOURCE);
    return 0;
}

void secret_source_forget(const struct secret_source *from) {
    size_t n;

    if (from->kind != SECRET_ENV || WEAKENED_ENV)
        return;
    n = strlen(from->variable);
    /* every copy: /proc/PID/environ shows these very bytes, for as long as the process lives */
    for (char **entry = environ; entry && *entry; entry++)
        if (strncmp(*entry, from->variable, n) == 0 && (*entry)[n] == '=')
            explicit_bzero(*entry + n + 1, strlen(*entry + n + 1));
    (void)unsetenv(from->variable);
}
