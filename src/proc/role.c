#include "proc/role.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "proc/rest.h"
#include "sandbox/harden.h"

/* A sanitizer, or the trace of system calls, has something to say. */
#if defined(CREDFD_SANITIZED) || defined(CREDFD_SECCOMP_TRACE)
#define IS_DIAGNOSTIC true
#else
#define IS_DIAGNOSTIC false
#endif

#ifdef CREDFD_SANITIZED
/* the leak check needs ptrace, which a role denies everyone; growth is shown by the tests that count */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}
#endif

static struct channel channel;
static void (*orphaned)(void);

struct channel *role_channel(void) {
    return &channel;
}

void role_send(const struct ipc_writer *w, int fd) {
    /* exit, not _exit: coverage and leak checks report on the way out */
    if (channel_send(&channel, w, fd) < 0 && !orphaned && !WEAKENED(END))
        exit(EXIT_FAILURE);
}

int role_offer(const struct ipc_writer *w) {
    if (channel_is_open(&channel) && (channel.queue || ipc_send(channel.fd, w, -EBADF) == -EAGAIN))
        return -EAGAIN;
    return 0; /* where the channel has ended the loop is told so, and nothing is to be sent any more */
}

static void log_to_supervisor(enum log_level level, struct slice text) {
    struct ipc_writer w = ipc_begin(IPC_LOG);

    ipc_put_u8(&w, (uint8_t)level);
    ipc_put_bytes(&w, text);
    (void)channel_send(&channel, &w, -EBADF);
}

/* The supervisor is done with us, or is gone. */
static void on_closed(void *owner, int reason) {
    (void)owner;
    (void)reason;
    if (orphaned)
        orphaned();
    else if (!WEAKENED(END))
        loop_stop();
}

/* Somebody else's channel, or none at all: a person has started the role by hand. */
static int adopt_channel(const struct role *role) {
    int type = 0;
    socklen_t size = sizeof(type);
    int r;

    if (getsockopt(ROLE_CHANNEL, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET)
        return -ENOTSOCK;
    orphaned = role->on_orphaned;
    r = channel_init(&channel, ROLE_CHANNEL, role->permits, role->n_permits, role->phase, NULL, on_closed);
    channel.may_wait = true;
    return r;
}

/* A service is ended by signals to all of its processes. One that has to clean up hears of it from its supervisor. */
static int ignore_ending(void) {
    static const int signals[] = {SIGHUP, SIGINT, SIGTERM};

    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        if (signal(signals[i], SIG_IGN) == SIG_ERR)
            return -errno;
    return 0;
}

static int detach_from_files(void) {
    _cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0)
        return -errno;
    /* what is left open at the command's end would keep a pipe's reader waiting */
    for (int fd = STDIN_FILENO; fd <= (IS_DIAGNOSTIC ? STDOUT_FILENO : STDERR_FILENO); fd++)
        if (dup2(null, fd) < 0)
            return -errno;
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -errno;
    if (orphaned)
        return ignore_ending();
    return !WEAKENED(END) && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;
}

static void raise_limit(__rlimit_resource_t resource) {
    struct rlimit limit;

    if (getrlimit(resource, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(resource, &limit);
}

/* As much as the user may have: streams are bounded by our own limits, and what is locked are secrets. */
static void raise_limits(void) {
    raise_limit(RLIMIT_NOFILE);
    raise_limit(RLIMIT_MEMLOCK);
}

/*
 * Buffers come and go with every exchange. By default malloc gives their pages back each time and takes new ones, each
 * zeroed by a fault: a third of the keeper's work. What is kept instead is at most this much.
 */
static void keep_pages(void) {
    (void)mallopt(M_MMAP_THRESHOLD, 512 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
}

static int say_hello(void) {
    _cleanup_close_ int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    struct ipc_writer w = ipc_begin(IPC_HELLO);

    if (self < 0)
        return -errno;
    ipc_put_u32(&w, (uint32_t)getpid());
    return channel_send(&channel, &w, self);
}

/*
 * From its exec until it hardened itself this process was dumpable, and a descriptor of its /proc/PID/mem that somebody
 * opened in that moment goes on reading (the right is asked for at open, proc(5)). So the role goes on in a copy of the
 * process: that memory was never open to anybody. The copy is the supervisor's child as the original was.
 */
static int leave_watched_memory(void) {
    struct clone_args how = {.flags = CLONE_PARENT};
    long pid = syscall(SYS_clone3, &how, sizeof(how));

    if (pid < 0)
        return -errno;
    if (pid > 0)
        _exit(EXIT_SUCCESS);
    return 0;
}

static int harden(const struct role *role) {
    int r = role->is_plain ? harden_against_inspection() : harden_role();

    if (r == 0 && !WEAKENED(COPY))
        r = leave_watched_memory();
    if (r < 0)
        return r;
    if (!IS_DIAGNOSTIC && harden_is_traced() != 0) {
        log_error("somebody traces it, and would go on reading: roles do not run so (but in a build with "
                  "-Dseccomp_trace=true)");
        return -EPERM;
    }
    return role->is_plain ? 0 : harden_drop_all_capabilities();
}

static int close_sandbox(const struct role *role) {
    int r;

    if (role->is_plain || WEAKENED(SANDBOX))
        return 0;
    r = landlock_enter(&role->landlock);
    if (r < 0)
        return r;
    return seccomp_enter(role->seccomp);
}

int role_main(const struct role *role) {
    const char *step = "its channel (roles are started by credfd, not by hand)";
    int r;

    log_init(role->name);
    if (!WEAKENED(CLOSE_RANGE))
        (void)close_range(ROLE_CHANNEL + 1, ~0U, 0);
    r = fd_reserve_standard();
    if (r == 0)
        r = loop_init();
    if (r == 0)
        r = adopt_channel(role);
    if (r == 0)
        step = "hardening", r = harden(role);
    if (r == 0) {
        log_set_sink(log_to_supervisor);
        log_set_level(LOG_INFO); /* what of it is shown, the supervisor knows */
        if (!role->is_plain)
            raise_limits(); /* its command gets the limits that it came with */
        keep_pages();
    }
    if (r == 0)
        step = "detaching", r = detach_from_files();
    if (r == 0)
        step = "its hello", r = say_hello();
    if (r == 0 && role->prepare)
        step = "preparing", r = role->prepare();
    if (r == 0)
        step = "the sandbox", r = close_sandbox(role);
    if (r == 0) {
        rest_soon(); /* its start is over */
        step = "the loop", r = loop_run();
    }
    if (r < 0)
        log_error("%s: %s", step, strerror(-r));
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
