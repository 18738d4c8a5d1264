#include "secrets/secret_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "secrets/source_output.h"

/* Returns `r`, with a complaint about `from`. */
static int _printf_(4, 5) fail(const struct secret_source *from, int r, char **ret_error, const char *format, ...) {
    _cleanup_free_ char *text = NULL;
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        text = NULL; /* what vasprintf leaves there is not defined */
    if (!text || asprintf(ret_error, "%s: %s", from->where, text) < 0)
        *ret_error = NULL;
    return r;
}

/*
 * What the settings asked of the path is asked once more of what was opened: it may be another file by now. The path is
 * not shown, as there: it may be the key itself, put in the wrong place.
 */
static int check_file(const struct secret_source *from, int fd, char **ret_error) {
    struct stat st;

    if (fstat(fd, &st) < 0)
        return fail(from, -errno, ret_error, "the file cannot be read: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail(from, -EINVAL, ret_error, "not a regular file; hand a pipe or a device over as `fd`");
    if (st.st_mode & S_IRWXO)
        return fail(from, -EPERM, ret_error,
                    "every user of this machine may get at the file (mode %04o); close it with chmod 600",
                    st.st_mode & 07777);
    return 0;
}

static int open_file(const struct secret_source *from, char **ret_error) {
    _cleanup_close_ int fd = -EBADF;
    int r;

    if (!from->path)
        return fail(from, -ENOENT, ret_error,
                    "$CREDENTIALS_DIRECTORY is not set; let a unit with LoadCredential= start credfd");
    fd = open(from->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return fail(from, -errno, ret_error, "the file was not found; create it, or correct the path");
    if (fd < 0)
        return fail(from, -errno, ret_error, "the file cannot be read: %s; let this user read it", strerror(errno));
    r = check_file(from, fd, ret_error);
    return r < 0 ? r : fd_steal(&fd);
}

/* A pipe that holds the variable's value and ends: 64 KiB fit into it, and no secret is longer (pipe(7)). */
static int open_variable(const struct secret_source *from, char **ret_error) {
    const char *value = getenv(from->variable);
    _cleanup_close_ int reader = -EBADF, writer = -EBADF;
    int ends[2], r;

    if (!value)
        return fail(from, -ENOENT, ret_error,
                    "the variable that `env` names is not set; export it before you start credfd");
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return fail(from, -errno, ret_error, "cannot be read: %s", strerror(errno));
    reader = ends[0];
    writer = ends[1];
    r = fd_write_all(writer, value, MIN_OF(strlen(value), (size_t)LIMIT_SECRET + 2));
    if (r < 0)
        return fail(from, r, ret_error, "cannot be read: %s", strerror(-r));
    return fd_steal(&reader);
}

static int open_descriptor(const struct secret_source *from, char **ret_error) {
    int fd = fcntl(from->fd, F_DUPFD_CLOEXEC, 3);

    return fd < 0 ? fail(from, -errno, ret_error, "cannot be read: %s", strerror(errno)) : fd;
}

static bool has_succeeded(const struct resolution *resolution) {
    return resolution->sealed >= 0 && !resolution->is_late && resolution->start_error == 0 &&
           resolution->command.wait_status == 0;
}

static void describe_late(const struct secret_source *from, char *text, size_t size) {
    if (from->kind != SECRET_COMMAND)
        (void)snprintf(text, size,
                       "the secret did not come in time; close the other end of the pipe when it is written");
    else
        (void)snprintf(text, size,
                       "the command did not end within %g s; run it yourself to see what it waits for, or "
                       "raise its timeout",
                       (double)from->timeout_ms / 1000);
}

static void describe_command(const struct command *command, char *text, size_t size) {
    int status = command->wait_status;

    if (command->exec_error == -ENOENT || command->exec_error == -ENOTDIR)
        (void)snprintf(text, size, "the command was not found; correct its name, or give its full path");
    else if (command->exec_error < 0)
        (void)snprintf(text, size, "the command cannot be executed: %s; name a program that this user may run",
                       strerror(-command->exec_error));
    else if (WIFSIGNALED(status))
        (void)snprintf(text, size, "the command was ended by signal %d; run it yourself to see why", WTERMSIG(status));
    else
        (void)snprintf(text, size, "the command ended with status %d; run it yourself to see why", WEXITSTATUS(status));
}

/* The cause, where one failure brings another: a command whose output nobody takes any more ends badly too. */
static void describe(const struct resolution *resolution, char *text, size_t size) {
    if (resolution->is_late)
        describe_late(resolution->from, text, size);
    else if (resolution->start_error < 0)
        (void)snprintf(text, size, "cannot be read: %s", strerror(-resolution->start_error));
    else if (resolution->command.wait_status != 0 && resolution->fault != SOURCE_TOO_MUCH_OUTPUT)
        describe_command(&resolution->command, text, size);
    else if (resolution->fault != SOURCE_SOUND)
        (void)snprintf(text, size, "%s", source_fault_text(resolution->fault));
    else
        (void)snprintf(text, size, "credfd-source ended before it had read the secret");
}

static void tell(struct resolution *resolution) {
    _cleanup_free_ char *error = NULL;
    char text[512];

    timer_cancel(&resolution->timer);
    if (has_succeeded(resolution)) {
        resolution->done(resolution, fd_steal(&resolution->sealed), resolution->expires_in_ms, NULL);
        return;
    }
    fd_close(&resolution->sealed);
    describe(resolution, text, sizeof(text));
    if (asprintf(&error, "%s: %s", resolution->from->where, text) < 0)
        error = NULL;
    resolution->done(resolution, -EBADF, 0, error ? error : text);
}

static void end_processes(struct resolution *resolution) {
    command_kill(&resolution->command);
    child_kill(&resolution->source);
}

/* The last of its processes has been reaped. */
static void be_over(struct resolution *resolution) {
    resolution->is_over = true;
    if (resolution->is_in_kill)
        timer_set(&resolution->timer, 0);
    else
        tell(resolution);
}

static void timer_expired(struct timer *timer) {
    struct resolution *resolution = container_of(timer, struct resolution, timer);

    if (resolution->is_over) {
        tell(resolution);
        return;
    }
    resolution->is_late = true;
    end_processes(resolution);
}

static int on_secret(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct resolution *resolution = child->owner;
    uint64_t expires_in_ms = ipc_get_u64(m);
    _cleanup_close_ int fd = ipc_get_fd(m);

    if (ipc_end(m) < 0 || resolution->sealed >= 0 || expires_in_ms > LIMIT_SECRET_LIFE)
        return -EPROTO;
    resolution->sealed = fd_steal(&fd);
    resolution->expires_in_ms = expires_in_ms;
    return 0;
}

static int on_source_failed(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct resolution *resolution = child->owner;
    uint8_t fault = ipc_get_u8(m);

    if (ipc_end(m) < 0 || fault == SOURCE_SOUND || fault >= SOURCE_FAULTS)
        return -EPROTO;
    resolution->fault = (enum source_fault)fault;
    return 0;
}

static const struct ipc_permit permits[] = {
    {IPC_HELLO, 1, child_on_hello},
    {IPC_LOG, 1, child_on_log},
    {IPC_SECRET, 1, on_secret},
    {IPC_SOURCE_FAILED, 1, on_source_failed},
};

/*
 * With the secret, with a reason, or by an accident. A command that has printed all is waited for, since how it ends
 * says more than what the source made of it; one that is still at it would print for nobody.
 */
static void source_exited(struct child *child, int wait_status) {
    struct resolution *resolution = child->owner;
    bool has_heard_all =
        resolution->sealed >= 0 || (resolution->fault != SOURCE_SOUND && resolution->fault != SOURCE_TOO_MUCH_OUTPUT);

    (void)wait_status;
    if (!command_is_running(&resolution->command))
        be_over(resolution);
    else if (!has_heard_all)
        command_kill(&resolution->command);
}

static void command_exited(struct command *command) {
    struct resolution *resolution = container_of(command, struct resolution, command);
    struct ipc_writer w;

    if (!child_is_running(&resolution->source)) {
        be_over(resolution);
    } else if (command->wait_status != 0) {
        child_kill(&resolution->source);
    } else {
        w = ipc_begin(IPC_SOURCE_WHOLE);
        (void)channel_send(&resolution->source.channel, &w,
                           -EBADF); /* in vain when it has ended, which is heard soon */
    }
}

static int start_command(struct resolution *resolution, char **ret_error) {
    int output, r = command_start_file(&resolution->command, resolution->from->program, resolution->from->argv,
                                       command_exited, &output);

    return r < 0 ? fail(resolution->from, r, ret_error, "the command cannot be started: %s", strerror(-r)) : output;
}

static int open_source(struct resolution *resolution, char **ret_error) {
    const struct secret_source *from = resolution->from;

    switch (from->kind) {
    case SECRET_FILE:
    case SECRET_SYSTEMD:
        return open_file(from, ret_error);
    case SECRET_ENV:
        return open_variable(from, ret_error);
    case SECRET_FD:
        return open_descriptor(from, ret_error);
    case SECRET_COMMAND:
        return start_command(resolution, ret_error);
    }
    return -EINVAL;
}

static int start_source(struct resolution *resolution, int fd) {
    bool is_command = resolution->from->kind == SECRET_COMMAND;
    int r = child_start(&resolution->source, "credfd-source", NULL, permits, ARRAY_LEN(permits), 1, source_exited,
                        resolution);
    struct ipc_writer w;

    if (r < 0)
        return r;
    w = ipc_begin(IPC_SOURCE);
    ipc_put_u8(&w, is_command ? SOURCE_OUTPUT : SOURCE_LINE);
    ipc_put_u8(&w, resolution->from->is_digest_enough);
    return channel_send(&resolution->source.channel, &w, fd);
}

int resolution_start(struct resolution *resolution, const struct secret_source *from, resolution_done *done,
                     void *owner, char **ret_error) {
    _cleanup_close_ int fd = -EBADF;

    *resolution = (struct resolution){.from = from, .done = done, .owner = owner, .sealed = -EBADF};
    resolution->timer.on_expiry = timer_expired;
    fd = open_source(resolution, ret_error);
    if (fd < 0)
        return fd;
    resolution->start_error = start_source(resolution, fd);
    if (resolution->start_error < 0 && !resolution_is_running(resolution))
        return fail(from, resolution->start_error, ret_error, "cannot be read: %s", strerror(-resolution->start_error));
    timer_set(&resolution->timer, from->kind == SECRET_COMMAND ? from->timeout_ms : TIMEOUT_SOURCE);
    if (resolution->start_error < 0)
        resolution_kill(resolution);
    return 0;
}

void resolution_kill(struct resolution *resolution) {
    resolution->is_in_kill = true;
    end_processes(resolution);
    resolution->is_in_kill = false;
}

void secret_source_forget(const struct secret_source *from) {
    size_t n;

    if (from->kind != SECRET_ENV || WEAKENED(ENV))
        return;
    n = strlen(from->variable);
    /* every copy: /proc/PID/environ shows these very bytes, for as long as the process lives */
    for (char **entry = environ; entry && *entry; entry++)
        if (strncmp(*entry, from->variable, n) == 0 && (*entry)[n] == '=')
            explicit_bzero(*entry + n + 1, strlen(*entry + n + 1));
    (void)unsetenv(from->variable);
}
