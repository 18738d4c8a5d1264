#include "proc/command.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macros.h"
#include "base/weaken.h"
#include "proc/signals.h"

/* Where it speaks: -EBADF is nowhere for its output, and for its words where we speak; and what it is told. */
struct surroundings {
    const char *program;
    int output, words;
    char *const *environment;
};

/* Between fork and exec. Returns only when it could not become the command; errno says why. */
static void become_command(char *const argv[], const struct surroundings *around, pid_t parent) {
    int null;

    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* credfd's end came before the request to share it */
        _exit(127);
    signals_restore();
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(around->output >= 0 ? around->output : null, STDOUT_FILENO) < 0 ||
        (around->words >= 0 && dup2(around->words, STDERR_FILENO) < 0))
        return;
    /* our own are close-on-exec from birth; whoever started credfd may have left others open */
    if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return;
    (void)execvpe(around->program, argv, around->environment);
}

static void forget_process(struct command *command) {
    watch_remove(&command->exit);
    fd_close(&command->pidfd);
    fd_close(&command->complaint);
    command->pid = 0;
}

/* What is left of the group is ended while its number still belongs to the process that is not reaped yet. */
static void reap(struct command *command) {
    int error;

    if (!WEAKENED(ERRAND))
        (void)kill(-command->pid, SIGKILL);
    (void)waitpid(command->pid, &command->wait_status, 0);
    command->exec_error = read(command->complaint, &error, sizeof(error)) == sizeof(error) ? -error : 0;
    forget_process(command);
}

static void exited(struct watch *watch) {
    struct command *command = container_of(watch, struct command, exit);
    siginfo_t info = {0};

    if (waitid(P_PIDFD, (id_t)command->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
        return;
    reap(command);
    command->on_exited(command);
}

static int watch_exit(struct command *command) {
    command->pidfd = (int)syscall(SYS_pidfd_open, command->pid, 0); /* close-on-exec by itself */
    if (command->pidfd < 0)
        return -errno;
    return watch_add(&command->exit, command->pidfd, exited);
}

static int fork_command(struct command *command, char *const argv[], const struct surroundings *around, int complaint) {
    pid_t parent = getpid();

    command->pid = fork();
    if (command->pid < 0)
        return -errno;
    if (command->pid == 0) {
        int error;

        become_command(argv, around, parent);
        error = errno;
        (void)fd_write_all(complaint, &error, sizeof(error));
        _exit(127);
    }
    (void)setpgid(command->pid, command->pid); /* as it does itself: whoever comes first */
    return 0;
}

/* Its ends in `*ret_reader`, which is not blocked, and `*ret_writer`. */
static int open_pipe(int *ret_reader, int *ret_writer) {
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    *ret_reader = ends[0];
    *ret_writer = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int run(struct command *command, char *const argv[], const struct surroundings *around) {
    _cleanup_close_ int complaint = -EBADF;
    int r = open_pipe(&command->complaint, &complaint);

    if (r == 0)
        r = fork_command(command, argv, around, complaint);
    if (r < 0) {
        forget_process(command);
        return r;
    }
    r = watch_exit(command);
    if (r < 0)
        reap(command); /* half-made: it goes before anybody knows it */
    return r;
}

static int start(struct command *command, char *const argv[], struct surroundings around,
                 void (*on_exited)(struct command *command), int *ret_output, int *ret_words) {
    _cleanup_close_ int output = -EBADF, output_end = -EBADF, words = -EBADF, words_end = -EBADF;
    int r = 0;

    *command = (struct command){.pidfd = -EBADF, .complaint = -EBADF, .on_exited = on_exited};
    if (ret_output)
        r = open_pipe(&output, &output_end);
    if (r == 0 && ret_words)
        r = open_pipe(&words, &words_end);
    around.output = output_end;
    around.words = words_end;
    if (r == 0)
        r = run(command, argv, &around);
    if (r < 0)
        return r;
    if (ret_output)
        *ret_output = fd_steal(&output);
    if (ret_words)
        *ret_words = fd_steal(&words);
    return 0;
}

int command_start_in(struct command *command, char *const argv[], char *const environment[],
                     void (*on_exited)(struct command *command), int *ret_output, int *ret_words) {
    const struct surroundings around = {.program = argv[0], .environment = environment};

    return start(command, argv, around, on_exited, ret_output, ret_words);
}

int command_start(struct command *command, char *const argv[], void (*on_exited)(struct command *command),
                  int *ret_output, int *ret_words) {
    return command_start_in(command, argv, environ, on_exited, ret_output, ret_words);
}

int command_start_file(struct command *command, const char *program, char *const argv[],
                       void (*on_exited)(struct command *command), int *ret_output) {
    const struct surroundings around = {.program = program ? program : argv[0], .environment = environ};

    return start(command, argv, around, on_exited, ret_output, NULL);
}

void command_kill(struct command *command) {
    if (command->pid > 0)
        (void)kill(WEAKENED(ERRAND) ? command->pid : -command->pid, SIGKILL);
}

void command_forget(struct command *command) {
    command_kill(command);
    if (command_is_running(command))
        forget_process(command);
}
