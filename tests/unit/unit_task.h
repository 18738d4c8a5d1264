/*
 * For tests of a task's own processes: a supervisor that starts the real credfd-task and credfd-exec, tells them what the
 * runner's would, and hears what they say; and the record that they leave in the spool.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/secret.h"
#include "fleet/order.h"
#include "fleet/spool/record.h"
#include "fleet/task/exec_codec.h"
#include "fleet/task/outcome.h"
#include "fleet/task/task_place.h"
#include "fleet/task_plan.h"
#include "proc/channel.h"
#include "sandbox/harden.h"
#include "unit_fd.h"
#include "unit_loop.h"

#define TASK_ID "t-1"
#define SAID_MAX (1 << 20)

struct task_part {
    struct channel channel;
    pid_t pid; /* by its hello */
    bool is_ready, is_gone;
};

static struct {
    char folder[64], workspace[80], spool[80];
    struct task_part task, exec;
    char said[TASK_STREAMS][SAID_MAX];
    size_t n_said[TASK_STREAMS];
    uint64_t told_at_ms[TASK_STREAMS][64]; /* of the first messages */
    size_t n_told[TASK_STREAMS];
    bool has_begun, is_done;
    enum task_outcome outcome;
    uint32_t exit_status;
    uint64_t printed;
    int kept; /* the result that came with the word */
} desk;

/* What a test changes before task_order. */
static struct {
    struct task_plan plan;
    struct order order;
    struct command_rules rules;
    struct slice base, names, lease_variables;
    const char *key;
    int lease, cgroup;
    bool drops_privileges; /* of credfd-exec: all that root has */
} given;

static inline int on_task_hello(void *owner, struct ipc_message *m) {
    struct task_part *part = owner;
    _cleanup_close_ int pidfd = -EBADF;

    part->pid = (pid_t)ipc_get_u32(m);
    pidfd = ipc_get_fd(m);
    part->is_ready = true;
    return ipc_end(m);
}

static inline int on_task_log(void *owner, struct ipc_message *m) {
    uint8_t level = ipc_get_u8(m);
    struct slice text = ipc_get_bytes(m, LIMIT_DATAGRAM);

    (void)owner;
    print_message("log %u: %.*s\n", level, SLICE_ARG(text));
    return ipc_end(m);
}

static inline int on_task_output(void *owner, struct ipc_message *m) {
    uint8_t stream = ipc_get_u8(m);
    struct slice text = ipc_get_bytes(m, LIMIT_TASK_OUTPUT);

    (void)owner;
    assert_int_equal(ipc_end(m), 0);
    assert_true(stream < TASK_STREAMS && text.n > 0);
    if (text.n <= SAID_MAX - desk.n_said[stream]) {
        memcpy(desk.said[stream] + desk.n_said[stream], text.p, text.n);
        desk.n_said[stream] += text.n;
    }
    if (desk.n_told[stream] < ARRAY_LEN(desk.told_at_ms[stream]))
        desk.told_at_ms[stream][desk.n_told[stream]++] = loop_now_ms();
    return 0;
}

static inline int on_task_done(void *owner, struct ipc_message *m) {
    (void)owner;
    desk.outcome = (enum task_outcome)ipc_get_u8(m);
    desk.exit_status = ipc_get_u32(m);
    (void)ipc_get_u64(m);
    desk.printed = ipc_get_u64(m);
    if (ipc_has_fd(m))
        desk.kept = ipc_get_fd(m);
    desk.is_done = true;
    return ipc_end(m);
}

static inline int on_command_begun(void *owner, struct ipc_message *m) {
    (void)owner;
    assert_true(ipc_get_u32(m) > 0);
    desk.has_begun = true;
    return ipc_end(m);
}

static const struct ipc_permit task_says[] = {
    {IPC_HELLO, 1, on_task_hello},
    {IPC_LOG, 1, on_task_log},
    {IPC_TASK_OUTPUT, 1, on_task_output},
    {IPC_TASK_DONE, 1, on_task_done},
};
static const struct ipc_permit exec_says[] = {
    {IPC_HELLO, 1, on_task_hello},
    {IPC_LOG, 1, on_task_log},
    {IPC_EXEC_BEGUN, 1, on_command_begun},
};

static inline void part_closed(void *owner, int reason) {
    struct task_part *part = owner;

    assert_int_equal(reason, 0);
    part->is_gone = true;
}

/* Root gets its capabilities back with the next program, unless it is told not to (capabilities(7), securebits). */
static inline void lose_privileges(void) {
    if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED) < 0 || harden_drop_all_capabilities() < 0)
        _exit(127);
}

/* As proc/child.c, of a program that lies elsewhere than beside this one. */
static inline void start_part(struct task_part *part, const char *name, const char *argument,
                              const struct ipc_permit *permits, size_t n_permits) {
    char path[256];
    int ends[2];
    pid_t pid;

    (void)snprintf(path, sizeof(path), PROGRAMS "/%s", name);
    assert_int_equal(fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (part == &desk.exec && given.drops_privileges)
            lose_privileges();
        (void)setsid();
        (void)dup2(ends[1], 3);
        (void)close_range(4, ~0U, 0);
        (void)execl(path, name, argument, NULL);
        _exit(127);
    }
    fd_close(&ends[1]);
    assert_int_equal(channel_init(&part->channel, ends[0], permits, n_permits, 1, part, part_closed), 0);
    loop_until_set(&part->is_ready);
    (void)waitpid(pid, NULL, 0); /* the first, of which the role is a copy */
}

static inline void say(struct task_part *part, const struct ipc_writer *w, int fd) {
    assert_int_equal(channel_send(&part->channel, w, fd), 0);
}

static inline void say_alone(struct task_part *part, enum ipc_type type, int fd) {
    struct ipc_writer w = ipc_begin(type);

    say(part, &w, fd);
}

static inline void introduce(void) {
    struct task_part *const parts[] = {&desk.task, &desk.exec};
    int ends[2];

    assert_int_equal(fd_pair(SOCK_SEQPACKET | SOCK_NONBLOCK, ends), 0);
    for (size_t i = 0; i < 2; i++) {
        struct ipc_writer w = ipc_begin(IPC_PEER);

        ipc_put_u8(&w, 0);
        ipc_put_u32(&w, 0);
        say(parts[i], &w, ends[i]);
        fd_close(&ends[i]);
    }
}

static inline int sealed_key(const char *key) {
    int fd = -EBADF;

    assert_int_equal(secret_seal(slice_of_string(key), &fd), 0);
    return fd;
}

static inline void tell_bash(void) {
    struct ipc_writer w = command_rules_encode(&given.rules);

    say(&desk.task, &w, -EBADF);
    w = ipc_begin(IPC_TASK_ENVIRONMENT);
    ipc_put_bytes(&w, given.base);
    ipc_put_bytes(&w, given.names);
    say(&desk.task, &w, -EBADF);
    if (given.lease_variables.n > 0) {
        w = ipc_begin(IPC_TASK_LEASE);
        ipc_put_bytes(&w, given.lease_variables);
        say(&desk.task, &w, -EBADF);
    }
    if (given.key) {
        _cleanup_close_ int fd = sealed_key(given.key);

        say_alone(&desk.task, IPC_TASK_SECRET, fd);
    }
    start_part(&desk.exec, "credfd-exec", NULL, exec_says, ARRAY_LEN(exec_says));
    w = task_plan_encode(&given.plan);
    say(&desk.exec, &w, -EBADF);
    if (given.cgroup >= 0)
        say_alone(&desk.exec, IPC_TASK_CGROUP, given.cgroup);
    if (given.lease >= 0)
        say_alone(&desk.exec, IPC_TASK_LEASE, given.lease);
    introduce();
}

/* Starts the processes and tells them everything, `given.order` last. */
static inline void task_order(void) {
    _cleanup_close_ int spool = open(desk.spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC), order = -EBADF;
    _cleanup_free_ char *place = task_place_format(desk.workspace, desk.spool, &given.plan.user, getegid());
    struct ipc_writer w;

    assert_non_null(place);
    start_part(&desk.task, "credfd-task", place, task_says, ARRAY_LEN(task_says));
    w = task_plan_encode(&given.plan);
    say(&desk.task, &w, -EBADF);
    say_alone(&desk.task, IPC_TASK_SPOOL, spool);
    if (given.plan.operation == OPERATION_BASH)
        tell_bash();
    order = order_seal(&given.order);
    assert_true(order >= 0);
    say_alone(&desk.task, IPC_TASK_ORDER, order);
}

static inline void task_cancel(enum cancel_reason reason) {
    struct task_part *const parts[] = {&desk.task, &desk.exec};

    for (size_t i = 0; i < 2; i++) {
        struct ipc_writer w = ipc_begin(IPC_TASK_CANCEL);

        ipc_put_u8(&w, (uint8_t)reason);
        say(parts[i], &w, -EBADF);
    }
}

/* Both have ended, and are reaped. */
static inline bool parts_are_gone(const void *unused) {
    (void)unused;
    return desk.task.is_gone && (desk.exec.is_gone || !desk.exec.is_ready);
}

static inline void reap_parts(void) {
    loop_until(parts_are_gone, NULL);
    (void)waitpid(desk.task.pid, NULL, 0);
    if (desk.exec.is_ready)
        (void)waitpid(desk.exec.pid, NULL, 0);
}

static inline json_t *payload_of(int fd) {
    struct slice bytes = SLICE_EMPTY;
    struct record record;
    json_t *payload;

    assert_int_equal(record_map(fd, &bytes), 0);
    assert_int_equal(record_parse(bytes, &record), 0);
    assert_slice(record.task_id, TASK_ID);
    payload = json_loadb(record.payload.p, record.payload.n, JSON_ALLOW_NUL, NULL);
    assert_non_null(payload);
    record_unmap(&bytes);
    return payload;
}

/* What stands in the spool: the caller's. NULL: nothing. */
static inline json_t *spooled(void) {
    char path[128];
    _cleanup_close_ int fd = -EBADF;

    (void)snprintf(path, sizeof(path), "%s/" TASK_ID ".result", desk.spool);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? NULL : payload_of(fd);
}

/* Until it has said that it is done, and its processes are gone. The result: the caller's. */
static inline json_t *task_result(void) {
    json_t *result;

    loop_until_set(&desk.is_done);
    reap_parts();
    result = desk.kept >= 0 ? payload_of(desk.kept) : spooled();
    assert_non_null(result);
    return result;
}

static inline const char *text_at(const json_t *result, const char *name) {
    const json_t *inner = json_object_get(result, "result");
    const json_t *value = json_object_get(result, name);

    return json_string_value(value ? value : json_object_get(inner, name));
}

static inline json_int_t number_at(const json_t *result, const char *name) {
    return json_integer_value(json_object_get(json_object_get(result, "result"), name));
}

static inline void drop_result(json_t **result) {
    json_decref(*result);
}
#define _cleanup_json_ _cleanup_(drop_result)

static inline int task_setup(void **state) {
    (void)state;
    memset(&desk, 0, sizeof(desk));
    memset(&given, 0, sizeof(given));
    desk.kept = given.lease = given.cgroup = -EBADF;
    (void)snprintf(desk.folder, sizeof(desk.folder), "/tmp/credfd-test-task-XXXXXX");
    assert_non_null(mkdtemp(desk.folder));
    assert_int_equal(chmod(desk.folder, 0755), 0);
    (void)snprintf(desk.workspace, sizeof(desk.workspace), "%s/workspace", desk.folder);
    (void)snprintf(desk.spool, sizeof(desk.spool), "%s/spool", desk.folder);
    assert_int_equal(mkdir(desk.workspace, 0755), 0);
    assert_int_equal(mkdir(desk.spool, 0700), 0);
    given.plan = (struct task_plan){.task_id = SLICE(TASK_ID),
                                    .operation = OPERATION_BASH,
                                    .workspace = slice_of_string(desk.workspace),
                                    .limits = {.timeout_ms = 60000}};
    given.order = (struct order){.operation = OPERATION_BASH};
    given.rules = (struct command_rules){.allows_all = true};
    given.base = SLICE("PATH=/usr/local/bin:/usr/bin:/bin\0HOME=/\0");
    return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static inline int task_teardown(void **state) {
    (void)state;
    channel_done(&desk.task.channel);
    channel_done(&desk.exec.channel);
    fd_close(&desk.kept);
    fd_close(&given.lease);
    fd_close(&given.cgroup);
    return nftw(desk.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
