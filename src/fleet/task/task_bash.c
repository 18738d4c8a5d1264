#include "fleet/task/task_state.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "base/weaken.h"
#include "fleet/shell/permission.h"
#include "fleet/task/exec_codec.h"
#include "fleet/task/task_environment.h"
#include "proc/role.h"

#define WHY_MAX (LIMIT_RESULT / 2) /* a denied command, with words before it */
#define READS_A_TURN 8
#define READS_AT_END 64 /* of a pipe that somebody we could not end holds open: more than it holds */

static int send_output(unsigned stream, struct slice text) {
    struct ipc_writer w = ipc_begin(IPC_TASK_OUTPUT);

    ipc_put_u8(&w, (uint8_t)stream);
    ipc_put_bytes(&w, text);
    /* past its queue, and without waiting: what the supervisor does not take now is told later, or never */
    return channel_is_open(role_channel()) ? ipc_send(role_channel()->fd, &w, -EBADF) : -EPIPE;
}

static void tell(struct task *task, bool is_last) {
    bool waits = false;

    for (unsigned i = 0; i < TASK_STREAMS; i++) {
        struct output *output = &task->outputs[i];
        struct slice text = output_tell(output, loop_now_ms(), is_last);

        if (text.n > 0 && send_output(i, text) == 0)
            output_told(output, text.n, loop_now_ms());
        waits = waits || output_waits(output);
    }
    if (waits && !is_last && !timer_is_set(&task->telling) && channel_is_open(role_channel()))
        timer_set(&task->telling, OUTPUT_EVERY);
}

static void telling_due(struct timer *timer) {
    tell(container_of(timer, struct task, telling), false);
}

static void close_pipe(struct task *task, unsigned stream) {
    watch_remove(&task->readable[stream]);
    fd_close(&task->pipes[stream]);
}

/* 1: there may be more; 0: not now; -EPIPE: it has ended; -ENOMEM. */
static int read_piece(struct task *task, unsigned stream) {
    static char bytes[LIMIT_READ];
    ssize_t n = read(task->pipes[stream], bytes, sizeof(bytes));
    int r;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    r = output_take(&task->outputs[stream], bytes, n > 0 ? (size_t)n : 0, n <= 0);
    if (r < 0)
        return r;
    return n > 0 ? 1 : -EPIPE;
}

static int read_pipe(struct task *task, unsigned stream, unsigned reads) {
    int r = 1;

    while (r > 0 && reads-- > 0)
        r = read_piece(task, stream);
    return r;
}

static void pipe_ready(struct task *task, unsigned stream) {
    int r = read_pipe(task, stream, READS_A_TURN);

    if (r > 0) {
        watch_again(&task->readable[stream]);
    } else if (r == 0) {
        watch_not_ready(&task->readable[stream], EPOLLIN);
    } else {
        close_pipe(task, stream);
        if (r == -ENOMEM) {
            log_error("no memory for what the command prints");
            task_stop(task, TASK_FAILED, TIMEOUT_TASK_TERM);
        }
    }
    tell(task, false);
}

static void stdout_ready(struct watch *watch) {
    pipe_ready(container_of(watch, struct task, readable[TASK_STDOUT]), TASK_STDOUT);
}

static void stderr_ready(struct watch *watch) {
    pipe_ready(container_of(watch, struct task, readable[TASK_STDERR]), TASK_STDERR);
}

/* Nobody writes any more, or nobody whom we could end. */
static void read_rest(struct task *task) {
    for (unsigned i = 0; i < TASK_STREAMS; i++) {
        int r = task->pipes[i] < 0 ? -EPIPE : read_pipe(task, i, READS_AT_END);

        if (r >= 0)
            (void)output_take(&task->outputs[i], (char[]){0}, 0, true);
        close_pipe(task, i);
    }
    tell(task, true);
}

static int on_begun(void *owner, struct ipc_message *m) {
    struct task *task = owner;

    (void)ipc_get_u32(m);
    if (ipc_end(m) < 0 || task->has_run)
        return -EPROTO;
    task->has_run = true;
    if (task->wait == WAIT_START) /* its time has run since it was asked for */
        task->wait = WAIT_EXIT;
    return 0;
}

static int on_pipe(void *owner, struct ipc_message *m) {
    struct task *task = owner;
    unsigned stream = ipc_get_u8(m);
    _cleanup_close_ int fd = ipc_get_fd(m);

    if (ipc_end(m) < 0 || stream >= TASK_STREAMS || !task->has_run || task->pipes[stream] >= 0)
        return -EPROTO;
    task->pipes[stream] = fd_steal(&fd);
    return watch_add(&task->readable[stream], task->pipes[stream], stream == TASK_STDOUT ? stdout_ready : stderr_ready);
}

static int on_failed(void *owner, struct ipc_message *m) {
    struct task *task = owner;
    uint32_t error = ipc_get_u32(m);
    struct slice what = ipc_get_bytes(m, LIMIT_REASON);

    if (ipc_end(m) < 0 || task->has_run)
        return -EPROTO;
    if (task->stopping != TASK_RAN)
        task_finish_stopped(task);
    else if (slice_equals(what, slice_of_string(exec_step_name(STEP_WORKDIR))))
        task_finish_saying(task, TASK_FAILED, "workdir '%.*s': %s", SLICE_ARG(task->order.workdir),
                           error == EXDEV ? "it leads out of the workspace" : strerror((int)error));
    else
        task_finish_saying(task, TASK_FAILED, "task failed: %.*s: %s", SLICE_ARG(what), strerror((int)error));
    return 0;
}

/*
 * Why it was ended, if it was. What came by itself is its real result, whoever wants to end it by now. A supervisor that
 * cancels says so here before it tells credfd-exec; one that dies may close that one's channel first.
 */
static void find_out_why(struct task *task, bool was_ended) {
    if (!was_ended) {
        task->stopping = TASK_RAN;
        return;
    }
    if (task->stopping == TASK_RAN)
        channel_drain(role_channel());
    if (task->stopping == TASK_RAN)
        task->stopping = TASK_INTERRUPTED;
}

static int on_ended(void *owner, struct ipc_message *m) {
    struct task *task = owner;
    uint32_t wait_status = ipc_get_u32(m);
    uint8_t end = ipc_get_u8(m), was_ended = ipc_get_u8(m);

    if (ipc_end(m) < 0 || end >= EXEC_ENDS || was_ended > 1 || wait_status > INT_MAX)
        return -EPROTO;
    task->wait_status = task->has_run ? (int)wait_status : -1;
    read_rest(task);
    find_out_why(task, was_ended);
    if (task->stopping != TASK_RAN)
        task_finish_stopped(task);
    else
        task_finish(task, TASK_RAN, SLICE_EMPTY, SLICE_EMPTY);
    return 0;
}

static void exec_closed(void *owner, int reason) {
    struct task *task = owner;

    if (reason != 0)
        log_error("credfd-exec broke the rules of its channel: %s", strerror(-reason));
    if (task->wait < WAIT_START || task->wait == WAIT_CLOSE)
        return; /* nothing runs there, and nothing will */
    read_rest(task);
    if (task->stopping != TASK_RAN)
        task_finish_stopped(task);
    else
        task_finish_saying(task, TASK_FAILED, "task failed: its processes were lost");
}

static const struct ipc_permit exec_permits[] = {
    {IPC_EXEC_BEGUN, 1, on_begun},
    {IPC_EXEC_PIPE, 1, on_pipe},
    {IPC_EXEC_FAILED, 1, on_failed},
    {IPC_EXEC_ENDED, 1, on_ended},
};

int bash_set_exec(struct task *task, int fd) {
    int r = channel_init(&task->exec, fd, exec_permits, ARRAY_LEN(exec_permits), 1, task, exec_closed);

    task->exec.may_wait = true;
    return r;
}

/* A variable that steers bash makes it run something else than what the rules are asked about. */
static int judge_variables(const struct task *task, struct buf *ret_why) {
    struct text why = {.to = ret_why};

    for (size_t i = 0; i < task->order.n_variables; i++) {
        const struct order_variable *variable = &task->order.variables[i];
        bool is_allowed = false;
        int r = permission_judge_variable(&task->rules, variable->name, variable->value, &is_allowed);

        if (r < 0)
            return r;
        if (is_allowed)
            continue;
        text_put(&why, SLICE("command denied (its env sets "));
        text_put(&why, variable->name);
        text_put(&why, SLICE("): "));
        text_put(&why, task->order.command);
        return why.error;
    }
    return 0;
}

static int judge_command(const struct task *task, struct buf *ret_why) {
    struct verdict verdict = {0};
    int r = permission_judge(&task->rules, task->order.command, &verdict);

    if (r == 0 && !verdict.is_allowed)
        r = verdict_describe(&verdict, task->order.command, ret_why);
    verdict_done(&verdict);
    return r;
}

/* True when it may be run; else it is finished. */
static bool is_permitted(struct task *task) {
    bool is_allowed;
    struct buf why;
    int r;

    if (task->rules.allows_all || WEAKENED(RULES))
        return true;
    buf_init(&why, WHY_MAX);
    r = judge_variables(task, &why);
    if (r == 0 && buf_is_empty(&why))
        r = judge_command(task, &why);
    is_allowed = r == 0 && buf_is_empty(&why);
    if (r < 0)
        task_finish(task, TASK_DENIED, SLICE("command denied (it is too large to be looked at)"), SLICE_EMPTY);
    else if (!is_allowed)
        task_finish(task, TASK_DENIED, buf_slice(&why), SLICE_EMPTY);
    buf_release(&why);
    return is_allowed;
}

static int make_outputs(struct task *task, const struct task_environment *environment) {
    bool has_keys = environment->n_keys > 0 && !WEAKENED(PRINTED);
    int r = has_keys ? mask_new(environment->keys, environment->n_keys, &task->mask) : 0;

    if (r < 0)
        return r;
    output_means_init(&task->means, task->workspace, task->mask, task->limits.output, task->limits.output_rate,
                      loop_now_ms());
    for (unsigned i = 0; i < TASK_STREAMS; i++)
        output_init(&task->outputs[i], &task->means);
    task->telling.on_expiry = telling_due;
    return 0;
}

static int ask_exec(struct task *task, const struct task_environment *environment) {
    const struct exec_request request = {.command = task->order.command,
                                         .workdir = task->order.workdir,
                                         .environment = buf_slice(&environment->text),
                                         .n_environment = environment->n};
    _cleanup_close_ int fd = exec_request_seal(&request);
    struct ipc_writer w;

    if (fd < 0)
        return fd;
    w = ipc_begin(IPC_EXEC);
    return channel_send(&task->exec, &w, fd);
}

/* 0, or it is finished. */
static int make_environment(struct task *task, struct task_environment *environment) {
    const struct task_environment_parts parts = {
        .base = buf_slice(&task->base),
        .lease = buf_slice(&task->lease),
        .key_names = buf_slice(&task->key_names),
        .key = task->key ? secret_view(task->key) : SLICE_EMPTY,
        .url = task->base_url ? slice_of_string(task->base_url) : SLICE_EMPTY,
        .order = &task->order,
    };
    struct slice name = SLICE_EMPTY;
    const char *fault = NULL;
    int r = task_environment_make(&parts, environment, &fault, &name);

    if (r == -EINVAL)
        task_finish_saying(task, TASK_FAILED, "env: '%.*s' %s", (int)MIN_OF(name.n, (size_t)LIMIT_NAME), name.p, fault);
    else if (r < 0)
        task_finish_saying(task, TASK_FAILED, "task failed: its environment: %s", strerror(-r));
    return r;
}

static void start(struct task *task) {
    struct task_environment environment;
    int r = make_environment(task, &environment);

    if (r == 0) {
        r = make_outputs(task, &environment);
        if (r == 0)
            r = ask_exec(task, &environment);
        if (r == 0)
            task_set_wait(task, WAIT_START, task->timeout_ms);
        else
            task_finish_saying(task, TASK_FAILED, "task failed: it cannot be started: %s", strerror(-r));
    }
    task_environment_done(&environment);
}

void bash_begin(struct task *task) {
    task->timeout_ms = task->limits.timeout_ms;
    if (task->order.timeout_ms > 0)
        task->timeout_ms = MIN_OF(task->timeout_ms, task->order.timeout_ms);
    if (slice_has(task->order.command, '\0') || slice_has(task->order.workdir, '\0'))
        task_finish_saying(task, TASK_FAILED, "task failed: a command cannot hold a NUL byte");
    else if (!channel_is_open(&task->exec))
        task_finish_saying(task, TASK_FAILED, "task failed: its processes were lost");
    else if (is_permitted(task))
        start(task);
}
