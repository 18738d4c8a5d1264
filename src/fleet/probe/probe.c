#include "fleet/probe/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/macros.h"
#include "fleet/probe/probe_output.h"

/* Of ours, what a program needs to run at all; a key or a token is none of its business. */
static const char *const passed_on[] = {"PATH", "HOME", "LANG"};

static void end_processes(struct probe *probe) {
    command_kill(&probe->command);
    child_kill(&probe->role);
}

/* The cause, where one failure brings another: what the role reads no further ends badly too. NULL for a yes. */
static const char *describe(const struct probe *probe, char *text, size_t size) {
    const struct command *command = &probe->command;

    if (probe->is_late)
        (void)snprintf(text, size, "took longer than %d s", TIMEOUT_CLI_PROBE / 1000);
    else if (command->exec_error < 0)
        (void)snprintf(text, size, "cannot be run: %s", strerror(-command->exec_error));
    else if (strcmp(probe->answer, PROBE_TOO_MUCH) == 0)
        return probe->answer;
    else if (WIFSIGNALED(command->wait_status))
        (void)snprintf(text, size, "was ended by signal %d", WTERMSIG(command->wait_status));
    else if (WEXITSTATUS(command->wait_status) != 0)
        (void)snprintf(text, size, "exit status %d", WEXITSTATUS(command->wait_status));
    else if (!probe->has_answered)
        (void)snprintf(text, size, "credfd-probe ended before it had answered");
    else
        return probe->answer[0] ? probe->answer : NULL;
    return text;
}

static void tell(struct probe *probe) {
    char text[128];
    const char *why_not = describe(probe, text, sizeof(text));

    timer_cancel(&probe->timer);
    if (why_not)
        command_words_tell(&probe->words, LOG_INFO, "the CLI that is probed");
    command_words_done(&probe->words);
    probe->done(probe, why_not);
}

/* The last of its processes has been reaped. */
static void be_over(struct probe *probe) {
    probe->is_over = true;
    if (probe->is_in_kill)
        timer_set(&probe->timer, 0);
    else
        tell(probe);
}

static void timer_expired(struct timer *timer) {
    struct probe *probe = container_of(timer, struct probe, timer);

    if (probe->is_over) {
        tell(probe);
        return;
    }
    probe->is_late = true;
    end_processes(probe);
}

static int on_probed(void *owner, struct ipc_message *m) {
    struct child *child = owner;
    struct probe *probe = child->owner;
    uint8_t is_able = ipc_get_u8(m);
    struct slice why_not = ipc_get_bytes(m, LIMIT_REASON);

    if (ipc_end(m) < 0 || is_able > 1 || (why_not.n == 0) != is_able || probe->has_answered)
        return -EPROTO;
    (void)snprintf(probe->answer, sizeof(probe->answer), "%.*s", SLICE_ARG(why_not));
    probe->has_answered = true;
    return 0;
}

static const struct ipc_permit permits[] = {
    {IPC_HELLO, 1, child_on_hello},
    {IPC_LOG, 1, child_on_log},
    {IPC_PROBED, 1, on_probed},
};

/* One that has printed all is waited for, since how it ends counts too. */
static void role_exited(struct child *child, int wait_status) {
    struct probe *probe = child->owner;

    (void)wait_status;
    if (!command_is_running(&probe->command))
        be_over(probe);
    else if (!probe->has_answered)
        command_kill(&probe->command);
}

static void command_exited(struct command *command) {
    struct probe *probe = container_of(command, struct probe, command);
    struct ipc_writer w;

    if (!child_is_running(&probe->role)) {
        be_over(probe);
    } else if (command->wait_status != 0) {
        child_kill(&probe->role);
    } else {
        w = ipc_begin(IPC_PROBE);
        (void)channel_send(&probe->role.channel, &w, -EBADF); /* in vain when it has ended, which is heard soon */
    }
}

static int start_role(struct probe *probe, int output) {
    int r = child_start(&probe->role, "credfd-probe", NULL, permits, ARRAY_LEN(permits), 1, role_exited, probe);
    struct ipc_writer w;

    if (r < 0)
        return r;
    w = ipc_begin(IPC_PROBE);
    return channel_send(&probe->role.channel, &w, output);
}

/* `environment` ends with NULL; its texts are the caller's. 0 or -ENOMEM. */
static int choose_environment(char *environment[static ARRAY_LEN(passed_on) + 1]) {
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(passed_on); i++) {
        const char *value = getenv(passed_on[i]);

        if (!value)
            continue;
        if (asprintf(&environment[n], "%s=%s", passed_on[i], value) < 0) {
            environment[n] = NULL;
            return -ENOMEM;
        }
        n++;
    }
    return 0;
}

static int start_command(struct probe *probe, const char *cli, int *ret_output, int *ret_words) {
    char *environment[ARRAY_LEN(passed_on) + 1] = {NULL};
    union {
        const char *given[4];
        char *taken[4]; /* execvpe leaves them alone */
    } argv = {.given = {cli, "version", "--json", NULL}};
    int r = choose_environment(environment);

    if (r == 0)
        r = command_start_in(&probe->command, argv.taken, environment, command_exited, ret_output, ret_words);
    for (size_t i = 0; environment[i]; i++)
        free(environment[i]);
    return r;
}

int probe_start(struct probe *probe, const char *cli, probe_done *done, void *owner) {
    _cleanup_close_ int output = -EBADF;
    int words, r;

    *probe = (struct probe){.done = done, .owner = owner, .words.fd = -EBADF, .timer.on_expiry = timer_expired};
    r = start_command(probe, cli, &output, &words);
    if (r < 0)
        return r;
    r = command_words_init(&probe->words, words);
    if (r == 0)
        r = start_role(probe, output);
    timer_set(&probe->timer, TIMEOUT_CLI_PROBE);
    if (r < 0)
        probe_kill(probe); /* the CLI runs already: `done` tells */
    return 0;
}

void probe_kill(struct probe *probe) {
    probe->is_in_kill = true;
    end_processes(probe);
    probe->is_in_kill = false;
}
