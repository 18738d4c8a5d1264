/*
 * A stranger's program, started by a supervisor as its user would start it: no shell, their environment, the program
 * looked for in $PATH. It can read nothing. Its output goes into a pipe that only the role reads which asked for it, or
 * nowhere; its standard error is credfd's where it is the user's own command, and a pipe (command_words.h) where it may
 * be somebody else's. It ends with credfd, and whatever it leaves in its process group ends with it. has become
 * another user (by sudo) cannot be killed from here: whoever waits for it has a deadline of its own.
 */
#pragma once

#include <sys/types.h>

#include "net/loop.h"

struct command {
    pid_t pid; /* 0 when it is not running */
    int pidfd;
    int complaint; /* the end of a pipe through which the process says why it could not become the command */
    struct watch exit;
    void (*on_exited)(struct command *command);
    int wait_status; /* once it has ended */
    int exec_error;  /* -errno when it was never the command */
};

/*
 * `argv` ends with NULL. `*ret_output` is what it prints, `*ret_words` what it says on standard error, the caller's:
 * pipes whose readers are not blocked. With NULL for the one, what it prints goes nowhere; for the other, its standard
 * error is ours. `on_exited` is called from the loop when it was reaped. 0 or -errno.
 */
int command_start(struct command *command, char *const argv[], void (*on_exited)(struct command *command),
                  int *ret_output, int *ret_words);

/* command_start for the file `program`, which need not be what argv[0] says; NULL for that. Its words are ours. */
int command_start_file(struct command *command, const char *program, char *const argv[],
                       void (*on_exited)(struct command *command), int *ret_output);

/* The same with `environment`, which ends with NULL, instead of ours; it is looked for in our $PATH all the same. */
int command_start_in(struct command *command, char *const argv[], char *const environment[],
                     void (*on_exited)(struct command *command), int *ret_output, int *ret_words);

/* Ends it now, with its group. It is reaped on the loop. Harmless when it is not running. */
void command_kill(struct command *command);

/* The same for one that nobody waits for any more: it is not reaped, and nothing is called. */
void command_forget(struct command *command);

static inline bool command_is_running(const struct command *command) {
    return command->pid > 0;
}
