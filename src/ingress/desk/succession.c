/*
 * A binary upgrade without a refused connection: a successor is started from the program's file as it is now, with the
 * listening sockets and one end of a pair. Both accept, from the same sockets, from the moment that the successor says
 * that it serves; then this process drains. What only one of them can have is handed over: the service manager's ear,
 * which only the main process has, by a word that the other is that now; the place of the metrics by closing the pair.
 *
 * When it ends, or says nothing, this process goes on as if nothing had been.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/num.h"
#include "ingress/desk/dispatch_state.h"
#include "proc/notify.h"
#include "proc/signals.h"

#define FIRST 3 /* SD_LISTEN_FDS_START */
#define VARIABLE "CREDFD_PREDECESSOR"
#define SERVES 'S'  /* a successor */
#define IS_MAIN 'M' /* to it */

static void predecessor_gone(struct dispatch *dispatch) {
    struct succession *succession = &dispatch->succession;

    watch_remove(&succession->gone);
    fd_close(&succession->predecessor);
    if (!dispatch->is_ready)
        return;
    if (!succession->is_main)
        announce_start(dispatch);
    dispatch_start_metrics(dispatch);
}

static void predecessor_spoke(struct watch *watch) {
    struct succession *succession = container_of(watch, struct succession, gone);
    struct dispatch *dispatch = container_of(succession, struct dispatch, succession);
    char word = 0;
    ssize_t n = read(succession->predecessor, &word, 1);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n != 1 || word != IS_MAIN || succession->is_main || !dispatch->is_ready) {
        predecessor_gone(dispatch);
        return;
    }
    succession->is_main = true;
    announce_start(dispatch);
    watch_again(watch); /* its end may be there already */
}

static bool is_pair(int fd) {
    int type = 0;
    socklen_t n = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_SEQPACKET;
}

void succession_take(struct dispatch *dispatch) {
    struct succession *succession = &dispatch->succession;
    const char *text = getenv(VARIABLE);
    uint64_t number;

    if (text && num_parse(slice_of_string(text), INT32_MAX, &number) == 0 && number >= FIRST && is_pair((int)number)) {
        succession->predecessor = (int)number;
        (void)fd_set_cloexec(succession->predecessor, true);
        (void)fcntl(succession->predecessor, F_SETFL, O_NONBLOCK);
        if (watch_add(&succession->gone, succession->predecessor, predecessor_spoke) < 0)
            fd_close(&succession->predecessor);
    }
    (void)unsetenv(VARIABLE);
}

void succession_serve(struct dispatch *dispatch) {
    static const char word = SERVES;

    if (succession_is_waiting(dispatch))
        (void)send(dispatch->succession.predecessor, &word, 1, MSG_NOSIGNAL); /* in vain when it has just ended */
}

/* Out of the way first: the numbers that they get may be those of others. */
static int place_descriptors(const struct listeners *listeners, int pair) {
    int copies[LIMIT_INHERITED + 1], n = (int)listeners->n + 1;

    if (listeners->n > LIMIT_INHERITED)
        return -E2BIG;
    for (int i = 0; i < n; i++) {
        copies[i] = fcntl(i < n - 1 ? listeners->items[i].fd : pair, F_DUPFD_CLOEXEC, FIRST + n);
        if (copies[i] < 0)
            return -errno;
    }
    for (int i = 0; i < n; i++)
        if (dup2(copies[i], FIRST + i) < 0)
            return -errno;
    return close_range((unsigned)(FIRST + n), ~0U, 0) < 0 ? -errno : 0;
}

/* "a:b:c", of every socket; the caller's, NULL without memory. */
static char *join_names(const struct listeners *listeners) {
    char *names = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&names, &length);

    if (!out)
        return NULL;
    for (size_t i = 0; i < listeners->n; i++)
        fprintf(out, "%s%s", i == 0 ? "" : ":", listeners->items[i].name);
    if (fclose(out) == 0)
        return names;
    free(names);
    return NULL;
}

static int set_number(const char *variable, long number) {
    char text[32];

    (void)snprintf(text, sizeof(text), "%ld", number);
    return setenv(variable, text, 1) < 0 ? -errno : 0;
}

static int set_environment(const struct listeners *listeners) {
    char *names = join_names(listeners); /* until the exec */
    int r = names && setenv("LISTEN_FDNAMES", names, 1) == 0 ? 0 : -ENOMEM;

    if (r == 0)
        r = set_number("LISTEN_FDS", (long)listeners->n);
    if (r == 0)
        r = set_number("LISTEN_PID", (long)getpid());
    if (r == 0)
        r = set_number(VARIABLE, FIRST + (long)listeners->n);
    return r == 0 ? notify_bequeath(getpid()) : r;
}

static void become_successor(const struct dispatch *dispatch, int pair, char *const argv[]) {
    int r = place_descriptors(&dispatch->listeners, pair);

    if (r == 0)
        r = set_environment(&dispatch->listeners);
    if (r == 0) {
        signals_restore();
        (void)execv(argv[0], argv);
        r = -errno;
    }
    log_error("%s: the successor cannot be started: %s", argv[0], strerror(-r));
    _exit(127);
}

static void forget_successor(struct succession *succession) {
    timer_cancel(&succession->deadline);
    watch_remove(&succession->exit);
    watch_remove(&succession->word);
    fd_close(&succession->pidfd);
    fd_close(&succession->successor);
    succession->pid = 0;
}

static void end_successor(struct succession *succession) {
    (void)syscall(SYS_pidfd_send_signal, succession->pidfd, SIGKILL, NULL, 0);
    (void)waitpid(succession->pid, NULL, 0);
    forget_successor(succession);
}

static void successor_exited(struct watch *watch) {
    struct succession *succession = container_of(watch, struct succession, exit);
    int status = 0;

    if (waitpid(succession->pid, &status, WNOHANG) != succession->pid)
        return;
    log_error("the successor ended %s (%s %d)%s", succession->is_served ? "already" : "before it served",
              WIFSIGNALED(status) ? "signal" : "exit status",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
              succession->is_served ? "" : ": this dispatcher goes on");
    forget_successor(succession);
}

static void successor_late(struct timer *timer) {
    struct succession *succession = container_of(timer, struct succession, deadline);

    log_error("the successor did not serve in time and is ended: this dispatcher goes on");
    end_successor(succession);
}

/* This is the last that the service manager hears of this process: it takes the next from the other alone. */
static void tell_main_process(const struct succession *succession) {
    static const char word = IS_MAIN;
    char state[64];

    (void)snprintf(state, sizeof(state), "MAINPID=%ld", (long)succession->pid);
    notify_send(state);
    (void)send(succession->successor, &word, 1, MSG_NOSIGNAL); /* in vain when it has just ended */
}

static void successor_spoke(struct watch *watch) {
    struct succession *succession = container_of(watch, struct succession, word);
    struct dispatch *dispatch = container_of(succession, struct dispatch, succession);
    char word = 0;
    ssize_t n = read(succession->successor, &word, 1);

    if (n < 0 && errno == EAGAIN)
        return;
    watch_remove(watch);
    if (n != 1 || word != SERVES) /* it has closed its end: it ends, and that is told next */
        return;
    timer_cancel(&succession->deadline);
    succession->is_served = true;
    log_error("process %ld has taken over: this dispatcher ends what it has open", (long)succession->pid);
    tell_main_process(succession);
    timer_cancel(&dispatch->watchdog);
    metrics_server_stop(dispatch->metrics_server);
    if (metrics_server_is_quiet(dispatch->metrics_server))
        succession_let_go(dispatch);
    dispatch_drain(dispatch);
}

void succession_let_go(struct dispatch *dispatch) {
    if (dispatch->succession.is_served)
        fd_close(&dispatch->succession.successor);
}

static int watch_successor(struct succession *succession) {
    int r;

    succession->pidfd = (int)syscall(SYS_pidfd_open, succession->pid, 0); /* close-on-exec by itself */
    if (succession->pidfd < 0)
        return -errno;
    r = watch_add(&succession->exit, succession->pidfd, successor_exited);
    return r == 0 ? watch_add(&succession->word, succession->successor, successor_spoke) : r;
}

int dispatch_replace(struct dispatch *dispatch, char *const argv[]) {
    struct succession *succession = &dispatch->succession;
    int ends[2], r;

    if (!dispatch->is_ready || dispatch->is_draining || dispatch->is_stopping)
        return -ESHUTDOWN;
    if (succession->pid > 0 || succession_is_waiting(dispatch))
        return -EBUSY;
    r = fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends);
    if (r < 0)
        return r;
    succession->pid = fork();
    if (succession->pid == 0)
        become_successor(dispatch, ends[1], argv);
    r = succession->pid < 0 ? -errno : 0;
    fd_close(&ends[1]);
    succession->successor = ends[0];
    if (r == 0)
        r = watch_successor(succession);
    if (r < 0) {
        if (succession->pid > 0)
            end_successor(succession);
        fd_close(&succession->successor);
        succession->pid = 0;
        return r;
    }
    succession->deadline.on_expiry = successor_late;
    timer_set(&succession->deadline, TIMEOUT_SUCCESSOR);
    return 0;
}

void succession_cancel(struct dispatch *dispatch) {
    if (dispatch->succession.pid > 0 && !dispatch->succession.is_served)
        end_successor(&dispatch->succession);
}

/* One that serves is on its own. */
void succession_stop(struct dispatch *dispatch) {
    struct succession *succession = &dispatch->succession;

    succession_cancel(dispatch);
    forget_successor(succession);
    watch_remove(&succession->gone);
    fd_close(&succession->predecessor);
}
