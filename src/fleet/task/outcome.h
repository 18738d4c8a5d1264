/*
 * Words that a task's own processes and the supervisor share: how a task has ended, and why it is to end.
 */
#pragma once

enum task_outcome {
    TASK_RAN,         /* success in its result; a command's exit status may be any */
    TASK_DENIED,      /* by the rules of `permission` */
    TASK_CANCELLED,   /* by the hub, or because the runner ends */
    TASK_TIMED_OUT,   /* its time was over */
    TASK_FAILED,      /* it could not be done, or not be started */
    TASK_INTERRUPTED, /* its supervisor is gone: nobody is told but the spool */
    TASK_OUTCOMES
};

/* "ran", "denied": for the log and the metrics. */
const char *task_outcome_name(enum task_outcome outcome);

/* Of IPC_TASK_CANCEL. */
enum cancel_reason {
    CANCEL_ASKED,  /* the hub wants it: SIGTERM, and SIGKILL after TIMEOUT_TASK_TERM */
    CANCEL_ENDING, /* the runner's grace is over: likewise */
    CANCEL_NOW,    /* the runner ends at once: SIGKILL */
    CANCEL_REASONS
};
