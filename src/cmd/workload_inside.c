#include "cmd/workload_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "cmd/cmd.h"
#include "cmd/workload_become.h"
#include "cmd/workload_line.h"
#include "sandbox/harden.h"
#include "sandbox/init_process.h"
#include "sandbox/landlock.h"
#include "sandbox/namespace.h"
#include "sandbox/view.h"
#include "sandbox/workload_filter.h"

#define LINE 3

struct inside {
    const struct workload_isolation *isolation;
    struct view_paths sockets;
    struct view_places places; /* of ISOLATION_FULL */
    int line;
    bool is_full;
};

static _Noreturn void fail(const struct inside *inside, int error, const char *what, const char *path) {
    struct line_message message = {.kind = LINE_FAILED, .number = error};

    (void)snprintf(message.text, sizeof(message.text), "%s%s%s: %s", path, *path ? ": " : "", what, strerror(-error));
    (void)line_send(inside->line, &message);
    _exit(EXIT_CREDFD);
}

/* The word to go on; without a supervisor there is nothing to go on for. */
static void say_and_wait(const struct inside *inside, enum line_kind kind, int number) {
    struct line_message message = {.kind = kind, .number = number};

    if (line_send(inside->line, &message) < 0 || line_receive(inside->line, &message) < 0 || message.kind != LINE_GO)
        _exit(EXIT_CREDFD);
}

/* What the command finds comes later. Until then nothing of the supervisor's is here, where somebody might look. */
static void forget_environment(void) {
    const char *found = getenv("HOME");
    _cleanup_free_ char *home = found ? strdup(found) : NULL;

    for (char **variable = environ; variable && *variable; variable++)
        explicit_bzero(*variable, strlen(*variable));
    (void)clearenv();
    if (home)
        (void)setenv("HOME", home, 1);
}

static int keep_line_only(int line) {
    if (line != LINE && dup3(line, LINE, O_CLOEXEC) < 0)
        return -errno;
    return close_range(LINE + 1, ~0U, 0) < 0 ? -errno : 0;
}

/* Once it is asked for, the supervisor's end is noticed by the line's. */
static void share_end(void) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void enter(const struct inside *inside) {
    const struct namespace_want want = {.has_network = true, .has_mounts = true, .has_processes = inside->is_full};
    int r;

    /* else its maps in /proc are root's, and a plain user's supervisor could not write them; nothing is here to see */
    if (geteuid() != 0)
        (void)prctl(PR_SET_DUMPABLE, 1);
    r = namespace_enter(&want);
    if (r < 0)
        fail(inside, r, "no namespaces", "");
    say_and_wait(inside, LINE_ENTERED, 0);
    (void)prctl(PR_SET_DUMPABLE, 0);
    share_end();
}

/* In its place goes on a child of the supervisor's, which is the first process of the new namespace. */
static void go_on_as_first(const struct inside *inside) {
    struct line_message message = {.kind = LINE_FIRST};
    long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);

    if (pid < 0)
        fail(inside, -errno, "no first process", "");
    if (pid > 0) {
        message.number = (int)pid;
        _exit(line_send(inside->line, &message) < 0 ? EXIT_CREDFD : EXIT_SUCCESS);
    }
    share_end();
    if (line_receive(inside->line, &message) < 0 || message.kind != LINE_GO)
        _exit(EXIT_CREDFD);
}

static void make_view(struct inside *inside) {
    const struct workload_isolation *isolation = inside->isolation;
    const struct view_want want = {
        .readable = isolation->readable,
        .n_readable = isolation->n_readable,
        .writable = isolation->writable,
        .n_writable = isolation->n_writable,
        .hidden = isolation->hidden,
        .n_hidden = isolation->n_hidden,
        .kept = isolation->kept,
        .n_kept = isolation->n_kept,
        .doors = isolation->doors,
    };
    struct view_fault fault = {.what = ""};
    int r = inside->is_full ? view_compose(&want, &inside->sockets, &inside->places, &fault)
                            : view_cover(&want, &inside->sockets, &fault);

    view_paths_done(&inside->sockets);
    if (r < 0)
        fail(inside, r, fault.what, fault.path);
}

static void make_listeners(const struct inside *inside, size_t n) {
    struct line_message message = {.kind = LINE_MADE};
    int r = workload_listen(n, message.fds, &message.fds[n]);

    if (r < 0)
        fail(inside, r, "no listener", "127.0.0.1");
    message.n_fds = n > 0 ? n + 1 : 0;
    if (line_send(inside->line, &message) < 0)
        _exit(EXIT_CREDFD);
    for (size_t i = 0; i < message.n_fds; i++)
        fd_close(&message.fds[i]);
}

/* The words as execvp wants them: pointers into `bytes`, which stay. */
static char **split_words(char *bytes, size_t size) {
    size_t n = 0;
    char **words;

    for (size_t i = 0; i < size; i++)
        n += bytes[i] == '\0';
    words = calloc(n + 1, sizeof(*words));
    if (!words)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        words[i] = bytes;
        bytes += strlen(bytes) + 1;
    }
    return words;
}

static void wait_for_plan(const struct inside *inside, struct line_message *message, struct workload_plan *ret) {
    char *words = NULL, *environment = NULL;

    if (line_receive(inside->line, message) < 0 || message->kind != LINE_BEGIN ||
        line_receive_bytes(inside->line, message->sizes[0], &words) < 0 ||
        line_receive_bytes(inside->line, message->sizes[1], &environment) < 0)
        _exit(EXIT_CREDFD);
    *ret = (struct workload_plan){
        .argv = split_words(words, message->sizes[0]),
        .leases = message->fds,
        .n_leases = message->n_fds,
        .environment = slice_of(environment, message->sizes[1]),
        .bundle = message->text[0] != '\0' ? message->text : NULL,
    };
    if (!ret->argv || !ret->argv[0])
        _exit(EXIT_CREDFD);
}

/* It has been made meanwhile, by a relay that the command could not yet talk to. */
static void trust(const char *bundle) {
    int r = bundle ? view_trust(bundle) : 0;

    if (r < 0) {
        errno = -r;
        perror("credfd: run: the bundle of certificates cannot stand where the system's does");
        _exit(EXIT_CREDFD);
    }
}

/* While it is root in its namespace: each of these holds whatever it becomes, and needs no no_new_privs. */
static void confine(const struct inside *inside) {
    const struct landlock_want want = {
        .readable = (const char *const *)inside->places.readable,
        .n_readable = inside->places.n_readable,
        .writable = (const char *const *)inside->places.writable,
        .n_writable = inside->places.n_writable,
        .may_list = 1,
    };
    int r = workload_filter_enter();

    if (r == 0)
        r = inside->is_full ? landlock_enter_command(&want) : landlock_enter_scopes();
    if (r < 0) {
        errno = -r;
        perror("credfd: run: the command cannot be confined");
        _exit(EXIT_CREDFD);
    }
}

static _Noreturn void become(const struct inside *inside, const struct workload_plan *plan) {
    (void)clearenv();
    confine(inside);
    workload_become(plan, inside->is_full);
}

/* The first process stays, and has nothing but the line. */
static _Noreturn void stay_first(const struct inside *inside, const struct workload_plan *plan) {
    pid_t command = fork();

    if (command < 0)
        _exit(EXIT_CREDFD);
    if (command == 0)
        become(inside, plan);
    (void)close_range(LINE + 1, ~0U, 0);
    (void)harden_drop_workload_capabilities();
    init_process_run(command, inside->line);
}

void workload_inside(const struct workload_isolation *isolation, size_t n_listeners, int line) {
    struct inside inside = {.isolation = isolation, .line = LINE, .is_full = isolation->wanted == ISOLATION_FULL};
    struct line_message begin;
    struct workload_plan plan;
    int r = keep_line_only(line);

    if (r < 0)
        _exit(EXIT_CREDFD);
    share_end();
    forget_environment();
    r = view_find_sockets(&inside.sockets);
    if (r < 0)
        fail(&inside, r,
             r == -E2BIG ? "others listen at more sockets than can be covered"
                         : "the sockets of others cannot be listed",
             "");
    enter(&inside);
    if (inside.is_full)
        go_on_as_first(&inside);
    make_view(&inside);
    r = namespace_raise_loopback();
    if (r < 0)
        fail(&inside, r, "the loopback cannot be raised", "");
    make_listeners(&inside, n_listeners);
    wait_for_plan(&inside, &begin, &plan);
    trust(plan.bundle);
    if (inside.is_full)
        stay_first(&inside, &plan);
    become(&inside, &plan);
}
